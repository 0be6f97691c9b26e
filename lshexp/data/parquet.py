"""A user's Parquet file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lshexp.data._cells import CELLS, Labels, finite_float32
from lshexp.data._own import Columns, Head, OwnTable, SplitName
from lshexp.data.reading import one_line, require_memory, require_plausible_size, require_table
from lshexp.errors import DataError
from lshexp.registry import register

if TYPE_CHECKING:
    from pyarrow import Array
    from pyarrow.parquet import ParquetFile


@register("dataset", "parquet")
class Parquet(Columns):
    """Your own table in a Parquet file: columns of numbers, and a column of labels.

    `label` names the label's column or gives its place (from 0; -1 is the last, the default). Needs pyarrow,
    which `pip install lshexp[parquet]` brings.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".parquet",)

    def head(self, path: Path, split: SplitName) -> Head:
        """Read the schema and the column of labels."""
        with _opened(path) as file:
            return Head(len(file.schema_arrow.names) - 1, self._read_labels(path, file))

    def table(self, path: Path, split: SplitName) -> OwnTable:
        """Read the file in pieces."""
        with _opened(path) as file:
            labels = self._read_labels(path, file)
            place = self._checked(path, file)
            names = [name for at, name in enumerate(file.schema_arrow.names) if at != place]
            rows, features = file.metadata.num_rows, len(names)
            require_plausible_size(path, 4 * rows * features)
            require_table(path, rows, features)
            x = np.empty((rows, features), np.float32)
            row = 0
            for batch in file.iter_batches(max(1, CELLS // max(1, features)), columns=names):
                if row + len(batch) > rows:
                    raise DataError(f"{path}: holds more rows than it says")
                columns = [column.to_numpy(zero_copy_only=False) for column in batch.columns]
                x[row : row + len(batch)] = finite_float32(path, np.column_stack(columns), row)
                row += len(batch)
        if row != rows:
            raise DataError(f"{path}: holds {row:,} rows where it says {rows:,}")
        return OwnTable(x, labels)

    def _read_labels(self, path: Path, file: ParquetFile) -> Labels:
        """The column of labels, once all columns are known to be of the right types."""
        name = file.schema_arrow.names[self._checked(path, file)]
        rows = file.metadata.num_rows
        require_plausible_size(path, 4 * rows)
        require_memory(path, 8 * rows, f"{rows:,} labels")
        return _labels(path, name, file.read(columns=[name]).column(0).combine_chunks())

    def _checked(self, path: Path, file: ParquetFile) -> int:
        """Place of the label, once every other column is known to be numbers."""
        import pyarrow

        schema = file.schema_arrow
        if len(set(schema.names)) != len(schema.names):
            raise DataError(f"{path}: two columns have the same name; rename one")
        place = self.label_place(path, schema.names)
        kinds = pyarrow.types
        for at, field in enumerate(schema):
            number = kinds.is_integer(field.type) or kinds.is_floating(field.type)
            if at != place and not number and not kinds.is_boolean(field.type):
                raise DataError(f"{path}: column '{field.name}' is {field.type}; numbers are wanted")
        return place


def _labels(path: Path, name: str, column: Array) -> Labels:
    import pyarrow

    kinds = pyarrow.types
    if column.null_count:
        row = np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0]
        raise DataError(f"{path}: row {row + 1}: the label is missing")
    if kinds.is_dictionary(column.type):
        column = column.dictionary_decode()
    if kinds.is_integer(column.type) or kinds.is_floating(column.type) or kinds.is_boolean(column.type):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    if kinds.is_string(column.type) or kinds.is_large_string(column.type):
        return np.array(column.to_pylist(), dtype=np.str_)
    raise DataError(f"{path}: the label column '{name}' is {column.type}; numbers or texts are wanted")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise DataError(
            f"{path}: reading Parquet needs pyarrow; run: pip install 'lshexp[parquet]'"
        ) from None
    try:
        with ParquetFile(path) as file:
            yield file
    except (pyarrow.ArrowException, OSError, ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable Parquet file: {one_line(error)}") from None

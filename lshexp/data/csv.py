"""A user's CSV file."""

from __future__ import annotations

import contextlib
import csv as stdlib_csv
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lshexp.arrays import FloatArray, Inputs
from lshexp.data._cells import CELLS, GrowingArray, numbers
from lshexp.data._own import Columns, Head, OwnTable, SplitName
from lshexp.data.reading import one_line, open_text, require_table
from lshexp.errors import DataError
from lshexp.registry import register

if TYPE_CHECKING:
    import pandas as pd

MOST_COLUMNS = 1_000_000
MOST_ROWS = 10_000  # read at once
BYTES_A_CELL, MOST_TEXT = 256, 4096  # a line may hold so many for each column, and for its label
LONGEST_LABEL = 256  # characters
MISSING = ["", "NA", "NaN", "nan"]


@register("dataset", "csv")
class Csv(Columns):
    """Your own table in a CSV file, plain or packed (.gz, .bz2, .xz): numbers, and a column of labels.

    The file is UTF-8; quotes are those of RFC 4180.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv")

    header: bool = Field(default=True, description="whether the first row names the columns")
    delimiter: str = Field(default=",", min_length=1, max_length=1, description="character between two cells")

    def head(self, path: Path, split: SplitName) -> Head:
        """Stream through the file for its labels."""
        names = self._names(path)
        place = self.label_place(path, names)
        labels = [
            self._labels(path, chunk, place) for chunk in self._chunks(path, len(names), place, [place])
        ]
        return Head(len(names) - 1, _joined(path, labels))

    def table(self, path: Path, split: SplitName) -> OwnTable:
        """Read the file once, a piece at a time."""
        names = self._names(path)
        place = self.label_place(path, names)
        wanted = [name for at, name in enumerate(names) if at != place]
        x = GrowingArray(np.float32, len(wanted))
        labels = []
        for chunk in self._chunks(path, len(names), place, range(len(names))):
            if chunk.empty:  # there is a header and nothing else
                continue
            labels.append(self._labels(path, chunk, place))
            x.append(numbers(path, chunk.drop(columns=str(place)), wanted, len(x)))
            require_table(path, len(x), len(wanted))
        return OwnTable(x.take(), _joined(path, labels))

    def unlabelled(self, path: Path, features: int) -> Inputs | None:
        """Read a file that has a column for each feature and no other."""
        names = self._names(path)
        if len(names) != features:
            return None
        x = GrowingArray(np.float32, features)
        for chunk in self._chunks(path, features, None, range(features)):
            if not chunk.empty:
                x.append(numbers(path, chunk, names, len(x)))
                require_table(path, len(x), features)
        rows: FloatArray = x.take()
        return rows

    def _names(self, path: Path) -> list[str]:
        """Names of the columns; their numbers where the file has no header."""
        with open_text(path) as text:
            try:
                first = next(stdlib_csv.reader(text, delimiter=self.delimiter), [])
            except stdlib_csv.Error as error:
                raise DataError(f"{path}: not a readable CSV file: {one_line(error)}") from None
        if len(first) < 2:
            raise DataError(
                f"{path}: its first row is one cell wide with delimiter {self.delimiter!r}; set `delimiter`"
            )
        if len(first) > MOST_COLUMNS:
            raise DataError(f"{path}: {len(first):,} columns; at most {MOST_COLUMNS:,} are read")
        if not self.header:
            return [str(place) for place in range(len(first))]
        if all(_is_number(cell) for cell in first):
            raise DataError(f"{path}: its first row is all numbers, no header; set `header: false`")
        return [name.strip() for name in first]

    def _chunks(
        self, path: Path, width: int, label: int | None, columns: Sequence[int]
    ) -> Iterator[pd.DataFrame]:
        """The rows, a piece at a time; columns are named after their places, and labels are text."""
        import pandas as pd

        names = [str(place) for place in range(width)]
        with open_text(path, width * BYTES_A_CELL + MOST_TEXT) as text, _refusing(path):
            yield from pd.read_csv(
                text,
                sep=self.delimiter,
                header=None,
                names=names,
                usecols=[names[place] for place in columns],
                skiprows=int(self.header),
                index_col=False,
                dtype={} if label is None else {names[label]: str},
                chunksize=max(1, min(MOST_ROWS, CELLS // width)),
                keep_default_na=False,
                na_values={name: MISSING for place, name in enumerate(names) if place != label},
            )

    def _labels(self, path: Path, chunk: pd.DataFrame, place: int) -> NDArray[np.str_]:
        labels = chunk[str(place)].fillna("").str.strip()
        if labels.str.len().max() > LONGEST_LABEL:
            raise DataError(
                f"{path}: a label is longer than {LONGEST_LABEL} characters; set `label` to another column"
            )
        return labels.to_numpy(dtype=np.str_)


def _joined(path: Path, labels: list[NDArray[np.str_]]) -> NDArray[np.str_]:
    if not labels:
        raise DataError(f"{path}: there are no examples")
    return np.concatenate(labels)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


@contextlib.contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Turn what pandas says of a table it cannot read, warnings included, into a DataError."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        warnings.simplefilter("ignore", pd.errors.DtypeWarning)
        try:
            yield
        except pd.errors.EmptyDataError:
            raise DataError(f"{path}: there are no examples") from None
        except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
            raise DataError(f"{path}: not a table: {one_line(error)}") from None

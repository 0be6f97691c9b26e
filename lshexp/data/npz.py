"""A user's NumPy archive."""

from __future__ import annotations

import contextlib
import tokenize
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from pydantic import Field

from lshexp.data._labels import Labels
from lshexp.data._numbers import finite_float32
from lshexp.data._own import Head, OwnData, Split, Table
from lshexp.data.reading import READ_ERRORS, one_line, require_memory, require_plausible_size, require_table
from lshexp.errors import DataError
from lshexp.registry import register

MOST_LABEL_BYTES = 256  # of one label of text
# what NumPy's parser of headers lets escape when it is given something else
HEADER_ERRORS = (
    SyntaxError,
    TypeError,
    KeyError,
    IndexError,
    RecursionError,
    MemoryError,
    tokenize.TokenError,
)


class _Array(NamedTuple):
    """What the header of an array says."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@register("dataset", "npz")
class Npz(OwnData):
    """Your own arrays in a NumPy archive (.npz): examples x and labels y.

    Either `x` (its first axis counts examples, the others are features) and `label`, split by
    `test_fraction` or with the test examples in a second archive; or x_train, y_train, x_test and y_test in
    one archive. Arrays of Python objects are refused: reading them would run code.
    """

    x: str = Field(default="x", min_length=1, description="name of the array of examples")
    label: str = Field(default="y", min_length=1, description="name of the array of labels")

    def splits_itself(self, path: Path) -> bool:
        """Tell whether there are arrays of both names for training and testing."""
        with _opened(path) as archive:
            names = set(archive.namelist())
        return self.test_path is None and {f"{self.x}_train.npy", f"{self.x}_test.npy"} <= names

    def head(self, path: Path, split: Split) -> Head:
        """Read the headers, and the labels."""
        shape = self._features(path, split).shape
        picture = (1, *shape[1:]) if len(shape) == 3 else shape[1:] if len(shape) == 4 else None
        features = int(np.prod(shape[1:], dtype=np.int64))
        return Head(features, self._labels(path, split, shape[0]), picture)

    def table(self, path: Path, split: Split, features: int) -> Table:
        """Read the arrays; each example's features become one row."""
        shape = self._features(path, split).shape
        require_table(path, shape[0], features)
        with _opened(path) as archive:
            values = _read(path, archive, self._name(path, self.x, split))
        x = finite_float32(path, values.reshape(shape[0], features))
        return Table(x, self._labels(path, split, shape[0]))

    def _name(self, path: Path, stem: str, split: Split) -> str:
        return f"{stem}_{split}" if self.splits_itself(path) else stem

    def _features(self, path: Path, split: Split) -> _Array:
        name = self._name(path, self.x, split)
        with _opened(path) as archive:
            array = _header(path, archive, name)
        if len(array.shape) < 2 or array.dtype.kind not in "biuf":
            raise DataError(
                f"{path}: array '{name}' is {array.dtype} of shape {array.shape}; numbers of shape "
                "(examples, features) are wanted"
            )
        return array

    def _labels(self, path: Path, split: Split, examples: int) -> Labels:
        name = self._name(path, self.label, split)
        with _opened(path) as archive:
            array = _header(path, archive, name)
            if array.shape not in ((examples,), (examples, 1)):
                raise DataError(
                    f"{path}: array '{name}' has shape {array.shape}; one label for each of the {examples} "
                    "examples is wanted"
                )
            if array.dtype.kind not in "biufSU" or array.dtype.itemsize > MOST_LABEL_BYTES:
                raise DataError(f"{path}: array '{name}' is {array.dtype}; numbers or short texts are wanted")
            labels = _read(path, archive, name).reshape(examples)
        if labels.dtype.kind != "S":
            return labels
        try:
            return np.char.decode(labels, "utf-8")
        except UnicodeDecodeError:
            raise DataError(f"{path}: array '{name}' holds bytes that are not UTF-8") from None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; whatever is wrong with it, also within the block, is a DataError."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (*READ_ERRORS, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError) as error:
        # ValueError is NumPy's word for a damaged array, RuntimeError zipfile's for one with a password
        raise DataError(f"{path}: not a readable .npz archive: {one_line(error)}") from None


@contextlib.contextmanager
def _member(path: Path, archive: zipfile.ZipFile, name: str) -> Iterator[IO[bytes]]:
    """Open an array's file after checking what the archive says of its size."""
    known = [member.removesuffix(".npy") for member in archive.namelist()]
    if name not in known:
        raise DataError(
            f"{path}: holds no array '{name}'; there are {', '.join(sorted(known)[:20]) or 'none'}"
        )
    require_plausible_size(path, archive.getinfo(f"{name}.npy").file_size)
    with archive.open(f"{name}.npy") as file:
        yield file


def _header(path: Path, archive: zipfile.ZipFile, name: str) -> _Array:
    """Read an array's header and compare it with the size of its file."""
    with _member(path, archive, name) as file:
        version = npy.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"array '{name}' has format {version[0]}.{version[1]}")
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        try:
            shape, _, dtype = read(file)
        except HEADER_ERRORS:
            raise ValueError(f"array '{name}' has a header that is none") from None
        if dtype.hasobject:
            raise DataError(f"{path}: array '{name}' holds Python objects; save numbers or texts")
        nbytes = dtype.itemsize
        for length in shape:
            nbytes *= length
        if min(shape, default=0) < 0 or nbytes + file.tell() != archive.getinfo(f"{name}.npy").file_size:
            raise ValueError(f"array '{name}' is not as long as its header says")
    require_memory(path, nbytes, f"the numbers of '{name}'")
    return _Array(shape, dtype)


def _read(path: Path, archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    _header(path, archive, name)
    with _member(path, archive, name) as file:
        return np.asarray(npy.read_array(file, allow_pickle=False))

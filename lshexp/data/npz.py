"""A user's NumPy archive."""

from __future__ import annotations

import contextlib
import math
import tokenize
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, ClassVar, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from pydantic import Field

from lshexp.arrays import FloatArray, Inputs
from lshexp.data._cells import CELLS, Labels, finite_float32
from lshexp.data._own import Head, OwnData, OwnTable, SplitName
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
    fortran: bool  # whether the first index changes fastest


@register("dataset", "npz")
class Npz(OwnData):
    """Your own arrays in a NumPy archive (.npz): examples x and labels y.

    Either `x` (its first axis counts examples, the others are features) and `label`, split by
    `test_fraction` or with the test examples in a second archive; or x_train, y_train, x_test and y_test in
    one archive. Arrays of Python objects are refused: reading them would run code.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".npz",)

    x: str = Field(default="x", min_length=1, description="name of the array of examples")
    label: str = Field(default="y", min_length=1, description="name of the array of labels")

    def splits_itself(self, path: Path) -> bool:
        """Tell whether there are arrays of both names for training and testing."""
        with _opened(path) as archive:
            names = set(archive.namelist())
        return self.test_path is None and {f"{self.x}_train.npy", f"{self.x}_test.npy"} <= names

    def head(self, path: Path, split: SplitName) -> Head:
        """Read the headers, and the labels."""
        shape = self._features(path, split).shape
        return Head(_width(shape), self._labels(path, split, shape[0]), _picture(shape))

    def table(self, path: Path, split: SplitName) -> OwnTable:
        """Read the arrays, features a piece at a time; each example's become one row."""
        shape = self._features(path, split).shape
        return OwnTable(self._examples(path, split), self._labels(path, split, shape[0]), _picture(shape))

    def _examples(self, path: Path, split: SplitName) -> FloatArray:
        array = self._features(path, split)
        examples, features = array.shape[0], _width(array.shape)
        require_table(path, examples, features)
        x = np.empty((examples, features), np.float32)
        with _opened(path) as archive:
            first = 0
            for rows in _pieces(path, archive, self._name(path, self.x, split), array):
                x[first : first + len(rows)] = finite_float32(path, rows, first)
                first += len(rows)
        return x

    def unlabelled(self, path: Path, features: int) -> Inputs | None:
        """Read an archive that has examples and no labels."""
        with _opened(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
        if self.x not in names or self.label in names:
            return None
        return self._examples(path, "test")

    def memory_bytes(self) -> int:
        """Return the memory that `load` needs: an array in Fortran's order is held as it is stored, too."""
        whole = [self._features(path, split) for path, split in self._sources()]
        held = [math.prod(array.shape) * array.dtype.itemsize for array in whole if array.fortran]
        return super().memory_bytes() + max(held, default=0)

    def _name(self, path: Path, stem: str, split: SplitName) -> str:
        return f"{stem}_{split}" if self.splits_itself(path) else stem

    def _features(self, path: Path, split: SplitName) -> _Array:
        name = self._name(path, self.x, split)
        with _opened(path) as archive:
            array = _header(path, archive, name)
        if len(array.shape) < 2 or array.dtype.kind not in "biuf":
            raise DataError(
                f"{path}: array '{name}' is {array.dtype} of shape {array.shape}; numbers of shape "
                "(examples, features) are wanted"
            )
        return array

    def _labels(self, path: Path, split: SplitName, examples: int) -> Labels:
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
        # NumPy raises ValueError for a damaged array, zipfile RuntimeError for one with a password
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
            shape, fortran, dtype = read(file)
        except HEADER_ERRORS:
            raise ValueError(f"array '{name}' has a header that NumPy cannot read") from None
        if dtype.hasobject:
            raise DataError(f"{path}: array '{name}' holds Python objects; save numbers or texts")
        nbytes = dtype.itemsize
        for length in shape:
            nbytes *= length
        if min(shape, default=0) < 0 or nbytes + file.tell() != archive.getinfo(f"{name}.npy").file_size:
            raise ValueError(f"array '{name}' is not as long as its header says")
    require_memory(path, nbytes, f"the numbers of '{name}'")
    return _Array(shape, dtype, fortran and len(shape) > 1)


def _read(path: Path, archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    _header(path, archive, name)
    with _member(path, archive, name) as file:
        return np.asarray(npy.read_array(file, allow_pickle=False))


def _pieces(path: Path, archive: zipfile.ZipFile, name: str, array: _Array) -> Iterator[NDArray[Any]]:
    """The rows of an array, [n, features], some at a time."""
    width = _width(array.shape)
    most = max(1, CELLS // max(1, width))
    if array.fortran:
        values = _read(path, archive, name)
        for first in range(0, array.shape[0], most):
            yield values[first : first + most].reshape(-1, width)
        return
    with _member(path, archive, name) as file:
        (npy.read_array_header_1_0 if npy.read_magic(file) == (1, 0) else npy.read_array_header_2_0)(file)
        for first in range(0, array.shape[0], most):
            rows = min(most, array.shape[0] - first)
            content = file.read(rows * width * array.dtype.itemsize)
            yield np.frombuffer(content, array.dtype, rows * width).reshape(rows, width)


def _width(shape: tuple[int, ...]) -> int:
    """Features of an example: all axes but the first."""
    return math.prod(shape[1:])


def _picture(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Views, height and width where the examples look like pictures."""
    if len(shape) == 3:
        return 1, shape[1], shape[2]
    return (shape[1], shape[2], shape[3]) if len(shape) == 4 else None

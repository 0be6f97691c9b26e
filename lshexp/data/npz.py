"""A user's NumPy archive."""

from __future__ import annotations

import math
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field

from lshexp.arrays import FloatArray, Inputs
from lshexp.data._archive import ArrayHeader, opened, read_array, read_header, row_pieces
from lshexp.data._cells import Labels, finite_float32
from lshexp.data._own import Head, OwnData, OwnTable, SplitName
from lshexp.data.reading import require_table
from lshexp.errors import DataError
from lshexp.registry import register

MOST_LABEL_BYTES = 256  # of one label of text


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
        with opened(path) as archive:
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
        with opened(path) as archive:
            first = 0
            for rows in row_pieces(path, archive, self._name(path, self.x, split), array):
                x[first : first + len(rows)] = finite_float32(path, rows, first)
                first += len(rows)
        return x

    def unlabelled(self, path: Path, features: int) -> Inputs | None:
        """Read an archive that has examples and no labels."""
        with opened(path) as archive:
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

    def _features(self, path: Path, split: SplitName) -> ArrayHeader:
        name = self._name(path, self.x, split)
        with opened(path) as archive:
            array = read_header(path, archive, name)
        if len(array.shape) < 2 or array.dtype.kind not in "biuf":
            raise DataError(
                f"{path}: array '{name}' is {array.dtype} of shape {array.shape}; numbers of shape "
                "(examples, features) are wanted"
            )
        return array

    def _labels(self, path: Path, split: SplitName, examples: int) -> Labels:
        name = self._name(path, self.label, split)
        with opened(path) as archive:
            array = read_header(path, archive, name)
            if array.shape not in ((examples,), (examples, 1)):
                raise DataError(
                    f"{path}: array '{name}' has shape {array.shape}; one label for each of the {examples} "
                    "examples is wanted"
                )
            if array.dtype.kind not in "biufSU" or array.dtype.itemsize > MOST_LABEL_BYTES:
                raise DataError(f"{path}: array '{name}' is {array.dtype}; numbers or short texts are wanted")
            labels = read_array(path, archive, name).reshape(examples)
        if labels.dtype.kind != "S":
            return labels
        try:
            return np.char.decode(labels, "utf-8")
        except UnicodeDecodeError:
            raise DataError(f"{path}: array '{name}' holds bytes that are not UTF-8") from None


def _width(shape: tuple[int, ...]) -> int:
    """Features of an example: all axes but the first."""
    return math.prod(shape[1:])


def _picture(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Views, height and width where the examples look like pictures."""
    if len(shape) == 3:
        return 1, shape[1], shape[2]
    return (shape[1], shape[2], shape[3]) if len(shape) == 4 else None

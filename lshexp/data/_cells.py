"""Cells of a user's tables: labels of any kind as class numbers, features as finite float32."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lshexp.arrays import CSR
from lshexp.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

CELLS = 1 << 20  # of a table, read at once
_GROWTH = 64 << 20  # most bytes by which an array grows

Labels = NDArray[Any]  # one a row: numbers, truth values or text
_SHOWN = 40  # characters of a label in messages


def class_numbers(columns: Sequence[tuple[Path, Labels]]) -> tuple[list[NDArray[np.int32]], tuple[str, ...]]:
    """Number the labels of all columns together: int32 in 0..classes-1 for each column, and their names.

    Classes are numbered in ascending order: by value where every label is a number, else by their text. The
    numbering depends on which labels occur, not on their order.

    Raises DataError for a label that is missing, not finite or not whole; for negative ones, which often
    stand for "unlabelled", unless the labels are -1 and 1; and where there is one class only.
    """
    values = [_numbers(labels) for _, labels in columns]
    if all(value is not None for value in values):
        numbers = [value for value in values if value is not None]
        for (path, _), value in zip(columns, numbers, strict=True):
            _check_whole(path, value)
        _check_sign(columns, numbers)
    else:
        numbers = [_texts(path, labels) for path, labels in columns]
    names, ids = np.unique(np.concatenate(numbers), return_inverse=True)
    if len(names) < 2:
        raise DataError(
            f"{columns[0][0]}: every label is {_shown(names[0])}; two classes are the least" if len(names)
            else f"{columns[0][0]}: there are no examples"
        )  # fmt: skip
    cuts = np.cumsum([len(number) for number in numbers])[:-1]
    return [part.astype(np.int32) for part in np.split(ids, cuts)], tuple(map(str, names))


def label_sets(columns: Sequence[tuple[Path, CSR]]) -> tuple[list[CSR], tuple[str, ...]]:
    """Number the labels of multi-label rows together: CSRs of 0..classes-1 for each file, and their names.

    What was given has a column for each number that a label can be; classes are the numbers that occur, in
    ascending order. Raises DataError where there are fewer than two.
    """
    names = np.unique(np.concatenate([np.unique(sets.indices) for _, sets in columns]))
    if len(names) < 2:
        some = f"no label but {names[0]}" if len(names) else "no label"
        raise DataError(f"{columns[0][0]}: there is {some}; two classes are the least")
    parts = []
    for _, sets in columns:
        ids = np.searchsorted(names, sets.indices).astype(np.int32)
        parts.append(CSR(sets.indptr, ids, sets.data, (len(sets), len(names))))
    return parts, tuple(map(str, names))


def _numbers(labels: Labels) -> Labels | None:
    """The labels as numbers, exactly; None where some are not."""
    if labels.dtype.kind in "biuf":
        return labels
    for kind in (np.int64, np.float64):  # whole numbers first: they may be too large for a float
        try:
            return labels.astype(kind)
        except (ValueError, OverflowError, TypeError):
            continue
    return None


def _texts(path: Path, labels: Labels) -> Labels:
    texts = labels.astype(np.str_)
    empty = np.flatnonzero(np.char.str_len(texts) == 0)
    if len(empty):
        raise DataError(f"{path}: row {empty[0] + 1}: the label is missing")
    return texts


def _check_whole(path: Path, values: Labels) -> None:
    if values.dtype.kind != "f":
        return
    for wrong, what in (
        (~np.isfinite(values), "is no class; give every row a label"),
        (values != np.floor(values), "is not a whole number; measurements are not classes"),
    ):
        rows = np.flatnonzero(wrong)
        if len(rows):
            raise DataError(f"{path}: row {rows[0] + 1}: label {_shown(values[rows[0]])} {what}")


def _check_sign(columns: Sequence[tuple[Path, Labels]], values: Sequence[Labels]) -> None:
    """Negative labels are those of the -1 and 1 of two classes, or a mistake."""
    distinct = np.unique(np.concatenate([np.unique(value) for value in values]))
    if distinct.tolist() in ([-1, 1], [-1]) or distinct.dtype.kind == "b":
        return
    for (path, _), value in zip(columns, values, strict=True):
        rows = np.flatnonzero(value < 0)
        if len(rows):
            raise DataError(
                f"{path}: row {rows[0] + 1}: label {_shown(value[rows[0]])} is negative; number classes from "
                "0, or -1 and 1 where there are two"
            )


def _shown(label: object) -> str:
    text = str(label)
    return "".join(c if c.isprintable() else "?" for c in text[:_SHOWN])


def finite_float32(path: Path, values: NDArray[Any], first_row: int = 0) -> NDArray[np.float32]:
    """Return [n, features] as float32 in C order; `first_row` is the number of rows before these.

    Raises DataError, naming row and feature, for NaN, infinities, and numbers too large for float32.
    """
    with np.errstate(over="ignore"):
        x = np.ascontiguousarray(values, dtype=np.float32)
    if not np.isfinite(x).all():
        row, feature = np.argwhere(~np.isfinite(x))[0]
        given = values[row, feature]
        raise DataError(
            f"{path}: row {first_row + row + 1}, feature {feature + 1}: {given} is not a finite number in "
            "float32; fill in what is missing"
        )
    return x


def numbers(path: Path, frame: pd.DataFrame, names: Sequence[str], first_row: int) -> NDArray[np.float32]:
    """Return the frame's cells as float32[n, features]; `first_row` is the number of rows before it.

    Raises DataError for a column that is not numbers, naming its first cell that is not a number, and for
    cells that are empty or not finite.
    """
    import pandas as pd

    for name, (_, column) in zip(names, frame.items(), strict=True):
        if column.dtype.kind in "biuf":
            continue
        wrong = pd.to_numeric(column, errors="coerce").isna()
        row = int(wrong.to_numpy().argmax())
        cell = str(column.iloc[row])[:40]
        raise DataError(
            f"{path}: row {first_row + row + 1}, column '{name}': '{cell}' is not a number; turn such "
            "columns into numbers first, or leave them out"
        )
    return finite_float32(path, frame.to_numpy(), first_row)


class GrowingArray:
    """An array of rows whose number is not known beforehand; it is held once, with at most 64 MB to spare."""

    def __init__(self, dtype: DTypeLike, *row: int) -> None:
        """Start with no rows; `row` is the shape of each, nothing for single numbers."""
        self._values = np.empty((0, *row), dtype)
        self._row = row
        self._spare = max(1, _GROWTH // max(1, self._values.itemsize * int(np.prod(row, dtype=np.int64))))
        self._count = 0

    def append(self, rows: NDArray[Any]) -> None:
        """Copy [n, ...] behind the rows that are there."""
        end = self._count + len(rows)
        if end > len(self._values):
            self._resize(end + min(end, self._spare))
        self._values[self._count : end] = rows
        self._count = end

    def take(self) -> NDArray[Any]:
        """Return all rows, which are no longer held here."""
        self._resize(self._count)
        values, self._values = self._values, np.empty((0, *self._row), self._values.dtype)
        return values

    def _resize(self, rows: int) -> None:
        self._values.resize((rows, *self._row), refcheck=False)  # moves pages, where it can, instead of bytes

    def __len__(self) -> int:
        return self._count

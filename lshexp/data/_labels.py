"""Labels of any kind as class numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lshexp.errors import DataError

Labels = NDArray[Any]  # one a row: numbers, truth values or text
_SHOWN = 40  # characters of a label in messages


def class_numbers(columns: Sequence[tuple[Path, Labels]]) -> tuple[list[NDArray[np.int32]], int]:
    """Number the labels of all columns together: int32 in 0..classes-1 for each column, and the classes.

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
    return [part.astype(np.int32) for part in np.split(ids, cuts)], len(names)


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

"""Bringing features to a common size; the measure is always taken on the training examples."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lshexp.arrays import CSR
from lshexp.data.base import Part

Scale = Literal["none", "unit", "minmax", "standard"]


def scale_parts(scale: Scale, train: Part, test: Part) -> tuple[Part, Part]:
    """Scale both parts in place; a feature that never varies becomes 0.

    Sparse rows take `none` and `unit`, which keep zeros.
    """
    if scale == "none":
        return train, test
    if scale == "unit":
        values = _values(train)
        largest = np.float32(max(values.max(initial=0), -values.min(initial=0))) or np.float32(1)
        for part in (train, test):
            values = _values(part)
            values /= largest
        return train, test
    if scale == "minmax":
        low, high = train.rows.min(axis=0), train.rows.max(axis=0)
        return _scaled(train, low, _nonzero(high - low)), _scaled(test, low, _nonzero(high - low))
    mean = train.rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    deviation = _nonzero(train.rows.std(axis=0, dtype=np.float64).astype(np.float32))
    return _scaled(train, mean, deviation), _scaled(test, mean, deviation)


def _values(part: Part) -> NDArray[np.float32]:
    """The numbers themselves, to be changed in place: of sparse rows those that are not zero."""
    return part.x.data if isinstance(part.x, CSR) else part.x


def _nonzero(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(values > 0, values, np.float32(1)).astype(np.float32)


def _scaled(part: Part, offset: NDArray[np.float32], divisor: NDArray[np.float32]) -> Part:
    x = part.rows
    x -= offset
    x /= divisor
    return Part(x, part.y)

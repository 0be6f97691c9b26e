"""Bringing features to a common size; the measure is always taken on the training examples."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lshexp.datasets._base import Part

Scale = Literal["none", "unit", "minmax", "standard"]


def scale_parts(scale: Scale, train: Part, test: Part) -> tuple[Part, Part]:
    """Scale both parts, in place where memory allows; a feature that never varies becomes 0."""
    if scale == "none":
        return train, test
    if scale == "unit":
        largest = np.float32(max(abs(train.x.max()), abs(train.x.min())))
        offset, divisor = np.float32(0), largest or np.float32(1)
        return _scaled(train, offset, divisor), _scaled(test, offset, divisor)
    if scale == "minmax":
        low, high = train.x.min(axis=0), train.x.max(axis=0)
        return _scaled(train, low, _nonzero(high - low)), _scaled(test, low, _nonzero(high - low))
    mean = train.x.mean(axis=0, dtype=np.float64).astype(np.float32)
    deviation = _nonzero(train.x.std(axis=0, dtype=np.float64).astype(np.float32))
    return _scaled(train, mean, deviation), _scaled(test, mean, deviation)


def _nonzero(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(values > 0, values, np.float32(1)).astype(np.float32)


def _scaled(part: Part, offset: NDArray[np.float32] | np.float32, divisor: object) -> Part:
    x = part.x
    x -= offset
    x /= divisor  # type: ignore[arg-type]
    return Part(x, part.y)

"""Numbers of a user's file as float32, or a word on the first that is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lshexp.errors import DataError


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

"""Weights that share values by hashing: looked up row by row, and their gradients summed at those values.

One 64-bit hash of (node, input) says both: its high half where the value is, its lowest bit the sign.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.arrays import FloatArray
from lshexp.kernels._cost import VALUE
from lshexp.kernels.rng import mix
from lshexp.work import Work

_HALF, _ONE = np.uint64(32), np.uint64(1)


@njit(parallel=False, cache=True, fastmath=False)
def place_of(bits, values):
    """Where 64 random bits point to among so many values (fewer than 2**32): the high half, scaled."""
    return np.int64(((bits >> _HALF) * np.uint64(values)) >> _HALF)


@njit(parallel=True, cache=True, fastmath=False)
def unfold_hashed(key, values, first, bounds, rows):
    """Weights of some nodes: rows[n, i] = sign * values[place], by the hash of (first + n, i).

    Symbols: K values, R rows, D fan-in, C chunks.

    Parameters
    ----------
    key : uint64
    values : float32[K]
    first : int64                       number of the first row's node
    bounds : int64[C + 1]               chunks of rows
    rows : float32[R, D], out
    """
    for c in prange(len(bounds) - 1):
        for n in range(bounds[c], bounds[c + 1]):
            own = mix(key, np.uint64(first + n))
            row = rows[n]
            for i in range(len(row)):
                bits = mix(own, np.uint64(i))
                value = values[place_of(bits, len(values))]
                row[i] = value if bits & _ONE else -value


def unfold_hashed_cost(rows: FloatArray) -> Work:
    """A value loaded and a weight stored; a sign is no arithmetic."""
    return Work(0, 0, 2 * VALUE * rows.size)


@njit(parallel=True, cache=True, fastmath=False)
def fold_hashed(key, gradient, first, bounds, sums):
    """Add the gradients of some nodes' weights to those of the values: sums[place] += sign * gradient[n, i].

    Parameters
    ----------
    key : uint64
    gradient : float32[R, D]
    first : int64                       number of the first row's node
    bounds : int64[C + 1]               chunks of values; each goes through all weights
    sums : float32[K], updated
    """
    for c in prange(len(bounds) - 1):
        low, high = bounds[c], bounds[c + 1]
        for n in range(len(gradient)):
            own = mix(key, np.uint64(first + n))
            for i in range(gradient.shape[1]):
                bits = mix(own, np.uint64(i))
                place = place_of(bits, len(sums))
                if low <= place < high:
                    g = gradient[n, i]
                    sums[place] += g if bits & _ONE else -g


def fold_hashed_cost(gradient: FloatArray) -> Work:
    """An addition a weight: its gradient loaded, a sum loaded and stored."""
    return Work(0, gradient.size, 3 * VALUE * gradient.size)

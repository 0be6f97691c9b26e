"""Weights rounded to few bits: 8-bit integers with a scale for each node, or powers of two."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.arrays import FloatArray
from lshexp.kernels._cost import VALUE
from lshexp.work import Work

LEVELS = 127  # steps of an 8-bit integer to either side of zero
POWERS = 7  # exponents that a node's weights may have: 15 values with signs and zero, 4 bits

# Of the bits of a float32: its sign, all but the sign, its exponent, and one in the exponent's last place.
_SIGN, _SIZE, _EXPONENT, _UNIT = np.int32(-(2**31)), np.int32(0x7FFFFFFF), np.int32(0x7F800000), 1 << 23
# Added to a float32's bits, it carries into the exponent where the mantissa is above the square root of two.
_CARRY = np.int32(_UNIT - 0x3504F4)


@njit(parallel=True, cache=True, fastmath=False)
def round_to_int8(weights, bounds, rounded):
    """Each weight to the nearest of 255 multiples of a step, which is its node's largest size over 127.

    Symbols: N nodes, D fan-in, C chunks.

    Parameters
    ----------
    weights : float32[N, D]
    bounds : int64[C + 1]               chunks of nodes
    rounded : float32[N, D], out
    """
    for c in prange(len(bounds) - 1):
        for n in range(bounds[c], bounds[c + 1]):
            row, out = weights[n], rounded[n]
            top = np.float32(0)
            for i in range(len(row)):
                top = max(top, abs(row[i]))
            if top == 0:
                out[:] = row
                continue
            step, steps = top / np.float32(LEVELS), np.float32(LEVELS) / top
            for i in range(len(row)):
                out[i] = np.rint(row[i] * steps) * step


def round_to_int8_cost(weights: FloatArray) -> Work:
    """Two multiplications a weight and two divisions a node; weights are loaded twice and stored once."""
    return Work(2 * weights.size + 2 * len(weights), 0, 3 * VALUE * weights.size)


@njit(parallel=True, cache=True, fastmath=False)
def round_to_pow2(weights, bounds, rounded):
    """Each weight to the power of two that is nearest by its logarithm; the sign stays.

    A node has the exponent of its largest weight and the six below it; what is smaller becomes zero. Done on
    the bits of the numbers, without arithmetic. What is not finite stays as it is.

    Parameters
    ----------
    weights : float32[N, D]
    bounds : int64[C + 1]               chunks of nodes
    rounded : float32[N, D], out
    """
    for c in prange(len(bounds) - 1):
        for n in range(bounds[c], bounds[c + 1]):
            row, out = weights[n].view(np.int32), rounded[n].view(np.int32)
            top = np.int32(0)
            for i in range(len(row)):
                top = max(top, row[i] & _SIZE)
            least = ((top + _CARRY) & _EXPONENT) - np.int32((POWERS - 1) * _UNIT)
            for i in range(len(row)):
                bits = row[i]
                if bits & _EXPONENT == _EXPONENT:
                    out[i] = bits
                    continue
                exponent = ((bits & _SIZE) + _CARRY) & _EXPONENT
                out[i] = (bits & _SIGN) | exponent if exponent >= least and exponent > 0 else np.int32(0)


def round_to_pow2_cost(weights: FloatArray) -> Work:
    """Weights are loaded twice and stored once."""
    return Work(0, 0, 3 * VALUE * weights.size)

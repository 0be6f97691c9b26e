"""Digits deformed along random displacement fields, by their tangent vectors.

Example i of a kernel depends on its key, the digits, the fields and i alone, never on the batch it is in, its
place there or the thread count. Arithmetic is fp32 without contraction and results are rounded to bytes.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.kernels.rng import mix, uniform
from lshexp.kernels.shapes import example_key, integer


@njit(parallel=False, cache=True, fastmath=False)
def deform(digit, across, down, thickening, image):
    """Move the grey values of a digit along its tangent vectors, and make its strokes thicker or thinner.

    With gx, gy the derivatives by column and row (Sobel's, which smooths across the direction it derives),
    the new value is digit + across * gx + down * gy + thickening * |(gx, gy)|, rounded and cut to 0..255.

    Symbols: S pixels a side.

    Parameters
    ----------
    digit : uint8[S, S]                 its border counts as continued by zeros
    across, down : float32[S, S]        displacement of each pixel, in pixels
    thickening : float32                how far edges move outwards, in pixels; negative: inwards
    image : float32[S, S], out          0 to 1 in steps of 1/255

    Cost: about 14 multiplications a pixel.
    """
    side = len(digit)
    grey = np.zeros((side + 2, side + 2), np.float32)
    grey[1:-1, 1:-1] = digit
    eighth, half, zero, most = np.float32(0.125), np.float32(0.5), np.float32(0), np.float32(255)
    for r in range(side):
        for c in range(side):
            falling = grey[r + 2, c + 2] - grey[r, c]
            rising = grey[r, c + 2] - grey[r + 2, c]
            gx = eighth * (falling + rising + (grey[r + 1, c + 2] - grey[r + 1, c]) * np.float32(2))
            gy = eighth * (falling - rising + (grey[r + 2, c + 1] - grey[r, c + 1]) * np.float32(2))
            value = grey[r + 1, c + 1] + across[r, c] * gx + down[r, c] * gy
            value += thickening * np.sqrt(gx * gx + gy * gy)
            image[r, c] = np.floor(min(max(value, zero), most) + half) / most


@njit(parallel=False, cache=True, fastmath=False)
def shifted(digit, down, right, out):
    """Copy a digit, moved by whole pixels; what leaves the square is lost, what enters is 0.

    Parameters
    ----------
    digit : uint8[S, S]
    down, right : int                   at most S in size
    out : uint8[S, S], out
    """
    side = len(digit)
    out[:] = 0
    for r in range(max(0, down), min(side, side + down)):
        for c in range(max(0, right), min(side, side + right)):
            out[r, c] = digit[r - down, c - right]


@njit(parallel=True, cache=True, fastmath=False)
def deformed_digits(key, digits, fields, most_thickening, farthest, first_round, ids, images):
    """Make the examples with these ids: example i is digit i % D in its version i // D.

    Version 0 is the digit itself when first_round is 1. Any other version is shifted by a uniform number of
    pixels each way, then deformed along two patches of the fields and thickened by a uniform amount.

    Symbols: n examples, S pixels a side, D digits, F fields of P x P.

    Parameters
    ----------
    key : uint64
    digits : uint8[D, S, S]
    fields : float32[F, P, P]           displacements in pixels, P >= S
    most_thickening : float
    farthest : int                      longest shift, 0 <= farthest <= S
    first_round : int                   number of the first version that is deformed, 0 or 1
    ids : int64[n]
    images : float32[n, S, S], out      0 to 1 in steps of 1/255
    """
    side, last = images.shape[1], fields.shape[1] - images.shape[1]
    for n in prange(len(ids)):
        digit = digits[ids[n] % len(digits)]
        if ids[n] // len(digits) < first_round:
            for r in range(side):
                for c in range(side):
                    images[n, r, c] = np.float32(digit[r, c]) / np.float32(255)
            continue
        own = example_key(key, ids[n])
        moved = np.empty((side, side), np.uint8)
        shifted(
            digit, integer(mix(own, 0), -farthest, farthest), integer(mix(own, 1), -farthest, farthest), moved
        )
        top, left = integer(mix(own, 3), 0, last), integer(mix(own, 4), 0, last)
        across = fields[integer(mix(own, 2), 0, len(fields) - 1), top : top + side, left : left + side]
        top, left = integer(mix(own, 6), 0, last), integer(mix(own, 7), 0, last)
        down = fields[integer(mix(own, 5), 0, len(fields) - 1), top : top + side, left : left + side]
        thickening = np.float32(most_thickening * (2 * uniform(mix(own, 8)) - 1))
        deform(moved, across, down, thickening, images[n])

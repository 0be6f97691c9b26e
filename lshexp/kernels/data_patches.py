"""Rectangles cut from one texture and laid on another.

Example i of a kernel depends on its key, the textures and i alone.
"""

from __future__ import annotations

from numba import njit

from lshexp.kernels.rng import mix
from lshexp.kernels.shapes import balanced_label, example_key, integer, rectangle


@njit(parallel=False, cache=True, fastmath=False)
def copy_patch(key, counter, textures, target):
    """Fill the target with a patch of a uniform texture at a uniform place; use three counters.

    Parameters
    ----------
    key : uint64
    counter : int
    textures : float32[T, P, P]         P at least as large as either side of the target
    target : float32[h, w], out
    """
    height, width = target.shape
    which = integer(mix(key, counter), 0, len(textures) - 1)
    top = integer(mix(key, counter + 1), 0, textures.shape[1] - height)
    left = integer(mix(key, counter + 2), 0, textures.shape[2] - width)
    target[:] = textures[which, top : top + height, left : left + width]


@njit(parallel=False, cache=True, fastmath=False)
def rectangle_patches(key, textures, shortest, difference, start, images, labels):
    """Draw rectangles, border and inside from one patch, on a background from another.

    Symbols: n examples, S pixels a side, T textures of P x P pixels.

    Parameters
    ----------
    key : uint64
    textures : float32[T, P, P]         P >= S
    shortest : int                      least height and width, in pixels
    difference : int                    least difference of the two, 1 <= difference <= S - shortest
    start : int                         number of the first example
    images : float32[n, S, S], out
    labels : int32[n], out              1 where the rectangle is wider than tall, else 0
    """
    side = images.shape[1]
    for n in range(len(images)):
        labels[n] = balanced_label(key, start + n)
        own = example_key(key, start + n)
        height, width, counter = rectangle(own, shortest, side, difference, labels[n] == 1)
        top = integer(mix(own, counter), 0, side - height)
        left = integer(mix(own, counter + 1), 0, side - width)
        copy_patch(own, counter + 2, textures, images[n])
        copy_patch(own, counter + 5, textures, images[n, top : top + height, left : left + width])

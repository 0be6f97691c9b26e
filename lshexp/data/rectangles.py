"""Outlines of rectangles, tall or wide."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numba import njit

from lshexp.arrays import FloatArray, IntArray
from lshexp.data._drawing import Pictures, balanced_label, example_key, integer
from lshexp.kernels.rng import mix
from lshexp.registry import register

LEAST_DIFFERENCE = 3  # pixels between height and width


@register("dataset", "rectangles")
class Rectangles(Pictures):
    """Outlines of rectangles in 28x28 pixels: wider than tall, or taller than wide?

    After Larochelle, Erhan, Courville, Bergstra and Bengio, "An empirical evaluation of deep architectures
    on problems with many factors of variation", ICML 2007: height and width are uniform, drawn anew while
    they differ by less than 3 pixels, and the position is uniform so that the rectangle fits.

    Chosen here: sides are 1 to 28 pixels; examples 2k and 2k + 1 are one of each class; there are 10,000
    training examples where the published file has 1,200 (`train: 1200` gives as many), and 50,000 to test.
    """

    origin: ClassVar[str] = "generated: outlines of rectangles after Larochelle et al., ICML 2007"

    def fill(self, key: np.uint64, start: int, images: FloatArray, labels: IntArray) -> None:
        """Draw outlines: 1 on the outline, 0 elsewhere; label 1 where wider than tall."""
        rectangle_outlines(key, LEAST_DIFFERENCE, start, images, labels)


@njit(parallel=False, cache=True, fastmath=False)
def rectangle_outlines(key, difference, start, images, labels):
    """Draw one-pixel outlines of rectangles, placed uniformly so that they fit.

    Symbols: n examples, S pixels a side.

    Parameters
    ----------
    key : uint64
    difference : int                    least difference of height and width, in pixels, 1 <= difference < S
    start : int                         number of the first example
    images : float32[n, S, S], out      1 on the outline, 0 elsewhere
    labels : int32[n], out              1 where the rectangle is wider than tall, else 0
    """
    side = images.shape[1]
    for n in range(len(images)):
        i = start + n
        labels[n] = balanced_label(key, i)
        own = example_key(key, i)
        height, width, counter = rectangle(own, 1, side, difference, labels[n] == 1)
        top = integer(mix(own, counter), 0, side - height)
        left = integer(mix(own, counter + 1), 0, side - width)
        bottom, right = top + height - 1, left + width - 1
        image = images[n]
        image[:] = 0
        image[top, left : right + 1] = 1
        image[bottom, left : right + 1] = 1
        image[top : bottom + 1, left] = 1
        image[top : bottom + 1, right] = 1


@njit(parallel=False, cache=True, fastmath=False)
def rectangle(key, shortest, longest, difference, wide):
    """Draw the sides of a rectangle: uniform, rejected while they differ by less than `difference`.

    Returns (height, width, counter): width > height exactly when `wide`, and the next unused counter.
    """
    counter = 0
    while True:
        a = integer(mix(key, counter), shortest, longest)
        b = integer(mix(key, counter + 1), shortest, longest)
        counter += 2
        if abs(a - b) >= difference:
            # swapping as the label asks leaves the distribution of the two sides within a class unchanged
            return (min(a, b), max(a, b), counter) if wide else (max(a, b), min(a, b), counter)

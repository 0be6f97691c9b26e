"""Convex regions, and regions that are not convex."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numba import njit
from pydantic import Field

from lshexp.arrays import FloatArray, IntArray
from lshexp.data._drawing import MOST_EXAMPLES, Pictures, balanced_label, example_key, integer
from lshexp.kernels.rng import mix, uniform
from lshexp.registry import register

GEOMETRIC = 0.195
FEWEST_PIXELS = 19
# Balances the classes in mean pixel count: about 272 for convex sets, 278 for the others.
FEWEST_CUTS_OF_PARTS = 4


@register("dataset", "convex")
class Convex(Pictures):
    """White regions in 28x28 pixels: convex or not?

    After Larochelle, Erhan, Courville, Bergstra and Bengio, "An empirical evaluation of deep architectures
    on problems with many factors of variation", ICML 2007. A convex set (label 1) is the intersection of
    half-planes of uniform position and direction; their number is geometric with parameter 0.195, and a set
    of fewer than 19 pixels is drawn anew. Any other set (label 0) is a union of 2 to 4 such sets that fails a
    convexity test: some pixel outside it lies on the segment between two of its pixels. Sizes are the
    published ones, 8,000 to train and 50,000 to test.

    Chosen here: the parts of a union have at least 4 half-planes, which balances the classes in mean pixel
    count (published: "the parameters were balanced"); examples 2k and 2k + 1 are one of each class.
    """

    origin: ClassVar[str] = "generated: convex and non-convex regions after Larochelle et al., ICML 2007"

    train: int = Field(default=8_000, ge=1, le=MOST_EXAMPLES, description="training examples")

    def fill(self, key: np.uint64, start: int, images: FloatArray, labels: IntArray) -> None:
        """Draw regions: 1 inside, 0 outside; label 1 where convex."""
        convex_images(key, GEOMETRIC, FEWEST_PIXELS, FEWEST_CUTS_OF_PARTS, start, images, labels)


@njit(parallel=False, cache=True, fastmath=False)
def convex_images(key, stop, fewest_pixels, fewest_cuts_of_parts, start, images, labels):
    """Draw convex sets, and unions of 2 to 4 convex sets that have a gap.

    Parameters
    ----------
    key : uint64
    stop : float                        parameter of the geometric number of half-planes, in (0, 1]
    fewest_pixels : int                 of each convex set
    fewest_cuts_of_parts : int          half-planes at least in a part of a union; more make parts smaller
    start : int                         number of the first example
    images : float32[n, S, S], out      1 in the set, 0 outside
    labels : int32[n], out              1 where the set is convex, else 0
    """
    for n in range(len(images)):
        i = start + n
        labels[n] = balanced_label(key, i)
        own = example_key(key, i)
        image = images[n]
        image[:] = 0
        if labels[n] == 1:
            add_convex_set(own, 0, 1, stop, fewest_pixels, image)
            continue
        counter = 0
        while not has_gap(image):
            image[:] = 0
            parts = integer(mix(own, counter), 2, 4)
            counter += 1
            for _ in range(parts):
                counter = add_convex_set(own, counter, fewest_cuts_of_parts, stop, fewest_pixels, image)


@njit(parallel=False, cache=True, fastmath=False)
def add_convex_set(key, counter, fewest_cuts, stop, fewest_pixels, image):
    """Add to the image the intersection of half-planes; it is drawn anew while it has too few pixels.

    There are fewest_cuts half-planes and as many more as trials of chance `stop` fail: a geometric number
    when fewest_cuts is 1.

    Parameters
    ----------
    key : uint64
    counter : int                       first unused counter of the key
    fewest_cuts : int
    stop : float
    fewest_pixels : int
    image : float32[S, S], in and out   pixels of the set become 1

    Returns the next unused counter.
    """
    side = len(image)
    lows = np.empty(side, np.int64)
    highs = np.empty(side, np.int64)
    pixels = 0
    while pixels < fewest_pixels:
        lows[:] = 0
        highs[:] = side - 1
        pixels, cuts, go_on = side * side, 0, True
        while go_on and pixels >= fewest_pixels:  # cutting further never brings pixels back
            pixels, counter = cut(key, counter, lows, highs)
            cuts += 1
            if cuts >= fewest_cuts:
                go_on = uniform(mix(key, counter)) >= stop
                counter += 1
    for r in range(side):
        image[r, lows[r] : highs[r] + 1] = 1
    return counter


@njit(parallel=False, cache=True, fastmath=False)
def cut(key, counter, lows, highs):
    """Intersect a set with a half-plane through a uniform point, of uniform direction.

    The set is kept as one run of columns a row: row r holds columns lows[r]..highs[r], none when
    lows[r] > highs[r]. Pixel (r, c) is the point (r + 0.5, c + 0.5) of the square [0, S)^2.

    Parameters
    ----------
    key : uint64
    counter : int                       first unused counter of the key
    lows, highs : int64[S], in and out

    Returns (pixels left, next unused counter).
    """
    side = len(lows)
    while True:  # a uniform point of the unit disc has a uniform direction, and needs no sine
        across = 2 * uniform(mix(key, counter)) - 1
        down = 2 * uniform(mix(key, counter + 1)) - 1
        counter += 2
        if across != 0 and across * across + down * down <= 1:
            break
    x = side * uniform(mix(key, counter)) - 0.5
    y = side * uniform(mix(key, counter + 1)) - 0.5
    pixels = 0
    for r in range(side):
        edge = min(max(x - down * (r - y) / across, -1.0), np.float64(side))
        if across > 0:
            lows[r] = max(lows[r], int(np.ceil(edge)))
        else:
            highs[r] = min(highs[r], int(np.floor(edge)))
        pixels += max(0, highs[r] - lows[r] + 1)
    return pixels, counter + 2


@njit(parallel=False, cache=True, fastmath=False)
def has_gap(image):
    """Tell whether a pixel outside the set lies exactly on the segment between two pixels of the set.

    Such a set is not convex. All pairs are tried: O(pixels^2) when there is no gap.

    Parameters
    ----------
    image : float32[S, S]       1 in the set, 0 outside
    """
    rows, columns = np.nonzero(image)
    for p in range(len(rows)):
        for q in range(p + 1, len(rows)):
            down, across = rows[q] - rows[p], columns[q] - columns[p]
            steps, rest = abs(down), abs(across)
            while rest:  # Euclid: the segment passes through steps - 1 pixels' centres
                steps, rest = rest, steps % rest
            for t in range(1, steps):
                if image[rows[p] + down // steps * t, columns[p] + across // steps * t] == 0:
                    return True
    return False

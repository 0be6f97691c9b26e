"""Images of shapes: outlines of rectangles, convex regions and unions that are not convex.

Example i of a kernel depends on its key and i alone, never on the range it was asked for or on call order.
Only additions, multiplications and divisions are used, so every IEEE machine draws the same bits.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from lshexp.kernels.rng import mix, uniform


@njit(parallel=False, cache=True, fastmath=False)
def integer(bits, low, high):
    """Map 64 random bits to an integer in low..high, both included."""
    return low + int(uniform(bits) * (high - low + 1))


@njit(parallel=False, cache=True, fastmath=False)
def balanced_label(key, i):
    """Label 0 or 1 of example i: examples 2k and 2k + 1 hold one of each, in random order."""
    first = mix(key, i >> 1) & np.uint64(1)
    return np.int32((np.uint64(i) & np.uint64(1)) ^ first)


@njit(parallel=False, cache=True, fastmath=False)
def example_key(key, i):
    """Key of the random numbers of example i, apart from those of its label."""
    return mix(mix(key, 0x5348415045), i)


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

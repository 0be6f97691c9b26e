"""Plain NumPy twins of the shape kernels."""

import numpy as np
from naive import mix, uniform


class Draws:
    """Successive uniform numbers of a key."""

    def __init__(self, key):
        self.key, self.counter = key, 0

    def uniform(self):
        self.counter += 1
        return uniform(mix(self.key, self.counter - 1))

    def integer(self, low, high):
        return low + int(self.uniform() * (high - low + 1))


def balanced_label(key, i):
    return (i & 1) ^ (mix(key, i >> 1) & 1)


def draws_of(key, i):
    return Draws(mix(mix(key, 0x5348415045), i))


def rectangle_outline(key, difference, i, side):
    """One image and label, drawn as a filled rectangle less its inside."""
    label, draws = balanced_label(key, i), draws_of(key, i)
    a = b = 0
    while abs(a - b) < difference:
        a, b = draws.integer(1, side), draws.integer(1, side)
    height, width = sorted((a, b), reverse=label == 0)
    top, left = draws.integer(0, side - height), draws.integer(0, side - width)
    rows, columns = np.indices((side, side))
    depth = np.minimum(
        np.minimum(rows - top, top + height - 1 - rows),
        np.minimum(columns - left, left + width - 1 - columns),
    )
    return (depth == 0).astype(np.float32), label


def convex_image(key, stop, fewest_pixels, fewest_cuts_of_parts, i, side):
    """One image and label, each half-plane tested pixel by pixel."""
    label, draws = balanced_label(key, i), draws_of(key, i)
    if label == 1:
        return convex_set(draws, 1, stop, fewest_pixels, side).astype(np.float32), label
    union = np.zeros((side, side), bool)
    while not has_gap(union):
        union[:] = False
        for _ in range(draws.integer(2, 4)):
            union |= convex_set(draws, fewest_cuts_of_parts, stop, fewest_pixels, side)
    return union.astype(np.float32), label


def convex_set(draws, fewest_cuts, stop, fewest_pixels, side):
    rows, columns = np.indices((side, side))
    while True:
        inside, cuts = np.ones((side, side), bool), 0
        while inside.sum() >= fewest_pixels:
            across = down = 2.0
            while across * across + down * down > 1:
                across, down = 2 * draws.uniform() - 1, 2 * draws.uniform() - 1
            x, y = side * draws.uniform() - 0.5, side * draws.uniform() - 0.5
            inside &= across * (columns - x) + down * (rows - y) >= 0
            cuts += 1
            if cuts >= fewest_cuts and draws.uniform() < stop:
                break
        if inside.sum() >= fewest_pixels:
            return inside


def has_gap(image):
    """A pixel of the set, a step, a pixel outside, and further steps on, a pixel of the set again."""
    side = len(image)
    for down in range(side):
        for across in range(-side + 1, side):
            if np.gcd(down, across) != 1 or (down, across) < (0, 1):
                continue
            for row, column in np.argwhere(image):
                run = []
                while 0 <= row < side and 0 <= column < side:
                    run.append(bool(image[row, column]))
                    row, column = row + down, column + across
                if any(not run[k] and any(run[k:]) for k in range(len(run))):
                    return True
    return False


def rectangle_patches(key, textures, shortest, difference, i, side):
    """One image and label, the rectangle chosen by a mask."""
    label, draws = balanced_label(key, i), draws_of(key, i)
    a = b = 0
    while abs(a - b) < difference:
        a, b = draws.integer(shortest, side), draws.integer(shortest, side)
    height, width = sorted((a, b), reverse=label == 0)
    top, left = draws.integer(0, side - height), draws.integer(0, side - width)
    background = patch(draws, textures, side, side)
    image = np.full((side, side), np.nan, np.float32)
    image[top : top + height, left : left + width] = patch(draws, textures, height, width)
    return np.where(np.isnan(image), background, image), label


def patch(draws, textures, height, width):
    texture = textures[draws.integer(0, len(textures) - 1)]
    top = draws.integer(0, texture.shape[0] - height)
    left = draws.integer(0, texture.shape[1] - width)
    return texture[top : top + height, left : left + width]

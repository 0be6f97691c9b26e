"""Plain NumPy twins of the kernels that deform digits."""

import numpy as np
from naive_shapes import draws_of

F = np.float32


def deformed_digits(key, digits, fields, most_thickening, farthest, first_round, ids):
    side = digits.shape[1]
    constants = digits, fields, most_thickening, farthest, first_round
    images = [deformed_digit(key, *constants, int(i), side) for i in ids]
    return np.array(images, F).reshape(len(ids), side, side)


def deformed_digit(key, digits, fields, most_thickening, farthest, first_round, i, side):
    """One image: whole-array arithmetic in the kernel's order, so that not a bit differs."""
    version, which = divmod(i, len(digits))
    digit = digits[which]
    if version < first_round:
        return digit.astype(F) / F(255)
    draws, last = draws_of(key, i), fields.shape[1] - side
    down, right = draws.integer(-farthest, farthest), draws.integer(-farthest, farthest)
    across = patch(fields, draws.integer(0, len(fields) - 1), draws, last, side)
    downwards = patch(fields, draws.integer(0, len(fields) - 1), draws, last, side)
    thickening = F(most_thickening * (2 * draws.uniform() - 1))
    return deform(shifted(digit, down, right), across, downwards, thickening)


def patch(fields, which, draws, last, side):
    top, left = draws.integer(0, last), draws.integer(0, last)
    return fields[which, top : top + side, left : left + side]


def shifted(digit, down, right):
    side = len(digit)
    wide = np.pad(digit, side)
    return wide[side - down : 2 * side - down, side - right : 2 * side - right]


def deform(digit, across, down, thickening):
    grey = np.pad(digit.astype(F), 1)
    falling, rising = grey[2:, 2:] - grey[:-2, :-2], grey[:-2, 2:] - grey[2:, :-2]
    gx = F(0.125) * (falling + rising + (grey[1:-1, 2:] - grey[1:-1, :-2]) * F(2))
    gy = F(0.125) * (falling - rising + (grey[2:, 1:-1] - grey[:-2, 1:-1]) * F(2))
    value = grey[1:-1, 1:-1] + across * gx + down * gy
    value = value + thickening * np.sqrt(gx * gx + gy * gy)
    return np.floor(np.clip(value, F(0), F(255)) + F(0.5)) / F(255)

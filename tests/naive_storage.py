"""Plain twins of the kernels of layers without a full matrix of weights."""

from __future__ import annotations

import numpy as np
from naive import mix


def place_of(bits, values):
    return ((bits >> 32) * values) >> 32


def places_and_signs(key, nodes, fan_in, values, first=0):
    """Which value each weight is, int[nodes, fan_in], and with which sign, +1 or -1."""
    bits = [[mix(mix(key, first + n), i) for i in range(fan_in)] for n in range(nodes)]
    places = np.array([[place_of(own, values) for own in row] for row in bits])
    return places, np.array([[1 if own & 1 else -1 for own in row] for row in bits])


def round_to_int8(weights):
    step = np.abs(weights).max(axis=1, keepdims=True).astype(float) / 127
    return np.divide(weights, step, out=np.zeros(weights.shape), where=step > 0).round() * step


def round_to_pow2(weights):
    out = np.zeros(weights.shape)
    for j, row in enumerate(weights.astype(float)):
        exponents = [round(np.log2(abs(w))) if w else None for w in row]
        top = max((e for e in exponents if e is not None), default=0)
        for i, exponent in enumerate(exponents):
            if exponent is not None and exponent > top - 7:
                out[j, i] = np.copysign(2.0**exponent, row[i])
    return out


def unfold_hashed(key, values, first, nodes, fan_in):
    places, signs = places_and_signs(key, nodes, fan_in, len(values), first)
    return signs * values[places]


def fold_hashed(key, gradient, first, values):
    places, signs = places_and_signs(key, *gradient.shape, values, first)
    sums = np.zeros(values)
    np.add.at(sums, places, signs * gradient.astype(float))
    return sums

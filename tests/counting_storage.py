"""Layers without a full matrix of weights, in plain loops that are metered; see `counting.py`.

Each is made from what a layer of a network stores, and computes for a whole batch: scores, the gradient at
its input, and the step of what it stores.
"""

from __future__ import annotations

import numpy as np
from counting import matmul
from naive_storage import places_and_signs, round_to_int8, round_to_pow2


class Factors:
    """Weights that are the product of two matrices."""

    def __init__(self, meter, index, layer, slots):
        stored, nodes = layer.stored.astype(np.float64), layer.nodes
        self.meter, self.index = meter, index
        self.left, self.right = stored[:, :nodes].T.copy(), stored[:, nodes:].copy()
        self.state = [np.zeros((slots, *part.shape)) for part in (self.left, self.right)]
        self.low, self.at_low = {}, {}  # by the identity of a batch's inputs

    def weights(self):
        return self.left @ self.right

    def scores(self, x, bias, phase):
        low = matmul(self.meter, x, self.right.T)
        if phase == "forward":
            self.low[id(x)] = low
        return [[self.meter.dot(self.left[j], row, bias[j]) for j in range(len(bias))] for row in low]

    def input_gradient(self, x, deltas):
        self.at_low[id(x)] = matmul(self.meter, deltas, self.left)
        return matmul(self.meter, self.at_low[id(x)], self.right)

    def update(self, x, deltas, step):
        low, at_low = self.low.pop(id(x)), self.at_low.pop(id(x), None)
        if at_low is None:
            at_low = matmul(self.meter, deltas, self.left)
        gradients = matmul(self.meter, deltas.T, low), matmul(self.meter, at_low.T, x)
        self.meter.at = (self.index, "update")
        for part, gradient, state in zip((self.left, self.right), gradients, self.state, strict=True):
            for j, k in np.ndindex(*part.shape):
                part[j, k] = step(part[j, k], gradient[j, k], state[:, j, k])


class Hashed:
    """Weights that are looked up among few values, and multiplied one by one."""

    def __init__(self, meter, index, layer, slots):
        self.meter, self.index = meter, index
        self.values = layer.stored[0].astype(np.float64)
        self.state = np.zeros((slots, len(self.values)))
        self.places, self.signs = places_and_signs(
            int(layer.key), layer.nodes, layer.fan_in, len(self.values)
        )

    def weights(self):
        return self.signs * self.values[self.places]

    def scores(self, x, bias, phase):
        rows = self.weights()
        return [[self.meter.dot(row, own, start) for row, start in zip(rows, bias, strict=True)] for own in x]

    def input_gradient(self, x, deltas):
        return matmul(self.meter, deltas, self.weights())

    def update(self, x, deltas, step):
        gradient, sums = matmul(self.meter, deltas.T, x), np.zeros(len(self.values))
        for at in np.ndindex(*gradient.shape):
            sums[self.places[at]] = self.meter.add(sums[self.places[at]], self.signs[at] * gradient[at])
        self.meter.at = (self.index, "update")
        for k, value in enumerate(self.values):
            self.values[k] = step(value, sums[k], self.state[:, k])


class Rounded:
    """Weights that are rounded after each step."""

    def __init__(self, meter, index, layer, slots):
        self.meter, self.index, self.to = meter, index, layer.plan.storage.to
        self.stored = layer.stored.astype(np.float64)
        self.state = np.zeros((slots, *self.stored.shape))

    def weights(self):
        return {"int8": round_to_int8, "pow2": round_to_pow2}[self.to](self.stored)

    def scores(self, x, bias, phase):
        rows = self.weights()
        return [[self.meter.dot(row, own, start) for row, start in zip(rows, bias, strict=True)] for own in x]

    def input_gradient(self, x, deltas):
        return matmul(self.meter, deltas, self.weights())

    def update(self, x, deltas, step):
        gradient = matmul(self.meter, deltas.T, x)
        self.meter.at = (self.index, "update")
        for at in np.ndindex(*self.stored.shape):
            self.stored[at] = step(self.stored[at], gradient[at], self.state[(slice(None), *at)])
        for row in self.stored if self.to == "int8" else ():
            self.meter.div(np.abs(row).max(), 127)
            self.meter.div(127, np.abs(row).max())
            for weight in row:
                self.meter.mul(weight, 1.0)  # how many steps it is
                self.meter.mul(1.0, weight)  # and these times a step


STORAGE = {"low_rank": Factors, "hashed_weights": Hashed, "quantized_weights": Rounded}

"""Layers without a full matrix of weights, in plain loops that are metered; see `counting.py`.

Each is made from what a layer of a network stores, and computes for a whole batch: scores, the gradient at
its input, and the step of what it stores.
"""

from __future__ import annotations

import numpy as np
from counting import matmul


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


STORAGE = {"low_rank": Factors}

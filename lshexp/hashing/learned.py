"""What a hash family or a method learns for itself, beside the network's weights: matrices under Adam."""

from __future__ import annotations

import numpy as np

from lshexp.arrays import FloatArray
from lshexp.buffers import empty
from lshexp.kernels.parallel import even_bounds
from lshexp.kernels.step import rule_of, step_dense, step_dense_cost
from lshexp.work import LayerWork

MOMENTUM = 0.9  # decay of Adam's mean gradient


class Learned:
    """A matrix float32[R, C] and the state of its optimiser: Adam at a rate of its own.

    Its steps are the kernels' own, so a number whose gradient is exactly zero is left alone.
    """

    def __init__(self, values: FloatArray, lr: float, threads: int) -> None:
        self.values = np.ascontiguousarray(values, dtype=np.float32)
        self._rule = rule_of("adam", lr, MOMENTUM)
        self._state = np.zeros((self._rule.cost.slots, *values.shape), dtype=np.float32)
        self._bounds = even_bounds(len(values), threads)
        self._steps = 0

    def step(self, gradient: FloatArray, work: LayerWork) -> None:
        """Descend along a gradient float32[R, C], counted as `rebuild`."""
        self._steps += 1
        rule = self._rule.at(self._steps)
        step_dense(rule, self.values, gradient, self._state, self._bounds)
        work.count("rebuild", step_dense_cost(rule, self.values))


def learned_bytes(numbers: int) -> int:
    """Memory of so many learned numbers with their optimiser's state."""
    return 4 * numbers * 3


def sigmoid(z: FloatArray) -> FloatArray:
    """1 / (1 + exp(-z)): four expressions of NumPy, whose bytes are for the caller to count."""
    one, out = np.float32(1), empty(z.shape, np.float32)
    with np.errstate(over="ignore"):
        np.exp(np.negative(z, out=out), out=out)
        np.divide(one, np.add(one, out, out=out), out=out)
    return out

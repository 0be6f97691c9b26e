"""A layer whose weights are the product of two thin matrices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lshexp.arrays import FloatArray, Inputs
from lshexp.kernels.parallel import even_bounds
from lshexp.kernels.step import Rule, step_dense, step_dense_cost
from lshexp.nn.gemm import Gemm, scores_cost
from lshexp.nn.layer import Layer, Pairs
from lshexp.nn.plan import LayerPlan
from lshexp.work import matrix_product


class _Between(NamedTuple):
    """What lies between the factors for a batch that has yet to be stepped."""

    inputs: FloatArray  # float32[B, D]; kept so that its identity stays its own
    low: FloatArray  # float32[B, rank], the second factor times the inputs
    at_low: FloatArray | None = None  # float32[B, rank], the gradient there, once it is known


class FactorLayer(Layer):
    """As `Layer`, with weights `left` @ `right`, which are never formed; both factors are trained.

    `stored` is a copy of both, float32[rank, nodes + fan_in]: the left one transposed, then the right one.
    """

    left: FloatArray  # float32[nodes, rank]
    right: FloatArray  # float32[rank, fan_in]

    def __init__(self, stored: FloatArray, plan: LayerPlan, rule: Rule, gemm: Gemm, threads: int) -> None:
        super().__init__(stored, plan, rule, gemm, threads)
        self.state = np.zeros((self.cost.slots, *self.left.shape), dtype=np.float32)
        self.right_state = np.zeros((self.cost.slots, *self.right.shape), dtype=np.float32)
        self._between: dict[int, _Between] = {}  # by the identity of the inputs

    @property
    def stored(self) -> FloatArray:
        """float32[rank, nodes + fan_in], a copy."""
        return np.concatenate([self.left.T, self.right], axis=1)

    @stored.setter
    def stored(self, stored: FloatArray) -> None:
        self.left = np.ascontiguousarray(stored[:, : self.nodes].T)
        self.right = np.ascontiguousarray(stored[:, self.nodes :])

    @property
    def weights(self) -> FloatArray:  # type: ignore[override]
        """float32[nodes, fan_in], the product; a copy."""
        return self.left @ self.right

    def scores_of_all(self, inputs: Inputs, phase: str = "forward") -> FloatArray:
        """Pre-activations of every node as rows float32[B, N], counted under `phase`."""
        rows = _rows(inputs)
        low = self.gemm.product(rows, self.right.T)
        self.work.count(phase, matrix_product(len(rows), self.fan_in, len(self.right)))
        if not (self.work.predicting or self.work.paused):
            self._between[id(inputs)] = _Between(rows, low)
        self.work.count(phase, scores_cost(len(rows), len(self.right), self.nodes))
        return self.gemm.scores(low, self.left, self.bias)

    def input_gradient(self, inputs: Inputs, pairs: Pairs | None, deltas: FloatArray) -> FloatArray:
        """Gradient at the layer's input, float32[B, D]; deltas float32[B, N]."""
        at_low = self._gradient_at_low(deltas)
        self._between[id(inputs)] = self._between[id(inputs)]._replace(at_low=at_low)
        self.work.count("backward", matrix_product(len(deltas), len(self.right), self.fan_in))
        return self.gemm.product(at_low, self.right)

    def update(self, inputs: Inputs, pairs: Pairs | None, deltas: FloatArray) -> None:
        """Form the gradient of both factors and take one step."""
        rule, rank = self.next_rule(), len(self.right)
        _, low, at_low = self._between.pop(id(inputs))
        if at_low is None:  # of the first layer, which passes no gradient on
            at_low = self._gradient_at_low(deltas)
        at_left = self.gemm.weight_gradient(deltas, low)
        at_right = self.gemm.weight_gradient(at_low, _rows(inputs))
        step_dense(rule, self.left, at_left, self.state, even_bounds(self.nodes, self.threads))
        step_dense(rule, self.right, at_right, self.right_state, even_bounds(rank, self.threads))
        left_cost = matrix_product(self.nodes, len(deltas), rank)
        right_cost = matrix_product(rank, len(deltas), self.fan_in)
        self._count_update((left_cost, step_dense_cost(rule, self.left)))
        self._count_update((right_cost, step_dense_cost(rule, self.right)))
        self._step_every_bias(deltas, rule)

    def _gradient_at_low(self, deltas: FloatArray) -> FloatArray:
        """Gradient between the factors, float32[B, rank]."""
        self.work.count("backward", matrix_product(len(deltas), self.nodes, len(self.right)))
        return self.gemm.product(deltas, self.left)


def _rows(inputs: Inputs) -> FloatArray:
    assert isinstance(inputs, np.ndarray)  # this layer reads rows, as the plan says
    return inputs

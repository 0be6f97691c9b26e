"""A layer whose nodes have few weights each, at fixed inputs or at inputs that change now and then."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lshexp.arrays import FloatArray, Inputs, IntArray
from lshexp.kernels.kept import (
    forward_kept,
    forward_kept_cost,
    input_gradient_kept,
    input_gradient_kept_cost,
    weight_gradient_kept,
    weight_gradient_kept_cost,
)
from lshexp.kernels.parallel import even_bounds
from lshexp.kernels.step import Rule, step_dense, step_dense_cost
from lshexp.methods.base import Kept
from lshexp.nn.gemm import Gemm
from lshexp.nn.layer import Layer, Pairs
from lshexp.nn.plan import LayerPlan
from lshexp.work import Work, elementwise, matrix_product

ZERO = np.float32(0)


class KeptLayer(Layer):
    """As `Layer`, with few weights of each node; all others are zero and cost nothing.

    `weights` is a copy with the zeros; what is assigned keeps the largest of each node.
    """

    _inputs: IntArray  # int32[nodes, K]: which inputs a node reads, ascending
    kept: FloatArray  # float32[nodes, K]: its weights for them

    def __init__(self, stored: FloatArray, plan: LayerPlan, rule: Rule, gemm: Gemm, threads: int) -> None:
        super().__init__(stored, plan, rule, gemm, threads)
        self.state = np.zeros((self.cost.slots, *self.kept.shape), dtype=np.float32)

    @property
    def weights(self) -> FloatArray:
        """float32[nodes, fan_in], a copy."""
        return self._rows(self.kept)

    @weights.setter
    def weights(self, weights: FloatArray) -> None:
        few = self._rule_of_kept.weights_of_node(self.fan_in)
        self._inputs = largest(np.abs(weights), few).astype(np.int32)
        self.kept = np.take_along_axis(weights, self._places, axis=1)

    def scores_of_all(self, inputs: Inputs, phase: str = "forward") -> FloatArray:
        """Pre-activations of every node as rows float32[B, N], counted under `phase`."""
        x = self._columns(inputs, phase)
        scores = np.empty((self.nodes, x.shape[1]), dtype=np.float32)
        forward_kept(x, self._inputs, self.kept, self.bias, even_bounds(self.nodes, self.threads), scores)
        self.work.count(phase, forward_kept_cost(self._inputs, scores))
        return self._columns(scores, phase)

    def input_gradient(self, inputs: Inputs, pairs: Pairs | None, deltas: FloatArray) -> FloatArray:
        """Gradient at the layer's input, float32[B, D]; deltas float32[B, N]."""
        gradient = np.empty((self.fan_in, len(deltas)), dtype=np.float32)
        bounds = even_bounds(len(deltas), self.threads)
        input_gradient_kept(self._columns(deltas, "backward"), self._inputs, self.kept, bounds, gradient)
        self.work.count("backward", input_gradient_kept_cost(self._inputs, gradient))
        return self._columns(gradient, "backward")

    def update(self, inputs: Inputs, pairs: Pairs | None, deltas: FloatArray) -> None:
        """Form the gradient of the weights there are, take one step and, if it is time, exchange some."""
        rule, bounds = self.next_rule(), even_bounds(self.nodes, self.threads)
        x, by_node = self._columns(inputs, "backward"), self._columns(deltas, "backward")
        gradient = np.empty_like(self.kept)
        weight_gradient_kept(by_node, x, self._inputs, bounds, gradient)
        step_dense(rule, self.kept, gradient, self.state, bounds)
        gradient_cost = weight_gradient_kept_cost(by_node, self._inputs)
        self._count_update((gradient_cost, step_dense_cost(rule, self.kept)))
        self._step_every_bias(deltas, rule)
        share = self._rule_of_kept.exchanged_at(self._steps)
        if share:
            self._exchange(share, inputs, deltas)

    def _exchange(self, share: float, inputs: Inputs, deltas: FloatArray) -> None:
        """Drop a share of each node's weights, the smallest, for inputs of the largest gradient.

        The gradient of all weights, also of those that are not there, is formed for it; counted as `rebuild`.
        New weights and their state begin at zero.
        """
        assert isinstance(inputs, np.ndarray)  # as in `_columns`
        k = self.kept.shape[1]
        dropped = min(round(share * k), self.fan_in - k)
        if not dropped:
            return
        sizes = self._rows(np.abs(self.kept), np.float32(-1))
        slopes = np.abs(self.gemm.weight_gradient(deltas, inputs))
        np.put_along_axis(slopes, self._places, np.float32(-1), axis=1)
        staying = largest(sizes, k - dropped)
        chosen = np.sort(np.concatenate([staying, largest(slopes, dropped)], axis=1), axis=1)
        moved = [self.kept, *self.state]
        taken = [np.take_along_axis(self._rows(values), chosen, axis=1) for values in moved]
        self.kept, self.state = taken[0], np.array(taken[1:], dtype=np.float32).reshape(self.state.shape)
        self._inputs = chosen.astype(np.int32)
        self.work.count("rebuild", matrix_product(self.nodes, len(deltas), self.fan_in))
        self._count_exchange(len(moved))

    @property
    def _rule_of_kept(self) -> Kept:
        assert isinstance(self.plan.storage, Kept)  # the plan has this layer stored so
        return self.plan.storage

    @property
    def _places(self) -> NDArray[np.int64]:
        return self._inputs.astype(np.int64)

    def _rows(self, values: FloatArray, elsewhere: np.float32 = ZERO) -> FloatArray:
        """Values of the weights there are as rows float32[N, D], with another number where there is none."""
        rows = np.full((self.nodes, self.fan_in), elsewhere, dtype=np.float32)
        np.put_along_axis(rows, self._places, values, axis=1)
        return rows

    def _columns(self, rows: Inputs, phase: str) -> FloatArray:
        """The transposed copy of an array, counted under `phase`."""
        assert isinstance(rows, np.ndarray)  # this layer reads rows, as the plan says
        self.work.count(phase, elementwise(rows.size))
        return np.ascontiguousarray(rows.T)

    def _count_exchange(self, moved: int) -> None:
        """Count an exchange in which so many arrays of numbers of the weights have moved."""
        size, few, indices = self.nodes * self.fan_in, self.kept.size, 8 * self.kept.size
        spread = Work(0, 0, 2 * 4 * size + indices + 4 * few)  # rows made, and values put into them
        ordered = Work(0, 0, 2 * (4 + 4 + 4 + 8) * size)  # twice: negated, and places in order
        signs = elementwise(few) + elementwise(size) + Work(0, 0, 4 * size + indices)
        taken = Work(0, 0, 4 * size + indices + 4 * few)
        self.work.count("rebuild", signs + spread + ordered)
        for _ in range(moved):
            self.work.count("rebuild", spread + taken)
        if moved > 1:
            self.work.count("rebuild", Work(0, 0, 4 * few * (moved - 1)))


def largest(values: FloatArray, k: int) -> NDArray[np.int64]:
    """Columns of the k largest values of each row, ascending, int64[N, k]; ties go to the lowest."""
    order = np.argsort(-values, axis=1, kind="stable")
    return np.sort(order[:, :k], axis=1)

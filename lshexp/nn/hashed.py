"""A layer whose weights share values by hashing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lshexp.arrays import FloatArray, Inputs
from lshexp.buffers import empty
from lshexp.kernels.hashed import fold_hashed, fold_hashed_cost, unfold_hashed, unfold_hashed_cost
from lshexp.kernels.parallel import even_bounds
from lshexp.kernels.step import Rule, step_dense, step_dense_cost
from lshexp.nn.gemm import Gemm, scores_cost
from lshexp.nn.layer import Layer, Pairs
from lshexp.nn.plan import LayerPlan
from lshexp.work import Work, elementwise, matrix_product

ROWS = 1024  # nodes whose weights are in memory at a time


class HashedLayer(Layer):
    """As `Layer`, with weights that are looked up among few values, float32[1, K], each time they are used.

    No more than `ROWS` nodes' weights are in memory together.
    """

    def __init__(
        self, stored: FloatArray, plan: LayerPlan, rule: Rule, gemm: Gemm, threads: int, key: int
    ) -> None:
        super().__init__(stored, plan, rule, gemm, threads)
        self.key = np.uint64(key)

    @property
    def stored(self) -> FloatArray:
        """float32[1, K], the values."""
        return self._values

    @stored.setter
    def stored(self, stored: FloatArray) -> None:
        self._values = stored

    @property
    def weights(self) -> FloatArray:  # type: ignore[override]
        """float32[nodes, fan_in], a copy."""
        rows = np.empty((self.nodes, self.fan_in), dtype=np.float32)
        unfold_hashed(self.key, self._values[0], 0, even_bounds(self.nodes, self.threads), rows)
        return rows

    def scores_of_all(self, inputs: Inputs, phase: str = "forward") -> FloatArray:
        """Pre-activations of every node as rows float32[B, N], counted under `phase`."""
        assert isinstance(inputs, np.ndarray)  # this layer reads rows, as the plan says
        parts = []
        for first, last, rows in self._blocks(phase):
            parts.append(self.gemm.scores(inputs, rows, self.bias[first:last]))
            self.work.count(phase, scores_cost(len(inputs), self.fan_in, last - first))
        if len(parts) == 1:
            return parts[0]
        self.work.count(phase, elementwise(len(inputs) * self.nodes))
        return np.concatenate(parts, axis=1)

    def input_gradient(self, inputs: Inputs, pairs: Pairs | None, deltas: FloatArray) -> FloatArray:
        """Gradient at the layer's input, float32[B, D]; deltas float32[B, N]."""
        gradient: FloatArray | None = None
        for first, last, rows in self._blocks("backward"):
            part = self.gemm.product(deltas[:, first:last], rows)
            self.work.count("backward", matrix_product(len(deltas), last - first, self.fan_in))
            if gradient is None:
                gradient = part
                continue
            gradient += part
            self.work.count("backward", elementwise(part.size, operands=2, adds=part.size))
        assert gradient is not None  # a layer has a node
        return gradient

    def update(self, inputs: Inputs, pairs: Pairs | None, deltas: FloatArray) -> None:
        """Form the gradient of all weights, sum it at the values, and take one step."""
        assert isinstance(inputs, np.ndarray)  # as in `scores_of_all`
        rule, values = self.next_rule(), self._values.shape[1]
        sums = np.zeros((1, values), dtype=np.float32)
        self.work.count("backward", Work(0, 0, 4 * values))
        for first in range(0, self.nodes, ROWS):
            own = deltas[:, first : first + ROWS]
            gradient = self.gemm.weight_gradient(own, inputs)
            self.work.count("backward", matrix_product(own.shape[1], len(own), self.fan_in))
            fold_hashed(self.key, gradient, first, even_bounds(values, self.threads), sums[0])
            self.work.count("backward", fold_hashed_cost(gradient))
        step_dense(rule, self._values, sums, self.state, even_bounds(1, 1))
        self.work.count("update", step_dense_cost(rule, self._values))
        self._step_every_bias(deltas, rule)

    def _blocks(self, phase: str) -> Iterator[tuple[int, int, FloatArray]]:
        """Weights of at most `ROWS` nodes after the other, and which nodes, looked up under `phase`."""
        for first in range(0, self.nodes, ROWS):
            last = min(first + ROWS, self.nodes)
            rows = empty((last - first, self.fan_in), dtype=np.float32)
            bounds = even_bounds(last - first, self.threads)
            unfold_hashed(self.key, self._values[0], first, bounds, rows)
            self.work.count(phase, unfold_hashed_cost(rows))
            yield first, last, rows

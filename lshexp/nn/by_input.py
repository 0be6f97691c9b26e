"""A fully connected layer whose weights are stored by input, for inputs that always come as lists.

The scores of all nodes are then whole rows read in order, one for each live input, where a layer stored by
node would gather its weights one at a time. Gradient and step touch a row at the places of the active nodes,
row by row for all examples of a batch, so that a row is fetched once and has one owner.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lshexp.kernels.by_input import descend_by_input, input_gradient_by_input, scan_lists
from lshexp.kernels.ragged import Groups, Lists, balanced_bounds, gather_rows, served
from lshexp.kernels.update import step_bias, update_lists
from lshexp.nn.gemm import Gemm, Matrix
from lshexp.nn.layer import Layer, Pairs, Signal, grouped, products_of


class LayerByInput(Layer):
    """As `Layer`; `weights` is the transposed view of what is stored, and inputs may not be rows."""

    def __init__(self, weights: Matrix, optimizer: str, lr: float, momentum: float, gemm: Gemm, threads: int):
        super().__init__(weights, optimizer, lr, momentum, gemm, threads)
        self.state = np.zeros((self.cost.slots, self.fan_in, self.nodes), dtype=np.float32)
        self._last: tuple[Lists, Groups] | None = None  # the last inputs grouped, and their groups

    @property
    def weights(self) -> Matrix:
        """float32[nodes, fan_in], a view."""
        return self._columns.T

    @weights.setter
    def weights(self, weights: Matrix) -> None:
        self._columns = np.ascontiguousarray(weights.T)

    def scores_of_all(self, inputs: Signal, phase: str = "forward") -> Matrix:
        """Pre-activations of every node as rows float32[B, N], counted under `phase`."""
        inputs = _lists(inputs)
        examples = len(inputs.starts) - 1
        scores = np.empty((examples, self.nodes), dtype=np.float32)
        scan_lists(*inputs, self._columns, self.bias, balanced_bounds(inputs.starts, self.threads), scores)
        products = len(inputs.nodes) * self.nodes
        # an id and a value an input, a weight a product; results and biases
        nbytes = 8 * len(inputs.nodes) + 4 * products + 4 * (scores.size + self.nodes)
        self.work.add(phase, products, products, nbytes)
        return scores

    def scores_of(self, inputs: Signal, pairs: Pairs, phase: str = "forward") -> NDArray[np.float32]:
        """Pre-activations of the selected pairs, for which every node is computed."""
        scores = self.scores_of_all(inputs, phase)
        starts, nodes, _ = pairs.lists
        values = np.empty(len(nodes), dtype=np.float32)
        gather_rows(scores, starts, nodes, balanced_bounds(starts, self.threads), values)
        return values

    def input_gradient(
        self, inputs: Signal, pairs: Pairs | None, deltas: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Gradient at the listed inputs, float32[Q]; deltas float32[P]."""
        inputs, pairs = _lists(inputs), _pairs(pairs)
        groups = self._inputs_grouped(inputs)
        gradient = np.empty(len(inputs.nodes), dtype=np.float32)
        bounds = balanced_bounds(groups.starts, self.threads)
        input_gradient_by_input(groups, *pairs.lists[:2], deltas, self._columns, bounds, gradient)
        products = products_of(pairs.lists, inputs)
        # an id, a delta and a weight for each product; one result an input
        self.work.add("backward", products, products, 12 * products + 4 * len(gradient))
        return gradient

    def update(self, inputs: Signal, pairs: Pairs | None, deltas: NDArray[np.float32]) -> None:
        """Form the weight gradient and take one optimiser step; plain SGD does both term by term."""
        inputs, pairs = _lists(inputs), _pairs(pairs)
        groups = self._inputs_grouped(inputs)
        bounds = balanced_bounds(groups.starts, self.threads)
        starts, nodes, _ = pairs.lists
        products = products_of(pairs.lists, inputs)
        if self.rate is not None:
            descend_by_input(groups, inputs.values, starts, nodes, deltas, self.rate, self._columns, bounds)
            self.work.add("backward", products, deltas.size, 8 * products + 4 * deltas.size)
            self.work.add("update", len(inputs.nodes), products, 8 * products + 8 * len(inputs.nodes))
        else:
            parameters = (self.rule, self._columns, self.state)
            stepped = int(update_lists(starts, nodes, deltas, inputs.values, groups, bounds, *parameters))
            self.work.add("backward", products, products + deltas.size, 16 * products + 4 * len(deltas))
            self.count_steps(stepped)
        bounds = balanced_bounds(pairs.groups.starts, self.threads)
        step_bias(deltas, pairs.groups, bounds, self.rule, self.bias[None], self.bias_state)
        self.count_steps(served(pairs.groups))

    def _inputs_grouped(self, inputs: Lists) -> Groups:
        """Examples by input: once for gradient and step of the same inputs."""
        if self._last is None or self._last[0].nodes is not inputs.nodes:
            self._last = inputs, grouped(inputs, self.fan_in, self.threads)
        return self._last[1]


def _lists(inputs: Signal) -> Lists:
    assert isinstance(inputs, Lists)  # the network stores a layer by input only where all come so
    return inputs


def _pairs(pairs: Pairs | None) -> Pairs:
    assert pairs is not None  # and only for a method that selects
    return pairs

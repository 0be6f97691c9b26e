"""A fully connected layer whose weights are stored by input, for inputs that are always sparse.

The scores of all nodes are then whole rows read in order, one for each live input, where a layer stored by
node would gather its weights one at a time. Gradient and step touch a row at the places of the active nodes,
row by row for all examples of a batch, so that a row is fetched once and has one owner.
"""

from __future__ import annotations

import numpy as np

from lshexp.arrays import CSC, CSR, FloatArray, Inputs
from lshexp.kernels.by_input import descend_by_input, input_gradient_by_input, scan_csr
from lshexp.kernels.csr import gather_rows
from lshexp.kernels.parallel import balanced_bounds
from lshexp.kernels.update import step_bias, update_csr
from lshexp.nn.gemm import Gemm
from lshexp.nn.layer import Layer, Pairs, group_columns, products_of


class LayerByInput(Layer):
    """As `Layer`; `weights` is the transposed view of what is stored, and inputs may not be rows."""

    def __init__(
        self, weights: FloatArray, optimizer: str, lr: float, momentum: float, gemm: Gemm, threads: int
    ):
        super().__init__(weights, optimizer, lr, momentum, gemm, threads)
        self.state = np.zeros((self.cost.slots, self.fan_in, self.nodes), dtype=np.float32)
        self._last: tuple[CSR, CSC] | None = None  # the last inputs grouped, and their groups

    @property
    def weights(self) -> FloatArray:
        """float32[nodes, fan_in], a view."""
        return self._columns.T

    @weights.setter
    def weights(self, weights: FloatArray) -> None:
        self._columns = np.ascontiguousarray(weights.T)

    def scores_of_all(self, inputs: Inputs, phase: str = "forward") -> FloatArray:
        """Pre-activations of every node as rows float32[B, N], counted under `phase`."""
        inputs = _csr(inputs)
        examples = len(inputs)
        scores = np.empty((examples, self.nodes), dtype=np.float32)
        scan_csr(
            *inputs.arrays, self._columns, self.bias, balanced_bounds(inputs.indptr, self.threads), scores
        )
        products = inputs.nnz * self.nodes
        # an id and a value an input, a weight a product; results and biases
        nbytes = 8 * inputs.nnz + 4 * products + 4 * (scores.size + self.nodes)
        self.work.add(phase, products, products, nbytes)
        return scores

    def scores_of(self, inputs: Inputs, pairs: Pairs, phase: str = "forward") -> FloatArray:
        """Pre-activations of the selected pairs, for which every node is computed."""
        scores = self.scores_of_all(inputs, phase)
        indptr, indices, _ = pairs.by_example.arrays
        values = np.empty(len(indices), dtype=np.float32)
        gather_rows(scores, indptr, indices, balanced_bounds(indptr, self.threads), values)
        return values

    def input_gradient(self, inputs: Inputs, pairs: Pairs | None, deltas: FloatArray) -> FloatArray:
        """Gradient at the stored inputs, float32[Q]; deltas float32[P]."""
        inputs, pairs = _csr(inputs), _pairs(pairs)
        groups = self._inputs_grouped(inputs)
        gradient = np.empty(inputs.nnz, dtype=np.float32)
        bounds = balanced_bounds(groups.indptr, self.threads)
        input_gradient_by_input(groups, *pairs.by_example.arrays[:2], deltas, self._columns, bounds, gradient)
        products = products_of(pairs.by_example, inputs)
        # an id, a delta and a weight for each product; one result an input
        self.work.add("backward", products, products, 12 * products + 4 * len(gradient))
        return gradient

    def update(self, inputs: Inputs, pairs: Pairs | None, deltas: FloatArray) -> None:
        """Form the weight gradient and take one optimiser step; plain SGD does both term by term."""
        inputs, pairs = _csr(inputs), _pairs(pairs)
        groups = self._inputs_grouped(inputs)
        bounds = balanced_bounds(groups.indptr, self.threads)
        indptr, indices, _ = pairs.by_example.arrays
        products = products_of(pairs.by_example, inputs)
        if self.rate is not None:
            descend_by_input(groups, inputs.data, indptr, indices, deltas, self.rate, self._columns, bounds)
            self.work.add("backward", products, deltas.size, 8 * products + 4 * deltas.size)
            self.work.add("update", inputs.nnz, products, 8 * products + 8 * inputs.nnz)
        else:
            parameters = (self.rule, self._columns, self.state)
            stepped = int(update_csr(indptr, indices, deltas, inputs.data, groups, bounds, *parameters))
            self.work.add("backward", products, products + deltas.size, 16 * products + 4 * len(deltas))
            self.count_steps(stepped)
        bounds = balanced_bounds(pairs.by_node.indptr, self.threads)
        step_bias(deltas, pairs.by_node, bounds, self.rule, self.bias[None], self.bias_state)
        self.count_steps(pairs.by_node.nonempty_columns())

    def _inputs_grouped(self, inputs: CSR) -> CSC:
        """Examples by input: once for gradient and step of the same inputs."""
        if self._last is None or self._last[0].indices is not inputs.indices:
            self._last = inputs, group_columns(inputs, self.threads)
        return self._last[1]


def _csr(inputs: Inputs) -> CSR:
    assert isinstance(inputs, CSR)  # the network stores a layer by input only where all come so
    return inputs


def _pairs(pairs: Pairs | None) -> Pairs:
    assert pairs is not None  # and only for a method that selects
    return pairs

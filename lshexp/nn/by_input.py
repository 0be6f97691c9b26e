"""A layer whose weights are stored by input, for inputs that are always sparse."""

from __future__ import annotations

import numpy as np

from lshexp.arrays import CSC, CSR, FloatArray, Inputs, OffsetArray
from lshexp.buffers import empty
from lshexp.kernels.by_input import (
    descend_by_input,
    descend_by_input_cost,
    input_gradient_by_input,
    input_gradient_by_input_cost,
    pass_back_by_input,
    pass_back_by_input_cost,
    scan_csr,
    scan_csr_cost,
)
from lshexp.kernels.csr import gather_rows, gather_rows_cost
from lshexp.kernels.parallel import balanced_bounds
from lshexp.kernels.step import Rule, step_dense, step_dense_cost
from lshexp.kernels.update import update_by_input, update_by_input_cost, update_csr, update_csr_cost
from lshexp.kernels.whole_layer import sizes_of_one, winners_by_input, winners_by_input_sums
from lshexp.nn.gemm import Gemm
from lshexp.nn.layer import Layer, Pairs
from lshexp.nn.plan import LayerPlan
from lshexp.work import Work


class LayerByInput(Layer):
    """As `Layer`, for inputs that are always sparse; `weights` is the transposed view of what is stored.

    The scores of all nodes are whole rows read in order, one for each stored input, where a layer stored by
    node would gather its weights one at a time. Gradient and step touch a row at the places of the active
    nodes, row by row for all examples of a batch, so that a row is fetched once and has one owner.
    """

    def __init__(self, stored: FloatArray, plan: LayerPlan, rule: Rule, gemm: Gemm, threads: int) -> None:
        super().__init__(stored, plan, rule, gemm, threads)
        self.state = np.zeros((self.cost.slots, self.fan_in, self.nodes), dtype=np.float32)
        self._last: tuple[CSR, CSC] | None = None  # the last inputs, and their grouping by column

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
        scores = empty((examples, self.nodes), dtype=np.float32)
        bounds = balanced_bounds(inputs.indptr, self.threads)
        scan_csr(*inputs.arrays, self._columns, self.bias, bounds, scores)
        self.work.count(phase, scan_csr_cost(inputs.indptr, inputs.indices, scores))
        return scores

    def scores_of_pairs(self, inputs: Inputs, active: CSR, phase: str = "forward") -> FloatArray:
        """Pre-activations of active pairs, for which every node is computed."""
        scores = self.scores_of_all(inputs, phase)
        values = empty(active.nnz, dtype=np.float32)
        bounds = balanced_bounds(active.indptr, self.threads)
        gather_rows(scores, active.indptr, active.indices, bounds, values)
        self.work.count(phase, gather_rows_cost(active.indptr, active.indices))
        return values

    def winners_of_one(self, inputs: Inputs, k: int) -> tuple[CSR, int]:
        """As `Layer.winners_of_one`."""
        indptr, indices, data = _csr(inputs).arrays
        found = winners_by_input(indptr, indices, data, self._columns, self.bias, k)
        of_live, live, activations, touched = found
        sizes = sizes_of_one(len(indices), len(live), touched)
        self.work.count_sums(winners_by_input_sums, (self.nodes, k), *sizes)
        return CSR(of_live, live, activations, (1, self.nodes)), k

    def input_gradient(self, inputs: Inputs, pairs: Pairs | None, deltas: FloatArray) -> FloatArray:
        """Gradient at the stored inputs, float32[Q]; deltas float32[P]."""
        inputs = _csr(inputs)
        assert pairs is not None  # with every node active it is the first layer, which passes none on
        by_input = self._grouped_by_input(inputs)
        gradient = empty(inputs.nnz, dtype=np.float32)
        bounds = balanced_bounds(by_input.indptr, self.threads)
        active = pairs.by_example.arrays[:2]
        products = input_gradient_by_input(by_input, *active, deltas, self._columns, bounds, gradient)
        self.work.count("backward", input_gradient_by_input_cost(by_input, gradient, products))
        return gradient

    def pass_back(
        self, inputs: Inputs, pairs: Pairs | None, deltas: FloatArray, at_once: bool
    ) -> tuple[FloatArray, bool]:
        """As `Layer.pass_back`; plain SGD, whose steps need no sum of gradients, is taken at once."""
        if not (at_once and self.rule.linear) or pairs is None:
            return super().pass_back(inputs, pairs, deltas, at_once)
        inputs = _csr(inputs)
        rule = self.next_rule()
        by_input = self._grouped_by_input(inputs)
        gradient = empty(inputs.nnz, dtype=np.float32)
        active = pairs.by_example.arrays[:2]
        bounds = balanced_bounds(by_input.indptr, self.threads)
        own = by_input, inputs.data, *active, deltas, rule.lr, self._columns, bounds, gradient
        products = pass_back_by_input(*own)
        self._count_update(pass_back_by_input_cost(by_input, inputs.data, gradient, products))
        self._step_bias(pairs, deltas, rule)
        return gradient, True

    def update(self, inputs: Inputs, pairs: Pairs | None, deltas: FloatArray) -> None:
        """Form the weight gradient and take one optimiser step; deltas as in `Layer.update`.

        Where nodes were selected, plain SGD does both term by term.
        """
        inputs = _csr(inputs)
        rule = self.next_rule()
        by_input = self._grouped_by_input(inputs)
        bounds = balanced_bounds(by_input.indptr, self.threads)
        if pairs is None:
            self._update_every_node(inputs, by_input, deltas, rule, bounds)
            return
        active = pairs.by_example.arrays[:2]
        if rule.linear:
            own = by_input, inputs.data, *active, deltas, rule.lr, self._columns, bounds
            self._count_update(descend_by_input_cost(by_input, inputs.data, descend_by_input(*own)))
        else:
            parameters = (rule, self._columns, self.state)
            stepped = update_csr(*active, deltas, inputs.data, by_input, bounds, *parameters)
            self._count_update(update_csr_cost(active[0], by_input, rule, self.state, stepped))
        self._step_bias(pairs, deltas, rule)

    def _update_every_node(
        self, inputs: CSR, by_input: CSC, deltas: FloatArray, rule: Rule, bounds: OffsetArray
    ) -> None:
        """Gradient and step of whole rows, those of the inputs that an example stores."""
        parameters = (rule, self._columns, self.state)
        stepped = update_by_input(inputs.data, deltas, by_input, bounds, *parameters)
        self._count_update(update_by_input_cost(by_input, rule, self._columns, stepped))
        step_dense(rule, self.bias[None], deltas.sum(axis=0)[None], self.bias_state, np.array([0, 1]))
        summed = Work(0, deltas.size, 4 * (deltas.size + self.nodes))
        self._count_update((summed, step_dense_cost(rule, self.bias)))

    def _grouped_by_input(self, inputs: CSR) -> CSC:
        """Examples of each input: grouped once for gradient and step of the same inputs."""
        if self._last is None or self._last[0].indices is not inputs.indices:
            self._last = inputs, self._by_column(inputs, "backward")
        return self._last[1]


def _csr(inputs: Inputs) -> CSR:
    assert isinstance(inputs, CSR)  # the plan stores a layer by input only where all inputs are sparse
    return inputs

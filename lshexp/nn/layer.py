"""One fully connected layer: its parameters, its optimiser state, and how they are computed with.

`lshexp.nn.plan` decides how a layer is stored, `lshexp.nn.build` which class does: `Layer` by node.
Forward, backward, update and counting are the same for every method. All gradients are those of the batch's
mean loss.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lshexp.arrays import CSC, CSR, FloatArray, Inputs, IntArray, OffsetArray
from lshexp.buffers import empty, empty_like
from lshexp.kernels.backward import (
    input_gradient_csr,
    input_gradient_csr_cost,
    input_gradient_rows,
    input_gradient_rows_cost,
    input_products,
    input_products_cost,
    sum_products,
    sum_products_cost,
)
from lshexp.kernels.csr import keep_positive, keep_positive_cost
from lshexp.kernels.forward import forward_csr, forward_csr_cost, forward_rows, forward_rows_cost
from lshexp.kernels.group import (
    group_by_column,
    group_by_column_cost,
    group_filled_columns,
    group_filled_columns_cost,
)
from lshexp.kernels.parallel import balanced_bounds, even_bounds
from lshexp.kernels.step import Rule, step_dense, step_dense_cost
from lshexp.kernels.update import (
    step_bias,
    step_bias_cost,
    update_csr,
    update_csr_cost,
    update_rows,
    update_rows_cost,
)
from lshexp.methods.base import LayerView, Selection, Step
from lshexp.nn.gemm import Gemm, scores_cost
from lshexp.nn.plan import LayerPlan
from lshexp.work import LayerWork, Work, matrix_product

# So many terms of an input gradient may be kept until they are summed.
MOST_TERMS = 2**24


class Pairs(NamedTuple):
    """Active (example, node) pairs: by example, and the same grouped by node."""

    by_example: CSR
    by_node: CSC


class Layer:
    """Parameters weights float32[N, D] and bias float32[N], with the state of their optimiser.

    `stored` is what is trained, drawn at first, averaged and kept: the weights, unless `plan.storage` says
    otherwise.
    """

    weights: FloatArray

    def __init__(self, stored: FloatArray, plan: LayerPlan, rule: Rule, gemm: Gemm, threads: int) -> None:
        self.nodes, self.fan_in = plan.nodes, plan.fan_in
        self.plan = plan
        self.threads = threads
        self.stored = stored
        self.bias = np.zeros(self.nodes, dtype=np.float32)
        self.rule = rule
        self.cost = rule.cost
        self._steps = 0
        self.state = np.zeros((self.cost.slots, *stored.shape), dtype=np.float32)
        self.bias_state = np.zeros((self.cost.slots, 1, self.nodes), dtype=np.float32)
        self.work = LayerWork()
        self.label_counts: OffsetArray | None = None  # of an output, where they are counted
        self.gemm = gemm
        self._every: dict[int, Pairs] = {}
        self._cursors = np.zeros(self.nodes if plan.listed else 0, dtype=np.int32)  # scratch of `group`
        self._terms = np.empty(0, dtype=np.float32)  # scratch, kept because fresh memory is slow to touch

    @property
    def stored(self) -> FloatArray:
        """float32[`plan.shape`], what is trained, as one array."""
        return self.weights

    @stored.setter
    def stored(self, stored: FloatArray) -> None:
        self.weights = stored

    @property
    def scan(self) -> bool:
        """Whether a method is to compute every node from the stored inputs; the plan's decision."""
        return self.plan.scan

    @property
    def units(self) -> LayerView:
        """The layer as methods see it."""
        return self

    def every_node(self, examples: int) -> Pairs:
        """All nodes for each of `examples` examples, as pairs; their values are not set."""
        if examples not in self._every:
            every = CSR.from_lengths(np.full(examples, self.nodes), self.nodes)
            every.indices[:] = np.tile(np.arange(self.nodes, dtype=np.int32), examples)
            self._every[examples] = Pairs(every, group_columns(every, self.threads))
        return self._every[examples]

    def values_of_every_node(self, rows: FloatArray) -> FloatArray:
        """Rows float32[B, nodes] as the values of `every_node`."""
        return rows.ravel()

    def all_scores(self, inputs: Inputs, selection: Selection) -> tuple[FloatArray, np.float32 | FloatArray]:
        """Where a method chose every node: pre-activations float32[B, nodes], and what multiplies them."""
        rows = selection.scores if selection.scored else self.scores_of_all(inputs)
        assert rows is not None  # `scored` promises the scores
        given = selection.multiplier
        return rows, given if isinstance(given, np.ndarray) else np.float32(given)

    def activate(self, inputs: Inputs, active: CSR, scored: bool, multiplier: np.float32) -> Pairs:
        """Activations of active pairs, times a multiplier, those that are zero left out; counted as forward.

        `scored`: the pairs' values are their pre-activations, which are else computed.
        """
        if not scored:
            active = active.with_data(self.scores_of_pairs(inputs, active))
        indptr, indices = empty_like(active.indptr), empty_like(active.indices)
        data = empty_like(active.data)
        keep_positive(*active.arrays, multiplier, indptr, indices, data)
        kept = int(indptr[-1])
        live = CSR(indptr, indices[:kept], data[:kept], active.shape)
        pairs = Pairs(live, self.group(live))
        self.work.count("forward", keep_positive_cost(active.data, float(multiplier), indptr))
        return pairs

    def winners_of_one(self, inputs: Inputs, k: int) -> tuple[CSR, int] | None:
        """Activations of one example's k nodes of largest pre-activation, and how many were selected.

        Counted as `predict`. None where the layer has no kernel that does all of it.
        """
        return None

    def step_of(self, pairs: Pairs, deltas: FloatArray, token: object) -> Step:
        """A step of active pairs as the method that chose them sees it."""
        return Step(pairs.by_node, deltas, token)

    def selected(self, active: CSR | None, examples: int) -> int:
        """Number of active pairs of example and node that a method's choice stands for."""
        return examples * self.nodes if active is None else active.nnz

    def nodes_of(self, active: CSR) -> CSR:
        """A method's choice as active nodes."""
        return active

    def group(self, active: CSR, phase: str = "forward") -> CSC:
        """Group active pairs by node, counted under `phase`."""
        if not self.plan.listed:
            return self._by_column(active, phase)
        by_node = group_filled(active, self._cursors)
        self.work.count(phase, group_filled_columns_cost(active.indptr, active.indices, len(by_node.columns)))
        return by_node

    def _by_column(self, matrix: CSR, phase: str) -> CSC:
        """Group by column, counted under `phase`."""
        grouped = group_columns(matrix, self.threads)
        self.work.count(phase, group_by_column_cost(matrix.indptr, matrix.indices, grouped.indptr))
        return grouped

    def scores_of_all(self, inputs: Inputs, phase: str = "forward") -> FloatArray:
        """Pre-activations of every node as rows float32[B, N], counted under `phase`."""
        examples = len(inputs)
        if isinstance(inputs, CSR):
            values = empty(examples * self.nodes, dtype=np.float32)
            self._forward_csr(inputs, self.every_node(examples), values, phase)
            return values.reshape(examples, self.nodes)
        self.work.count(phase, scores_cost(examples, self.fan_in, self.nodes))
        return self.gemm.scores(inputs, self.weights, self.bias)

    def scores_of_pairs(self, inputs: Inputs, active: CSR, phase: str = "forward") -> FloatArray:
        """Pre-activations of active pairs, float32[P] in the order of their entries."""
        pairs = Pairs(active, self.group(active, phase))
        values = empty(active.nnz, dtype=np.float32)
        if isinstance(inputs, CSR):
            self._forward_csr(inputs, pairs, values, phase)
        else:
            forward_rows(inputs, self.weights, self.bias, pairs.by_node, self._node_bounds(pairs), values)
            self.work.count(phase, forward_rows_cost(self.weights, pairs.by_node, values))
        return values

    def _forward_csr(self, inputs: CSR, pairs: Pairs, values: FloatArray, phase: str) -> None:
        bounds = self._node_bounds(pairs)
        products = forward_csr(*inputs.arrays, self.weights, self.bias, pairs.by_node, bounds, values)
        self.work.count(phase, forward_csr_cost(pairs.by_node, values, products))

    def input_gradient(self, inputs: Inputs, pairs: Pairs | None, deltas: FloatArray) -> FloatArray:
        """Gradient at the layer's input: rows for rows, one value a stored input for a CSR.

        `pairs` None means every node and deltas float32[B, N]; otherwise deltas are float32[P].
        """
        if pairs is None:
            self.work.count("backward", matrix_product(len(deltas), self.nodes, self.fan_in))
            return self.gemm.input_gradient(deltas, self.weights)
        active = pairs.by_example
        if isinstance(inputs, CSR):
            return self._input_gradient_csr(inputs, pairs, deltas)
        gradient = empty((len(active), self.fan_in), dtype=np.float32)
        bounds = balanced_bounds(active.indptr, self.threads)
        input_gradient_rows(active.indptr, active.indices, deltas, self.weights, bounds, gradient)
        self.work.count("backward", input_gradient_rows_cost(active.indptr, active.indices, gradient))
        return gradient

    def _input_gradient_csr(self, inputs: CSR, pairs: Pairs, deltas: FloatArray) -> FloatArray:
        """Example by example or, where the plan says so, node by node: the same bits."""
        active = pairs.by_example
        gradient = empty(inputs.nnz, dtype=np.float32)
        bounds = balanced_bounds(active.indptr, self.threads)
        terms = 0
        if self.plan.gradient_by_node:
            offsets = np.concatenate(([0], np.cumsum(active.row_lengths() * inputs.row_lengths())))
            terms = int(offsets[-1])
        if not self.plan.gradient_by_node or terms > MOST_TERMS:
            input_gradient_csr(
                active.indptr, active.indices, deltas, self.weights, inputs.indptr, inputs.indices, bounds,
                gradient,
            )  # fmt: skip
            own = active.indptr, active.indices, inputs.indptr
            self.work.count("backward", input_gradient_csr_cost(*own, gradient))
            return gradient
        if len(self._terms) < terms:
            self._terms = np.empty(int(1.2 * terms), dtype=np.float32)
        input_products(
            active.indptr, pairs.by_node, deltas, self.weights, inputs.indptr, inputs.indices, offsets,
            self._node_bounds(pairs), self._terms,
        )  # fmt: skip
        self.work.count("backward", input_products_cost(pairs.by_node, deltas, offsets))
        sum_products(active.indptr, inputs.indptr, offsets, self._terms, bounds, gradient)
        self.work.count("backward", sum_products_cost(active.indptr, inputs.indptr, offsets, gradient))
        return gradient

    def pass_back(
        self, inputs: Inputs, pairs: Pairs | None, deltas: FloatArray, at_once: bool
    ) -> tuple[FloatArray, bool]:
        """The `input_gradient`, and whether the step of `update` has been taken with it.

        Where the layer can and `at_once` allows it, both are done, to the same bits, in one visit of each
        weight.
        """
        return self.input_gradient(inputs, pairs, deltas), False

    def next_rule(self, steps: int = 1) -> Rule:
        """The rule of the layer's next step; `steps` follow that share it, as in lock-free training."""
        rule = self.rule.at(self._steps + 1)
        self._steps += steps
        return rule

    def update(self, inputs: Inputs, pairs: Pairs | None, deltas: FloatArray) -> None:
        """Form the weight gradient and take one optimiser step; deltas as in `input_gradient`."""
        rule = self.next_rule()
        if pairs is None:
            assert not isinstance(inputs, CSR)  # the network hands a CSR over together with pairs
            gradient = self.gemm.weight_gradient(deltas, inputs)
            bounds = even_bounds(self.nodes, self.threads)
            step_dense(rule, self.stored, gradient, self.state, bounds)
            gradient_cost = matrix_product(self.nodes, len(inputs), self.fan_in)
            self._count_update((gradient_cost, step_dense_cost(rule, self.stored)))
            self._step_every_bias(deltas, rule)
            return
        by_node, bounds = pairs.by_node, self._node_bounds(pairs)
        if isinstance(inputs, CSR):
            stepped = update_csr(*inputs.arrays, deltas, by_node, bounds, rule, self.weights, self.state)
            self._count_update(update_csr_cost(inputs.indptr, by_node, rule, self.state, stepped))
            self._step_bias(pairs, deltas, rule)
        else:
            parameters = (rule, self.weights, self.bias[None], self.state, self.bias_state)
            stepped = update_rows(inputs, deltas, by_node, bounds, *parameters)
            self._count_update(update_rows_cost(by_node, rule, self.weights, stepped))

    def _step_every_bias(self, deltas: FloatArray, rule: Rule) -> None:
        """Step the bias of every node; deltas float32[B, N]."""
        step_dense(rule, self.bias[None], deltas.sum(axis=0)[None], self.bias_state, np.array([0, 1]))
        summed = Work(0, deltas.size, 4 * (deltas.size + self.nodes))
        self._count_update((summed, step_dense_cost(rule, self.bias)))

    def _step_bias(self, pairs: Pairs, deltas: FloatArray, rule: Rule) -> None:
        by_node, bounds = pairs.by_node, self._node_bounds(pairs)
        step_bias(deltas, by_node, bounds, rule, self.bias[None], self.bias_state)
        self._count_update(step_bias_cost(by_node, rule))

    def _count_update(self, costs: tuple[Work, Work]) -> None:
        """Count a weight gradient, and the step that it ends in."""
        for phase, cost in zip(("backward", "update"), costs, strict=True):
            self.work.count(phase, cost)

    def _node_bounds(self, pairs: Pairs) -> OffsetArray:
        return balanced_bounds(pairs.by_node.indptr, self.threads)


def group_columns(matrix: CSR, threads: int) -> CSC:
    """Group the entries of a CSR by column."""
    columns, entries = matrix.shape[1], matrix.nnz
    grouped = CSC(
        empty(columns + 1, dtype=np.int64),
        empty(entries, dtype=np.int32),
        empty(entries, dtype=np.int32),
    )
    bounds = balanced_bounds(matrix.indptr, threads)
    cursors = empty((threads, columns), dtype=np.int32)
    group_by_column(matrix.indptr, matrix.indices, bounds, cursors, *grouped[:3])
    return grouped


def group_filled(matrix: CSR, cursors: IntArray) -> CSC:
    """As `group_columns`, without groups of columns that have no entry; cursors int32[columns], zero."""
    entries = matrix.nnz
    columns, indptr = empty(entries + 1, dtype=np.int32), empty(entries + 1, dtype=np.int64)
    rows, positions = empty(entries, dtype=np.int32), empty(entries, dtype=np.int32)
    filled = group_filled_columns(matrix.indptr, matrix.indices, cursors, columns, indptr, rows, positions)
    return CSC(indptr[: filled + 1], rows, positions, columns[:filled])

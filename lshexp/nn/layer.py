"""One fully connected layer: its parameters, its optimiser state, and the three ways it computes.

| input | nodes    | path                                                                |
|-------|----------|---------------------------------------------------------------------|
| rows  | all      | BLAS, in fixed blocks                                               |
| rows  | selected | kernels over the batch grouped by node, four examples a weight row  |
| CSR   | any      | kernels over the batch grouped by node, stored inputs only          |

Which path runs follows from the data handed in, so forward, backward, update and counting are the same
code for every method. All gradients are those of the batch's mean loss.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lshexp.arrays import CSC, CSR, FloatArray, Inputs, OffsetArray
from lshexp.kernels.backward import (
    input_gradient_csr,
    input_gradient_rows,
    input_products,
    sum_products,
)
from lshexp.kernels.csr import group_by_column
from lshexp.kernels.forward import forward_csr, forward_rows
from lshexp.kernels.parallel import balanced_bounds, even_bounds
from lshexp.kernels.step import Rule, step_dense
from lshexp.kernels.update import step_bias, update_csr, update_rows
from lshexp.nn.gemm import Gemm
from lshexp.work import RULES, STEP_COSTS, LayerWork

# Weights of so many bytes do not stay in cache between the examples of a batch; so many terms of a gradient
# may be kept until they are summed.
BEYOND_CACHE = 2**24
MOST_TERMS = 2**24


class Pairs(NamedTuple):
    """Selected (example, node) pairs, both ways round."""

    by_example: CSR
    by_node: CSC


class Layer:
    """Parameters weights float32[N, D] and bias float32[N], with the state of their optimiser."""

    def __init__(
        self, weights: FloatArray, optimizer: str, lr: float, momentum: float, gemm: Gemm, threads: int
    ):
        self.nodes, self.fan_in = weights.shape
        self.weights = weights
        self.bias = np.zeros(self.nodes, dtype=np.float32)
        self.rate = np.float32(lr) if optimizer == "sgd" else None
        self.sparse_input = False  # set by the network where inputs are always sparse
        self.cost = STEP_COSTS[optimizer]
        self.rule = Rule(RULES.index(optimizer), np.float32(lr), np.float32(momentum), np.float32(1e-8))
        self.state = np.zeros((self.cost.slots, *weights.shape), dtype=np.float32)
        self.bias_state = np.zeros((self.cost.slots, 1, self.nodes), dtype=np.float32)
        self.work = LayerWork()
        self.threads = threads
        self._gemm = gemm
        self._every: dict[int, Pairs] = {}
        self._terms = np.empty(0, dtype=np.float32)  # scratch, kept because fresh memory is slow to touch

    def every_node(self, examples: int) -> Pairs:
        """All nodes for each of `examples` examples, as pairs; values are scratch for their scores."""
        if examples not in self._every:
            every = CSR.from_lengths(np.full(examples, self.nodes), self.nodes)
            every.indices[:] = np.tile(np.arange(self.nodes, dtype=np.int32), examples)
            self._every[examples] = Pairs(every, self.group(every))
        return self._every[examples]

    def group(self, active: CSR) -> CSC:
        """Group active pairs by node."""
        return group_columns(active, self.threads)

    def scores_of_all(self, inputs: Inputs, phase: str = "forward") -> FloatArray:
        """Pre-activations of every node as rows float32[B, N], counted under `phase`."""
        if isinstance(inputs, CSR):
            examples = len(inputs)
            every = self.every_node(examples)
            values = np.empty(examples * self.nodes, dtype=np.float32)
            self._forward_csr(inputs, every, values, phase)
            return values.reshape(examples, self.nodes)
        examples = len(inputs)
        self.work.add(
            phase,
            mults=examples * self.nodes * self.fan_in,
            adds=examples * self.nodes * self.fan_in,
            nbytes=4 * (examples * self.fan_in + self.nodes * (self.fan_in + 1) + examples * self.nodes),
        )
        return self._gemm.scores(inputs, self.weights, self.bias)

    def scores_of(self, inputs: Inputs, pairs: Pairs, phase: str = "forward") -> FloatArray:
        """Pre-activations of the selected pairs, float32[P] in the order of `by_example`."""
        values = np.empty(pairs.by_example.nnz, dtype=np.float32)
        if isinstance(inputs, CSR):
            self._forward_csr(inputs, pairs, values, phase)
        else:
            forward_rows(inputs, self.weights, self.bias, pairs.by_node, self._node_bounds(pairs), values)
            products = len(values) * self.fan_in
            rows = pairs.by_node.nonempty_columns()
            self.work.add(phase, products, products, 4 * (products + len(values) + rows * (self.fan_in + 1)))
        return values

    def scores_of_pairs(self, inputs: Inputs, active: CSR, phase: str = "forward") -> FloatArray:
        """Pre-activations of active pairs, float32[P] in the order of their entries."""
        return self.scores_of(inputs, Pairs(active, self.group(active)), phase)

    def _forward_csr(self, inputs: CSR, pairs: Pairs, values: FloatArray, phase: str) -> None:
        forward_csr(*inputs.arrays, self.weights, self.bias, pairs.by_node, self._node_bounds(pairs), values)
        products = products_of(pairs.by_example, inputs)
        rows = pairs.by_node.nonempty_columns()
        # an id, a value and a weight for each product; one result a pair; one bias a node
        self.work.add(phase, products, products, 12 * products + 4 * (len(values) + rows))

    def input_gradient(self, inputs: Inputs, pairs: Pairs | None, deltas: FloatArray) -> FloatArray:
        """Gradient at the layer's input: rows for rows, one value a stored input for a CSR.

        `pairs` None means every node and deltas float32[B, N]; otherwise deltas are float32[P].
        """
        if pairs is None:
            examples = len(deltas)
            products = deltas.size * self.fan_in
            nbytes = 4 * (deltas.size + self.weights.size + examples * self.fan_in)
            self.work.add("backward", products, products, nbytes)
            return self._gemm.input_gradient(deltas, self.weights)
        active = pairs.by_example
        if isinstance(inputs, CSR):
            gradient = self._input_gradient_csr(inputs, pairs, deltas)
            products = products_of(pairs.by_example, inputs)
            # id, weight and the running sum read and written for each product; id and delta of each pair
            self.work.add("backward", products, products, 16 * products + 8 * active.nnz)
            return gradient
        gradient_rows = np.empty((len(active), self.fan_in), dtype=np.float32)
        bounds = balanced_bounds(active.indptr, self.threads)
        input_gradient_rows(active.indptr, active.indices, deltas, self.weights, bounds, gradient_rows)
        products = active.nnz * self.fan_in
        self.work.add("backward", products, products, 4 * products + 8 * active.nnz + 4 * gradient_rows.size)
        return gradient_rows

    def _input_gradient_csr(self, inputs: CSR, pairs: Pairs, deltas: FloatArray) -> FloatArray:
        """Example by example, or, where weights do not stay in cache, node by node: the same bits."""
        indptr, indices, _ = pairs.by_example.arrays
        gradient = np.empty(inputs.nnz, dtype=np.float32)
        bounds = balanced_bounds(indptr, self.threads)
        offsets = np.concatenate(([0], np.cumsum(pairs.by_example.row_lengths() * inputs.row_lengths())))
        if self.weights.nbytes < BEYOND_CACHE or offsets[-1] > MOST_TERMS:
            input_gradient_csr(
                indptr, indices, deltas, self.weights, inputs.indptr, inputs.indices, bounds, gradient
            )
            return gradient
        if len(self._terms) < offsets[-1]:
            self._terms = np.empty(int(1.2 * offsets[-1]), dtype=np.float32)
        input_products(
            indptr, pairs.by_node, deltas, self.weights, inputs.indptr, inputs.indices, offsets,
            self._node_bounds(pairs), self._terms,
        )  # fmt: skip
        sum_products(indptr, inputs.indptr, offsets, self._terms, bounds, gradient)
        return gradient

    def update(self, inputs: Inputs, pairs: Pairs | None, deltas: FloatArray) -> None:
        """Form the weight gradient and take one optimiser step; deltas as in `input_gradient`."""
        if pairs is None:
            assert not isinstance(inputs, CSR)  # the network hands a CSR over together with pairs
            stepped, rows = self.weights.size, self.nodes
            gradient = self._gemm.weight_gradient(deltas, inputs)
            bounds = even_bounds(self.nodes, self.threads)
            step_dense(self.rule, self.weights, gradient, self.state, bounds)
            bias_gradient = deltas.sum(axis=0)[None]
            step_dense(self.rule, self.bias[None], bias_gradient, self.bias_state, np.array([0, 1]))
            products = deltas.size * self.fan_in
            nbytes = 4 * (deltas.size + inputs.size + self.weights.size)
        else:
            bounds = self._node_bounds(pairs)
            rows = pairs.by_node.nonempty_columns()
            if isinstance(inputs, CSR):
                weights = (self.rule, self.weights, self.state)
                stepped = int(update_csr(*inputs.arrays, deltas, pairs.by_node, bounds, *weights))
                step_bias(deltas, pairs.by_node, bounds, self.rule, self.bias[None], self.bias_state)
                products = products_of(pairs.by_example, inputs)
                nbytes = 16 * products + 4 * len(deltas)
            else:
                parameters = (self.rule, self.weights, self.bias[None], self.state, self.bias_state)
                stepped = int(update_rows(inputs, deltas, pairs.by_node, bounds, *parameters))
                products = len(deltas) * self.fan_in
                nbytes = 4 * (products + len(deltas) + rows * self.fan_in)
        self.work.add("backward", products, products + deltas.size, nbytes)
        self.count_steps(stepped + rows)  # one bias a row

    def count_steps(self, stepped: int) -> None:
        """Count the optimiser's steps: weight, gradient and state read, weight and state written."""
        cost = self.cost
        nbytes = 4 * stepped * (3 + 2 * cost.slots)
        self.work.add("update", stepped * cost.mults, stepped * cost.adds, nbytes)

    def _node_bounds(self, pairs: Pairs) -> OffsetArray:
        return balanced_bounds(pairs.by_node.indptr, self.threads)


def group_columns(matrix: CSR, threads: int) -> CSC:
    """Group the entries of a CSR by column."""
    columns, entries = matrix.shape[1], matrix.nnz
    grouped = CSC(
        np.empty(columns + 1, dtype=np.int64),
        np.empty(entries, dtype=np.int32),
        np.empty(entries, dtype=np.int32),
    )
    bounds = balanced_bounds(matrix.indptr, threads)
    cursors = np.empty((threads, columns), dtype=np.int32)
    group_by_column(matrix.indptr, matrix.indices, bounds, cursors, *grouped)
    return grouped


def products_of(pairs: CSR, inputs: CSR) -> int:
    """Sum over examples of active nodes x input entries."""
    return int(pairs.row_lengths() @ inputs.row_lengths())

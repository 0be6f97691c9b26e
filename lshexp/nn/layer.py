"""One fully connected layer: its parameters, its optimiser state, and the three ways it computes.

| input | nodes    | path                                                                |
|-------|----------|---------------------------------------------------------------------|
| rows  | all      | BLAS, in fixed blocks                                               |
| rows  | selected | kernels over the batch grouped by node, four examples a weight row  |
| lists | any      | kernels over the batch grouped by node, listed inputs only          |

Which path runs follows from the data handed in, so forward, backward, update and counting are the same
code for every method. All gradients are those of the batch's mean loss.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lshexp.kernels.backward import (
    input_gradient_lists,
    input_gradient_rows,
    input_products,
    sum_products,
)
from lshexp.kernels.forward import forward_lists, forward_rows
from lshexp.kernels.ragged import (
    Groups,
    Lists,
    balanced_bounds,
    even_bounds,
    group_by_node,
    lengths,
    served,
)
from lshexp.kernels.step import Rule, step_dense
from lshexp.kernels.update import step_bias, update_lists, update_rows
from lshexp.nn.gemm import Gemm, Matrix
from lshexp.work import RULES, STEP_COSTS, LayerWork

# Weights of so many bytes do not stay in cache between the examples of a batch; so many terms of a gradient
# may be kept until they are summed.
BEYOND_CACHE = 2**24
MOST_TERMS = 2**24

Signal = Matrix | Lists  # float32[B, D] rows, or ragged lists


class Pairs(NamedTuple):
    """Selected (example, node) pairs, both ways round."""

    lists: Lists
    groups: Groups


class Layer:
    """Parameters weights float32[N, D] and bias float32[N], with the state of their optimiser."""

    def __init__(self, weights: Matrix, optimizer: str, lr: float, momentum: float, gemm: Gemm, threads: int):
        self.nodes, self.fan_in = weights.shape
        self.weights = weights
        self.bias = np.zeros(self.nodes, dtype=np.float32)
        self.rate = np.float32(lr) if optimizer == "sgd" else None
        self.reads_lists = False  # set by the network where inputs always come as lists
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
            starts = np.arange(examples + 1, dtype=np.int64) * self.nodes
            nodes = np.tile(np.arange(self.nodes, dtype=np.int32), examples)
            lists = Lists(starts, nodes, np.empty(len(nodes), dtype=np.float32))
            self._every[examples] = Pairs(lists, self.group(lists))
        return self._every[examples]

    def group(self, lists: Lists) -> Groups:
        """Group selected pairs by node."""
        return grouped(lists, self.nodes, self.threads)

    def scores_of_all(self, inputs: Signal, phase: str = "forward") -> Matrix:
        """Pre-activations of every node as rows float32[B, N], counted under `phase`."""
        if isinstance(inputs, Lists):
            examples = len(inputs.starts) - 1
            every = self.every_node(examples)
            values = np.empty(examples * self.nodes, dtype=np.float32)
            self._forward_lists(inputs, every, values, phase)
            return values.reshape(examples, self.nodes)
        examples = len(inputs)
        self.work.add(
            phase,
            mults=examples * self.nodes * self.fan_in,
            adds=examples * self.nodes * self.fan_in,
            nbytes=4 * (examples * self.fan_in + self.nodes * (self.fan_in + 1) + examples * self.nodes),
        )
        return self._gemm.scores(inputs, self.weights, self.bias)

    def scores_of(self, inputs: Signal, pairs: Pairs, phase: str = "forward") -> NDArray[np.float32]:
        """Pre-activations of the selected pairs, float32[P] in the order of their lists."""
        values = np.empty(len(pairs.lists.nodes), dtype=np.float32)
        if isinstance(inputs, Lists):
            self._forward_lists(inputs, pairs, values, phase)
        else:
            forward_rows(inputs, self.weights, self.bias, pairs.groups, self._node_bounds(pairs), values)
            products = len(values) * self.fan_in
            rows = served(pairs.groups)
            self.work.add(phase, products, products, 4 * (products + len(values) + rows * (self.fan_in + 1)))
        return values

    def scores_of_lists(self, inputs: Signal, lists: Lists, phase: str = "forward") -> NDArray[np.float32]:
        """Pre-activations of listed pairs that have not been grouped yet."""
        return self.scores_of(inputs, Pairs(lists, self.group(lists)), phase)

    def _forward_lists(self, inputs: Lists, pairs: Pairs, values: NDArray[np.float32], phase: str) -> None:
        forward_lists(*inputs, self.weights, self.bias, pairs.groups, self._node_bounds(pairs), values)
        products = products_of(pairs.lists, inputs)
        rows = served(pairs.groups)
        # an id, a value and a weight for each product; one result a pair; one bias a node
        self.work.add(phase, products, products, 12 * products + 4 * (len(values) + rows))

    def input_gradient(
        self, inputs: Signal, pairs: Pairs | None, deltas: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Gradient at the layer's input: rows for rows, one value a listed input for lists.

        `pairs` None means every node and deltas float32[B, N]; otherwise deltas are float32[P].
        """
        if pairs is None:
            examples = len(deltas)
            products = deltas.size * self.fan_in
            nbytes = 4 * (deltas.size + self.weights.size + examples * self.fan_in)
            self.work.add("backward", products, products, nbytes)
            return self._gemm.input_gradient(deltas, self.weights)
        starts, nodes, _ = pairs.lists
        if isinstance(inputs, Lists):
            gradient = self._input_gradient_lists(inputs, pairs, deltas)
            products = products_of(pairs.lists, inputs)
            # id, weight and the running sum read and written for each product; id and delta of each pair
            self.work.add("backward", products, products, 16 * products + 8 * len(nodes))
            return gradient
        gradient_rows = np.empty((len(starts) - 1, self.fan_in), dtype=np.float32)
        bounds = balanced_bounds(starts, self.threads)
        input_gradient_rows(starts, nodes, deltas, self.weights, bounds, gradient_rows)
        products = len(nodes) * self.fan_in
        self.work.add("backward", products, products, 4 * products + 8 * len(nodes) + 4 * gradient_rows.size)
        return gradient_rows

    def _input_gradient_lists(
        self, inputs: Lists, pairs: Pairs, deltas: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Example by example, or, where weights do not stay in cache, node by node: the same bits."""
        starts, nodes, _ = pairs.lists
        gradient = np.empty(len(inputs.nodes), dtype=np.float32)
        bounds = balanced_bounds(starts, self.threads)
        offsets = np.concatenate(([0], np.cumsum(lengths(starts) * lengths(inputs.starts))))
        if self.weights.nbytes < BEYOND_CACHE or offsets[-1] > MOST_TERMS:
            input_gradient_lists(
                starts, nodes, deltas, self.weights, inputs.starts, inputs.nodes, bounds, gradient
            )
            return gradient
        if len(self._terms) < offsets[-1]:
            self._terms = np.empty(int(1.2 * offsets[-1]), dtype=np.float32)
        input_products(
            starts, pairs.groups, deltas, self.weights, inputs.starts, inputs.nodes, offsets,
            self._node_bounds(pairs), self._terms,
        )  # fmt: skip
        sum_products(starts, inputs.starts, offsets, self._terms, bounds, gradient)
        return gradient

    def update(self, inputs: Signal, pairs: Pairs | None, deltas: NDArray[np.float32]) -> None:
        """Form the weight gradient and take one optimiser step; deltas as in `input_gradient`."""
        if pairs is None:
            assert not isinstance(inputs, Lists)  # the network hands listed inputs over with pairs
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
            rows = served(pairs.groups)
            if isinstance(inputs, Lists):
                weights = (self.rule, self.weights, self.state)
                stepped = int(update_lists(*inputs, deltas, pairs.groups, bounds, *weights))
                step_bias(deltas, pairs.groups, bounds, self.rule, self.bias[None], self.bias_state)
                products = products_of(pairs.lists, inputs)
                nbytes = 16 * products + 4 * len(deltas)
            else:
                parameters = (self.rule, self.weights, self.bias[None], self.state, self.bias_state)
                stepped = int(update_rows(inputs, deltas, pairs.groups, bounds, *parameters))
                products = len(deltas) * self.fan_in
                nbytes = 4 * (products + len(deltas) + rows * self.fan_in)
        self.work.add("backward", products, products + deltas.size, nbytes)
        self.count_steps(stepped + rows)  # one bias a row

    def count_steps(self, stepped: int) -> None:
        """Count the optimiser's steps: weight, gradient and state read, weight and state written."""
        cost = self.cost
        nbytes = 4 * stepped * (3 + 2 * cost.slots)
        self.work.add("update", stepped * cost.mults, stepped * cost.adds, nbytes)

    def _node_bounds(self, pairs: Pairs) -> NDArray[np.int64]:
        return balanced_bounds(pairs.groups.starts, self.threads)


def grouped(lists: Lists, items: int, threads: int) -> Groups:
    """Group the pairs of a Lists whose ids are in 0..items-1."""
    pairs = len(lists.nodes)
    groups = Groups(
        np.empty(items + 1, dtype=np.int64),
        np.empty(pairs, dtype=np.int32),
        np.empty(pairs, dtype=np.int32),
    )
    bounds = balanced_bounds(lists.starts, threads)
    cursors = np.empty((threads, items), dtype=np.int32)
    group_by_node(lists.starts, lists.nodes, bounds, cursors, *groups)
    return groups


def products_of(pairs: Lists, inputs: Lists) -> int:
    """Sum over examples of active nodes x listed inputs."""
    return int(lengths(pairs.starts) @ lengths(inputs.starts))

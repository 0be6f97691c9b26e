"""A layer whose nodes are chosen, computed and stepped in whole blocks.

To a method the layer looks like one whose nodes are the blocks. The weights of a block are the sum of those
of its nodes, so its score is the sum of their pre-activations and costs what one node does. Each step forms
anew the sums of the tiles it changes. Any method can thus choose blocks, and none knows of them.
"""

from __future__ import annotations

import numpy as np

from lshexp.arrays import BSR, CSC, CSR, FloatArray, Inputs, IntArray, OffsetArray, whole_blocks
from lshexp.buffers import empty
from lshexp.kernels.blocks import (
    count_blocks,
    count_blocks_cost,
    forward_blocks,
    forward_blocks_cost,
    score_blocks,
    score_blocks_cost,
    score_every_block,
    score_every_block_cost,
    take_blocks,
    take_blocks_cost,
)
from lshexp.kernels.blocks_step import update_blocks, update_blocks_cost
from lshexp.kernels.parallel import balanced_bounds, even_bounds
from lshexp.kernels.step import Rule
from lshexp.kernels.whole_layer import list_blocks, list_blocks_cost, winning_blocks, winning_blocks_sums
from lshexp.methods.base import Selection, Step
from lshexp.nn.gemm import Gemm
from lshexp.nn.layer import Layer, Pairs, group_columns
from lshexp.nn.plan import LayerPlan
from lshexp.work import PREDICT, LayerWork, Work, elementwise


class BlockLayer(Layer):
    """As `Layer`, in blocks of `plan.block` nodes and inputs; inputs and active pairs are `BSR`s.

    `weights` and `bias` are those of the nodes; assign to change them. What fills the last blocks beyond
    nodes and fan-in is zero and stays so.
    """

    def __init__(self, stored: FloatArray, plan: LayerPlan, rule: Rule, gemm: Gemm, threads: int) -> None:
        self.block = plan.block
        self.blocks = whole_blocks(plan.nodes, plan.block)
        self.in_blocks = whole_blocks(plan.fan_in, plan.block)
        self.sums = np.zeros((self.blocks, self.in_blocks * self.block), dtype=np.float32)
        self.bias_sums = np.zeros(self.blocks, dtype=np.float32)
        self._lanes = (0,) * self.block
        self._ones = np.ones(self.block, dtype=np.float32)
        super().__init__(stored, plan, rule, gemm, threads)
        self.state = np.zeros((self.cost.slots, *self.tiles.shape), dtype=np.float32)
        self.bias_state = np.zeros((self.cost.slots, self.blocks, self.block), dtype=np.float32)

    @property
    def weights(self) -> FloatArray:
        """float32[nodes, fan_in], a copy."""
        tiles = self.tiles.reshape(self.blocks, self.in_blocks * self.block, self.block)
        rows = tiles.transpose(0, 2, 1).reshape(-1, self.in_blocks * self.block)
        return np.ascontiguousarray(rows[: self.plan.nodes, : self.plan.fan_in])

    @weights.setter
    def weights(self, weights: FloatArray) -> None:
        block, nodes, fan_in = self.block, *weights.shape
        rows = np.zeros((self.blocks * block, self.in_blocks * block), dtype=np.float32)
        rows[:nodes, :fan_in] = weights
        by_node = rows.reshape(self.blocks, block, self.in_blocks, block)
        self.tiles = by_node.transpose(0, 2, 3, 1).reshape(-1, block * block).copy()
        self.sums = by_node.sum(axis=1).reshape(self.blocks, -1)

    @property
    def bias(self) -> FloatArray:
        """float32[nodes], a view."""
        return self._bias.reshape(-1)[: self.plan.nodes]

    @bias.setter
    def bias(self, bias: FloatArray) -> None:
        self._bias = np.zeros((self.blocks, self.block), dtype=np.float32)
        self._bias.reshape(-1)[: len(bias)] = bias
        self.bias_sums = self._bias.sum(axis=1)

    @property
    def units(self) -> BlockView:
        """The layer as methods see it."""
        return BlockView(self)

    def every_node(self, examples: int) -> Pairs:
        """All blocks for each of `examples` examples; their values are not set."""
        if examples not in self._every:
            indptr = np.arange(examples + 1, dtype=np.int64) * self.blocks
            blocks = np.tile(np.arange(self.blocks, dtype=np.int32), examples)
            self._every[examples] = self._pairs(indptr, blocks, np.empty(0, dtype=np.float32))
        return self._every[examples]

    def values_of_every_node(self, rows: FloatArray) -> FloatArray:
        """Rows float32[B, nodes] as the values of `every_node`: zero where a block has no node."""
        values = np.zeros((len(rows), self.blocks * self.block), dtype=np.float32)
        values[:, : self.nodes] = rows
        self.work.count("forward", Work(0, 0, values.nbytes) + elementwise(rows.size))
        return values.reshape(-1)

    def group(self, active: CSR, phase: str = "forward") -> CSC:
        """Group active blocks by their number, counted under `phase`."""
        assert isinstance(active, BSR)
        return self._grouped(active.block_indptr, active.blocks, phase)

    def scores_of_all(self, inputs: Inputs, phase: str = "forward") -> FloatArray:
        """Pre-activations of every node as rows float32[B, N], counted under `phase`."""
        inputs = self.in_blocks_of(inputs, phase)
        every = self.every_node(len(inputs))
        values = self._forward(inputs, every.by_node, phase).reshape(len(inputs), -1)
        return self._of_nodes(values, phase)

    def scores_of_pairs(self, inputs: Inputs, active: CSR, phase: str = "forward") -> FloatArray:
        """Pre-activations of active pairs, float32[P] in the order of their entries."""
        return self._forward(self.in_blocks_of(inputs, phase), self.group(active, phase), phase)

    def scores_of_every_block(self, inputs: Inputs, phase: str) -> FloatArray:
        """Scores of every block, float32[B, blocks], counted under `phase`."""
        inputs = self.in_blocks_of(inputs, phase)
        scores = empty((len(inputs), self.blocks), dtype=np.float32)
        read = inputs.block_indptr, inputs.blocks, inputs.data
        bounds = even_bounds(whole_blocks(self.blocks, 4), self.threads)
        score_every_block(*read, self.sums, self.bias_sums, bounds, self._lanes, scores)
        self.work.count(phase, score_every_block_cost(*read[:2], self._lanes, scores))
        return scores

    def scores_of_blocks(self, inputs: Inputs, by_block: CSC, phase: str) -> FloatArray:
        """Scores of (example, block) pairs, float32[P], counted under `phase`."""
        inputs = self.in_blocks_of(inputs, phase)
        scores = empty(len(by_block.indices), dtype=np.float32)
        read = inputs.block_indptr, inputs.blocks, inputs.data
        bounds = balanced_bounds(by_block.indptr, self.threads)
        score_blocks(*read, self.sums, self.bias_sums, by_block, bounds, self._lanes, scores)
        self.work.count(phase, score_blocks_cost(read[0], self.sums, by_block, self._lanes))
        return scores

    def all_scores(self, inputs: Inputs, selection: Selection) -> tuple[FloatArray, np.float32 | FloatArray]:
        """Where a method chose every block: its scores and multipliers are those of blocks."""
        given, rows = selection.multiplier, self.scores_of_all(inputs)
        if not isinstance(given, np.ndarray):
            return rows, np.float32(given)
        repeated = np.repeat(given, self.block, axis=1)
        self.work.count("forward", Work(0, 0, 4 * (given.size + repeated.size)))
        return rows, self._of_nodes(repeated, "forward")

    def _of_nodes(self, values: FloatArray, phase: str) -> FloatArray:
        """Values of all blocks, float32[B, blocks * b], without those beyond the nodes."""
        if values.shape[1] > self.nodes:
            self.work.count(phase, elementwise(len(values) * self.nodes))
        return np.ascontiguousarray(values[:, : self.nodes])

    def activate(self, inputs: Inputs, active: CSR, scored: bool, multiplier: np.float32) -> Pairs:
        """Activations of active blocks, whose scores say nothing of their nodes' own."""
        by_block = self._grouped(active.indptr, active.indices, "forward")
        values = self._forward(self.in_blocks_of(inputs, "forward"), by_block, "forward")
        np.maximum(values, 0, out=values)  # NaN is kept, as everywhere
        self.work.count("forward", elementwise(values.size))
        if multiplier != 1:
            values *= multiplier
            self.work.count("forward", elementwise(values.size, mults=values.size))
        return Pairs(self._bsr(active.indptr, active.indices, values), by_block)

    def winners_of_one(self, inputs: Inputs, k: int) -> tuple[CSR, int]:
        """As `Layer.winners_of_one`; k blocks, by the sums of their pre-activations."""
        inputs = self.in_blocks_of(inputs, PREDICT)
        read, of_blocks = (inputs.block_indptr, inputs.blocks, inputs.data), (self.sums, self.bias_sums)
        found = winning_blocks(*read, *of_blocks, self.tiles, self._bias, k, self._lanes)
        indptr, best, activations, touched = found
        self.work.count_sums(winning_blocks_sums, (self.blocks, self.block, k), 1, 1, len(read[1]), touched)
        return BSR(indptr, best, activations, self.nodes), self._nodes_in(best)

    def in_blocks_of(self, inputs: Inputs, phase: str = "forward") -> BSR:
        """The layer's input in blocks, of which those without any value but zero are left out."""
        if isinstance(inputs, BSR):
            return inputs
        if isinstance(inputs, CSR):
            return blocks_of_csr(inputs, self.block)
        if len(inputs) == 1:
            indptr, blocks, data = found = list_blocks(inputs, self.block)
            self.work.count(phase, list_blocks_cost(inputs, found))
            return BSR(indptr, blocks, data, inputs.shape[1])
        bounds, counts = even_bounds(len(inputs), self.threads), empty(len(inputs), dtype=np.int64)
        count_blocks(inputs, self.block, bounds, counts)
        self.work.count(phase, count_blocks_cost(inputs))
        indptr = np.concatenate(([0], np.cumsum(counts)))
        blocks = empty(indptr[-1], dtype=np.int32)
        data = empty((indptr[-1], self.block), dtype=np.float32)
        take_blocks(inputs, bounds, indptr, blocks, data)
        self.work.count(phase, take_blocks_cost(inputs, blocks, data))
        return BSR(indptr, blocks, data, inputs.shape[1])

    def pass_back(
        self, inputs: Inputs, pairs: Pairs | None, deltas: FloatArray, at_once: bool
    ) -> tuple[FloatArray, bool]:
        """The gradient at the stored blocks of the input, float32[Q * b], and the step, which is taken."""
        assert at_once  # blocks go with `update: batch`
        gradient = empty(inputs.nnz if isinstance(inputs, BSR) else 0, dtype=np.float32)
        gradient[:] = 0
        self.work.count("backward", Work(0, 0, gradient.nbytes))
        self._update(inputs, pairs, deltas, gradient)
        return gradient, True

    def update(self, inputs: Inputs, pairs: Pairs | None, deltas: FloatArray) -> None:
        """Form the weight gradient and take one optimiser step; deltas float32[P * b]."""
        self._update(inputs, pairs, deltas, np.empty(0, dtype=np.float32))

    def _update(self, inputs: Inputs, pairs: Pairs | None, deltas: FloatArray, gradient: FloatArray) -> None:
        assert isinstance(inputs, BSR) and pairs is not None  # as the plan says
        rule, by_block = self.next_rule(), pairs.by_node
        read = inputs.block_indptr, inputs.blocks, inputs.data
        stepped = update_blocks(
            *read, deltas, by_block, even_bounds(self.in_blocks, self.threads), self._lanes, rule,
            self.tiles, self._bias, self.state, self.bias_state, self.sums, self.bias_sums, gradient,
        )  # fmt: skip
        own = rule, self._bias, self.tiles, gradient
        *costs, summed = update_blocks_cost(read[0], by_block, self._lanes, *own, stepped)
        self._count_update((costs[0], costs[1]))
        self.work.count("rebuild", summed)

    def step_of(self, pairs: Pairs, deltas: FloatArray, token: object) -> Step:
        """A step as the method sees it: the sum of a block's weights moves by the sum of its deltas."""
        summed = deltas.reshape(-1, self.block) @ self._ones
        self.work.count("rebuild", Work(0, deltas.size, 4 * (deltas.size + self.block + len(summed))))
        return Step(pairs.by_node, summed, token)

    def selected(self, active: CSR | None, examples: int) -> int:
        """Number of active pairs of example and node."""
        return super().selected(None, examples) if active is None else self._nodes_in(active.indices)

    def _nodes_in(self, blocks: IntArray) -> int:
        """Number of nodes in blocks with these numbers."""
        beyond = self.blocks * self.block - self.nodes
        last = int(np.count_nonzero(blocks == self.blocks - 1)) if beyond else 0
        return int(len(blocks) * self.block - last * beyond)

    def nodes_of(self, active: CSR) -> CSR:
        """Active blocks as active nodes; values are not set."""
        pairs = self._bsr(active.indptr, active.indices, np.zeros(active.nnz * self.block, dtype=np.float32))
        return pairs.where(pairs.indices < self.nodes)

    def _forward(self, inputs: BSR, by_block: CSC, phase: str) -> FloatArray:
        values = empty(len(by_block.indices) * self.block, dtype=np.float32)
        read = inputs.block_indptr, inputs.blocks, inputs.data
        bounds = balanced_bounds(by_block.indptr, self.threads)
        forward_blocks(*read, self.tiles, self._bias, by_block, bounds, self._lanes, values)
        self.work.count(phase, forward_blocks_cost(read[0], self._bias, by_block, self._lanes))
        return values

    def _bsr(self, indptr: OffsetArray, blocks: IntArray, values: FloatArray) -> BSR:
        return BSR(indptr, blocks, values.reshape(-1, self.block), self.nodes)

    def _pairs(self, indptr: OffsetArray, blocks: IntArray, values: FloatArray) -> Pairs:
        matrix = CSR(indptr, blocks, np.empty(0, dtype=np.float32), (len(indptr) - 1, self.blocks))
        return Pairs(self._bsr(indptr, blocks, values), group_columns(matrix, self.threads))

    def _grouped(self, indptr: OffsetArray, blocks: IntArray, phase: str) -> CSC:
        none = np.empty(0, dtype=np.float32)
        return super().group(CSR(indptr, blocks, none, (len(indptr) - 1, self.blocks)), phase)


class BlockView:
    """A layer in blocks as methods see it (`lshexp.methods.base.LayerView`): a node of it is a block."""

    def __init__(self, layer: BlockLayer) -> None:
        self._layer = layer
        self.nodes, self.fan_in = layer.blocks, layer.in_blocks * layer.block
        self.threads, self.rule = layer.threads, layer.rule
        self.label_counts: OffsetArray | None = None

    @property
    def weights(self) -> FloatArray:
        """Sums of the weights of each block's nodes, float32[blocks, fan-in], as of the moment."""
        return self._layer.sums

    @property
    def bias(self) -> FloatArray:
        """Sums of the biases, float32[blocks]."""
        return self._layer.bias_sums

    @property
    def work(self) -> LayerWork:
        """The layer's counters."""
        return self._layer.work

    @property
    def scan(self) -> bool:
        """Whether every block is to be scored, exactly; the plan's decision."""
        return self._layer.plan.scan

    def scores_of_all(self, inputs: Inputs, phase: str = "forward") -> FloatArray:
        """Scores of every block, float32[B, blocks], counted under `phase`."""
        return self._layer.scores_of_every_block(inputs, phase)

    def scores_of_pairs(self, inputs: Inputs, active: CSR, phase: str = "forward") -> FloatArray:
        """Scores of active pairs, float32[P], counted under `phase`."""
        by_block = self._layer._grouped(active.indptr, active.indices, phase)
        return self._layer.scores_of_blocks(inputs, by_block, phase)


def blocks_of_csr(matrix: CSR, block: int) -> BSR:
    """Stored entries as the blocks that they stand in; columns ascend in each row."""
    examples, columns = matrix.shape
    width = whole_blocks(columns, block)
    place = np.repeat(np.arange(examples), matrix.row_lengths()) * width + matrix.indices // block
    first = np.append(True, place[1:] != place[:-1])[: len(place)]  # entries of a block follow each other
    places = place[first]
    data = np.zeros((len(places), block), dtype=np.float32)
    data[np.cumsum(first) - 1, matrix.indices % block] = matrix.data
    indptr = np.searchsorted(places, np.arange(examples + 1) * width).astype(np.int64)
    return BSR(indptr, (places % width).astype(np.int32), data, columns)

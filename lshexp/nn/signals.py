"""What passes between layers, and what of it the backward pass needs.

A skip adds a layer's input to what it computed.

Skips are identities (He et al., 2016), one layer long. Each function counts under the layer it is given.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lshexp.arrays import BSR, CSR, FloatArray, Inputs, IntArray, OffsetArray
from lshexp.buffers import empty
from lshexp.kernels.blocks import add_blocks, add_blocks_cost
from lshexp.kernels.csr import (
    add_csr,
    add_csr_cost,
    count_stored,
    count_union,
    count_union_cost,
    gather_rows,
    gather_rows_cost,
    scatter_rows,
    scatter_rows_cost,
    take_stored,
)
from lshexp.kernels.parallel import balanced_bounds, even_bounds
from lshexp.kernels.whole_layer import list_stored
from lshexp.methods.base import Gates, Selection
from lshexp.nn.layer import Layer, Pairs
from lshexp.work import Work, elementwise, indexed


class Skip(NamedTuple):
    """Where a hidden layer's input and what it computed have gone in their sum, its output.

    `total` None means that rows were added, place by place.
    """

    total: CSR | None
    of_input: OffsetArray  # int64[entries of the input], their places in `total`
    of_own: OffsetArray  # int64[active pairs], likewise


class Tape(NamedTuple):
    """What the backward pass of a hidden layer needs of its forward pass."""

    inputs: Inputs
    pairs: Pairs | None  # those with a positive activation; None = every node
    rows: FloatArray | None  # activations of every node, where pairs is None
    multiplier: np.float32 | FloatArray  # of the activations
    token: object  # what the selection wants back with its step
    skip: Skip | None = None  # where the layer's input was added to what it computed

    @property
    def scaled(self) -> bool:
        """Whether the activations have been multiplied at all."""
        return isinstance(self.multiplier, np.ndarray) or self.multiplier != 1


def gated_by(layer: Layer, inputs: Inputs, selection: Selection, gates: FloatArray) -> Tape:
    """Activations of active pairs, each times its gate; gates float32[P]. Counted as `forward`."""
    active = selection.active
    assert active is not None  # gates are those of active pairs
    if not selection.scored:
        active = active.with_data(layer.scores_of_pairs(inputs, active))
    pairs = layer.activate(inputs, active, True, np.float32(1))
    live = gates[~(active.data <= 0)]  # as `activate` keeps them
    activations = pairs.by_example.data
    activations *= live
    looked = Work(0, 0, 5 * active.nnz)  # a mask of one byte a pair
    layer.work.count("forward", looked + indexed(live.size, active.nnz))
    layer.work.count("forward", elementwise(live.size, 2, mults=live.size))
    return Tape(inputs, pairs, None, live, selection.token)


def gates_of(layer: Layer, tape: Tape, gradient: FloatArray) -> Gates | None:
    """Gates of a layer's active pairs, with their gradients; None where there are none.

    gradient: float32[P], that at the pairs' activations. An activation is its gate times all else, so that
    its product with the gradient at it is the gradient at the gate's logarithm.
    """
    if tape.pairs is None or not isinstance(tape.multiplier, np.ndarray):
        return None
    layer.work.count("backward", elementwise(gradient.size, 2, mults=gradient.size))
    return Gates(tape.multiplier, gradient * tape.pairs.by_example.data)


def rows_of(layer: Layer, signal: Inputs) -> FloatArray:
    """A layer's output as rows float32[B, nodes]."""
    if not isinstance(signal, CSR):
        return signal
    rows = empty(signal.shape, dtype=np.float32)
    scatter_rows(*signal.arrays, balanced_bounds(signal.indptr, layer.threads), rows)
    layer.work.count("forward", scatter_rows_cost(signal.indices, rows))
    if rows.shape[1] == layer.nodes:
        return rows
    layer.work.count("forward", elementwise(len(rows) * layer.nodes))
    return np.ascontiguousarray(rows[:, : layer.nodes])


def stored(inputs: Inputs, threads: int) -> CSR:
    """A batch as the values that are not zero; the form in which examples are handed over is not counted."""
    if isinstance(inputs, CSR):
        return inputs
    if len(inputs) == 1:
        indptr, indices, data = list_stored(inputs)
        return CSR(indptr, indices, data, (1, inputs.shape[1]))
    bounds, counts = even_bounds(len(inputs), threads), np.empty(len(inputs), dtype=np.int64)
    count_stored(inputs, bounds, counts)
    found = CSR.from_lengths(counts, inputs.shape[1])
    take_stored(inputs, bounds, *found.arrays)
    return found


def gathered(layer: Layer, rows: FloatArray, entries: CSR) -> FloatArray:
    """Values of rows float32[B, N] at the entries of a CSR, counted as backward."""
    values = empty(entries.nnz, dtype=np.float32)
    bounds = balanced_bounds(entries.indptr, layer.threads)
    gather_rows(rows, entries.indptr, entries.indices, bounds, values)
    layer.work.count("backward", gather_rows_cost(entries.indptr, entries.indices))
    return values


def add_input(layer: Layer, tape: Tape, own: Inputs, places: IntArray) -> tuple[Tape, Inputs]:
    """Add the layer's input to what it computed, `own`; places int32[threads, >= nodes] are all -1."""
    inputs, none = tape.inputs, np.empty(0, dtype=np.int64)
    if isinstance(inputs, BSR) and isinstance(own, BSR):
        return _add_blocks(layer, tape, inputs, own, places)
    if not (isinstance(inputs, CSR) and isinstance(own, CSR)):
        rows = rows_of(layer, inputs) + rows_of(layer, own)
        layer.work.count("forward", elementwise(rows.size, operands=2, adds=rows.size))
        return tape._replace(skip=Skip(None, none, none)), rows
    bounds, counts = even_bounds(len(own), layer.threads), empty(len(own), dtype=np.int64)
    count_union(inputs.indptr, inputs.indices, own.indptr, own.indices, bounds, places, counts)
    total = CSR.from_lengths(counts, layer.nodes)
    skip = Skip(total, empty(inputs.nnz, dtype=np.int64), empty(own.nnz, dtype=np.int64))
    add_csr(*inputs.arrays, *own.arrays, bounds, places, *total.arrays, skip.of_input, skip.of_own)
    layer.work.count("forward", count_union_cost(inputs.indices, own.indices, counts))
    layer.work.count("forward", add_csr_cost(inputs.indices, own.indices, total.indptr, total.indices))
    return tape._replace(skip=skip), total


def _add_blocks(layer: Layer, tape: Tape, inputs: BSR, own: BSR, places: IntArray) -> tuple[Tape, Inputs]:
    bounds, counts = even_bounds(len(own), layer.threads), empty(len(own), dtype=np.int64)
    a, b = (inputs.block_indptr, inputs.blocks), (own.block_indptr, own.blocks)
    count_union(*a, *b, bounds, places, counts)
    indptr = np.concatenate(([0], np.cumsum(counts)))
    blocks, data = empty(indptr[-1], dtype=np.int32), empty((indptr[-1], own.block), dtype=np.float32)
    of_input, of_own = (empty(len(numbers), dtype=np.int64) for _, numbers in (a, b))
    lanes = (0,) * own.block
    add_blocks(
        *a, inputs.data, *b, own.data, bounds, places, lanes, indptr, blocks, data.reshape(-1),
        of_input, of_own,
    )  # fmt: skip
    layer.work.count("forward", count_union_cost(inputs.blocks, own.blocks, counts))
    layer.work.count("forward", add_blocks_cost(inputs.blocks, own.blocks, lanes, indptr, blocks))
    total = BSR(indptr, blocks, data, layer.nodes)
    return tape._replace(skip=Skip(total, of_input, of_own)), total


def split(layer: Layer, tape: Tape, gradient: FloatArray) -> tuple[FloatArray, FloatArray | None]:
    """The gradient at a layer's output as that at what it computed and, with skips, that at its input."""
    skip = tape.skip
    if skip is None:
        return gradient, None
    if skip.total is None:
        inputs = tape.inputs
        passed = gathered(layer, gradient, inputs) if isinstance(inputs, CSR) else gradient
        layer.work.count("backward", elementwise(gradient.size))
        return gradient.copy(), passed
    if gradient.ndim == 2:  # the layer above read rows
        gradient = gathered(layer, gradient, skip.total)
    block = skip.total.block if isinstance(skip.total, BSR) else 1
    entries = len(skip.of_own) + len(skip.of_input)  # each by its place, one int64
    layer.work.count("backward", Work(0, 0, (8 + 8 * block) * entries))
    if block > 1:
        gradient = gradient.reshape(-1, block)
    return _taken(gradient, skip.of_own), _taken(gradient, skip.of_input)


def _taken(values: FloatArray, places: OffsetArray) -> FloatArray:
    """Values, or blocks of them, at places none of which is beyond the end, one after another."""
    out = empty((len(places), *values.shape[1:]), dtype=np.float32)
    return np.take(values, places, axis=0, out=out, mode="clip").ravel()  # other modes copy `out`

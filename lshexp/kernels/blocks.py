"""Whole blocks of nodes: inputs in blocks, the scores that blocks are chosen by, and their forward pass.

A layer's weights are tiles. Tile (n, k), b * b contiguous floats, is row n * K + k of `tiles`, where K is the
number of blocks of inputs. It leads from the b inputs of block k to the b nodes of block n, b weights each.
What a layer reads and what is active in it are lists of blocks (`lshexp.arrays.BSR`), so an active pair of
blocks is the product of a contiguous tile with a run in registers: no weight is gathered by itself.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.arrays import CSC, FloatArray, IntArray, OffsetArray
from lshexp.kernels._cost import ID, OFFSET, VALUE, grouped_products
from lshexp.kernels.vector import add, add_product, add_tile, load, store, total, zeros
from lshexp.work import Work


@njit(parallel=True, cache=True, fastmath=False)
def count_blocks(rows, block, bounds, counts):
    """Count, for each row, the blocks in which not all values are zero.

    Symbols: B rows, D columns, C chunks.

    Parameters
    ----------
    rows : float32[B, D]
    block : int                     columns of a block; the last block may have fewer
    bounds : int64[C + 1]           chunks of rows
    counts : int64[B], out
    """
    columns = rows.shape[1]
    for c in prange(len(bounds) - 1):
        for e in range(bounds[c], bounds[c + 1]):
            count = 0
            for first in range(0, columns, block):
                used = False
                for d in range(first, min(first + block, columns)):
                    used |= rows[e, d] != 0
                count += used
            counts[e] = count


def count_blocks_cost(rows: FloatArray) -> Work:
    """Every value once, and a count a row."""
    return Work(0, 0, VALUE * rows.size + OFFSET * len(rows))


@njit(parallel=True, cache=True, fastmath=False)
def take_blocks(rows, bounds, indptr, blocks, data):
    """List the blocks of each row in which not all values are zero, and their values.

    Parameters as in `count_blocks`, and
    ----------
    indptr : int64[B + 1]           running total of the counts
    blocks : int32[Q], out          ascending in a row
    data : float32[Q, b], out       zero beyond the last column
    """
    columns, block = rows.shape[1], data.shape[1]
    for c in prange(len(bounds) - 1):
        for e in range(bounds[c], bounds[c + 1]):
            at = indptr[e]
            for first in range(0, columns, block):
                used = False
                for d in range(first, min(first + block, columns)):
                    used |= rows[e, d] != 0
                if used:
                    blocks[at] = first // block
                    for j in range(block):
                        data[at, j] = rows[e, first + j] if first + j < columns else np.float32(0)
                    at += 1


def take_blocks_cost(rows: FloatArray, blocks: IntArray, data: FloatArray) -> Work:
    """Every value once, those of listed blocks again; number and values of these are stored."""
    columns, block = rows.shape[1], data.shape[1]
    last = (columns - 1) // block
    beyond = int(np.count_nonzero(blocks == last)) * (block * (last + 1) - columns)
    return Work(0, 0, VALUE * (rows.size + 2 * data.size - beyond) + ID * len(blocks) + OFFSET * len(rows))


@njit(parallel=True, cache=True, fastmath=False)
def add_blocks(
    a_indptr, a_blocks, a_data, b_indptr, b_blocks, b_data, bounds, places, lanes,
    indptr, blocks, data, a_positions, b_positions,
):  # fmt: skip
    """Add two matrices in blocks, and say where the blocks of each have gone; as `csr.add_csr` does entries.

    Symbols: B rows, N blocks of columns, P and Q blocks, R of the sum, b columns a block, C chunks.

    Parameters
    ----------
    a_indptr : int64[B + 1]; a_blocks : int32[P]; a_data : float32[P * b]       each block once a row
    b_indptr : int64[B + 1]; b_blocks : int32[Q]; b_data : float32[Q * b]       likewise
    bounds : int64[C + 1]                           chunks of rows
    places : int32[C, >= N], scratch                all -1, and left so
    lanes : tuple of b
    indptr : int64[B + 1]                           from the counts of `csr.count_union`
    blocks : int32[R], out; data : float32[R * b], out      blocks of a, then those only b has
    a_positions : int64[P], out; b_positions : int64[Q], out        place of each block in the sum
    """
    b = len(lanes)
    for c in prange(len(bounds) - 1):
        place = places[c]
        for e in range(bounds[c], bounds[c + 1]):
            first = indptr[e]
            at = first
            for k in range(a_indptr[e], a_indptr[e + 1]):
                block = a_blocks[k]
                blocks[at] = block
                store(data, at * b, load(a_data, k * b, lanes))
                place[block] = at - first
                a_positions[k] = at
                at += 1
            for k in range(b_indptr[e], b_indptr[e + 1]):
                block = b_blocks[k]
                known = place[block]
                run = load(b_data, k * b, lanes)
                if known >= 0:
                    to = first + known
                    store(data, to * b, add(load(data, to * b, lanes), run))
                    b_positions[k] = to
                else:
                    blocks[at] = block
                    store(data, at * b, run)
                    b_positions[k] = at
                    at += 1
            for k in range(a_indptr[e], a_indptr[e + 1]):
                place[a_blocks[k]] = -1


def add_blocks_cost(
    a_blocks: IntArray, b_blocks: IntArray, lanes: tuple[int, ...], indptr: OffsetArray, blocks: IntArray
) -> Work:
    """Blocks are copied with their places; one of b finds its place, and is added or copied."""
    b, of_a, of_b = len(lanes), len(a_blocks), len(b_blocks)
    shared = of_a + of_b - len(blocks)
    nbytes = (5 * ID + 2 * b * VALUE + OFFSET) * of_a + (2 * ID + b * VALUE + OFFSET) * of_b
    nbytes += 2 * b * VALUE * shared + (ID + b * VALUE) * (of_b - shared) + 7 * OFFSET * (len(indptr) - 1)
    return Work(0, shared * b, nbytes)


@njit(parallel=True, cache=True, fastmath=False)
def score_every_block(in_indptr, in_blocks, in_data, sums, bias_sums, bounds, lanes, scores):
    """Scores of every block: the sum of its nodes' pre-activations, from the sum of their weights.

    Symbols: B examples, D fan-in (whole blocks), N blocks of nodes, Q blocks of the input, C chunks.

    Parameters
    ----------
    in_indptr : int64[B + 1]; in_blocks : int32[Q]; in_data : float32[Q * b]        the layer's input
    sums : float32[N, D]                the weight rows of each block's nodes, added up
    bias_sums : float32[N]
    bounds : int64[C + 1]               chunks of fours of blocks of nodes
    lanes : tuple of b
    scores : float32[B, N], out

    Cost: Q * b * N multiplications. Four blocks of nodes share the pass over an example's input.
    """
    b, end = len(lanes), len(sums) - 1
    for c in prange(len(bounds) - 1):
        for n in range(4 * bounds[c], 4 * bounds[c + 1], 4):
            # what lies beyond the last block is that block again
            n_two, n_three, n_four = min(n + 1, end), min(n + 2, end), min(n + 3, end)
            row, two, three, four = sums[n], sums[n_two], sums[n_three], sums[n_four]
            for e in range(len(in_indptr) - 1):
                run, run_two, run_three, run_four = zeros(lanes), zeros(lanes), zeros(lanes), zeros(lanes)
                for q in range(in_indptr[e], in_indptr[e + 1]):
                    x, at = load(in_data, q * b, lanes), in_blocks[q] * b
                    run = add_product(run, x, load(row, at, lanes))
                    run_two = add_product(run_two, x, load(two, at, lanes))
                    run_three = add_product(run_three, x, load(three, at, lanes))
                    run_four = add_product(run_four, x, load(four, at, lanes))
                scores[e, n] = total(run) + bias_sums[n]
                scores[e, n_two] = total(run_two) + bias_sums[n_two]
                scores[e, n_three] = total(run_three) + bias_sums[n_three]
                scores[e, n_four] = total(run_four) + bias_sums[n_four]


def score_every_block_cost(
    in_indptr: OffsetArray, in_blocks: IntArray, lanes: tuple[int, ...], scores: FloatArray
) -> Work:
    """As `scored_cost`."""
    return scored_cost(scores.shape[1], len(lanes), len(in_indptr) - 1, len(in_blocks))


def scored_cost(of_nodes: int, b: int, examples: int, inputs: int) -> Work:
    """Four blocks of nodes at a time, whole fours; a block of the input is loaded once for all four."""
    fours = -(-of_nodes // 4)
    products = 4 * fours * inputs * b
    nbytes = fours * (inputs * (ID + VALUE * b) + (2 * OFFSET + 8 * VALUE) * examples)
    return Work(products, products, nbytes + VALUE * products)


@njit(parallel=True, cache=True, fastmath=False)
def score_blocks(in_indptr, in_blocks, in_data, sums, bias_sums, by_block, bounds, lanes, scores):
    """Scores of some blocks, as `score_every_block` has them.

    Symbols and parameters as there, P pairs, and
    ----------
    by_block : CSC of N columns         which examples each block is scored for
    bounds : int64[C + 1]               chunks of blocks of nodes
    scores : float32[P], out

    Cost: b multiplications a pair and block of its input. Four sums hide the latency of the additions.
    """
    indptr, examples, positions, _ = by_block
    b = len(lanes)
    for c in prange(len(bounds) - 1):
        for n in range(bounds[c], bounds[c + 1]):
            row = sums[n]
            for at in range(indptr[n], indptr[n + 1]):
                e = examples[at]
                first, last = in_indptr[e], in_indptr[e + 1]
                run, two, three, four = zeros(lanes), zeros(lanes), zeros(lanes), zeros(lanes)
                whole = last - (last - first) % 4
                for q in range(first, whole, 4):
                    run = add_product(run, load(in_data, q * b, lanes), load(row, in_blocks[q] * b, lanes))
                    two = add_product(
                        two, load(in_data, (q + 1) * b, lanes), load(row, in_blocks[q + 1] * b, lanes)
                    )
                    three = add_product(
                        three, load(in_data, (q + 2) * b, lanes), load(row, in_blocks[q + 2] * b, lanes)
                    )
                    four = add_product(
                        four, load(in_data, (q + 3) * b, lanes), load(row, in_blocks[q + 3] * b, lanes)
                    )
                for q in range(whole, last):
                    run = add_product(run, load(in_data, q * b, lanes), load(row, in_blocks[q] * b, lanes))
                run = add(add(run, two), add(three, four))
                scores[positions[at]] = total(run) + bias_sums[n]


def score_blocks_cost(
    in_indptr: OffsetArray, sums: FloatArray, by_block: CSC, lanes: tuple[int, ...]
) -> Work:
    """The number of a block of the input, its values and its weights; of a pair its places and the result."""
    pairs, visits = len(by_block[1]), grouped_products(by_block[1], in_indptr)
    products = visits * len(lanes)
    nbytes = ID * visits + 2 * VALUE * products + (2 * ID + 2 * OFFSET + 2 * VALUE) * pairs
    return Work(products, products, nbytes + 2 * OFFSET * len(sums))


@njit(parallel=True, cache=True, fastmath=False)
def forward_blocks(in_indptr, in_blocks, in_data, tiles, bias, by_block, bounds, lanes, values):
    """Pre-activations of all nodes of the selected blocks.

    Parameters as in `score_blocks`, and
    ----------
    tiles : float32[N * D / b, b * b]   weights, in the order of blocks of nodes, then of inputs
    bias : float32[N, b]
    values : float32[P * b], out

    Cost: b * b multiplications a pair and block of its input.
    """
    indptr, examples, positions, _ = by_block
    b, flat = len(lanes), tiles.reshape(-1)
    of_block = len(flat) // max(len(bias), 1)
    for c in prange(len(bounds) - 1):
        for n in range(bounds[c], bounds[c + 1]):
            for at in range(indptr[n], indptr[n + 1]):
                e = examples[at]
                run = load(bias[n], 0, lanes)
                for q in range(in_indptr[e], in_indptr[e + 1]):
                    run = add_tile(run, in_data, q * b, flat, n * of_block + in_blocks[q] * b * b, lanes)
                store(values, positions[at] * b, run)


def forward_blocks_cost(
    in_indptr: OffsetArray, bias: FloatArray, by_block: CSC, lanes: tuple[int, ...]
) -> Work:
    """As `forwarded_cost`."""
    visits = grouped_products(by_block[1], in_indptr)
    return forwarded_cost(len(bias), len(lanes), 1, visits, len(by_block[1]))


def forwarded_cost(of_nodes: int, b: int, calls: int, visits: int, pairs: int) -> Work:
    """A tile and an input block for each visit; of a pair of blocks its places, biases and results."""
    products = visits * b * b
    nbytes = (ID + VALUE * b) * visits + VALUE * products
    nbytes += (2 * ID + 2 * OFFSET + 2 * VALUE * b) * pairs + 2 * OFFSET * of_nodes * calls
    return Work(products, products, nbytes)

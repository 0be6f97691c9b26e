"""All of a hidden layer of exact winners in one call: scores of every node, the best of them, activations.

For a single example a call from Python takes longer than what most kernels compute. These kernels call others
one after another, on the calling thread alone, and hand over what those would have.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from lshexp.arrays import FloatArray, IntArray, OffsetArray
from lshexp.kernels._cost import OFFSET, passes, passes_of_one
from lshexp.kernels.blocks import (
    count_blocks,
    count_blocks_cost,
    forward_blocks,
    forwarded_cost,
    score_every_block,
    scored_cost,
    take_blocks,
    take_blocks_cost,
)
from lshexp.kernels.by_input import scan_csr, scanned_cost
from lshexp.kernels.csr import count_stored, keep_positive, kept_cost, take_stored
from lshexp.kernels.group import group_by_column, grouped_cost
from lshexp.kernels.parallel import alone
from lshexp.kernels.top_k import taken_cost, top_k_rows
from lshexp.work import Work, elementwise

_count_stored, _take_stored = alone(count_stored), alone(take_stored)
_count_blocks, _take_blocks = alone(count_blocks), alone(take_blocks)
_scan_csr, _score_every_block = alone(scan_csr), alone(score_every_block)
_top_k_rows, _group_by_column = alone(top_k_rows), alone(group_by_column)
_forward_blocks = alone(forward_blocks)


@njit(parallel=False, cache=True, fastmath=False)
def _offsets(lengths):
    """Where rows of these lengths begin and end: int64[B + 1] from int64[B]."""
    indptr = np.empty(len(lengths) + 1, dtype=np.int64)
    total = 0
    for b in range(len(lengths)):
        indptr[b] = total
        total += lengths[b]
    indptr[len(lengths)] = total
    return indptr


@njit(parallel=False, cache=True, fastmath=False)
def _best(scores, k):
    """Offsets, places and values of the k largest scores of each row, and what `top_k_rows` returns."""
    examples = len(scores)
    indptr = np.empty(examples + 1, dtype=np.int64)
    for b in range(examples + 1):
        indptr[b] = b * k
    best = np.empty(examples * k, dtype=np.int32)
    values = np.empty(examples * k, dtype=np.float32)
    touched = _top_k_rows(scores, k, np.array([0, examples]), best, values)
    return indptr, best, values, touched


def _best_cost(k: int, calls: int, examples: int, touched: int) -> Work:
    return taken_cost(examples * k, touched) + Work(0, 0, OFFSET * (calls + examples))


@njit(parallel=False, cache=True, fastmath=False)
def list_stored(rows):
    """Return `indptr`, `indices` and `data` of the values of float32[B, D] that are not zero.

    The kernels `count_stored` and `take_stored`.
    """
    bounds = np.array([0, len(rows)])
    counts = np.empty(len(rows), dtype=np.int64)
    _count_stored(rows, bounds, counts)
    indptr = _offsets(counts)
    indices = np.empty(indptr[-1], dtype=np.int32)
    data = np.empty(indptr[-1], dtype=np.float32)
    _take_stored(rows, bounds, indptr, indices, data)
    return indptr, indices, data


@njit(parallel=False, cache=True, fastmath=False)
def list_blocks(rows, block):
    """Return `indptr`, `blocks` and `data` of the blocks of float32[B, D] in which not all values are zero.

    The kernels `count_blocks` and `take_blocks`; block: columns of one.
    """
    bounds = np.array([0, len(rows)])
    counts = np.empty(len(rows), dtype=np.int64)
    _count_blocks(rows, block, bounds, counts)
    indptr = _offsets(counts)
    blocks = np.empty(indptr[-1], dtype=np.int32)
    data = np.empty((indptr[-1], block), dtype=np.float32)
    _take_blocks(rows, bounds, indptr, blocks, data)
    return indptr, blocks, data


def list_blocks_cost(rows: FloatArray, returned: tuple[OffsetArray, IntArray, FloatArray]) -> Work:
    """Those of the two kernels, and where rows begin."""
    _, blocks, data = returned
    begun = Work(0, 0, OFFSET * (2 * len(rows) + 3))
    return count_blocks_cost(rows) + take_blocks_cost(rows, blocks, data) + begun


@njit(parallel=False, cache=True, fastmath=False)
def winners_by_input(in_indptr, in_indices, in_data, columns, bias, k):
    """Activations of the k nodes of largest score, of a layer stored by input.

    The kernels `scan_csr`, `top_k_rows` and `keep_positive`.

    Symbols: B examples, D fan-in, N nodes, Q entries of the input, 1 <= k <= N.

    Parameters
    ----------
    in_indptr : int64[B + 1]; in_indices : int32[Q]; in_data : float32[Q]      the layer's input
    columns : float32[D, N]             weights by input
    bias : float32[N]
    k : int

    Returns `indptr`, `indices` and `data` of the winners that are live, and the elements that `top_k_rows`
    has touched.
    """
    examples, nodes = len(in_indptr) - 1, len(bias)
    bounds = np.array([0, examples])
    scores = np.empty((examples, nodes), dtype=np.float32)
    _scan_csr(in_indptr, in_indices, in_data, columns, bias, bounds, scores)
    ends, best, values, touched = _best(scores, k)
    indptr = np.empty(examples + 1, dtype=np.int64)
    indices = np.empty(examples * k, dtype=np.int32)
    data = np.empty(examples * k, dtype=np.float32)
    keep_positive(ends, best, values, np.float32(1), indptr, indices, data)
    kept = indptr[examples]
    return indptr, indices[:kept], data[:kept], touched


def winners_by_input_cost(
    in_indptr: OffsetArray,
    in_indices: IntArray,
    bias: FloatArray,
    k: int,
    returned: tuple[OffsetArray, IntArray, FloatArray, int],
) -> Work:
    """As `winners_by_input_sums`."""
    _, live, _, touched = returned
    sizes = len(in_indptr) - 1, len(in_indices), passes(in_indptr, 8), len(live), touched
    return winners_by_input_sums(len(bias), k, 1, *sizes)


def winners_by_input_sums(
    nodes: int, k: int, calls: int, examples: int, inputs: int, passed: int, live: int, touched: int
) -> Work:
    """Those of the three kernels, in so many calls, and where the best of each example are."""
    scanned = scanned_cost(nodes, examples, inputs, passed)
    kept = kept_cost(1, calls, examples, examples * k, live) + Work(0, 0, OFFSET * calls)
    return scanned + _best_cost(k, calls, examples, touched) + kept


def sizes_of_one(inputs: int, live: int, touched: int) -> tuple[int, ...]:
    """What `winners_by_input_sums` takes after k, of a single example."""
    return 1, 1, inputs, passes_of_one(inputs, 8), live, touched


@njit(parallel=False, cache=True, fastmath=False)
def winning_blocks(in_indptr, in_blocks, in_data, sums, bias_sums, tiles, bias, k, lanes):
    """Activations of the k blocks of nodes of largest score.

    The kernels `score_every_block`, `top_k_rows`, `group_by_column` and `forward_blocks`.

    Symbols: B examples, D fan-in (whole blocks), N blocks of nodes, Q blocks of the input, 1 <= k <= N.

    Parameters
    ----------
    in_indptr : int64[B + 1]; in_blocks : int32[Q]; in_data : float32[Q * b]        the layer's input
    sums : float32[N, D]; bias_sums : float32[N]        of the nodes of each block
    tiles : float32[N * D / b, b * b]; bias : float32[N, b]
    k : int
    lanes : tuple of b

    Returns offsets int64[B + 1] and numbers int32[B * k] of the chosen blocks, float32[B * k, b], and the
    elements that `top_k_rows` has touched.
    """
    examples, nodes, b = len(in_indptr) - 1, len(bias_sums), len(lanes)
    scores = np.empty((examples, nodes), dtype=np.float32)
    fours = np.array([0, (nodes + 3) // 4])
    _score_every_block(in_indptr, in_blocks, in_data, sums, bias_sums, fours, lanes, scores)
    indptr, best, _, touched = _best(scores, k)
    cursors = np.empty((1, nodes), dtype=np.int32)
    by_block = np.empty(nodes + 1, dtype=np.int64)
    rows = np.empty(examples * k, dtype=np.int32)
    positions = np.empty(examples * k, dtype=np.int32)
    _group_by_column(indptr, best, np.array([0, examples]), cursors, by_block, rows, positions)
    grouped = by_block, rows, positions, best[:0]
    data = np.empty(examples * k * b, dtype=np.float32)
    every = np.array([0, nodes])
    _forward_blocks(in_indptr, in_blocks, in_data, tiles, bias, grouped, every, lanes, data)
    for i in range(len(data)):
        value = data[i]
        data[i] = np.float32(0) if value <= 0 else value  # NaN is kept, as everywhere
    return indptr, best, data.reshape(-1, b), touched


def winning_blocks_cost(
    in_indptr: OffsetArray,
    in_blocks: IntArray,
    bias: FloatArray,
    k: int,
    lanes: tuple[int, ...],
    returned: tuple[OffsetArray, IntArray, FloatArray, int],
) -> Work:
    """As `winning_blocks_sums`."""
    return winning_blocks_sums(len(bias), len(lanes), k, 1, len(in_indptr) - 1, len(in_blocks), returned[3])


def winning_blocks_sums(
    of_nodes: int, b: int, k: int, calls: int, examples: int, inputs: int, touched: int
) -> Work:
    """Those of the four kernels, in so many calls, where the best are, and every activation looked at."""
    pairs = examples * k
    chosen = scored_cost(of_nodes, b, examples, inputs) + _best_cost(k, calls, examples, touched)
    computed = forwarded_cost(of_nodes, b, calls, k * inputs, pairs)
    return chosen + grouped_cost(of_nodes, calls, examples, pairs) + computed + elementwise(pairs * b)

"""Whole blocks of nodes, as `lshexp.kernels.blocks` has them: backward pass and optimiser step."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.arrays import CSC, FloatArray, OffsetArray
from lshexp.kernels._cost import ID, OFFSET, VALUE, filled
from lshexp.kernels.step import Rule, step_row, stepped_cost
from lshexp.kernels.vector import add, add_outer, add_row_products, load, row_sums, store, total, zeros
from lshexp.work import Work


@njit(parallel=True, cache=True, fastmath=False)
def input_gradient_blocks(in_indptr, in_blocks, deltas, tiles, by_block, bounds, lanes, gradient):
    """Gradient at the stored blocks of the input: each tile times the deltas of its block of nodes.

    It goes by block of nodes, whose tiles lie side by side; a chunk takes the examples that are its own.

    Symbols: B examples, N blocks of nodes, K blocks of inputs, Q blocks of the input, P pairs, C chunks.

    Parameters
    ----------
    in_indptr : int64[B + 1]; in_blocks : int32[Q]
    deltas : float32[P * b]             gradient of the batch loss at the pre-activations
    tiles : float32[N * K, b * b]
    by_block : CSC of N columns         examples ascending within a column
    bounds : int64[C + 1]               chunks of examples
    lanes : tuple of b
    gradient : float32[Q * b], out

    Cost: b * b multiplications a pair and block of its input.
    """
    indptr, examples, positions, _ = by_block
    b, n_blocks, flat = len(lanes), len(indptr) - 1, tiles.reshape(-1)
    of_block = len(flat) // max(n_blocks, 1)
    for c in prange(len(bounds) - 1):
        for q in range(in_indptr[bounds[c]], in_indptr[bounds[c + 1]]):
            store(gradient, q * b, zeros(lanes))
        for n in range(n_blocks):
            for at in range(indptr[n], indptr[n + 1]):
                e = examples[at]
                if e < bounds[c] or e >= bounds[c + 1]:
                    continue
                run = load(deltas, positions[at] * b, lanes)
                for q in range(in_indptr[e], in_indptr[e + 1]):
                    add_row_products(gradient, q * b, flat, n * of_block + in_blocks[q] * b * b, run)


def input_gradient_blocks_cost(
    in_indptr: OffsetArray, by_block: CSC, lanes: tuple[int, ...], gradient: FloatArray
) -> Work:
    """A tile for each pair of blocks, and the sums loaded and stored; of a pair its places and deltas."""
    b, pairs, examples = len(lanes), len(by_block[1]), by_block[1]
    visits = int((in_indptr[1:] - in_indptr[:-1])[examples].sum())
    products = visits * b * b
    nbytes = (ID + 2 * VALUE * b) * visits + VALUE * products + VALUE * len(gradient)
    nbytes += (2 * ID + 2 * OFFSET + VALUE * b) * pairs + 2 * OFFSET * len(by_block[0])
    return Work(products, products, nbytes)


@njit(parallel=True, cache=True, fastmath=False)
def update_blocks(
    in_indptr, in_blocks, in_data, deltas, by_block, bounds, lanes, rule, tiles, bias, state, bias_state,
    sums, bias_sums,
):  # fmt: skip
    """Step, of all blocks that served an example, the tiles whose input was stored in one of them.

    Each tile's gradient is summed in a buffer over the examples, then the tile takes one step, and the sums
    that blocks are scored by are formed anew from it: they are never out of date.

    Symbols and parameters as in `input_gradient_blocks`, but
    ----------
    in_data : float32[Q * b]
    bounds : int64[C + 1]                               chunks of blocks of nodes
    rule : Rule
    tiles : float32[N * K, b * b], bias : float32[N, b]                          updated
    state : float32[S, N * K, b * b], bias_state : float32[S, N, b]              updated
    sums : float32[N, K * b], bias_sums : float32[N]                             updated

    Returns the number of tiles stepped.
    Cost: b * b multiplications a pair and block of its input, and the steps.
    """
    indptr, examples, positions, _ = by_block
    b = len(lanes)
    of_input = len(tiles) // max(len(bias), 1)
    stepped = 0
    for c in prange(len(bounds) - 1):
        gradients = np.zeros((of_input, b * b), dtype=np.float32)  # all zero between blocks
        flat = gradients.reshape(-1)
        reached = np.zeros(of_input, dtype=np.bool_)
        bias_gradient = np.empty(b, dtype=np.float32)
        for n in range(bounds[c], bounds[c + 1]):
            first, last = indptr[n], indptr[n + 1]
            if first == last:
                continue
            deltas_sum = zeros(lanes)
            for at in range(first, last):
                e = examples[at]
                run = load(deltas, positions[at] * b, lanes)
                deltas_sum = add(deltas_sum, run)
                for q in range(in_indptr[e], in_indptr[e + 1]):
                    k = in_blocks[q]
                    add_outer(flat, k * b * b, in_data, q * b, run)
                    reached[k] = True
            for k in range(of_input):
                if reached[k]:
                    reached[k] = False
                    tile, own = tiles[n * of_input + k], gradients[k]
                    step_row(rule, tile, own, state, n * of_input + k)
                    for i in range(0, b * b, b):
                        store(own, i, zeros(lanes))
                    store(sums[n], k * b, row_sums(tile, 0, lanes))
                    stepped += 1
            store(bias_gradient, 0, deltas_sum)
            step_row(rule, bias[n], bias_gradient, bias_state, n)
            bias_sums[n] = total(load(bias[n], 0, lanes))
    return stepped


def update_blocks_cost(
    in_indptr: OffsetArray,
    by_block: CSC,
    lanes: tuple[int, ...],
    rule: Rule,
    bias: FloatArray,
    tiles: FloatArray,
    returned: int,
) -> tuple[Work, Work, Work]:
    """Gradient; step; and the sums that blocks are scored by."""
    b, pairs, blocks = len(lanes), len(by_block[1]), len(bias)
    of_input, active = len(tiles) // max(blocks, 1), filled(by_block[0])
    visits = int((in_indptr[1:] - in_indptr[:-1])[by_block[1]].sum())
    products = visits * b * b
    nbytes = (ID + 1 + VALUE * b) * visits + 2 * VALUE * products
    nbytes += (2 * ID + 2 * OFFSET + VALUE * b) * pairs + 2 * OFFSET * blocks
    nbytes += of_input * (VALUE * b * b + 1)
    gradient = Work(products, products + pairs * b, nbytes)
    cleared = Work(0, 0, active * (of_input + VALUE * b) + returned * (1 + VALUE * b * b))
    step = stepped_cost(rule, returned * b * b) + stepped_cost(rule, active * b) + cleared
    summed = returned * b * b + active * b
    sums = Work(0, summed, VALUE * (summed + returned * b + active))
    return gradient, step, sums

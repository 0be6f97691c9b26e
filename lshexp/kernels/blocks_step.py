"""Whole blocks of nodes, as in `lshexp.kernels.blocks`: backward pass and optimiser step, in one visit."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.arrays import CSC, FloatArray, OffsetArray
from lshexp.kernels._cost import ID, OFFSET, VALUE, filled, grouped_products
from lshexp.kernels.step import Rule, step_row, step_run, stepped_cost
from lshexp.kernels.vector import add, add_outer, add_row_products, load, row_sums, store, total, zeros
from lshexp.work import Work


@njit(parallel=True, cache=True, fastmath=False)
def update_blocks(
    in_indptr, in_blocks, in_data, deltas, by_block, bounds, lanes, rule, tiles, bias, state, bias_state,
    sums, bias_sums, gradient,
):  # fmt: skip
    """Step, of all blocks that served an example, the tiles whose input was stored in one of them.

    While a tile is at hand its products with the deltas give the gradient at the input, where that is
    wanted. The gradient of a tile is summed in a buffer over the examples, then the tile takes one step, and
    the sums that blocks are scored by are formed anew from it: they are never out of date. It goes by block
    of nodes, whose tiles lie side by side; a chunk takes the blocks of inputs that are its own.

    Symbols: B examples, N blocks of nodes, K blocks of inputs, Q blocks of the input, P pairs, C chunks,
    S values of state a weight.

    Parameters
    ----------
    in_indptr : int64[B + 1]; in_blocks : int32[Q]; in_data : float32[Q * b]     the layer's input
    deltas : float32[P * b]                             gradient of the batch loss at the pre-activations
    by_block : CSC of N columns                         examples ascending within a column
    bounds : int64[C + 1]                               chunks of blocks of inputs, from 0 to K
    lanes : tuple of b
    rule : Rule
    tiles : float32[N * K, b * b], bias : float32[N, b]                          updated
    state : float32[S, N * K, b * b], bias_state : float32[S, N, b]              updated
    sums : float32[N, K * b], bias_sums : float32[N]                             updated
    gradient : float32[Q * b], updated      zero; the gradient at the input is added. Or empty: not wanted

    Returns the number of tiles stepped.
    Cost: b * b multiplications a pair and block of its input, twice that with the gradient at the input, and
    the steps.
    """
    indptr, examples, positions, _ = by_block
    b, every, wanted = len(lanes), tiles.reshape(-1), len(gradient) > 0
    of_input = len(tiles) // max(len(bias), 1)
    states, every_sum = state.reshape(-1), sums.reshape(-1)
    stepped = 0
    for c in prange(len(bounds) - 1):
        begin, own_inputs = bounds[c], bounds[c + 1] - bounds[c]
        gradients = np.zeros((own_inputs, b * b), dtype=np.float32)  # all zero between blocks
        flat = gradients.reshape(-1)
        reached = np.zeros(own_inputs, dtype=np.bool_)
        for n in range(len(bias)):
            first, last = indptr[n], indptr[n + 1]
            if first == last:
                continue
            for at in range(first, last):
                e = examples[at]
                run = load(deltas, positions[at] * b, lanes)
                for q in range(in_indptr[e], in_indptr[e + 1]):
                    k = in_blocks[q] - begin
                    if k < 0 or k >= own_inputs:
                        continue
                    if wanted:
                        add_row_products(gradient, q * b, every, (n * of_input + begin + k) * b * b, run)
                    add_outer(flat, k * b * b, in_data, q * b, run)
                    reached[k] = True
            for k in range(own_inputs):
                if reached[k]:
                    reached[k] = False
                    block = n * of_input + begin + k
                    tile, own = block * b * b, k * b * b
                    for i in range(0, b * b, b):
                        w, g = load(every, tile + i, lanes), load(flat, own + i, lanes)
                        store(every, tile + i, step_run(rule, w, g, states, tiles.size, tile + i, lanes))
                        store(flat, own + i, zeros(lanes))
                    store(every_sum, block * b, row_sums(every, tile, lanes))
                    stepped += 1
    bias_gradient = np.empty(b, dtype=np.float32)
    for n in range(len(bias)):
        first, last = indptr[n], indptr[n + 1]
        if first == last:
            continue
        deltas_sum = zeros(lanes)
        for at in range(first, last):
            deltas_sum = add(deltas_sum, load(deltas, positions[at] * b, lanes))
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
    gradient: FloatArray,
    returned: int,
) -> tuple[Work, Work, Work]:
    """Gradients; step; and the sums that blocks are scored by."""
    b, pairs, blocks = len(lanes), len(by_block[1]), len(bias)
    of_input, active = len(tiles) // max(blocks, 1), filled(by_block[0])
    visits = grouped_products(by_block[1], in_indptr)
    products = visits * b * b
    nbytes = (ID + 1 + VALUE * b) * visits + 2 * VALUE * products
    nbytes += (3 * ID + 2 * OFFSET + 2 * VALUE * b) * pairs + 4 * OFFSET * blocks
    nbytes += of_input * (VALUE * b * b + 1)
    gradients = Work(products, products + pairs * b, nbytes)
    if len(gradient):  # the tile is read before it is stepped, and sums are loaded and stored
        gradients += Work(products, products, VALUE * products + 2 * VALUE * b * visits)
    cleared = Work(0, 0, active * (of_input + VALUE * b) + returned * (1 + VALUE * b * b))
    step = stepped_cost(rule, returned * b * b) + stepped_cost(rule, active * b) + cleared
    summed = returned * b * b + active * b
    sums = Work(0, summed, VALUE * (summed + returned * b + active))
    return gradients, step, sums

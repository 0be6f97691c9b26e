"""Gradient with respect to a layer's input, from the nodes that were active.

Parallel over examples: each example's gradient has one owner and is summed in the order of its list.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.kernels._flags import REASSOCIATE


@njit(parallel=False, cache=True, fastmath=REASSOCIATE)
def _add4(total, w0, w1, w2, w3, d0, d1, d2, d3):
    """Add four weighted rows to `total` in one pass."""
    for i in range(len(total)):
        total[i] += (d0 * w0[i] + d1 * w1[i]) + (d2 * w2[i] + d3 * w3[i])


@njit(parallel=False, cache=True, fastmath=REASSOCIATE)
def _add1(total, w, d):
    for i in range(len(total)):
        total[i] += d * w[i]


@njit(parallel=True, cache=True, fastmath=REASSOCIATE)
def input_gradient_rows(starts, nodes, deltas, weights, bounds, gradient):
    """Input gradient as rows: gradient[b] = sum over active nodes of delta * weights[node].

    Symbols: B examples, D fan-in, N nodes, P pairs, C chunks.

    Parameters
    ----------
    starts : int64[B + 1]; nodes : int32[P]; deltas : float32[P]
    weights : float32[N, D]
    bounds : int64[C + 1]           chunks of examples
    gradient : float32[B, D], out

    Cost: P * D multiplications.
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            total = gradient[b]
            total[:] = 0
            first, last = starts[b], starts[b + 1]
            whole = last - (last - first) % 4
            for at in range(first, whole, 4):
                _add4(
                    total,
                    weights[nodes[at]], weights[nodes[at + 1]], weights[nodes[at + 2]], weights[nodes[at +
                    3]], deltas[at], deltas[at + 1], deltas[at + 2], deltas[at + 3],
                )  # fmt: skip
            for at in range(whole, last):
                _add1(total, weights[nodes[at]], deltas[at])


@njit(parallel=False, cache=True, fastmath=False)
def _add4_listed(total, inputs, rows, da, db, dc, dd):
    """Add four rows at the listed places, in their order: the sums are those of one row at a time."""
    a, b, c, d = rows
    for at in range(len(inputs)):
        i = np.uint32(inputs[at])  # unsigned: no test for being below zero
        total[at] = (((total[at] + da * a[i]) + db * b[i]) + dc * c[i]) + dd * d[i]


@njit(parallel=False, cache=True, fastmath=False)
def _add1_listed(total, inputs, w, delta):
    for at in range(len(inputs)):
        total[at] += delta * w[np.uint32(inputs[at])]


@njit(parallel=True, cache=True, fastmath=False)
def input_gradient_lists(starts, nodes, deltas, weights, in_starts, in_nodes, bounds, gradient):
    """Input gradient at the listed inputs only; the others have activation zero and pass none on.

    Symbols: B examples, D fan-in, N nodes, P pairs, Q listed inputs, C chunks.

    Parameters
    ----------
    starts : int64[B + 1]; nodes : int32[P]; deltas : float32[P]
    weights : float32[N, D]
    in_starts : int64[B + 1]; in_nodes : int32[Q]
    bounds : int64[C + 1]           chunks of examples
    gradient : float32[Q], out      aligned with in_nodes

    Cost: sum over examples of active nodes x listed inputs.
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            first, last = in_starts[b], in_starts[b + 1]
            for at in range(first, last):
                gradient[at] = np.float32(0)
            inputs, total = in_nodes[first:last], gradient[first:last]
            begin, end = starts[b], starts[b + 1]
            whole = end - (end - begin) % 4
            for slot in range(begin, whole, 4):
                rows = (
                    weights[nodes[slot]], weights[nodes[slot + 1]],
                    weights[nodes[slot + 2]], weights[nodes[slot + 3]],
                )  # fmt: skip
                _add4_listed(
                    total, inputs, rows, deltas[slot], deltas[slot + 1], deltas[slot + 2], deltas[slot + 3]
                )
            for slot in range(whole, end):
                _add1_listed(total, inputs, weights[nodes[slot]], deltas[slot])

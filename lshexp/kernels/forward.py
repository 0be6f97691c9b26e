"""Forward pass of the selected nodes only.

Both kernels go through the batch by node. They differ in how the layer's input is stored: as rows (dense
or nearly so) or as lists (sparse, such as the output of a layer with few active nodes).
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.kernels._flags import REASSOCIATE


@njit(parallel=False, cache=True, fastmath=REASSOCIATE)
def _dot4(w, a, b, c, d):
    """Four dot products that share one pass over w, which stays in registers."""
    sum_a = np.float32(0)
    sum_b = np.float32(0)
    sum_c = np.float32(0)
    sum_d = np.float32(0)
    for i in range(len(w)):
        sum_a += w[i] * a[i]
        sum_b += w[i] * b[i]
        sum_c += w[i] * c[i]
        sum_d += w[i] * d[i]
    return sum_a, sum_b, sum_c, sum_d


@njit(parallel=False, cache=True, fastmath=REASSOCIATE)
def _dot1(w, a):
    total = np.float32(0)
    for i in range(len(w)):
        total += w[i] * a[i]
    return total


@njit(parallel=False, cache=True, fastmath=REASSOCIATE)
def dot_listed(w, nodes, values):
    """Dot product of a weight row with a sparse input; four sums hide the latency of the additions."""
    sum_a = np.float32(0)
    sum_b = np.float32(0)
    sum_c = np.float32(0)
    sum_d = np.float32(0)
    n = len(nodes)
    whole = n - n % 4
    # unsigned indices: a signed one costs a test for being below zero
    for i in range(0, whole, 4):
        sum_a += w[np.uint32(nodes[i])] * values[i]
        sum_b += w[np.uint32(nodes[i + 1])] * values[i + 1]
        sum_c += w[np.uint32(nodes[i + 2])] * values[i + 2]
        sum_d += w[np.uint32(nodes[i + 3])] * values[i + 3]
    for i in range(whole, n):
        sum_a += w[np.uint32(nodes[i])] * values[i]
    return (sum_a + sum_b) + (sum_c + sum_d)


@njit(parallel=True, cache=True, fastmath=REASSOCIATE)
def forward_rows(x, weights, bias, groups, bounds, values):
    """Pre-activations of the selected nodes, input stored as rows.

    Symbols: B examples, D fan-in, N nodes, P pairs, C chunks.

    Parameters
    ----------
    x : float32[B, D]
    weights : float32[N, D]; bias : float32[N]
    groups : Groups of N nodes          which examples each node serves
    bounds : int64[C + 1]               chunk c owns nodes bounds[c]:bounds[c+1]
    values : float32[P], out            values[slot] = weights[node] . x[example] + bias[node]

    Cost: P * D multiplications. The pass over a weight row is shared by four examples.
    """
    starts, examples, slots = groups
    for c in prange(len(bounds) - 1):
        for node in range(bounds[c], bounds[c + 1]):
            w = weights[node]
            first, last = starts[node], starts[node + 1]
            whole = last - (last - first) % 4
            for at in range(first, whole, 4):
                s0, s1, s2, s3 = _dot4(
                    w, x[examples[at]], x[examples[at + 1]], x[examples[at + 2]], x[examples[at + 3]]
                )
                values[slots[at]] = s0 + bias[node]
                values[slots[at + 1]] = s1 + bias[node]
                values[slots[at + 2]] = s2 + bias[node]
                values[slots[at + 3]] = s3 + bias[node]
            for at in range(whole, last):
                values[slots[at]] = _dot1(w, x[examples[at]]) + bias[node]


@njit(parallel=True, cache=True, fastmath=False)
def forward_lists(in_starts, in_nodes, in_values, weights, bias, groups, bounds, values):
    """Pre-activations of the selected nodes, input stored as lists.

    Symbols: B examples, D fan-in, N nodes, P pairs, C chunks.

    Parameters
    ----------
    in_starts : int64[B + 1]; in_nodes : int32[:]; in_values : float32[:]      the layer's input
    weights : float32[N, D]; bias : float32[N]
    groups : Groups of N nodes
    bounds : int64[C + 1]               chunk c owns nodes bounds[c]:bounds[c+1]
    values : float32[P], out

    Cost: sum over pairs of the example's number of inputs.
    """
    starts, examples, slots = groups
    for c in prange(len(bounds) - 1):
        for node in range(bounds[c], bounds[c + 1]):
            w = weights[node]
            for at in range(starts[node], starts[node + 1]):
                b = examples[at]
                inputs = slice(in_starts[b], in_starts[b + 1])
                values[slots[at]] = dot_listed(w, in_nodes[inputs], in_values[inputs]) + bias[node]

"""Forward pass of the selected nodes only.

Both kernels go through the batch by node. They differ in how the layer's input is stored: as rows (dense
or nearly so) or as a CSR (sparse, such as the output of a layer with few active nodes).
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.arrays import CSC, FloatArray, IntArray, OffsetArray
from lshexp.kernels._cost import ID, OFFSET, VALUE, fours, grouped_products, groups_bytes
from lshexp.kernels.group import column_of
from lshexp.kernels.parallel import REASSOCIATE
from lshexp.work import Work


@njit(parallel=False, cache=True, fastmath=REASSOCIATE)
def _dot4(w, a, b, c, d):
    """Four dot products that share one pass over w, which stays in registers."""
    sum_a = np.float32(0)
    sum_b = np.float32(0)
    sum_c = np.float32(0)
    sum_d = np.float32(0)
    for i in range(len(w)):
        weight = w[i]
        sum_a += weight * a[i]
        sum_b += weight * b[i]
        sum_c += weight * c[i]
        sum_d += weight * d[i]
    return sum_a, sum_b, sum_c, sum_d


@njit(parallel=False, cache=True, fastmath=REASSOCIATE)
def _dot1(w, a):
    total = np.float32(0)
    for i in range(len(w)):
        total += w[i] * a[i]
    return total


@njit(parallel=False, cache=True, fastmath=REASSOCIATE)
def dot_sparse(w, indices, data):
    """Dot product of a weight row with a sparse input; four sums hide the latency of the additions."""
    sum_a = np.float32(0)
    sum_b = np.float32(0)
    sum_c = np.float32(0)
    sum_d = np.float32(0)
    n = len(indices)
    whole = n - n % 4
    # unsigned indices: a signed one costs a test for being below zero
    for i in range(0, whole, 4):
        sum_a += w[np.uint32(indices[i])] * data[i]
        sum_b += w[np.uint32(indices[i + 1])] * data[i + 1]
        sum_c += w[np.uint32(indices[i + 2])] * data[i + 2]
        sum_d += w[np.uint32(indices[i + 3])] * data[i + 3]
    for i in range(whole, n):
        sum_a += w[np.uint32(indices[i])] * data[i]
    return (sum_a + sum_b) + (sum_c + sum_d)


def dot_sparse_cost(indices: IntArray) -> Work:
    """An id, a value and a weight for each product."""
    return Work(len(indices), len(indices), (ID + 2 * VALUE) * len(indices))


@njit(parallel=True, cache=True, fastmath=REASSOCIATE)
def forward_rows(x, weights, bias, by_node, bounds, values):
    """Pre-activations of the selected nodes, input stored as rows.

    Symbols: B examples, D fan-in, N nodes, P pairs, C chunks.

    Parameters
    ----------
    x : float32[B, D]
    weights : float32[N, D]; bias : float32[N]
    by_node : CSC of N columns          which examples each node serves
    bounds : int64[C + 1]               chunk c owns the groups bounds[c]:bounds[c+1]
    values : float32[P], out            values[position] = weights[node] . x[example] + bias[node]

    Cost: P * D multiplications. The pass over a weight row is shared by four examples.
    """
    indptr, examples, positions, columns = by_node
    for c in prange(len(bounds) - 1):
        for group in range(bounds[c], bounds[c + 1]):
            node = column_of(columns, group)
            w = weights[node]
            first, last = indptr[group], indptr[group + 1]
            whole = last - (last - first) % 4
            for at in range(first, whole, 4):
                s0, s1, s2, s3 = _dot4(
                    w, x[examples[at]], x[examples[at + 1]], x[examples[at + 2]], x[examples[at + 3]]
                )
                values[positions[at]] = s0 + bias[node]
                values[positions[at + 1]] = s1 + bias[node]
                values[positions[at + 2]] = s2 + bias[node]
                values[positions[at + 3]] = s3 + bias[node]
            for at in range(whole, last):
                values[positions[at]] = _dot1(w, x[examples[at]]) + bias[node]


def forward_rows_cost(
    weights: FloatArray,
    by_node: CSC,
    values: FloatArray,
) -> Work:
    """An input a product, a weight a product of a pass; of a pair its places, bias and result."""
    fan_in, pairs = weights.shape[1], len(values)
    passed = (pairs + fours(by_node[0])) * fan_in
    nbytes = VALUE * (passed + 2 * pairs) + 2 * ID * pairs + groups_bytes(by_node)
    return Work(pairs * fan_in, pairs * fan_in, nbytes)


@njit(parallel=True, cache=True, fastmath=False)
def forward_csr(in_indptr, in_indices, in_data, weights, bias, by_node, bounds, values):
    """Pre-activations of the selected nodes, input stored as a CSR.

    Symbols: B examples, D fan-in, N nodes, P pairs, C chunks.

    Parameters
    ----------
    in_indptr : int64[B + 1]; in_indices : int32[:]; in_data : float32[:]      the layer's input
    weights : float32[N, D]; bias : float32[N]
    by_node : CSC of N columns
    bounds : int64[C + 1]               chunk c owns the groups bounds[c]:bounds[c+1]
    values : float32[P], out

    Cost: sum over pairs of the example's number of inputs.
    """
    indptr, examples, positions, columns = by_node
    for c in prange(len(bounds) - 1):
        for group in range(bounds[c], bounds[c + 1]):
            node = column_of(columns, group)
            w = weights[node]
            for at in range(indptr[group], indptr[group + 1]):
                b = examples[at]
                inputs = slice(in_indptr[b], in_indptr[b + 1])
                values[positions[at]] = dot_sparse(w, in_indices[inputs], in_data[inputs]) + bias[node]


def forward_csr_cost(
    in_indptr: OffsetArray,
    by_node: CSC,
    values: FloatArray,
) -> Work:
    """An id, a value and a weight for each product; of a pair its places, its inputs', bias and result."""
    products, pairs = grouped_products(by_node[1], in_indptr), len(values)
    nbytes = (ID + 2 * VALUE) * products + (2 * ID + 2 * OFFSET + 2 * VALUE) * pairs
    return Work(products, products, nbytes + groups_bytes(by_node))

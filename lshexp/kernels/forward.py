"""Forward pass of the selected nodes only.

Both kernels go through the batch by node. They differ in how the layer's input is stored: as rows (dense
or nearly so) or as a CSR (sparse, such as the output of a layer with few active nodes).
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.arrays import CSC, FloatArray
from lshexp.kernels._cost import ID, OFFSET, VALUE, fours, groups_bytes
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


@njit(parallel=False, cache=True, fastmath={"contract"}, inline="always")
def _term(w, indices, data, i):
    """One product, rounded by itself: it is added to zero before it is added to anything else."""
    return np.float32(0) + w[np.uint32(indices[i])] * data[i]


@njit(parallel=False, cache=True, fastmath={"contract"}, inline="always")
def _eight_terms(w, indices, data, i):
    """Sum of the products at i, i + 4 ... i + 28, by halves, so that no addition waits for all the others."""
    a, b = _term(w, indices, data, i), _term(w, indices, data, i + np.uint64(4))
    c, d = _term(w, indices, data, i + np.uint64(8)), _term(w, indices, data, i + np.uint64(12))
    e, f = _term(w, indices, data, i + np.uint64(16)), _term(w, indices, data, i + np.uint64(20))
    g, h = _term(w, indices, data, i + np.uint64(24)), _term(w, indices, data, i + np.uint64(28))
    return ((a + e) + (c + g)) + ((b + f) + (d + h))


@njit(parallel=False, cache=True, fastmath={"contract"}, inline="always")
def dot_sparse(w, indices, data, first, last):
    """Dot product of a weight row with entries first:last of sparse inputs.

    Its sums hide the latency of the additions. They are formed and added up as written, whatever the vector
    registers of the processor: those would have to gather the weights one at a time. It becomes a part of the
    kernel that calls it, whose own setting, to be "contract", fuses multiply with add.
    """
    sum_a, sum_b, sum_c = np.float32(0), np.float32(0), np.float32(0)
    sum_d, sum_e, sum_f = np.float32(0), np.float32(0), np.float32(0)
    # unsigned indices: a signed one costs a test for being below zero
    one, two, three, four = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    i, end = np.uint64(first), np.uint64(last)
    while i + np.uint64(32) <= end:
        sum_a += _eight_terms(w, indices, data, i)
        sum_b += _eight_terms(w, indices, data, i + one)
        sum_c += _eight_terms(w, indices, data, i + two)
        sum_d += _eight_terms(w, indices, data, i + three)
        i += np.uint64(32)
    while i + four <= end:
        sum_a += w[np.uint32(indices[i])] * data[i]
        sum_b += w[np.uint32(indices[i + one])] * data[i + one]
        sum_c += w[np.uint32(indices[i + two])] * data[i + two]
        sum_d += w[np.uint32(indices[i + three])] * data[i + three]
        i += four
    if i < end:
        sum_a += w[np.uint32(indices[i])] * data[i]
        if i + one < end:
            sum_e += w[np.uint32(indices[i + one])] * data[i + one]
            if i + two < end:
                sum_f += w[np.uint32(indices[i + two])] * data[i + two]
    return ((sum_a + sum_f) + sum_e) + ((sum_b + sum_c) + sum_d)


def dot_sparse_cost(first: int, last: int) -> Work:
    """An id, a value and a weight for each product."""
    return Work(last - first, last - first, (ID + 2 * VALUE) * (last - first))


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


@njit(parallel=True, cache=True, fastmath={"contract"})
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

    Returns the number of products: the sum over pairs of the example's number of inputs.
    """
    indptr, examples, positions, columns = by_node
    products = 0
    for c in prange(len(bounds) - 1):
        for group in range(bounds[c], bounds[c + 1]):
            node = column_of(columns, group)
            w = weights[node]
            for at in range(indptr[group], indptr[group + 1]):
                b = np.uint32(examples[at])
                start, end = in_indptr[b], in_indptr[b + np.uint32(1)]
                products += end - start
                value = dot_sparse(w, in_indices, in_data, start, end) + bias[node]
                values[np.uint32(positions[at])] = value
    return products


def forward_csr_cost(by_node: CSC, values: FloatArray, returned: int) -> Work:
    """An id, a value and a weight for each product; of a pair its places, its inputs', bias and result."""
    nbytes = (ID + 2 * VALUE) * returned + (2 * ID + 2 * OFFSET + 2 * VALUE) * len(values)
    return Work(returned, returned, nbytes + groups_bytes(by_node))

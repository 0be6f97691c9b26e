"""Gradient with respect to a layer's input, from the nodes that were active.

Parallel over examples: each example's gradient has one owner and is summed in the order of its list.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.arrays import CSC, FloatArray, IntArray, OffsetArray
from lshexp.kernels._cost import ID, OFFSET, VALUE, fours, groups_bytes, passed_products, products
from lshexp.kernels.group import column_of
from lshexp.kernels.parallel import REASSOCIATE
from lshexp.work import Work


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
def input_gradient_rows(indptr, indices, deltas, weights, bounds, gradient):
    """Input gradient as rows: gradient[b] = sum over active nodes of delta * weights[node].

    Symbols: B examples, D fan-in, N nodes, P pairs, C chunks.

    Parameters
    ----------
    indptr : int64[B + 1]; indices : int32[P]; deltas : float32[P]
    weights : float32[N, D]
    bounds : int64[C + 1]           chunks of examples
    gradient : float32[B, D], out

    Cost: P * D multiplications.
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            total = gradient[b]
            total[:] = 0
            first, last = indptr[b], indptr[b + 1]
            whole = last - (last - first) % 4
            for at in range(first, whole, 4):
                _add4(
                    total,
                    weights[indices[at]], weights[indices[at + 1]],
                    weights[indices[at + 2]], weights[indices[at + 3]],
                    deltas[at], deltas[at + 1], deltas[at + 2], deltas[at + 3],
                )  # fmt: skip
            for at in range(whole, last):
                _add1(total, weights[indices[at]], deltas[at])


def input_gradient_rows_cost(indptr: OffsetArray, indices: IntArray, gradient: FloatArray) -> Work:
    """A weight for each product, and the sums loaded and stored once a pass; of a pair its id and delta."""
    pairs, fan_in = len(indices), gradient.shape[1]
    sums = gradient.size + 2 * fours(indptr) * fan_in
    nbytes = VALUE * (pairs * fan_in + sums) + (ID + VALUE) * pairs + 2 * OFFSET * len(gradient)
    return Work(pairs * fan_in, pairs * fan_in, nbytes)


@njit(parallel=False, cache=True, fastmath=False)
def _add4_at(total, inputs, rows, da, db, dc, dd):
    """Add four rows at the places `inputs`, in their order: the sums are those of one row at a time."""
    a, b, c, d = rows
    for at in range(len(inputs)):
        i = np.uint32(inputs[at])  # unsigned: no test for being below zero
        total[at] = (((total[at] + da * a[i]) + db * b[i]) + dc * c[i]) + dd * d[i]


@njit(parallel=False, cache=True, fastmath=False)
def _add1_at(total, inputs, w, delta):
    for at in range(len(inputs)):
        total[at] += delta * w[np.uint32(inputs[at])]


@njit(parallel=True, cache=True, fastmath=False)
def input_gradient_csr(indptr, indices, deltas, weights, in_indptr, in_indices, bounds, gradient):
    """Input gradient at the stored entries of a CSR input only; the others are zero and pass none on.

    Symbols: B examples, D fan-in, N nodes, P pairs, Q entries of the input, C chunks.

    Parameters
    ----------
    indptr : int64[B + 1]; indices : int32[P]; deltas : float32[P]
    weights : float32[N, D]
    in_indptr : int64[B + 1]; in_indices : int32[Q]
    bounds : int64[C + 1]           chunks of examples
    gradient : float32[Q], out      aligned with in_indices

    Cost: sum over examples of active nodes x input entries.
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            first, last = in_indptr[b], in_indptr[b + 1]
            for at in range(first, last):
                gradient[at] = np.float32(0)
            inputs, total = in_indices[first:last], gradient[first:last]
            begin, end = indptr[b], indptr[b + 1]
            whole = end - (end - begin) % 4
            for position in range(begin, whole, 4):
                rows = (
                    weights[indices[position]], weights[indices[position + 1]],
                    weights[indices[position + 2]], weights[indices[position + 3]],
                )  # fmt: skip
                _add4_at(
                    total,
                    inputs,
                    rows,
                    deltas[position],
                    deltas[position + 1],
                    deltas[position + 2],
                    deltas[position + 3],
                )
            for position in range(whole, end):
                _add1_at(total, inputs, weights[indices[position]], deltas[position])


def input_gradient_csr_cost(
    indptr: OffsetArray,
    indices: IntArray,
    in_indptr: OffsetArray,
    gradient: FloatArray,
) -> Work:
    """A weight for each product; an id, and a sum loaded and stored, for each input of a pass."""
    terms = products(indptr, in_indptr)
    passed = passed_products(indptr, in_indptr, 4)
    nbytes = VALUE * (terms + len(gradient)) + (ID + 2 * VALUE) * passed + (ID + VALUE) * len(indices)
    return Work(terms, terms, nbytes + 4 * OFFSET * (len(indptr) - 1))


@njit(parallel=True, cache=True, fastmath=False)
def input_products(indptr, by_node, deltas, weights, in_indptr, in_indices, offsets, bounds, products):
    """The terms of `input_gradient_csr`, formed node by node, so that a weight row is fetched once a batch.

    Symbols as there; N nodes, R = sum over examples of active nodes x input entries.

    Parameters
    ----------
    indptr : int64[B + 1]; deltas : float32[P]
    by_node : CSC of N columns
    weights : float32[N, D]
    in_indptr : int64[B + 1]; in_indices : int32[Q]
    offsets : int64[B + 1]          where the terms of each example begin
    bounds : int64[C + 1]           chunks of groups
    products : float32[>= R], out   for each example, a row of terms for each of its pairs

    Cost: R multiplications.
    """
    node_indptr, examples, positions, columns = by_node
    for c in prange(len(bounds) - 1):
        for group in range(bounds[c], bounds[c + 1]):
            w = weights[column_of(columns, group)]
            for at in range(node_indptr[group], node_indptr[group + 1]):
                b = examples[at]
                inputs = in_indices[in_indptr[b] : in_indptr[b + 1]]
                first = offsets[b] + (positions[at] - indptr[b]) * len(inputs)
                row = products[first : first + len(inputs)]
                delta = deltas[positions[at]]
                for i in range(len(inputs)):
                    row[i] = delta * w[np.uint32(inputs[i])]


def input_products_cost(by_node: CSC, deltas: FloatArray, offsets: OffsetArray) -> Work:
    """An id, a weight and the term for each product; of a pair its delta, and where all of that lies."""
    terms = int(offsets[-1])
    of_pair = 3 * ID + VALUE + 4 * OFFSET
    nbytes = (ID + 2 * VALUE) * terms + of_pair * len(deltas) + groups_bytes(by_node)
    return Work(terms, 0, nbytes)


@njit(parallel=True, cache=True, fastmath=False)
def sum_products(indptr, in_indptr, offsets, products, bounds, gradient):
    """Sum the terms of `input_products` in the order of `input_gradient_csr`, to the same bits.

    Parameters
    ----------
    indptr : int64[B + 1]; in_indptr : int64[B + 1]; offsets : int64[B + 1]
    products : float32[>= R]
    bounds : int64[C + 1]           chunks of examples
    gradient : float32[Q], out
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            total = gradient[in_indptr[b] : in_indptr[b + 1]]
            total[:] = 0
            n = len(total)
            pairs = indptr[b + 1] - indptr[b]
            terms = products[offsets[b] : offsets[b] + pairs * n]
            whole = pairs - pairs % 4
            for j in range(0, whole, 4):
                at = j * n
                p, q = terms[at : at + n], terms[at + n : at + 2 * n]
                r, s = terms[at + 2 * n : at + 3 * n], terms[at + 3 * n : at + 4 * n]
                for i in range(n):
                    total[i] = (((total[i] + p[i]) + q[i]) + r[i]) + s[i]
            for j in range(whole, pairs):
                p = terms[j * n : j * n + n]
                for i in range(n):
                    total[i] += p[i]


def sum_products_cost(
    indptr: OffsetArray,
    in_indptr: OffsetArray,
    offsets: OffsetArray,
    gradient: FloatArray,
) -> Work:
    """Each term, and the sums loaded and stored once a pass."""
    terms = int(offsets[-1])
    passed = passed_products(indptr, in_indptr, 4)
    nbytes = VALUE * (terms + 2 * passed + len(gradient)) + 6 * OFFSET * (len(indptr) - 1)
    return Work(0, terms, nbytes)

"""A layer whose weights are stored by input, for inputs in CSR form.

Row d holds the weights from input d to every node. An example with Q live inputs touches Q rows, whole and in
order for the scores of all nodes, and at the places of its active nodes for gradient and step. So the scores
of all nodes cost Q * N multiplications at the speed of reading memory, where the same weights stored by node
would be gathered one by one.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.arrays import CSC, FloatArray, IntArray, OffsetArray
from lshexp.kernels._cost import ID, OFFSET, VALUE, groups_bytes, passes
from lshexp.kernels.forward import dot_sparse
from lshexp.kernels.group import column_of
from lshexp.kernels.parallel import REASSOCIATE
from lshexp.work import Work


@njit(parallel=False, cache=True, fastmath=REASSOCIATE)
def _add8(total, rows, v):
    """Add eight weighted rows to `total` in one pass."""
    a, b, c, d, e, f, g, h = rows
    va, vb, vc, vd, ve, vf, vg, vh = v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]
    for i in range(len(total)):
        total[i] += ((va * a[i] + vb * b[i]) + (vc * c[i] + vd * d[i])) + (
            (ve * e[i] + vf * f[i]) + (vg * g[i] + vh * h[i])
        )


@njit(parallel=True, cache=True, fastmath=REASSOCIATE)
def scan_csr(in_indptr, in_indices, in_data, columns, bias, bounds, scores):
    """Scores of every node: scores[b] = bias + sum of value * columns[input] over the example's inputs.

    Symbols: B examples, D fan-in, N nodes, Q entries of the input, C chunks.

    Parameters
    ----------
    in_indptr : int64[B + 1]; in_indices : int32[Q]; in_data : float32[Q]      the layer's input
    columns : float32[D, N]             weights by input
    bias : float32[N]
    bounds : int64[C + 1]               chunks of examples
    scores : float32[B, N], out

    Cost: Q * N multiplications. The pass over an example's scores is shared by eight inputs.
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            total = scores[b]
            total[:] = bias
            first, last = in_indptr[b], in_indptr[b + 1]
            whole = last - (last - first) % 8
            for at in range(first, whole, 8):
                rows = (
                    columns[in_indices[at]], columns[in_indices[at + 1]],
                    columns[in_indices[at + 2]], columns[in_indices[at + 3]],
                    columns[in_indices[at + 4]], columns[in_indices[at + 5]],
                    columns[in_indices[at + 6]], columns[in_indices[at + 7]],
                )  # fmt: skip
                _add8(total, rows, in_data[at : at + 8])
            for at in range(whole, last):
                row = columns[in_indices[at]]
                value = in_data[at]
                for i in range(len(total)):
                    total[i] += value * row[i]


def scan_csr_cost(in_indptr: OffsetArray, in_indices: IntArray, scores: FloatArray) -> Work:
    """As `scanned_cost`."""
    return scanned_cost(scores.shape[1], len(scores), len(in_indices), passes(in_indptr, 8))


def scanned_cost(nodes: int, examples: int, inputs: int, passed: int) -> Work:
    """A weight for each product, and the sums loaded and stored once a pass."""
    products = inputs * nodes
    nbytes = VALUE * (products + 2 * passed * nodes + 2 * examples * nodes) + (ID + VALUE) * inputs
    return Work(products, products, nbytes + 2 * OFFSET * examples)


@njit(parallel=False, cache=True, fastmath={"contract"}, inline="always")
def _gradient_of(group, by_input, indptr, indices, deltas, columns, gradient):
    """Gradient at one input of the examples that store it; returns the number of products."""
    input_indptr, examples, positions, listed = by_input
    row = columns[column_of(listed, group)]
    products = 0
    for at in range(input_indptr[group], input_indptr[group + 1]):
        b = np.uint32(examples[at])
        start, end = indptr[b], indptr[b + np.uint32(1)]
        products += end - start
        gradient[np.uint32(positions[at])] = dot_sparse(row, indices, deltas, start, end)
    return products


@njit(parallel=False, cache=True, fastmath={"contract"}, inline="always")
def _descend_of(group, by_input, in_data, indptr, indices, deltas, rate, columns):
    """Step the weights from one input to the active nodes of its examples; returns the number of products."""
    input_indptr, examples, positions, listed = by_input
    row = columns[column_of(listed, group)]
    products = 0
    for at in range(input_indptr[group], input_indptr[group + 1]):
        b = np.uint32(examples[at])
        factor = rate * in_data[np.uint32(positions[at])]
        start, end = indptr[b], indptr[b + np.uint32(1)]
        products += end - start
        for k in range(start, end):
            row[np.uint32(indices[np.uint64(k)])] -= factor * deltas[np.uint64(k)]
    return products


@njit(parallel=True, cache=True, fastmath={"contract"})
def input_gradient_by_input(by_input, indptr, indices, deltas, columns, bounds, gradient):
    """Gradient at the stored inputs: gradient[position] = columns[input] . deltas over the active nodes.

    Symbols: B examples, D fan-in, N nodes, P pairs, Q entries of the input, C chunks.

    Parameters
    ----------
    by_input : CSC of D columns             the input grouped by column
    indptr : int64[B + 1]; indices : int32[P]; deltas : float32[P]           active nodes of each example
    columns : float32[D, N]
    bounds : int64[C + 1]                   chunks of groups
    gradient : float32[Q], out

    Returns the number of products: the sum over examples of active nodes x input entries.
    """
    products = 0
    for c in prange(len(bounds) - 1):
        for group in range(bounds[c], bounds[c + 1]):
            products += _gradient_of(group, by_input, indptr, indices, deltas, columns, gradient)
    return products


def input_gradient_by_input_cost(by_input: CSC, gradient: FloatArray, returned: int) -> Work:
    """An id, a delta and a weight for each product; of an input its places and the result."""
    of_input = 2 * ID + 2 * OFFSET + VALUE
    nbytes = (ID + 2 * VALUE) * returned + of_input * len(gradient) + groups_bytes(by_input)
    return Work(returned, returned, nbytes)


@njit(parallel=True, cache=True, fastmath={"contract"})
def descend_by_input(by_input, in_data, indptr, indices, deltas, rate, columns, bounds):
    """Take the steps of plain SGD: columns[input, node] -= (rate * value) * delta, example by example.

    Nothing is summed first, as every term goes to its weight with one multiplication and one subtraction.

    Parameters as in `input_gradient_by_input`, and
    ----------
    in_data : float32[Q]                  values of the stored inputs
    rate : float32
    columns : float32[D, N], updated

    Returns the number of products, as there; each input entry takes one multiplication more.
    """
    products = 0
    for c in prange(len(bounds) - 1):
        for group in range(bounds[c], bounds[c + 1]):
            products += _descend_of(group, by_input, in_data, indptr, indices, deltas, rate, columns)
    return products


def descend_by_input_cost(by_input: CSC, in_data: FloatArray, returned: int) -> tuple[Work, Work]:
    """Gradient and step: an id, a delta and a product; a weight loaded and stored, a factor an input."""
    listed = len(in_data)
    gradient = Work(returned, 0, (ID + VALUE) * returned + groups_bytes(by_input))
    of_input = 2 * ID + 2 * OFFSET + VALUE
    return gradient, Work(listed, returned, 2 * VALUE * returned + of_input * listed)


@njit(parallel=True, cache=True, fastmath={"contract"})
def pass_back_by_input(by_input, in_data, indptr, indices, deltas, rate, columns, bounds, gradient):
    """`input_gradient_by_input` and then `descend_by_input`, row by row, to the same bits.

    A row is fetched once for both: the gradient at its input is complete before its first step.
    Parameters as in both. Returns the number of products of either.
    """
    products = 0
    for c in prange(len(bounds) - 1):
        for group in range(bounds[c], bounds[c + 1]):
            _gradient_of(group, by_input, indptr, indices, deltas, columns, gradient)
            products += _descend_of(group, by_input, in_data, indptr, indices, deltas, rate, columns)
    return products


def pass_back_by_input_cost(
    by_input: CSC, in_data: FloatArray, gradient: FloatArray, returned: int
) -> tuple[Work, Work]:
    """Both gradients, and the step: those of the two kernels whose work it does."""
    gradients, steps = descend_by_input_cost(by_input, in_data, returned)
    return input_gradient_by_input_cost(by_input, gradient, returned) + gradients, steps

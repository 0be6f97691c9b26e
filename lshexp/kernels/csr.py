"""Sparse matrices in CSR form (see `lshexp.arrays`): ReLU, sums, and to and from dense rows."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.arrays import FloatArray, IntArray, OffsetArray
from lshexp.kernels._cost import ID, OFFSET, VALUE
from lshexp.work import Work


@njit(parallel=False, cache=True, fastmath=False)
def keep_positive(indptr, indices, data, scale, out_indptr, out_indices, out_data):
    """Apply ReLU to the entries of a CSR, drop those that are zero, and multiply the rest by `scale`.

    A node whose activation is zero adds nothing to the next layer and has no gradient, so the rest of the
    step need not know that it was selected. NaN is kept: a diverged network must not look healthy.

    Parameters
    ----------
    indptr : int64[B + 1]; indices : int32[P]; data : float32[P]       pre-activations
    scale : float32
    out_indptr : int64[B + 1], out
    out_indices, out_data : int32[>= P], float32[>= P], out
    """
    kept = 0
    out_indptr[0] = 0
    for b in range(len(indptr) - 1):
        for position in range(indptr[b], indptr[b + 1]):
            value = data[position]
            if not value <= 0:
                out_indices[kept] = indices[position]
                out_data[kept] = value * scale
                kept += 1
        out_indptr[b + 1] = kept


def keep_positive_cost(data: FloatArray, scale: float, out_indptr: OffsetArray) -> Work:
    """As `kept_cost`."""
    return kept_cost(scale, 1, len(out_indptr) - 1, len(data), int(out_indptr[-1]))


def kept_cost(scale: float, calls: int, examples: int, values: int, kept: int) -> Work:
    """Each value, and id and value of those that are kept, which are multiplied unless the scale is one."""
    nbytes = VALUE * values + (2 * ID + VALUE) * kept + OFFSET * (calls + 3 * examples)
    return Work(kept if scale != 1 else 0, 0, nbytes)


@njit(parallel=True, cache=True, fastmath=False)
def scatter_rows(indptr, indices, data, bounds, rows):
    """Write a CSR as dense rows, zero elsewhere.

    Parameters
    ----------
    indptr : int64[B + 1]; indices : int32[P]; data : float32[P]
    bounds : int64[C + 1]           chunk c handles examples bounds[c]:bounds[c+1]
    rows : float32[B, N], out
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            rows[b, :] = 0
            for position in range(indptr[b], indptr[b + 1]):
                rows[b, indices[position]] = data[position]


def scatter_rows_cost(indices: IntArray, rows: FloatArray) -> Work:
    """Every place once for its zero; of a pair its id and value, loaded, and the value stored."""
    return Work(0, 0, VALUE * rows.size + (ID + 2 * VALUE) * len(indices) + 2 * OFFSET * len(rows))


@njit(parallel=True, cache=True, fastmath=False)
def gather_rows(rows, indptr, indices, bounds, data):
    """Read the entries of a CSR out of dense rows: data[position] = rows[b, indices[position]].

    Parameters
    ----------
    rows : float32[B, N]
    indptr : int64[B + 1]; indices : int32[P]
    bounds : int64[C + 1]           chunks of examples
    data : float32[P], out
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            for position in range(indptr[b], indptr[b + 1]):
                data[position] = rows[b, indices[position]]


def gather_rows_cost(indptr: OffsetArray, indices: IntArray) -> Work:
    """Of a pair its id and value, loaded, and the value stored."""
    return Work(0, 0, (ID + 2 * VALUE) * len(indices) + 2 * OFFSET * (len(indptr) - 1))


@njit(parallel=True, cache=True, fastmath=False)
def count_union(a_indptr, a_indices, b_indptr, b_indices, bounds, places, counts):
    """Count, for each row of two sparse matrices, the columns that either has.

    Symbols: B rows, N columns, P and Q entries, C chunks.

    Parameters
    ----------
    a_indptr : int64[B + 1]; a_indices : int32[P]       each column at most once a row
    b_indptr : int64[B + 1]; b_indices : int32[Q]       likewise
    bounds : int64[C + 1]           chunks of rows
    places : int32[C, N], scratch   all -1; left all -1 by visiting only what was met
    counts : int64[B], out
    """
    for c in prange(len(bounds) - 1):
        place = places[c]
        for b in range(bounds[c], bounds[c + 1]):
            count = a_indptr[b + 1] - a_indptr[b]
            for k in range(a_indptr[b], a_indptr[b + 1]):
                place[a_indices[k]] = 0
            for k in range(b_indptr[b], b_indptr[b + 1]):
                count += place[b_indices[k]] < 0
            for k in range(a_indptr[b], a_indptr[b + 1]):
                place[a_indices[k]] = -1
            counts[b] = count


def count_union_cost(a_indices: IntArray, b_indices: IntArray, counts: OffsetArray) -> Work:
    """Of an entry of a its column and two places, of one of b its column and place; of a row nine offsets."""
    nbytes = (2 * ID + 2 * ID) * len(a_indices) + 2 * ID * len(b_indices) + 9 * OFFSET * len(counts)
    return Work(0, 0, nbytes)


@njit(parallel=True, cache=True, fastmath=False)
def add_csr(
    a_indptr, a_indices, a_data, b_indptr, b_indices, b_data, bounds, places,
    indptr, indices, data, a_positions, b_positions,
):  # fmt: skip
    """Add two sparse matrices, and say where the entries of each have gone.

    Symbols and parameters as in `count_union`, and
    ----------
    a_data : float32[P]; b_data : float32[Q]
    indptr : int64[B + 1]                           from the counts of `count_union`
    indices : int32[R], out; data : float32[R], out     the sum: columns of a, then those only b has
    a_positions : int64[P], out; b_positions : int64[Q], out    place of each entry in the sum

    Cost: one addition for each column that both have in a row.
    """
    for c in prange(len(bounds) - 1):
        place = places[c]
        for b in range(bounds[c], bounds[c + 1]):
            first = indptr[b]
            at = first
            for k in range(a_indptr[b], a_indptr[b + 1]):
                indices[at] = a_indices[k]
                data[at] = a_data[k]
                place[a_indices[k]] = at - first
                a_positions[k] = at
                at += 1
            for k in range(b_indptr[b], b_indptr[b + 1]):
                known = place[b_indices[k]]
                if known >= 0:
                    data[first + known] += b_data[k]
                    b_positions[k] = first + known
                else:
                    indices[at] = b_indices[k]
                    data[at] = b_data[k]
                    b_positions[k] = at
                    at += 1
            for k in range(a_indptr[b], a_indptr[b + 1]):
                place[a_indices[k]] = -1


def add_csr_cost(a_indices: IntArray, b_indices: IntArray, indptr: OffsetArray, indices: IntArray) -> Work:
    """Entries are copied with their places; one of b finds its place, and is added or copied."""
    shared = len(a_indices) + len(b_indices) - len(indices)
    copied = 2 * ID + 2 * VALUE + OFFSET
    nbytes = (copied + 4 * ID) * len(a_indices) + 2 * ID * len(b_indices)
    nbytes += (3 * VALUE + OFFSET) * shared + copied * (len(b_indices) - shared)
    return Work(0, shared, nbytes + 7 * OFFSET * (len(indptr) - 1))


@njit(parallel=True, cache=True, fastmath=False)
def count_stored(rows, bounds, counts):
    """Count the values of each row that are not zero.

    Parameters
    ----------
    rows : float32[B, D]
    bounds : int64[C + 1]               chunks of rows
    counts : int64[B], out
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            row = rows[b]
            count = np.int32(0)
            for column in range(len(row)):
                count += np.int32(row[column] != 0)
            counts[b] = count


@njit(parallel=True, cache=True, fastmath=False)
def take_stored(rows, bounds, indptr, indices, data):
    """List the values of each row that are not zero; `indptr` comes from the counts of `count_stored`.

    Parameters
    ----------
    rows : float32[B, D]
    bounds : int64[C + 1]               chunks of rows
    indptr : int64[B + 1]
    indices : int32[indptr[B]], out; data : float32[indptr[B]], out
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            row = rows[b]
            at, last, column = indptr[b], indptr[b + 1], 0
            while at < last:  # no branch on the value: a zero is written and then written over
                indices[at] = column
                data[at] = row[column]
                at += row[column] != 0
                column += 1

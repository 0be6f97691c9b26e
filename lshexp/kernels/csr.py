"""Sparse matrices in CSR form (see `lshexp.arrays`): grouping by column, ReLU, and to and from dense rows.

Going through a batch by column, that is by node, fetches a weight row once for all its examples, and gives
every row one owner: no locks, and no sum whose order depends on timing.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange


@njit(parallel=True, cache=True, fastmath=False)
def group_by_column(indptr, indices, bounds, cursors, column_indptr, rows, positions):
    """Group the entries of a CSR by column with a counting sort.

    Symbols: B rows, C chunks, N columns, P entries = indptr[B].

    Parameters
    ----------
    indptr : int64[B + 1]
    indices : int32[>= P]               columns, 0..N-1
    bounds : int64[C + 1]               chunks of rows
    cursors : int32[C, N], scratch      where each chunk writes its next entry of each column
    column_indptr : int64[N + 1], out
    rows : int32[>= P], out             ascending within a column
    positions : int32[>= P], out        where the entry stands in `indices`

    Cost: O(P + C * N) integer operations a batch.
    """
    n_chunks, n_columns = cursors.shape
    for c in prange(n_chunks):
        cursor = cursors[c]
        cursor[:] = 0
        for position in range(indptr[bounds[c]], indptr[bounds[c + 1]]):
            cursor[np.uint32(indices[position])] += 1
    total = 0
    for column in range(n_columns):
        column_indptr[column] = total
        for c in range(n_chunks):
            count = cursors[c, column]
            cursors[c, column] = total
            total += count
    column_indptr[n_columns] = total
    for c in prange(n_chunks):
        cursor = cursors[c]
        for b in range(bounds[c], bounds[c + 1]):
            for position in range(indptr[b], indptr[b + 1]):
                column = np.uint32(indices[position])
                at = np.uint32(cursor[column])
                rows[at] = b
                positions[at] = position
                cursor[column] = at + 1


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

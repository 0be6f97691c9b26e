"""Grouping the entries of a CSR by column (see `lshexp.arrays`).

Going through a batch by column, that is by node, fetches a weight row once for all its examples, and gives
every row one owner: no locks, and no sum whose order depends on timing.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.arrays import IntArray, OffsetArray
from lshexp.kernels._cost import ID, OFFSET
from lshexp.work import Work


@njit(parallel=False, cache=True, fastmath=False)
def column_of(columns, group):
    """The column of a group of a `CSC`: int32[:] lists the columns, or is empty where all are groups."""
    return np.int64(columns[group]) if len(columns) else np.int64(group)


def column_of_cost(columns: IntArray) -> Work:
    """An id, where columns are listed."""
    return Work(0, 0, ID if len(columns) else 0)


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


def group_by_column_cost(indptr: OffsetArray, indices: IntArray, column_indptr: OffsetArray) -> Work:
    """As `grouped_cost`."""
    return grouped_cost(len(column_indptr) - 1, 1, len(indptr) - 1, len(indices))


def grouped_cost(nodes: int, calls: int, examples: int, pairs: int) -> Work:
    """A cursor a node, counted up and then moved on; of a pair its node, example and place."""
    of_node, of_pair = 3 * ID + OFFSET, 8 * ID
    return Work(0, 0, of_node * nodes * calls + of_pair * pairs + OFFSET * (2 * examples + 3 * calls))


@njit(parallel=False, cache=True, fastmath=False)
def group_filled_columns(indptr, indices, cursors, columns, column_indptr, rows, positions):
    """Group the entries of a CSR by column, for the columns that have any; the others are not even visited.

    Symbols: B rows, N columns, P entries = indptr[B], U columns that have entries.

    Parameters
    ----------
    indptr : int64[B + 1]
    indices : int32[>= P]               columns, 0..N-1
    cursors : int32[N], scratch         all zero; left all zero by visiting only what was met
    columns : int32[>= P + 1], out      those that have entries, in the order met
    column_indptr : int64[>= P + 1], out
    rows : int32[>= P], out             ascending within a column
    positions : int32[>= P], out        where the entry stands in `indices`

    Returns U. Cost: O(P) integer operations, however large N is.
    """
    filled = np.uint64(0)
    for position in range(indptr[len(indptr) - 1]):
        column = np.uint32(indices[position])
        count = cursors[column]
        columns[filled] = column  # written always, kept if new: a branch would be mispredicted
        filled += np.uint64(count == 0)
        cursors[column] = count + np.int32(1)
    total = 0
    for group in range(filled):
        column = np.uint32(columns[group])
        column_indptr[group] = total
        count = cursors[column]
        cursors[column] = total
        total += count
    column_indptr[filled] = total
    for b in range(len(indptr) - 1):
        for position in range(indptr[b], indptr[b + 1]):
            column = np.uint32(indices[position])
            at = np.uint32(cursors[column])
            rows[at] = b
            positions[at] = position
            cursors[column] = at + 1
    for group in range(filled):
        cursors[np.uint32(columns[group])] = 0
    return np.int64(filled)


def group_filled_columns_cost(indptr: OffsetArray, indices: IntArray, returned: int) -> Work:
    """Of an entry its column, listed and counted, then its row and place; a cursor a column."""
    of_entry, of_column = 4 * ID + 5 * ID, 5 * ID + OFFSET
    return Work(0, 0, of_entry * len(indices) + of_column * returned + OFFSET * (2 * len(indptr)))

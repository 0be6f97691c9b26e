"""Sizes, chunk counts and random sparse arrays that tests of kernels share."""

from __future__ import annotations

import numpy as np

from lshexp.arrays import CSC, CSR
from lshexp.kernels import group, parallel

SHAPES = [  # examples, fan-in, nodes, active nodes an example
    (0, 3, 4, 2),
    (1, 1, 1, 1),
    (5, 7, 9, 0),
    (6, 16, 5, 5),
    (17, 33, 41, 11),
]
CHUNKS = [1, 2, 3]


def random_csr(random, examples, nodes, active, empty_first=True):
    """A random matrix with `active` nodes an example; the first example has none."""
    counts = np.full(examples, active)
    if examples and empty_first:
        counts[0] = 0
    matrix = CSR.from_lengths(counts, nodes)
    for b in range(examples):
        span = slice(matrix.indptr[b], matrix.indptr[b + 1])
        matrix.indices[span] = random.permutation(nodes)[: counts[b]]
        matrix.data[span] = random.standard_normal(counts[b])
    return matrix


def grouped_by_column(matrix, nodes, chunks=1):
    pairs = len(matrix.indices)
    grouped = CSC(np.empty(nodes + 1, np.int64), np.empty(pairs, np.int32), np.empty(pairs, np.int32))
    bounds = parallel.balanced_bounds(matrix.indptr, chunks)
    scratch = np.empty((chunks, nodes), np.int32)
    group.group_by_column(matrix.indptr, matrix.indices, bounds, scratch, *grouped[:3])
    return grouped


def grouped_by_filled_column(matrix, nodes):
    """Groups of the columns that have entries alone; nothing else of the matrix's columns is in them."""
    pairs, cursors = len(matrix.indices), np.zeros(nodes, np.int32)
    indptr, columns = np.empty(pairs + 1, np.int64), np.empty(pairs + 1, np.int32)
    rows, positions = np.empty(pairs, np.int32), np.empty(pairs, np.int32)
    filled = group.group_filled_columns(
        matrix.indptr, matrix.indices, cursors, columns, indptr, rows, positions
    )
    assert not cursors.any()
    return CSC(indptr[: filled + 1], rows, positions, columns[:filled])


def close(comp, ref):
    np.testing.assert_allclose(comp, ref, rtol=2e-5, atol=2e-5)

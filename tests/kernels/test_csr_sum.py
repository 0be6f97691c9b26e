"""Sums of sparse matrices against plain twins."""

from __future__ import annotations

import naive_output
import numpy as np
import pytest
from kernel_cases import CHUNKS

from lshexp.arrays import CSR
from lshexp.kernels.csr import add_csr, count_union
from lshexp.kernels.parallel import even_bounds


def draw(random, rows, columns, most):
    lists = [random.permutation(columns)[: random.integers(0, most + 1)].tolist() for _ in range(rows)]
    out = CSR.from_lengths([len(row) for row in lists], columns)
    out.indices[:] = [column for row in lists for column in row]
    out.data[:] = random.normal(size=out.nnz)
    return lists, out


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize(("rows", "columns", "most"), [(0, 4, 2), (1, 1, 1), (6, 9, 9), (7, 30, 5)])
def test_sums(rows, columns, most, chunks):
    random = np.random.default_rng(rows)
    (a, left), (b, right) = draw(random, rows, columns, most), draw(random, rows, columns, most)
    bounds, places = even_bounds(rows, chunks), np.full((chunks, columns), -1, dtype=np.int32)
    counts = np.empty(rows, dtype=np.int64)
    count_union(left.indptr, left.indices, right.indptr, right.indices, bounds, places, counts)
    assert counts.tolist() == naive_output.count_union(a, b)
    comp = CSR.from_lengths(counts, columns)
    positions = np.empty(left.nnz, np.int64), np.empty(right.nnz, np.int64)
    add_csr(*left.arrays, *right.arrays, bounds, places, *comp.arrays, *positions)
    assert (places == -1).all()
    values = [m.data[m.indptr[i] : m.indptr[i + 1]] for m in (left, right) for i in range(rows)]
    ref = naive_output.add_csr(a, b, values[:rows], values[rows:])
    for i, row in enumerate(ref):
        span = slice(comp.indptr[i], comp.indptr[i + 1])
        assert comp.indices[span].tolist() == [column for column, _ in row]
        assert comp.data[span].tolist() == [value for _, value in row]
    np.testing.assert_array_equal(comp.indices[positions[0]], left.indices)
    np.testing.assert_array_equal(comp.indices[positions[1]], right.indices)
    np.testing.assert_allclose(comp.to_dense(), left.to_dense() + right.to_dense(), rtol=1e-6)

"""The largest sums of pairs: against the plain twin, against all sums, and what finding them takes."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from kernel_cases import CHUNKS
from metered import check, whole

from lshexp.kernels import product
from lshexp.kernels.parallel import even_bounds


def members(size, examples=5, seed=1):
    """Scores with ties among them."""
    values = np.random.default_rng(seed).standard_normal((examples, size))
    return np.round(values, 1).astype(np.float32)


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 7), (4, 4), (5, 9), (9, 5)])
def test_the_largest_sums_are_among_those_formed(m, n, chunks):
    first, second = members(m), members(n, seed=2)
    for k in {1, 2, (m * n + 2) // 3, m * n}:
        each = product.pairs_to_form(k, m, n)
        indices, sums = np.empty(5 * each, np.int32), np.empty(5 * each, np.float32)
        product.leading_sums(first, second, k, even_bounds(5, chunks), indices, sums)
        every = (first[:, :, None] + second[:, None, :]).reshape(5, -1)
        for b, formed in enumerate(naive.leading_sums(first, second, k)):
            own = slice(b * each, (b + 1) * each)
            assert dict(zip(indices[own].tolist(), sums[own].tolist(), strict=True)) == formed
            assert np.sort(sums[own])[-k:].tolist() == np.sort(every[b])[-k:].tolist()


def test_few_sums_are_formed_of_many_pairs():
    assert product.pairs_to_form(50, 1000, 1000) < 250


@pytest.mark.parametrize(("m", "n", "k"), [(1, 1, 1), (4, 6, 5), (6, 4, 24)])
def test_cost(m, n, k):
    each = product.pairs_to_form(k, m, n)
    out = np.empty(5 * each, np.int32), np.empty(5 * each, np.float32)
    work = check(product.leading_sums, members(m), members(n), k, whole(5), *out)
    assert work[:2] == (0, 5 * each)

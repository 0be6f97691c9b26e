"""Estimates of a partition function: their mean is the sum itself, within its error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lshexp.arrays import CSR
from lshexp.sampling.partition import (
    CentredOutput,
    ClassTables,
    _others,
    estimators,
    in_buckets,
    inclusion,
    log_sum_of_rows,
)
from lshexp.work import LayerWork

C, D, B = 300, 9, 5


@pytest.fixture(scope="module")
def output():
    random = np.random.default_rng(0)
    weights = 0.6 * random.standard_normal((C, D)).astype(np.float32) + 1
    return CentredOutput(weights, random.standard_normal(C).astype(np.float32))


@pytest.fixture(scope="module")
def inputs(output):
    return output.inputs(np.abs(np.random.default_rng(1).standard_normal((B, D))).astype(np.float32))


def exact(output, inputs):
    """By the weights as they were, in double precision."""
    rows = (output.rows + output.mean).astype(np.float64)
    return np.log(np.exp(inputs.astype(np.float64) @ rows.T).sum(axis=1))


def test_what_is_taken_off_all_scores_is_put_back(output, inputs):
    work = LayerWork()
    found = output.log_z(inputs, work) + output.offset(inputs, work)
    np.testing.assert_allclose(found, exact(output, inputs), rtol=1e-5)
    assert work.tally("select").mults == B * (D + 1) * (C + 1)


def mean_ratio(output, inputs, estimate, draws):
    truth = output.log_z(inputs, LayerWork())
    ratios = np.array([np.exp(estimate(draw).log_z - truth) for draw in range(draws)])
    return ratios.mean(axis=0), ratios.std(axis=0) / np.sqrt(draws)


@pytest.mark.parametrize(
    "name", ["uniform", "popularity", "top_and_tail", "found_and_tail", "found_and_popular"]
)
def test_estimates_are_unbiased_for_the_tables_there_are(output, inputs, name):
    tables = ClassTables(output, K=5, L=4, key=3)
    counts = np.random.default_rng(2).integers(0, 50, C)
    estimate = estimators(output, counts, tables, probes=3)[name]
    mean, error = mean_ratio(output, inputs, lambda draw: estimate(inputs, 20, draw, LayerWork()), 1500)
    assert (np.abs(mean - 1) < 4.5 * error).all()
    assert error.max() < 0.1  # so that the test can fail


def test_the_estimate_from_buckets_is_unbiased_over_planes(output, inputs):
    def estimate(draw):
        return in_buckets(ClassTables(output, K=3, L=4, key=draw), inputs, LayerWork())

    mean, error = mean_ratio(output, inputs, estimate, 400)
    assert (np.abs(mean - 1) < 4.5 * error).all()
    assert error.max() < 0.1


def test_chances_are_how_often_a_class_is_found(output, inputs):
    scores = (inputs @ output.rows.T).astype(np.float64)
    found = np.zeros((B, C))
    for key in range(400):
        tables = ClassTables(output, K=3, L=2, key=key)
        chosen = tables.collect(inputs, 1, C, LayerWork())
        found[np.repeat(np.arange(B), chosen.row_lengths()), chosen.indices] += 1
    expected = tables.chances(scores.ravel(), inputs, np.full(B, C)).reshape(B, C)
    spread = np.sqrt(expected * (1 - expected) / 400)
    assert (np.abs(found / 400 - expected) < 5 * spread + 1e-9).all()


def test_a_budget_of_all_classes_is_the_sum(output, inputs):
    tables = ClassTables(output, K=2, L=6, key=3)
    estimate = estimators(output, np.ones(C, int), tables, probes=4)["found_and_tail"]
    found = estimate(inputs, 2 * C - 2, 1, LayerWork())
    np.testing.assert_allclose(found.log_z, output.log_z(inputs, LayerWork()), rtol=0.05)
    assert (found.scored >= C - 1).all()


def test_work_is_that_of_hashing_and_of_the_classes_scored(output, inputs):
    tables = ClassTables(output, K=5, L=4, key=3)
    assert tables.building.tally("rebuild").mults == C * (D + 2) * 20
    for name, hashing in (("uniform", 0), ("found_and_tail", 20)):
        work = LayerWork()
        found = estimators(output, np.ones(C, int), tables, 2)[name](inputs, 20, 1, work)
        assert work.tally("select").mults == (D + 1) * (hashing * B + found.scored.sum())


def test_others_are_drawn_uniformly_from_what_the_head_has_not():
    head = CSR.from_lengths(np.array([3, 0]), 8)
    head.indices[:] = [6, 0, 1]
    drawn = _others(8, head, 4000, np.random.default_rng(0)).indices.reshape(2, -1)
    for row, left in enumerate(([2, 3, 4, 5, 7], range(8))):
        counts = np.bincount(drawn[row], minlength=8)
        assert set(np.flatnonzero(counts)) == set(left)
        assert counts[list(left)].min() > 0.85 * 4000 / len(left)


def test_rows_without_entries_sum_to_nothing():
    rows = CSR.from_lengths(np.array([2, 0, 1]), 4)
    np.testing.assert_allclose(
        log_sum_of_rows(np.array([0.0, np.log(3), -np.inf]), rows), [np.log(4), -np.inf, -np.inf]
    )


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=40), st.integers(1, 40))
def test_chances_add_up_to_the_budget_and_keep_the_order(sizes, budget):
    sizes, budget = np.array(sizes), min(budget, len(sizes))
    chances = inclusion(sizes, budget)
    assert chances.sum() == pytest.approx(budget)
    assert 0 < chances.min() <= chances.max() <= 1 + 1e-12
    assert (np.diff(chances[np.argsort(sizes, kind="stable")]) >= -1e-12).all()
    below = chances < 1 - 1e-12
    if below.any():
        assert np.ptp(chances[below] / sizes[below]) < 1e-9

"""Examples drawn by hash tables: kernels against twins, and estimates whose mean is the gradient."""

from __future__ import annotations

import naive_sampling as naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lshexp.kernels.sampled_descent import (
    member_place,
    query_codes,
    sampled_steps,
    sampled_steps_mults,
    stratum_sizes,
)
from lshexp.sampling.descent import SAMPLERS, Regression, SampledDescent, least_variance, two_classes

N, D = 60, 7


def task(loss, n=N, seed=0):
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, D)).astype(np.float32)
    classes = (x[:, 0] + 0.5 * random.standard_normal(n) > 0).astype(np.int32)
    return Regression(*two_classes(x / np.linalg.norm(x, axis=1, keepdims=True), classes), loss)


def descent(loss, sampler, key=0, **options):
    return SampledDescent(task(loss), sampler, 0.05, key=key, **{"K": 4, "L": 3, **options})


@given(st.integers(1, 6), st.integers(1, 4), st.booleans(), st.integers(0, 99))
def test_query_codes(bits, tables, logistic, seed):
    random = np.random.default_rng(seed)
    pulled, offsets = random.standard_normal((2, bits * tables)).astype(np.float32)
    codes = np.empty(tables, np.uint32)
    query_codes(pulled, offsets, logistic, bits, codes)
    np.testing.assert_array_equal(codes, naive.query_codes(pulled, offsets, logistic, bits))
    assert codes.max() < 2**bits


@given(st.integers(1, 6), st.booleans(), st.integers(0, 99))
def test_stratum_sizes_and_member_place(bits, logistic, seed):
    random = np.random.default_rng(seed)
    sizes = random.integers(0, 4, 2**bits)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    query = np.uint32(random.integers(0, 2**bits))
    found = np.empty(bits + 1, np.int64)
    stratum_sizes(query, starts, logistic, bits, found)
    np.testing.assert_array_equal(found, naive.stratum_sizes(query, starts, logistic, bits))
    assert found.sum() == sizes.sum()
    for stratum in range(bits + 1):
        places = [member_place(query, starts, logistic, bits, stratum, k) for k in range(found[stratum])]
        ref = [naive.member_place(query, starts, logistic, bits, stratum, k) for k in range(found[stratum])]
        assert places == ref
        assert len(set(places)) == len(places)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_sampled_steps_and_their_multiplications(loss, sampler):
    ours = descent(loss, sampler, key=3)
    weights, means = ours.weights.copy(), ours.means.copy()
    pulled, own = np.zeros(12, np.float32), np.zeros(12, np.float32)
    state = ours._data, ours._tables, ours._draw
    chosen, scales = np.empty(80, np.int32), np.empty(80, np.float32)
    rate = np.float32(0.05)
    empty = sampled_steps(*state, ours.weights, pulled, ours.means, rate, 11, chosen, scales)
    ref = naive.sampled_steps(*state, weights, own, means, rate, 11, 80)
    np.testing.assert_array_equal(chosen, ref[0])
    np.testing.assert_allclose(scales, ref[1], rtol=5e-3)
    np.testing.assert_allclose(ours.weights, weights, rtol=1e-3, atol=2e-3)
    np.testing.assert_allclose(pulled, own, rtol=1e-3, atol=2e-2)
    np.testing.assert_allclose(ours.means, means, rtol=1e-3)
    assert empty == ref[2]
    tables = 1 if sampler == "strata" else 3
    counted = ref[3] if sampler != "strata" else ref[3] - 80 * 4 * (3 - tables)  # one table would do
    assert counted == 80 * sampled_steps_mults(SAMPLERS[sampler], D + 1, tables, 4)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("sampler", ["uniform", "strata"])
def test_draws_have_the_chances_they_are_said_to_have(loss, sampler):
    ours = descent(loss, sampler, key=1)
    ours.run(300)
    chances = ours.chances()
    assert chances.sum() == pytest.approx(1)
    assert chances.min() > 0
    # draws for the same weights: the rate is 0, and means of strata are put back
    ours.rate, means, seen = 0.0, ours.means.copy(), np.zeros(N)
    for _ in range(6000):
        chosen, scales = ours.run(1)
        seen[chosen[0]] += 1
        assert scales[0] == pytest.approx(1 / (N * chances[chosen[0]]), rel=1e-4)
        ours.means[:] = means
    spread = np.sqrt(chances * (1 - chances) / 6000)
    assert (np.abs(seen / 6000 - chances) < 5 * spread).all()


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("sampler", ["uniform", "strata"])
def test_the_mean_over_draws_is_the_gradient_for_the_tables_there_are(loss, sampler):
    ours = descent(loss, sampler, key=2)
    ours.run(200)
    problem = ours.task
    ours.rate, means = 0.0, ours.means.copy()
    slopes = problem.slopes(ours.weights)
    gradient = slopes @ problem.x / N
    estimates = np.empty((8000, D + 1))
    for draw in range(len(estimates)):
        chosen, scales = ours.run(1)
        estimates[draw] = scales[0] * slopes[chosen[0]] * problem.x[chosen[0]]
        ours.means[:] = means
    error = estimates.std(axis=0) / np.sqrt(len(estimates))
    assert (np.abs(estimates.mean(axis=0) - gradient) < 4.5 * error).all()
    spread = ours.estimate()
    assert spread.bias == 0
    assert estimates.var(axis=0).sum() == pytest.approx(spread.variance, rel=0.1)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_collisions_are_unbiased_over_planes_and_not_for_one_draw_of_them(loss):
    """The mean weight of every example's gradient is 1 / n over draws of the planes, with one table."""
    weights = np.random.default_rng(5).standard_normal(D + 1).astype(np.float32)
    shares = []
    for key in range(3000):
        one = descent(loss, "collisions", key=key, K=2, L=1)
        one.weights = weights
        shares.append(one._collision_weights()[1])
    shares = N * np.array(shares)
    error = shares.std(axis=0) / np.sqrt(len(shares))
    empty = 0.02  # of a bucket that is empty any example is drawn: a little too much of the unlikely ones
    assert (np.abs(shares.mean(axis=0) - 1) < 4.5 * error + empty).all()
    one = descent(loss, "collisions")
    one.weights = weights
    assert one.estimate().bias > 0.1


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_no_sampler_is_below_the_least_variance(loss):
    for sampler in ("uniform", "strata"):
        ours = descent(loss, sampler)
        ours.run(500)
        assert ours.estimate().variance >= least_variance(ours.task, ours.weights) * (1 - 1e-9)


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(sorted(SAMPLERS)), st.sampled_from(["squared", "logistic"]), st.integers(1, 40))
def test_steps_can_be_taken_in_any_portions(sampler, loss, cut):
    whole, parts = descent(loss, sampler), descent(loss, sampler)
    whole.run(60)
    parts.run(cut)
    parts.run(60 - cut)
    np.testing.assert_allclose(whole.weights, parts.weights, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_slopes_are_derivatives_and_descent_descends(loss):
    problem = task(loss)
    weights = np.random.default_rng(1).standard_normal(D + 1).astype(np.float32)
    numeric = [
        (problem.losses(weights + step) - problem.losses(weights - step)) / 2e-2
        for step in 1e-2 * np.eye(D + 1, dtype=np.float32)
    ]
    np.testing.assert_allclose(
        problem.slopes(weights)[:, None] * problem.x, np.array(numeric).T, rtol=2e-2, atol=2e-3
    )
    for sampler in ("uniform", "strata"):
        ours = descent(loss, sampler)
        before = problem.losses(ours.weights).mean()
        ours.run(600)
        assert problem.losses(ours.weights).mean() < 0.9 * before
        assert problem.accuracy_pct(ours.weights) > 65

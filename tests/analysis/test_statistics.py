"""Intervals, tests and verdicts against scipy and simulated truths."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lshexp.analysis.statistics import (
    BOOTSTRAP_FROM,
    Interval,
    holm,
    interval,
    non_inferior,
    sign_flip_p,
    verdict,
)


def test_small_samples_get_students_interval():
    d = np.array([0.4, -0.1, 0.9, 0.3])
    found = interval(d)
    low, high = stats.t.interval(0.95, 3, d.mean(), stats.sem(d))
    assert found.how == "t"
    assert (found.low, found.high) == pytest.approx((low, high))


def test_large_samples_get_the_bootstraps_and_the_same_each_time():
    d = np.random.default_rng(0).exponential(size=BOOTSTRAP_FROM)
    found = interval(d)
    assert found.how == "bca"
    assert found == interval(d)
    assert found.low < d.mean() < found.high
    assert found.high - d.mean() > d.mean() - found.low  # it follows the skew


@pytest.mark.parametrize("n", [3, 5, 10])
def test_intervals_cover_the_truth(n):
    draws = np.random.default_rng(n).normal(0.3, 0.5, (1000, n))
    found = [interval(d) for d in draws]
    assert 0.93 <= np.mean([i.low <= 0.3 <= i.high for i in found]) <= 0.97


def test_bootstrap_intervals_cover_the_truth():
    draws = np.random.default_rng(40).normal(0.3, 0.5, (200, 40))
    found = [interval(d) for d in draws]
    # of 200, three standard errors of 95 % are 4.6 points
    assert abs(np.mean([i.low <= 0.3 <= i.high for i in found]) - 0.95) < 0.046


def test_non_inferiority_keeps_its_level():
    """At the edge of inferiority, the test passes the inferior 2.5 % of the time."""
    draws = np.random.default_rng(1).normal(-1.0, 0.5, (2000, 5))
    passed = np.mean([non_inferior(interval(d), 1.0) for d in draws])
    assert 0.015 < passed < 0.035


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_sign_flips_are_those_of_scipy(n):
    d = np.random.default_rng(n).normal(0.4, 1, n)
    found = sign_flip_p(d)
    if n == 1:
        assert found == 1
        return
    wanted = stats.permutation_test(
        (d,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    ).pvalue
    assert found == pytest.approx(wanted)
    assert found >= 2.0 ** (1 - n)


def test_sign_flips_of_many_are_drawn_from_a_fixed_seed():
    d = np.random.default_rng(3).normal(0.4, 1, 30)
    assert sign_flip_p(d) == sign_flip_p(d)
    assert sign_flip_p(d + 5) == 1 / 10_000


def test_nothing_to_tell_without_differences():
    assert interval(np.array([1.0])) is None
    assert sign_flip_p(np.array([])) is None
    assert verdict(None, 1.0) == "undetermined"
    assert non_inferior(None, 1.0) is None


def test_equal_differences_leave_no_doubt():
    assert interval(np.array([0.2, 0.2])) == Interval(0.2, 0.2, "t")
    assert sign_flip_p(np.zeros(4)) == 1


def test_holm():
    assert holm([0.01, None, 0.04, 0.03]) == [pytest.approx(0.03), None, 0.06, 0.06]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(
    "low, high, wanted, no_worse",
    [
        (0.2, 2, "better", True),
        (-3, -0.2, "worse", False),
        (-0.9, -0.2, "equivalent", True),
        (-0.5, 0.5, "equivalent", True),
        (-0.5, 1.5, "undetermined", True),
        (-1.5, 0.5, "undetermined", False),
        (-1.0, 0.5, "undetermined", False),
    ],
)
def test_verdicts(low, high, wanted, no_worse):
    found = Interval(low, high, "t")
    assert verdict(found, 1.0) == wanted
    assert non_inferior(found, 1.0) is no_worse

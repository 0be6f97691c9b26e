"""What paired differences can tell: intervals, tests, and verdicts at a margin.

All of it works on the differences of pairs, one for each seed and repeat.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95
# Below, the bootstrap's intervals are too short: with ten normal differences they cover about 90 % where 95 %
# is asked for. Student's t covers what it says for differences that are roughly normal.
BOOTSTRAP_FROM = 20
RESAMPLES = 4999
EXACT_UP_TO = 14  # differences whose sign flips are all enumerated
DRAWN_FLIPS = 9999

Differences = NDArray[np.float64]


class Interval(NamedTuple):
    """A confidence interval for the mean, and how it was made: `t` or `bca`."""

    low: float
    high: float
    how: str


def interval(differences: Differences, level: float = LEVEL) -> Interval | None:
    """Two-sided interval for the mean difference; None for fewer than two differences.

    Student's t below 20 differences; from there the bias-corrected and accelerated bootstrap (Efron, 1987)
    with 4,999 resamples, drawn from a fixed seed so that the same differences give the same interval.
    """
    d = np.asarray(differences, dtype=np.float64)
    if len(d) < 2:
        return None
    mean, spread = float(d.mean()), float(d.std(ddof=1))
    if spread == 0:
        return Interval(mean, mean, "t")
    if len(d) < BOOTSTRAP_FROM:
        half = float(stats.t.ppf(0.5 + level / 2, len(d) - 1)) * spread / np.sqrt(len(d))
        return Interval(mean - half, mean + half, "t")
    found = stats.bootstrap(
        (d,),
        np.mean,
        confidence_level=level,
        n_resamples=RESAMPLES,
        method="BCa",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(float(found.low), float(found.high), "bca")


def sign_flip_p(differences: Differences) -> float | None:
    """Two-sided p of the sign-flip permutation test that differences are symmetric about zero.

    All 2**n flips up to n = 14, else 9,999 drawn from a fixed seed; n seeds cannot give less than 2**(1 - n).
    None without differences.
    """
    d = np.asarray(differences, dtype=np.float64)
    if not len(d):
        return None
    observed = abs(d.mean()) * (1 - 1e-12)  # equal means in another order of summation count as equal
    if len(d) <= EXACT_UP_TO:
        flips = np.array(list(itertools.product((1.0, -1.0), repeat=len(d))))
        return float(np.mean(np.abs(flips @ d) / len(d) >= observed))
    flips = np.random.default_rng(0).choice((1.0, -1.0), (DRAWN_FLIPS, len(d)))
    return float((1 + np.sum(np.abs(flips @ d) / len(d) >= observed)) / (1 + DRAWN_FLIPS))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction of a family of p values; None stays None and is not counted."""
    order = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, i) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        adjusted[i] = largest
    return adjusted


def verdict(found: Interval | None, margin: float) -> str:
    """`better` or `worse` where the interval leaves zero out, `equivalent` where it lies within the margin.

    A difference that is both, real and within the margin, is `equivalent`; `undetermined` is all else.
    Higher is taken to be better.
    """
    if found is None:
        return "undetermined"
    if -margin < found.low and found.high < margin:
        return "equivalent"
    return "better" if found.low > 0 else "worse" if found.high < 0 else "undetermined"


def non_inferior(found: Interval | None, margin: float) -> bool | None:
    """Whether the whole interval lies above -margin; None where there is no interval.

    As the interval is two-sided at 95 %, this is a test at 2.5 %.
    """
    return None if found is None else found.low > -margin

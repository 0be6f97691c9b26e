"""What paired differences say about the truth: one test gives the interval, the p value and the verdict.

The test is Student's t over pairs of runs with the same seed, corrected by Bonferroni once over all rows of
a table, so that with a chance of 95 % or more every interval of the table holds its truth. Seeds are what
varies: an answer is about other seeds on the same data, not about other data. Holm's steps would find a
little more, but have no intervals that say the same; a sign-flip test of five pairs cannot go below p =
0.06 in a single row; Dunnett's test assumes one spread for all methods, and chance level has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

LEVEL = 0.95
FEWEST = 3  # differences: two give a spread with one degree of freedom, which is worth nothing

Kind = Literal["within", "better", "worse", "not settled", "too few seeds"]


class Inference(NamedTuple):
    """A mean of differences, with an interval and p value that are corrected over the table."""

    mean: float
    low: float
    high: float
    p: float  # that the mean is zero; below 0.05 exactly where the interval leaves zero out


def infer(rows: Sequence[ArrayLike], counted: bool = False, level: float = LEVEL) -> list[Inference | None]:
    """Intervals and p values of the mean of each row of differences, all rows together at `level`.

    `rows` are differences over pairs of runs, one array a row of the table, of any length. A row has no
    answer, None, below `FEWEST` differences. Nor has one whose differences are all equal, as t has no scale
    there, unless they are `counted`: a difference of counts that never varies is known, not estimated.
    """
    samples = [np.asarray(row, dtype=np.float64) for row in rows]
    family = max(1, sum(len(sample) >= FEWEST for sample in samples))
    return [_infer(sample, family, counted, level) for sample in samples]


def _infer(sample: np.ndarray, family: int, counted: bool, level: float) -> Inference | None:
    if len(sample) < FEWEST:
        return None
    mean = float(sample.mean())
    if np.ptp(sample) <= 1e-12 * max(1.0, abs(mean)):  # equal, but for the rounding of a subtraction
        return Inference(mean, mean, mean, float(mean == 0)) if counted else None
    found = stats.ttest_1samp(sample, 0.0)
    low, high = found.confidence_interval(1 - (1 - level) / family)
    return Inference(mean, float(low), float(high), min(1.0, family * float(found.pvalue)))


def kind(found: Inference | None, margin: float, higher_is_better: bool = True) -> Kind:
    """What an interval settles: see `verdict`, which puts it into words."""
    if found is None:
        return "too few seeds"
    low, high = (found.low, found.high) if higher_is_better else (-found.high, -found.low)
    if -margin < low and high < margin:
        return "within"
    return "better" if low > 0 else "worse" if high < -margin else "not settled"


def verdict(what: Kind, margin: float, unit: str = "") -> str:
    """A verdict in words that say the margin.

    `within 1 pt`: the whole interval is less than the margin away from zero. `better`: all of it is above
    zero, and some beyond the margin. `worse by more than 1 pt`: all of it is below minus the margin. `not
    settled`: anything else. `too few seeds`: there is no interval.
    """
    size = f"{margin:g} {unit}".rstrip()
    return {"within": f"within {size}", "worse": f"worse by more than {size}"}.get(what, what)


def kind_of(words: str) -> str:
    """The kind of a verdict that `verdict` wrote; anything else as it is."""
    first = words.split(" ")[0]
    return first if first in ("within", "worse") else words


def non_inferior(found: Inference | None, margin: float, higher_is_better: bool = True) -> bool | None:
    """Whether the whole interval lies on the better side of the margin; None where there is no interval."""
    if found is None:
        return None
    return found.low > -margin if higher_is_better else found.high < margin

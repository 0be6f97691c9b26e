"""Intervals, p values and verdicts against scipy and simulated truths."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lshexp.analysis.statistics import FEWEST, Inference, infer, kind, kind_of, non_inferior, verdict

TABLES, ROWS, SEEDS = 1000, 4, 5


def found(low, high):
    return Inference((low + high) / 2, low, high, 0.5)


def test_one_row_has_students_interval_and_p():
    d = np.array([0.4, -0.1, 0.9, 0.3])
    (row,) = infer([d])
    assert (row.low, row.high) == pytest.approx(stats.t.interval(0.95, 3, d.mean(), stats.sem(d)))
    assert row.p == pytest.approx(stats.ttest_1samp(d, 0).pvalue) and row.mean == pytest.approx(d.mean())


def test_rows_of_a_table_are_corrected_together():
    rows = [np.random.default_rng(i).normal(0.3, 1, 5) for i in range(4)]
    for row, one in zip(infer(rows), rows, strict=True):
        low, high = stats.t.interval(1 - 0.05 / 4, 4, one.mean(), stats.sem(one))
        assert (row.low, row.high) == pytest.approx((low, high))
        assert row.p == pytest.approx(min(1, 4 * stats.ttest_1samp(one, 0).pvalue))
    alone = infer([rows[0], rows[1][: FEWEST - 1]])
    assert alone[0] == infer([rows[0]])[0] and alone[1] is None, (
        "what cannot be judged is no part of a family"
    )


@pytest.mark.parametrize("seed", range(20))
def test_p_and_interval_say_the_same(seed):
    rows = np.random.default_rng(seed).normal(0.8, 0.5, (ROWS, SEEDS))
    for row in infer(rows):
        assert (row.p < 0.05) == (row.low > 0 or row.high < 0)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [0.2, 0.2]])
def test_too_few_differences_give_no_answer(values):
    assert infer([values]) == [None] and kind(None, 1.0) == "too few seeds"


def test_equal_differences_give_no_certainty_unless_they_are_counts():
    equal = [98.1 - 97.9, 97.9 - 97.7, 98.3 - 98.1]  # equal but for the rounding of subtractions
    assert infer([equal]) == [None] and infer([[0.0] * 8]) == [None]
    (row,) = infer([[-95.0] * 3], counted=True)
    assert (row.low, row.high, row.p) == (-95, -95, 0)
    assert infer([[0.0] * 3], counted=True)[0].p == 1 and infer([[-95.0] * 2], counted=True) == [None]


def against_one_baseline(random):
    """Four methods on one dataset; the baseline's own luck is in every row."""
    return random.normal(0, 0.15, (ROWS, SEEDS)) - random.normal(0, 0.1, SEEDS)


def on_other_datasets(random):
    """One method on four datasets, each with a true difference and a spread of its own."""
    truth, spread = np.array([0.0, -0.4, -2.5, 0.0]), np.array([0.02, 0.1, 0.5, 2.0])
    return truth[:, None] + spread[:, None] * random.normal(size=(ROWS, SEEDS))


EFFECTS = np.array([-2.0, -0.4, 2.4])  # of three datasets, the same for each method: their mean is zero


def means_over_datasets(random):
    """Four methods on average over three datasets that differ far more than seeds do."""
    own = EFFECTS[:, None] + random.normal(0, 0.3, (ROWS, 3, SEEDS)) + random.normal(0, 0.1, (ROWS, 1, SEEDS))
    return own.mean(axis=1)


# tables of four rows and five seeds, and what is true of their rows
SIMULATED = {
    "without dataset effects, four methods against one baseline": (against_one_baseline, np.zeros(ROWS)),
    "with dataset effects, a row a dataset": (on_other_datasets, np.array([0.0, -0.4, -2.5, 0.0])),
    "with dataset effects, means over datasets": (means_over_datasets, np.zeros(ROWS)),
}


def simulated(name):
    """How often a table finds a difference that is not there, and how often all its intervals hold."""
    draw, truth = SIMULATED[name]
    random = np.random.default_rng(2016)
    wrong, held = 0, 0
    for _ in range(TABLES):
        rows = infer(draw(random))
        zero = [row for row, true in zip(rows, truth, strict=True) if true == 0]
        wrong += any(row.p < 0.05 for row in zero)
        held += all(row.low <= true <= row.high for row, true in zip(rows, truth, strict=True))
    return wrong / TABLES, held / TABLES


@pytest.mark.parametrize("name", SIMULATED)
def test_tables_keep_their_level(name):
    """`python tests/analysis/test_statistics.py` prints the shares."""
    wrong, held = simulated(name)
    assert wrong <= 0.05 and 0.93 <= held <= 0.97


def test_verdicts_are_wrong_in_at_most_one_table_of_twenty():
    """At the margin itself, `within` and `worse` are both wrong; at zero `better` is."""
    random = np.random.default_rng(7)
    truth = np.array([-1.0, -1.0, 0.0, 1.0])
    wrong = 0
    for _ in range(TABLES):
        rows = infer(truth[:, None] + random.normal(0, 0.4, (ROWS, SEEDS)))
        said = [kind(row, 1.0) for row in rows]
        wrong += bool(
            {"within", "worse", "better"} & set(said[:2]) or said[2] in ("worse",) or said[3] == "within"
        )
    assert wrong / TABLES <= 0.05


def test_the_mean_over_datasets_holds_for_those_datasets():
    """Seeds are the replicates: intervals of the mean over datasets cover it, however far datasets are apart.

    Pooling all pairs as one sample, as if datasets were drawn too, makes them far too wide here.
    """
    random = np.random.default_rng(11)
    truth = np.array([-2.1, -0.4, -2.6])
    held, pooled = 0, 0
    for _ in range(TABLES):
        differences = truth + random.normal(0, 0.3, (SEEDS, 3)) + random.normal(0, 0.1, (SEEDS, 1))
        (row,) = infer([pd.DataFrame(differences).mean(axis=1)])
        held += row.low <= truth.mean() <= row.high
        (wide,) = infer([differences.ravel()])
        pooled += wide.low <= truth.mean() <= wide.high
    assert 0.93 <= held / TABLES <= 0.97 and pooled / TABLES > 0.99


@pytest.mark.parametrize(
    "low, high, wanted, no_worse",
    [
        (0.2, 2, "better", True),
        (-3, -1.2, "worse", False),
        (-3, -0.2, "not settled", False),
        (-0.9, -0.2, "within", True),
        (0.2, 0.9, "within", True),
        (-0.5, 1.5, "not settled", True),
        (-1.0, 0.5, "not settled", False),
    ],
)
def test_verdicts(low, high, wanted, no_worse):
    assert kind(found(low, high), 1.0) == wanted
    assert non_inferior(found(low, high), 1.0) is no_worse
    assert kind(found(-high, -low), 1.0, higher_is_better=False) == wanted
    assert non_inferior(found(-high, -low), 1.0, higher_is_better=False) is no_worse


def test_words_say_the_margin():
    assert verdict("within", 1.0, "pt") == "within 1 pt" and verdict("better", 1.0, "pt") == "better"
    assert verdict("worse", 0.5) == "worse by more than 0.5"
    for what in ("within", "worse", "better", "not settled", "too few seeds"):
        assert kind_of(verdict(what, 2.0, "s")) == what
    assert non_inferior(None, 1.0) is None


if __name__ == "__main__":
    for name in SIMULATED:
        wrong, held = simulated(name)
        print(f"{name}: a false difference in {100 * wrong:.1f} % of {TABLES} tables, ", end="")  # noqa: T201
        print(f"all intervals hold in {100 * held:.1f} %")  # noqa: T201

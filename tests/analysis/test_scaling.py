"""The scaling model: what it fits, what it predicts, and how sure it is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lshexp.analysis.figures import style
from lshexp.analysis.figures.canvas import Canvas
from lshexp.analysis.figures.threads import PAPER, time_vs_threads
from lshexp.analysis.scaling import COLUMNS, KEYS, PREDICTED, Law, fit, scaling


def runs_of(seconds, update="batch"):
    rows = [
        ("mnist", "8-8", "lsh", update, threads, value)
        for threads, values in seconds.items()
        for value in values
    ]
    return pd.DataFrame(rows, columns=[*KEYS, "threads", "seconds"])


@given(
    alone=st.floats(0.01, 1e4),
    sigma=st.floats(0, 1),
    kappa=st.floats(0, 0.1),
    counts=st.sets(st.integers(2, 64), min_size=2, max_size=6),
)
def test_the_law_that_made_the_numbers_is_found(alone, sigma, kappa, counts):
    made = Law(alone, sigma, kappa)
    found = fit({n: made.seconds(n) for n in [1, *sorted(counts)]})
    for threads in (1, 2, 56):
        assert found.seconds(threads) == pytest.approx(made.seconds(threads), rel=1e-4)


def test_seconds_are_those_of_the_formula():
    law = Law(10.0, 0.1, 0.01)
    assert law.seconds(4) == pytest.approx(10 * (1 + 0.1 * 3 + 0.01 * 12) / 4)
    assert law.speed_up(4) == pytest.approx(4 / 1.42)


def test_two_counts_give_amdahls_law():
    law = fit({1: 10.0, 2: 6.0})
    assert (law.alone, law.sigma, law.kappa) == pytest.approx((10.0, 0.2, 0.0))


def test_no_parameter_is_below_zero():
    law = fit({1: 10.0, 2: 4.0, 4: 1.0})  # faster than as many times as threads
    assert law.sigma == law.kappa == 0


def test_predictions_begin_beyond_the_most_threads_and_carry_their_interval():
    table = scaling(runs_of({1: [10.0, 10.2, 9.9], 2: [6.0, 6.1, 5.7]}))
    assert list(table.columns) == COLUMNS
    measured, beyond = table[table["kind"] == "measured"], table[table["kind"] == "predicted"]
    assert measured["threads"].tolist() == [1, 2]
    assert measured["seconds"].tolist() == [10.0, 6.0]
    assert measured["runs"].tolist() == [3, 3]
    assert measured["law"].isna().all()
    assert beyond["threads"].tolist() == list(PREDICTED)
    assert set(beyond["law"]) == {"Amdahl"}
    assert (beyond["kappa"] == 0).all()
    assert (table["seconds_low"] <= table["seconds"]).all()
    assert (table["seconds"] <= table["seconds_high"]).all()
    assert (table["speed_up_low"] <= table["speed_up"]).all()
    assert (beyond["speed_up_low"] < beyond["speed_up_high"]).all()
    assert beyond["speed_up"].is_monotonic_increasing
    last = beyond.iloc[-1]
    assert last["speed_up"] == pytest.approx(56 / (1 + 0.2 * 55))
    pd.testing.assert_frame_equal(table, scaling(runs_of({1: [10.0, 10.2, 9.9], 2: [6.0, 6.1, 5.7]})))


def test_three_counts_fit_both_parameters():
    made = Law(10.0, 0.05, 0.002)
    table = scaling(runs_of({n: [made.seconds(n)] for n in (1, 2, 4, 8)}))
    beyond = table[table["kind"] == "predicted"]
    assert beyond["threads"].tolist() == [14, 28, 56]
    assert set(beyond["law"]) == {"USL"}
    assert beyond["sigma"].iloc[0] == pytest.approx(0.05)
    assert beyond["kappa"].iloc[0] == pytest.approx(0.002)
    assert table["seconds_low"].isna().all()  # nothing was repeated


def test_what_was_not_run_on_one_thread_and_more_is_left_out():
    alone = runs_of({1: [1.0]}, "hogwild")
    table = scaling(pd.concat([runs_of({2: [1.0], 4: [0.6]}), alone]))
    assert table.empty
    assert list(table.columns) == COLUMNS


def test_the_figure_is_the_same_for_the_same_numbers():
    frame = scaling(
        pd.concat([runs_of({1: [9.0, 9.3], 2: [6.0, 6.2]}), runs_of({1: [4.0], 2: [2.1]}, "hogwild")])
    )
    frame = frame.rename(columns={"method": "label", "dataset": "data", "hidden": "network"})
    images = []
    for _ in range(2):
        figure = style.new_figure()
        time_vs_threads.draw(frame, Canvas(figure))
        images.append(style.rendered(figure, "svg"))
        words = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    assert images[0] == images[1]
    assert "predicted (Amdahl's law)" in words
    assert "the paper's, on MNIST8M" in words
    assert np.isclose(PAPER[1], 30.7, atol=0.01)

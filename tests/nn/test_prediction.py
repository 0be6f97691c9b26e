"""What a run says of predicting its test examples."""

from __future__ import annotations

import pytest

from lshexp.nn.dense_cost import DenseCost
from lshexp.nn.trainer import run
from lshexp.runs.columns import RUN_OUTCOME, RunRow
from lshexp.runs.environment import capture
from lshexp.runs.record import Record
from lshexp.runs.tables import default_energy_model
from lshexp.spec import RunSpec
from lshexp.work import PREDICT

SETTINGS = {
    "dataset": "rectangles",
    "train_examples": 64,
    "test_examples": 30,
    "hidden": [40, 30],
    "epochs": 2,
    "batch": 16,
}


def cells(result, spec):
    record = Record(
        run_id="0" * 12,
        sweep="one",
        spec=spec,
        result=result,
        env=capture(),
        started_utc="",
        timing_valid=True,
    )
    row = RunRow(record, default_energy_model())
    return {column.name: column.value(row) for column in RUN_OUTCOME}


@pytest.mark.parametrize("more", [{}, {"average_from": 1}, {"validation_examples": 10}])
def test_predicting_once_is_counted_and_timed_apart_from_training(more):
    spec = RunSpec(method="dense", **SETTINGS, **more)
    result = run(spec)
    products = DenseCost([784, 40, 30, 2]).forward(30)
    assert sum(row.mults for row in result.work if row.phase == PREDICT) == products
    row = cells(result, spec)
    assert row["predict_mults_pct_of_dense"] == 100
    assert row["predict_us"] > 0 and row["predict_us_1"] > 0
    phases = ("select", "forward", "backward", "update", "rebuild")
    assert row["mults_total"] == sum(row[f"mults_{phase}"] for phase in phases)
    assert row["mults_total"] == sum(row.mults for row in result.work if row.phase != PREDICT)


def test_lsh_predicts_for_less_than_the_dense_network():
    spec = RunSpec(method="lsh", active_pct=5.0, **{**SETTINGS, "hidden": [400, 400]})
    assert 0 < cells(run(spec), spec)["predict_mults_pct_of_dense"] < 60


def test_a_run_that_diverges_has_measured_no_prediction():
    spec = RunSpec(method="dense", lr=1e12, optimizer="sgd", **SETTINGS)
    result = run(spec)
    row = cells(result, spec)
    assert result.status == "diverged"
    assert {row[f"predict_{name}"] for name in ("mults_pct_of_dense", "us", "us_1")} == {None}
    assert all(row.phase != PREDICT for row in result.work)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_dense_network_costs_what_the_dense_yardstick_says_on_sparse_examples_too(optimizer):
    options = {"train": 200, "test": 60, "features": 300, "labels": 40}
    spec = RunSpec(
        dataset="xc_synthetic",
        dataset_options=options,
        method="dense",
        hidden=[16, 12],
        epochs=2,
        optimizer=optimizer,
        batch=32,
    )
    result = run(spec)
    row = cells(result, spec)
    assert row["mults_total"] == result.mults_dense
    assert row["predict_mults_pct_of_dense"] == 100
    assert 0 < row["test_p3_pct"] <= 100 and row["test_psp1_pct"] is not None
    assert row["test_perplexity"] is None and row["test_p3_pct_retrieved"] is None

"""The bench of an output layer: who runs, on what, and what becomes of the numbers. No time is judged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from lshexp.bench.competitors import OUTPUTS, families
from lshexp.bench.output import activations, active_pct, fitting, measure
from lshexp.bench.task import BenchPlan, Task, label_frequencies
from lshexp.cli import app
from lshexp.errors import ConfigError

CLASSES = 150
TASK = Task(128, CLASSES, (), 20.0, 16, 1, optimizer="adam", lr=0.01)
ALL = [(family, name) for family, module in families(OUTPUTS).items() for name in module.NAMES]


@pytest.mark.parametrize(("family", "name"), ALL)
def test_every_competitor_learns_the_activations(family, name):
    """Its loss falls, and it names the class of most examples that it has seen often."""
    module = families(OUTPUTS)[family]
    if module.missing():
        pytest.skip(module.missing())
    x, y = activations(96, 128, CLASSES).part
    with module.networks(TASK, (name,)) as networks:
        (trainee,) = networks.trainees
        losses = [trainee.train(x.copy(), y.copy()) for _ in range(25)]
        assert trainee.name == name and losses[-1] < 0.5 * losses[0]
        assert trainee.test(x, y) > 48
        for predictor in networks.predictors().ready:
            assert len(np.ravel(predictor.predict(x[:5], y[:5]))) == 5


def test_activations_are_the_same_for_all_and_follow_zipf():
    data = activations(4000, 16, 1000)
    again = activations(4000, 16, 1000)
    for part, other in zip(data.part, again.part, strict=True):
        np.testing.assert_array_equal(part, other)
    assert data.part.x.min() == 0 and data.part.x.dtype == np.float32
    counts = np.bincount(data.part.y, minlength=1000) / 4000
    np.testing.assert_allclose(counts[:3], label_frequencies(1000)[:3], atol=0.03)


def test_the_number_of_active_classes_has_an_upper_bound():
    assert active_pct(1000) == active_pct(10_000) == 5.0
    assert round(active_pct(670_091) / 100 * 670_091) == 500


def test_scores_that_fill_the_memory_are_left_out_and_said():
    said = []
    chosen = [("pytorch_softmax", ("softmax_fp32_128", "softmax_fp32_4096")), ("ours", ("lsh_512",))]
    kept = fitting(chosen, 670_091, said.append)
    assert kept == [("pytorch_softmax", ("softmax_fp32_128",)), ("ours", ("lsh_512",))]
    assert said == ["left out: softmax_fp32_4096: 2,744,692,736 scores of a batch are too many"]


def test_measured_in_turn(tmp_path):
    plan = BenchPlan(
        widths=(60,), threads=(1,), examples=32, repeats=2, batch=16, only=("lsh", "dense"), active_pct=50.0,
        seconds=0.05,
    )  # fmt: skip
    said = []
    trained, predicted = measure(plan, said.append)
    assert trained["competitor"].tolist() == ["dense", "lsh", "lsh", "dense"]
    assert list(trained.columns[:4]) == ["classes", "inputs", "active", "threads"]
    assert (trained["active"] == 30).all() and (trained["seconds"] > 0).all()
    assert set(predicted["batch"]) == {1, 256}
    with pytest.raises(ConfigError, match="no competitor 'lhs'"):
        measure(BenchPlan(widths=(60,), reference="lhs"), said.append)


def test_command_writes_its_tables(tmp_path):
    words = ["bench", "--output", "60", "-o", str(tmp_path), "--only", "lsh", "--only", "dense"]
    words += ["--examples", "32", "--repeats", "1", "--seconds", "0.1", "--active-pct", "50"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "bench_output.csv")
    assert table["competitor"].tolist() == ["dense", "lsh"] and (table["reference"] == "lsh").all()
    assert table["ratio_to_reference"].tolist()[1] == 1
    assert {"classes", "inputs", "active", "us_per_example"} <= set(table.columns)
    result = CliRunner().invoke(app, ["bench", "--output", "60", "--memory"])
    assert result.exit_code == 2

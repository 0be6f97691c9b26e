"""The bench's other questions: time to an accuracy, peak memory, a profile by kernel. No time is judged."""

from __future__ import annotations

import importlib.util
import os
import sys

import numpy as np
import pandas as pd
import pytest
from bench_data import bright, mislabelled
from typer.testing import CliRunner

from lshexp.bench import memory as memory_module
from lshexp.bench.competitors import families
from lshexp.bench.competitors.ours import VARIANTS, Variant, our_network
from lshexp.bench.figure import draw_approach
from lshexp.bench.memory import memory
from lshexp.bench.processes import in_process
from lshexp.bench.profile import ELSEWHERE, profile, recorded
from lshexp.bench.target import Point, Trial, approach, best, reached, trained
from lshexp.bench.task import BenchPlan, Task, load_examples
from lshexp.cli import app
from lshexp.errors import ConfigError, DataError, PlaceError, RunError
from lshexp.kernels import buckets, project, select, winners
from lshexp.methods.base import Batch
from lshexp.nn import layer
from lshexp.nn.gemm import Gemm
from lshexp.work import PHASES

TINY = {"widths": (32,), "layers": 2, "threads": (1,), "examples": 96, "batch": 16, "active_pct": 12.5}


@pytest.fixture(autouse=True)
def _no_digits(monkeypatch, tmp_path):
    """Generated data, whatever the machine has."""
    monkeypatch.setenv("LSHEXP_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def points(name, seconds, accuracies, **changes):
    first = Point(8, 2, 1, name, 16, "sgd", 0.1, 0, 0, 0.0, 0.0)._replace(**changes)
    return [
        first._replace(seconds=s, accuracy_pct=a, examples=int(100 * s))
        for s, a in zip(seconds, accuracies, strict=True)
    ]


def frame_of(*runs):
    return pd.DataFrame([point for run in runs for point in run], columns=list(Point._fields))


def test_training_stops_at_the_target():
    said = []
    frame = approach(BenchPlan(only=("dense",), repeats=2, **TINY), 95.0, bright, said.append)
    assert said[0] == "2 networks to 95 %, each given up after 1 s of training"
    for _, run in frame.groupby("repeat"):
        assert (run["accuracy_pct"].iloc[:-1] < 95).all()
        assert run["accuracy_pct"].iloc[-1] >= 95
        assert (run["examples"].diff().dropna() == 40).all()  # a quarter of an epoch
        assert run["seconds"].is_monotonic_increasing
    assert reached(frame, 95.0)["reached"].tolist() == ["yes", "yes"]


def test_training_is_given_up_after_its_time():
    frame = approach(BenchPlan(only=("dense",), repeats=1, seconds=0.05, **TINY), 99.0, mislabelled, print)
    assert frame["seconds"].iloc[-1] >= 0.05
    assert reached(frame, 99.0)["reached"].tolist() == ["no"]


def test_the_first_of_a_kind_reaches_the_target_in_every_repeat():
    frame = frame_of(
        points("pytorch_fp32_32", [1, 2], [90, 97]),
        points("pytorch_fp32_128", [0.5, 1], [90, 98]),
        points("pytorch_fp32_128", [0.5, 1], [90, 91], repeat=1),
        points("lsh", [1, 3], [90, 97.5], optimizer="momentum"),
        points("lsh", [1, 5], [90, 99], optimizer="momentum", repeat=1),
        points("dense", [9], [50]),
    )
    table = reached(frame, 97.0)
    assert table["reached"].tolist() == ["yes", "yes", "no", "yes", "yes", "no"]
    assert table["target_pct"].eq(97).all()
    assert table["examples"].tolist() == [200, 100, 100, 300, 500, 900]
    first = best(table).set_index("kind")
    assert set(first.index) == {"pytorch_fp32", "lsh"}
    assert first.loc["pytorch_fp32", "competitor"] == "pytorch_fp32_32"
    assert first.loc["lsh", "seconds"] == 4
    words = {text.get_text() for legend in draw_approach(frame, 97.0).legends for text in legend.get_texts()}
    assert {"pytorch fp32 32, sgd 0.1", "lsh, momentum 0.1", "dense: not reached"} <= words


def test_every_recipe_is_of_a_competitor_and_says_why():
    for family in families().values():
        assert {recipe.name for recipe in family.RECIPES} <= set(family.NAMES)
        assert all(recipe.why and recipe.lr > 0 for recipe in family.RECIPES)


@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="torch is not installed")
def test_every_recipe_trains():
    plan = BenchPlan(repeats=1, seconds=0.01, **TINY)
    for name, family in families().items():
        for recipe in family.RECIPES:
            first, *_ = trained(Trial(name, recipe, plan, 32, 1, 0, 100.0), bright)
            assert (first.competitor, first.optimizer) == (recipe.name, recipe.optimizer)
            assert first.examples == 40


def test_digits_that_are_not_there_end_with_5():
    result = CliRunner().invoke(app, ["bench", "--to", "97"])
    assert isinstance(result.exception, DataError)
    assert result.exception.exit_code == 5
    assert "lshexp data fetch mnist" in str(result.exception)


def test_two_questions_at_once_are_a_usage_error():
    result = CliRunner().invoke(app, ["bench", "--memory", "--profile"])
    assert result.exit_code == 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_grows_by_more_than_the_weights():
    frame = memory(BenchPlan(only=("dense",), **{**TINY, "widths": (1500,)}), print)
    row = frame.iloc[0]
    weights = 4 * (784 * 1500 + 1500 + 1500 * 1500 + 1500 + 2 * 1500 + 2) / 1e6
    assert row["weights_mb"] == pytest.approx(weights)
    assert row["data_mb"] == pytest.approx(96 * 785 * 4 / 1e6)
    assert row["growth_mb"] > 0.9 * weights  # a few pages may have been there before
    assert row["growth_mb"] == pytest.approx(row["peak_mb"] - row["before_mb"])
    assert row["peak_over_weights_and_data"] == pytest.approx(
        (row["growth_mb"] + row["data_mb"]) / (row["weights_mb"] + row["data_mb"])
    )


def test_memory_says_what_it_needs(monkeypatch, tmp_path):
    monkeypatch.setattr(memory_module, "PROC", tmp_path)
    with pytest.raises(PlaceError, match="on Linux alone"):
        memory(BenchPlan(**TINY), print)


def test_a_killed_process_is_an_error_of_one_line():
    with pytest.raises(RunError, match="memory runs out"):
        in_process("ours", os._exit, 9)


def test_a_profile_adds_up_to_the_pass():
    frame = profile(BenchPlan(only=("lsh", "dense"), **TINY), print)
    for _, part in frame.groupby("competitor"):
        assert part["share_pct"].sum() == pytest.approx(100)
        assert part["seconds"].is_monotonic_decreasing
        assert ELSEWHERE in set(part["kernel"])
    lsh = set(frame[frame["competitor"] == "lsh"]["kernel"])
    assert {"forward_rows", "update_rows", "top_k_rows"} <= lsh
    scores = frame[frame["kernel"] == "gemm scores"].iloc[0]
    assert scores["madds_per_example"] == 784 * 32 + 32 * 32 + 32 * 2


def test_kernels_are_put_back_whatever_happens():
    before = layer.forward_rows, Gemm.scores
    with pytest.raises(RuntimeError), recorded():
        assert layer.forward_rows is not before[0]
        raise RuntimeError
    assert (layer.forward_rows, Gemm.scores) == before


HYBRID = Variant("lsh", {"preset": "hybrid"})


@pytest.mark.parametrize("variant", [VARIANTS["dense"], VARIANTS["lsh"], HYBRID])
def test_multiplications_of_kernels_are_those_that_training_counts(variant):
    task = Task(784, 2, (32, 32), 12.5, 16, 1)
    x, y = load_examples(48).part
    with Gemm(1) as gemm, recorded() as recorder:
        network, size = our_network(task, variant, gemm)
        for first in range(0, 48, size):
            ids = np.arange(first, first + size)
            network.train_batch(x[ids], y[ids], Batch(ids, 0, True))
    phases = [phase for phase in PHASES if phase not in ("select", "rebuild")]
    counted = sum(each.work.tally(phase).mults for each in network.layers for phase in phases)
    selecting = {name for module in (buckets, project, select, winners) for name in vars(module)}
    selecting |= {"descend_rows", "score_by_coordinates"}
    found = sum(calls.work.mults for name, calls in recorder.kernels.items() if name not in selecting)
    exact = sum(each.work.tally("select").mults for each in network.layers)
    assert counted <= found <= counted + exact  # exact looks at candidates go through the forward kernels


def test_a_profile_is_of_our_own_networks():
    with pytest.raises(ConfigError, match="our own networks"):
        profile(BenchPlan(only=("scikit_learn",), **TINY), print)

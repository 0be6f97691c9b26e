"""The bench: who runs, in which turn, and what becomes of the numbers. No time is judged."""

from __future__ import annotations

import importlib.util

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from lshexp import bench
from lshexp.bench import Plan, Timing, measure, resolved, summarise
from lshexp.bench._families import wanted
from lshexp.bench._figure import draw
from lshexp.bench._files import write
from lshexp.bench._ours import Variant, our_trainees
from lshexp.bench._ratios import against_pytorch
from lshexp.bench._task import Task, Trainee, load_examples
from lshexp.cli import app
from lshexp.errors import ConfigError

TINY = {
    "widths": (8, 12),
    "layers": 2,
    "examples": 40,
    "repeats": 2,
    "batch": 16,
    "active_pct": 50.0,
    "threads": (1,),
}
SAYS = "left out: pytorch_fp32_32: torch is not installed"


@pytest.fixture(autouse=True)
def _no_digits(monkeypatch, tmp_path):
    """Generated data, whatever the machine has."""
    monkeypatch.setenv("LSHEXP_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def timing(competitor, repeat, seconds):
    return Timing(8, 2, 1, competitor, 16, repeat, "mnist", 100, seconds)


def test_our_networks_are_timed_in_turn():
    said = []
    frame = measure(Plan(only=("lsh", "dense"), **TINY), said.append)
    assert said[0] == "data: rectangles, 40 examples"
    assert said[1].startswith("at most about")
    assert len(frame) == 2 * 2 * 2
    assert (frame["seconds"] > 0).all()
    assert frame["examples"].isin([32, 40]).all()
    assert frame["competitor"].tolist()[:4] == ["dense", "lsh", "lsh", "dense"]


def test_medians_and_ratios_are_those_of_the_same_repeat():
    rows = [timing("lsh", r, s) for r, s in enumerate([1.0, 2.0, 10.0])]
    rows += [timing("dense", r, s) for r, s in enumerate([3.0, 4.0, 50.0])]
    rows += [timing("alone", 7, 1.0)]
    table = summarise(pd.DataFrame(rows, columns=list(Timing._fields))).set_index("competitor")
    assert table.loc["dense", "us_per_example"] == 40_000
    assert table.loc["dense", "ratio_to_reference"] == 3.0
    assert table.loc["lsh", "ratio_to_reference"] == 1.0
    assert pd.isna(table.loc["alone", "ratio_to_reference"])
    assert table.loc["dense", "us_per_example_max"] == 500_000


def test_ratios_may_be_to_another_competitor():
    rows = [timing("lsh", 0, 1.0), timing("dense", 0, 4.0)]
    table = summarise(pd.DataFrame(rows, columns=list(Timing._fields)), "dense").set_index("competitor")
    assert table["reference"].tolist() == ["dense", "dense"]
    assert table.loc["lsh", "ratio_to_reference"] == 0.25
    with pytest.raises(ConfigError, match="did you mean 'dense'"):
        measure(Plan(reference="dens", **TINY), print)


def test_the_fastest_batch_of_pytorch_is_found():
    rows = [timing("lsh", r, s) for r, s in enumerate([1.0, 2.0, 4.0])]
    for name, batch, times in (
        ("pytorch_fp32_16", 16, [8.0, 8.0, 8.0]),
        ("pytorch_fp32_32", 32, [3.0, 6.0, 16.0]),
        ("pytorch_bf16_256", 256, [2.0, 2.0, 2.0]),
    ):
        rows += [timing(name, r, s)._replace(batch=batch) for r, s in enumerate(times)]
    frame = pd.DataFrame(rows, columns=list(Timing._fields))
    table = against_pytorch(frame, ["lsh"]).set_index("against")
    assert table.loc["fastest fp32", "competitor"] == "pytorch_fp32_32"
    assert table.loc["fastest fp32", ["batch", "us_competitor", "us_reference", "ratio"]].tolist() == [
        32, 60_000, 20_000, 3.0,
    ]  # fmt: skip
    assert table.loc["fp32 at our batch", "competitor"] == "pytorch_fp32_16"
    assert table.loc["fp32 at our batch", "ratio"] == 4.0
    assert table.loc["bf16 at 256", "ratio"] == 1.0
    assert against_pytorch(frame, ["dense"]).empty
    assert list(against_pytorch(frame[frame["competitor"] == "lsh"], ["lsh"]).columns) == list(
        against_pytorch(frame, ["lsh"]).columns
    )


def test_files_are_the_same_for_the_same_numbers(tmp_path):
    frame = pd.DataFrame(
        [timing("lsh", 0, 1.0), timing("pytorch_fp32_32", 0, 2.0)], columns=list(Timing._fields)
    )
    folders = [
        write(tmp_path / name, {"bench": summarise(frame)}, {"bench": draw(summarise(frame))})
        for name in "ab"
    ]
    assert [path.name for path in folders[0]] == ["bench.csv", "bench.svg", "bench.png"]
    assert [path.read_bytes() for path in folders[0]] == [path.read_bytes() for path in folders[1]]


def test_a_variant_is_a_method_with_options_batch_and_input():
    task = Task(12, 2, (16, 16), 50.0, 8, 1)
    variants = {"lists": Variant("winner_take_all", {"over": "example"}, 4, "lists"), "lsh": Variant("lsh")}
    data = load_examples(24)
    x = np.ascontiguousarray(data.part.x[:, :12])
    with our_trainees(task, variants, ("lists", "lsh")) as (lists, lsh):
        assert (lists.name, lists.batch, lsh.batch) == ("lists", 4, 8)
        assert np.isfinite([trainee.train(x, data.part.y) for trainee in (lists, lsh)]).all()
        assert 0 <= lists.test(x, data.part.y) <= 24


def test_slow_networks_have_fewer_passes(monkeypatch):
    seconds = {"quick": 0.001, "slow": 0.7, "slowest": 60.0}  # an example
    monkeypatch.setattr(bench, "timed", lambda trainee, data, n: n * seconds[trainee.name])
    data = load_examples(40)
    plan = Plan(**TINY)
    found = {
        name: bench._warm(Trainee(name, 4, lambda x, y: 0.0, lambda x, y: 0), plan, data) for name in seconds
    }
    assert found["quick"] == (40, 2, 0.04)
    assert found["slow"] == (4, 1, 2.8)  # a batch is the least, and takes more than twice its second
    assert found["slowest"] == (4, 1, 240.0)
    assert bench._warm(Trainee("slow", 4, print, print), Plan(**{**TINY, "seconds": 9.0}), data)[:2] == (
        12,
        2,
    )


def test_what_would_take_too_long_at_the_next_width_is_left_out_there():
    runners = [
        (bench.families()["lsh"], ("lsh",)),
        (bench.families()["pytorch"], ("pytorch_fp32_32", "pytorch_bf16_256")),
    ]
    task = Task(99, 1, (100,), 5.0, 8, 2)  # 10,101 parameters
    said = []
    slowness = {"lsh": 0.001, "pytorch_bf16_256": 0.01}
    kept = bench._affordable(Plan(), runners, task, slowness, said.append)
    assert [names for _, names in kept] == [("lsh",), ("pytorch_fp32_32",)]
    assert said[0].startswith(
        "left out at width 100, threads 2: pytorch_bf16_256: a batch would take about 101 s"
    )
    assert len(bench._affordable(Plan(seconds=10), runners, task, slowness, said.append)[1][1]) == 2


def test_default_threads_are_cut_to_the_machine_and_that_is_said(monkeypatch):
    monkeypatch.setattr("numba.config.NUMBA_NUM_THREADS", 1)
    plan, said = resolved("time", {"threads": None, "widths": (8,)})
    assert (plan.threads, plan.widths) == ((1,), (8,))
    assert said == "threads 2 left out: this machine offers 1"
    assert resolved("time", {"threads": (1, 2)})[0].threads == (1, 2)  # asked for: measure() refuses it


def test_a_name_that_a_family_shares_is_the_competitors(monkeypatch):
    monkeypatch.setattr(bench.families()["lsh"], "NAMES", ("lsh", "lsh_other"))
    assert [names for _, names in wanted(("lsh",), print)] == [("lsh",)]
    assert [names for _, names in wanted(("scikit_learn",), print)] in ([], [("scikit_learn_256",)])


def test_an_unknown_competitor_is_named():
    with pytest.raises(ConfigError, match="did you mean 'pytorch'"):
        measure(Plan(only=("pytorhc",), **TINY), print)


def test_what_is_not_installed_is_said_and_left_out(monkeypatch):
    monkeypatch.setattr(bench.families()["pytorch"], "missing", lambda: "torch is not installed")
    said = []
    frame = measure(Plan(only=("lsh", "pytorch_fp32_32"), **{**TINY, "widths": (8,)}), said.append)
    assert SAYS in said
    assert set(frame["competitor"]) == {"lsh"}


@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="torch is not installed")
def test_pytorch_runs_where_it_is_installed():
    frame = measure(Plan(only=("pytorch", "scikit_learn"), **{**TINY, "widths": (8,)}), print)
    assert set(frame["competitor"]) == {*bench.families()["pytorch"].NAMES, "scikit_learn_256"}


def test_a_list_that_is_none_is_a_usage_error():
    result = CliRunner().invoke(app, ["bench", "--widths", "1000;2000"])
    assert result.exit_code == 2

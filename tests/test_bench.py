"""The bench: who runs, in which turn, and what becomes of the numbers. No time is judged."""

from __future__ import annotations

import importlib.util

import pandas as pd
import pytest
from typer.testing import CliRunner

from lshexp.analysis import bench
from lshexp.analysis.bench import Plan, Timing, measure, summarise
from lshexp.analysis.bench._files import write
from lshexp.cli import app
from lshexp.errors import ConfigError

TINY = {"widths": (8, 12), "layers": 2, "examples": 40, "repeats": 2, "batch": 16, "active_pct": 50.0}
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
    assert table.loc["dense", "ratio_to_lsh"] == 3.0
    assert table.loc["lsh", "ratio_to_lsh"] == 1.0
    assert pd.isna(table.loc["alone", "ratio_to_lsh"])
    assert table.loc["dense", "us_per_example_max"] == 500_000


def test_files_are_the_same_for_the_same_numbers(tmp_path):
    frame = pd.DataFrame(
        [timing("lsh", 0, 1.0), timing("pytorch_fp32_32", 0, 2.0)], columns=list(Timing._fields)
    )
    _, first = write(frame, tmp_path / "a")
    _, second = write(frame, tmp_path / "b")
    assert [path.name for path in first] == ["bench.csv", "bench_passes.csv", "bench.svg", "bench.png"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


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

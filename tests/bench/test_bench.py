"""The bench: who runs, in which turn, and what becomes of the numbers. No time is judged."""

from __future__ import annotations

import functools
import importlib.util
import os

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from lshexp.bench import competitors
from lshexp.bench.competitors import ours, wanted
from lshexp.bench.competitors.ours import Variant
from lshexp.bench.figure import draw, draw_predictions
from lshexp.bench.machine import Machine, Rates, describe
from lshexp.bench.processes import Ready, in_process, process_of
from lshexp.bench.summary import against_pytorch, check_free, summarise, summarise_predictions, write
from lshexp.bench.task import BenchPlan, Task, load_examples, resolved
from lshexp.bench.timing import Entrant, Timing, affordable_at, measure, shortened, warm
from lshexp.cli import app
from lshexp.errors import ConfigError, RunError

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


MACHINE = Machine("Abacus 1", "avx2", "no", "emulated", 2, 2, "L1d 32K", 4.0, "openblas", "generic", "omp")


def a_pass(competitor, repeat, seconds):
    return Timing(8, 2, 1, competitor, 16, "fp32", repeat, "mnist", 100, seconds)


def frame_of(rows):
    return pd.DataFrame(rows, columns=list(Timing._fields))


def test_our_networks_are_timed_in_turn():
    said = []
    frame, predicted = measure(BenchPlan(only=("lsh", "dense"), **TINY), said.append)
    assert said[0] == "data: rectangles, 40 examples"
    assert said[1].startswith("at most about")
    assert len(frame) == 2 * 2 * 2
    assert (frame["seconds"] > 0).all()
    assert frame["examples"].isin([32, 40]).all()
    assert frame["competitor"].tolist()[:4] == ["dense", "lsh", "lsh", "dense"]
    assert (
        predicted.groupby(["width", "batch"])["competitor"].apply(list).tolist()
        == [["dense", "lsh", "lsh", "dense"]] * 4
    )
    assert set(predicted["batch"]) == {1, 256}
    assert (predicted["seconds"] > 0).all()


def test_each_library_has_a_process_of_its_own():
    here = os.getpid()
    with process_of("ours") as ours_, process_of("scikit_learn") as other:
        assert len({here, ours_._process.pid, other._process.pid}) == 3
        loader = functools.partial(load_examples, 8)
        assert ours_.load(loader) == other.load(loader)
        task = Task(784, 2, (8,), 50.0, 4, 1)
        assert ours_.build(task, ("lsh", "dense")) == [Ready("lsh", 4, "fp32"), Ready("dense", 4, "fp32")]
        assert ours_.train(1, 8) > 0
        assert [ready.name for ready in ours_.predictors()[0]] == ["lsh", "dense"]
        assert ours_.predict(0, 8, 1) > 0
        with pytest.raises(ConfigError, match="more than the"):
            ours_.build(Task(784, 2, (8,), 50.0, 4, 4096), ("lsh",))
        with pytest.raises(RuntimeError, match="IndexError"):
            ours_.train(7, 8)
        ours_._process.kill()
        with pytest.raises(RunError, match="ended with exit code"):
            ours_.drop()


def test_a_process_gets_its_familys_variables_unless_the_user_has_set_them(monkeypatch):
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    assert in_process("ours", os.getenv, "GOMP_SPINCOUNT") == ours.ENVIRONMENT["GOMP_SPINCOUNT"]
    assert in_process("scikit_learn", os.getenv, "GOMP_SPINCOUNT") is None
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    assert in_process("ours", os.getenv, "GOMP_SPINCOUNT") == "7"
    assert os.environ["GOMP_SPINCOUNT"] == "7"


def test_a_budget_shortens_passes_and_leaves_out_what_comes_after_it():
    plan = BenchPlan(widths=(8, 12), budget_s=3.0, repeats=5, seconds=1.0)
    assert 0.01 <= shortened(plan, 10).seconds < 0.05
    assert shortened(BenchPlan(budget_s=3600 * 9), 3).seconds == 1.0
    assert shortened(BenchPlan(), 3) == BenchPlan()
    said = []
    frame, _ = measure(BenchPlan(only=("dense",), budget_s=0.001, **TINY), said.append)
    assert frame["width"].tolist() == [8]
    assert frame["repeat"].tolist() == [0]
    assert "left out: 2x12, threads 1: the time is up" in said


def test_the_machine_is_named_with_what_it_does_at_best():
    machine = describe()
    assert machine.bf16 in ("native", "emulated", "")
    assert machine.numba_target
    table = MACHINE.table([Rates(1, 10.0, 50.0), Rates(2, 18.0, 100.0)])
    assert table["threads"].tolist() == [1, 2]
    assert {"stream_gb_per_s", "gemm_gflop_per_s", "vector_extensions", "amx", "caches", "blas"} <= set(table)
    assert "AMX no, bf16 emulated" in MACHINE.lines()[1]
    frame = frame_of(
        [a_pass("lsh", 0, 1.0), a_pass("pytorch_bf16_256", 0, 2.0)._replace(arithmetic="bf16, emulated")]
    )
    figure = draw(summarise(frame), MACHINE)
    assert "Abacus 1" in figure.get_suptitle()
    labels = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert labels == ["lsh", "pytorch bf16 256 (emulated)"]


def test_predictions_are_held_against_the_reference_at_their_batch():
    rows = [a_pass("lsh", 0, 1.0)._replace(batch=1), a_pass("lsh", 0, 3.0)._replace(batch=256)]
    rows += [a_pass("dense", 0, 2.0)._replace(batch=1), a_pass("dense", 0, 12.0)._replace(batch=256)]
    table = summarise_predictions(frame_of(rows)).set_index(["competitor", "batch"])
    assert table.loc[("dense", 1), "ratio_to_reference"] == 2.0
    assert table.loc[("dense", 256), "ratio_to_reference"] == 4.0
    assert len(draw_predictions(table.reset_index()).axes) == 2


def test_a_reference_is_not_written_over_unasked(tmp_path, monkeypatch):
    check_free(tmp_path, "bench")
    (tmp_path / "bench.csv").touch()
    check_free(tmp_path, "bench_memory")
    with pytest.raises(ConfigError, match="-o DIR writes elsewhere, --force"):
        check_free(tmp_path, "bench")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/bench").mkdir(parents=True)
    (tmp_path / "results/bench/bench.csv").touch()
    result = CliRunner().invoke(app, ["bench"])
    assert isinstance(result.exception, ConfigError)
    assert (tmp_path / "results/bench/bench.csv").read_bytes() == b""


def test_medians_and_ratios_are_those_of_the_same_repeat():
    rows = [a_pass("lsh", r, s) for r, s in enumerate([1.0, 2.0, 10.0])]
    rows += [a_pass("dense", r, s) for r, s in enumerate([3.0, 4.0, 50.0])]
    rows += [a_pass("alone", 7, 1.0)]
    table = summarise(frame_of(rows)).set_index("competitor")
    assert table.loc["dense", "us_per_example"] == 40_000
    assert table.loc["dense", "ratio_to_reference"] == 3.0
    assert table.loc["lsh", "ratio_to_reference"] == 1.0
    assert pd.isna(table.loc["alone", "ratio_to_reference"])
    assert table.loc["dense", "us_per_example_max"] == 500_000


def test_ratios_may_be_to_another_competitor():
    rows = [a_pass("lsh", 0, 1.0), a_pass("dense", 0, 4.0)]
    table = summarise(frame_of(rows), "dense").set_index("competitor")
    assert table["reference"].tolist() == ["dense", "dense"]
    assert table.loc["lsh", "ratio_to_reference"] == 0.25
    with pytest.raises(ConfigError, match="did you mean 'dense'"):
        measure(BenchPlan(reference="dens", **TINY), print)


def test_the_fastest_batch_of_pytorch_is_found():
    rows = [a_pass("lsh", r, s) for r, s in enumerate([1.0, 2.0, 4.0])]
    for name, batch, times in (
        ("pytorch_fp32_16", 16, [8.0, 8.0, 8.0]),
        ("pytorch_fp32_32", 32, [3.0, 6.0, 16.0]),
        ("pytorch_bf16_256", 256, [2.0, 2.0, 2.0]),
    ):
        rows += [a_pass(name, r, s)._replace(batch=batch) for r, s in enumerate(times)]
    frame = frame_of(rows)
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
        [a_pass("lsh", 0, 1.0), a_pass("pytorch_fp32_32", 0, 2.0)], columns=list(Timing._fields)
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
    x = np.ascontiguousarray(data.part.rows[:, :12])
    with ours.networks(task, ("lists", "lsh"), variants) as networks:
        lists, lsh = networks.trainees
        assert (lists.name, lists.batch, lsh.batch) == ("lists", 4, 8)
        assert np.isfinite([trainee.train(x, data.part.y) for trainee in (lists, lsh)]).all()
        assert 0 <= lists.test(x, data.part.y) <= 24


class Steady:
    """A process whose networks take the same time for every example."""

    def __init__(self, seconds):
        self.seconds = seconds

    def train(self, number, examples):
        return examples * self.seconds


def test_slow_networks_have_fewer_passes():
    plan = BenchPlan(**TINY)

    def warmed(seconds, plan=plan):
        return tuple(warm(Entrant(Steady(seconds), 0, Ready("any", 4, "fp32")), plan))

    assert warmed(0.001) == (40, 2, 0.04)
    assert warmed(0.7) == (4, 1, 2.8)  # a batch is the least, and takes more than twice its second
    assert warmed(60.0) == (4, 1, 240.0)
    assert warmed(0.7, BenchPlan(**{**TINY, "seconds": 9.0}))[:2] == (12, 2)


def test_what_would_take_too_long_at_the_next_width_is_left_out_there():
    chosen = [("ours", ("lsh",)), ("pytorch", ("pytorch_fp32_32", "pytorch_bf16_256"))]
    task = Task(99, 1, (100,), 5.0, 8, 2)  # 10,101 parameters
    said = []
    slowness = {"lsh": 0.001, "pytorch_bf16_256": 0.01}
    kept = affordable_at(BenchPlan(), chosen, task, slowness, said.append)
    assert [names for _, names in kept] == [("lsh",), ("pytorch_fp32_32",)]
    assert said[0].startswith(
        "left out at width 100, threads 2: pytorch_bf16_256: a batch would take about 101 s"
    )
    assert len(affordable_at(BenchPlan(seconds=10), chosen, task, slowness, said.append)[1][1]) == 2


def test_default_threads_are_cut_to_the_machine_and_that_is_said(monkeypatch):
    monkeypatch.setattr("numba.config.NUMBA_NUM_THREADS", 1)
    plan, said = resolved("time", {"threads": None, "widths": (8,)})
    assert (plan.threads, plan.widths) == ((1,), (8,))
    assert said == "threads 2 left out: this machine offers 1"
    assert resolved("time", {"threads": (1, 2)})[0].threads == (1, 2)  # asked for: measure() refuses it


def test_a_name_that_a_family_shares_is_the_competitors(monkeypatch):
    monkeypatch.setattr(ours, "NAMES", ("ours", "lsh_other"))
    assert [names for _, names in wanted(("ours",), print)] == [("ours",)]
    assert [names for _, names in wanted(("scikit_learn",), print)] in ([], [("scikit_learn_256",)])


def test_an_unknown_competitor_is_named():
    with pytest.raises(ConfigError, match="did you mean 'pytorch'"):
        measure(BenchPlan(only=("pytorhc",), **TINY), print)


def test_what_is_not_installed_is_said_and_left_out(monkeypatch):
    monkeypatch.setattr(competitors.families()["pytorch"], "missing", lambda: "torch is not installed")
    said = []
    frame, _ = measure(BenchPlan(only=("lsh", "pytorch_fp32_32"), **{**TINY, "widths": (8,)}), said.append)
    assert SAYS in said
    assert set(frame["competitor"]) == {"lsh"}


@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="torch is not installed")
def test_pytorch_runs_where_it_is_installed():
    said = []
    plan = BenchPlan(only=("pytorch", "scikit_learn"), **{**TINY, "widths": (8,)})
    frame, predicted = measure(plan, said.append)
    assert set(frame["competitor"]) == {*competitors.families()["pytorch"].NAMES, "scikit_learn_256"}
    compiled = set() if any("torch.compile" in line for line in said) else {"pytorch_compiled"}
    expected = {"pytorch_fp32", "pytorch_bf16", "scikit_learn"} | compiled
    assert set(predicted["competitor"]) == expected
    reduced = frame[frame["competitor"] == "pytorch_bf16_256"]["arithmetic"].iloc[0]
    assert reduced == {"native": "bf16", "emulated": "bf16, emulated", "": "bf16, emulated"}[describe().bf16]


def test_widths_that_are_not_numbers_are_a_usage_error():
    result = CliRunner().invoke(app, ["bench", "--widths", "1000;2000"])
    assert result.exit_code == 2

"""What a sweep shows while it runs fits a terminal of 80 columns."""

from __future__ import annotations

import dataclasses
import io
import re

import pytest
from fake_runs import FakeSweep, fake_run, spec
from rich.console import Console

from lshexp.nn.result import Progress
from lshexp.render.progress import _Bars, _bars, watch
from lshexp.render.sweep import _axes, _reasons, interrupted, summary
from lshexp.render.sweep import plan as dry_run
from lshexp.runs.estimate import Estimate
from lshexp.runs.memory import Memory
from lshexp.runs.plan import plan_sweep
from lshexp.runs.sweep import SweepSummary, run_sweep

pytestmark = pytest.mark.usefixtures("toy_dataset")


def grid():
    """A sweep over K and L, whose runs differ in nothing else."""
    return FakeSweep(
        [spec("lsh", 0, 5.0, method_options={"K": k, "L": size}) for k in (5, 6) for size in (10, 100)],
        name="a_sweep_with_a_name_that_is_rather_long_for_one_line_of_80_columns",
    )


@pytest.fixture
def plan(tmp_path):
    return plan_sweep(grid(), tmp_path)


def test_bars_fit_80_columns_and_cut_no_number(plan):
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    bars = _bars(console)
    listener = _Bars(bars, "lshexp sweep s.yaml")
    listener.sweep_started(plan, plan.runs, 1)
    for run in plan.runs[:2]:
        listener.run_started(run)
    listener.run_progressed(plan.runs[0], Progress(12, 20, 6000, 10000, 0.25, 98.76))
    with console.capture() as captured:
        console.print(bars.get_renderable())
    lines = captured.get().splitlines()
    assert len(lines) == 3, "one line each"
    assert max(map(len, lines)) <= 80
    assert "0/4" in lines[0] and re.search(r"(--:--|\d:\d\d)$", lines[0].rstrip())
    assert "lsh K=5 L=10 #0" in lines[1] and "58 %" in lines[1] and "epoch 12/20 98.76 %" in lines[1]
    assert "lsh K=5 L=100 #0" in lines[2]


def test_the_line_of_a_finished_run_names_what_is_swept(tmp_path, capsys):
    with watch("lines", "lshexp sweep s.yaml") as listener:
        run_sweep(grid(), tmp_path, run=fake_run, listener=listener)
    lines = capsys.readouterr().err.splitlines()[1:]
    assert [line.partition(":")[0] for line in lines] == [
        "[1/4] lsh K=5 L=10 #0", "[2/4] lsh K=5 L=100 #0", "[3/4] lsh K=6 L=10 #0", "[4/4] lsh K=6 L=100 #0",
    ]  # fmt: skip
    assert lines[0].endswith("test 97.50 %, active 5.0 %, mults 5.0 % of dense, 1.0 s")


def test_a_dry_run_says_what_is_swept_and_that_rows_would_leave(plan, tmp_path):
    assert _axes(plan) == ["swept: p_K 5, 6", "swept: p_L 10, 100"]
    run_sweep(grid(), tmp_path, run=fake_run)
    changed = FakeSweep([spec("lsh", 0, 5.0, epochs=3)], name=grid().name)
    (line,) = _reasons(plan_sweep(changed, tmp_path), [])
    assert line == "4 finished runs with epochs=2 would leave the tables; that needs --replace"


def test_choosing_that_costs_more_than_it_saves_is_told_before_and_after(tmp_path, capsys):
    sweep = FakeSweep([spec("lsh", 0, 5.0), spec("dropout", 0, 5.0)], name="dear")
    shares = {"lsh": 1.25, "dropout": 0.05}
    expected = (
        "note: lsh at 5 % of 4-3: choosing the nodes costs more multiplications than it saves at this width, "
        "125 % of dense's in all"
    )
    planned = plan_sweep(sweep, tmp_path)
    estimates = [
        Estimate(run, 1000 * shares[run.spec.method], 1000, 1e-9, Memory(1, 1, 1, 1, 1), 1.0, True, ())
        for run in planned.runs
    ]
    dry_run(planned, estimates)
    told = [line.strip() for line in capsys.readouterr().err.splitlines() if "note: " in line]
    assert told == [expected]

    def dear(run, report):
        result = fake_run(run, report)
        mults = int(shares[run.method] * result.mults_dense)
        return dataclasses.replace(result, epochs=[dataclasses.replace(result.epochs[-1], mults_total=mults)])

    summary(run_sweep(sweep, tmp_path, run=dear))
    printed = capsys.readouterr().err
    assert [line.strip() for line in printed.splitlines() if "note: " in line] == [expected], printed


def test_an_interrupt_says_how_far_it_got(plan, capsys):
    interrupted(SweepSummary(plan, 0, []))
    assert capsys.readouterr().err == "interrupted: 0 of 4 done; the same command goes on\n"


def test_nothing_but_failures_does_not_lead_to_a_comparison(tmp_path, capsys):
    def broken(run, report):
        raise ValueError("no good")

    summary(run_sweep(grid(), tmp_path, run=broken))
    said = capsys.readouterr().err
    assert "4 x failed: ValueError: no good" in said
    assert "compare" not in said and "/logs, then the same command again" in said
    summary(run_sweep(grid(), tmp_path, run=fake_run))
    assert "next:   lshexp compare" in capsys.readouterr().err

"""Runs in processes of their own: crashes, kills, time-outs, several at a time, several drivers."""

from __future__ import annotations

import contextlib
import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_runs import FakeSweep, spec, sweep_of

import lshexp
from lshexp.errors import ConfigError, PlaceError, StoreError
from lshexp.nn.result import Progress
from lshexp.runs.executors import build_executor
from lshexp.runs.local import Local
from lshexp.runs.plan import Wanted, plan_sweep
from lshexp.runs.store import Store
from lshexp.runs.sweep import Listener, run_sweep

pytestmark = pytest.mark.usefixtures("toy_dataset")
VOLATILE = ("compile_s", "timing_valid", "started_utc", "env_id", "peak_rss_mb")


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "fake" / "runs.csv").open(newline="") as file:
        return [
            {key: cell for key, cell in row.items() if key not in VOLATILE} for row in csv.DictReader(file)
        ]


def local(runner: str = "fake_run", jobs: int = 1) -> Local:
    return Local(jobs, f"fake_runs:{runner}")


def test_isolated_runs_give_the_rows_of_runs_in_this_process(tmp_path):
    from fake_runs import fake_run

    here = run_sweep(sweep_of(), tmp_path / "here", run=fake_run)
    apart = run_sweep(sweep_of(), tmp_path / "apart", executor=local())
    two = run_sweep(sweep_of(), tmp_path / "two", executor=local(jobs=2))
    assert here.complete and apart.complete and two.complete and apart.ran == two.ran == 4
    assert rows(tmp_path / "here") == rows(tmp_path / "apart") == rows(tmp_path / "two")


def test_who_watches_is_told_how_far_a_run_is(tmp_path):
    class Watch(Listener):
        def __init__(self):
            self.told = []

        def run_progressed(self, run, progress):
            self.told.append((run.spec.method, progress))

    watch = Watch()
    run_sweep(sweep_of(), tmp_path, listener=watch, executor=local())
    assert watch.told and {progress for _, progress in watch.told} == {Progress(1, 2, 1, 2, 0.7, None)}


@pytest.mark.parametrize(
    ("runner", "reason"),
    [
        ("raising_run", "ValueError: no good"),
        ("crashing_run", "the worker was killed by SIGSEGV"),
        ("killed_run", "the worker was killed by SIGKILL; was the machine out of memory?"),
        ("leaving_run", "the worker ended with exit code 7"),
    ],
)
def test_a_run_that_ends_badly_costs_its_row(tmp_path, runner, reason):
    summary = run_sweep(sweep_of(), tmp_path, executor=local(runner))
    assert dict(summary.counts) == {"ok": 2, "failed": 2, "left": 0}
    failed = [row for row in rows(tmp_path) if row["status"] == "failed"]
    assert [row["error"] for row in failed] == [reason] * 2 and {row["method"] for row in failed} == {"lsh"}
    log = Store(tmp_path / "fake").log_path(failed[0]["run_id"]).read_text()
    assert "printed before the end" in log and str(Path.cwd()) not in log
    assert run_sweep(sweep_of(), tmp_path, executor=local()).complete
    assert list((tmp_path / "fake" / "logs").iterdir()) == []


def test_a_run_that_takes_too_long_is_ended(tmp_path):
    sweep = FakeSweep([spec("lsh", active_pct=5.0), spec()], timeout_s=0.5)
    summary = run_sweep(sweep, tmp_path, executor=local("endless_run"))
    assert dict(summary.counts) == {"ok": 1, "failed": 1, "left": 0}
    assert [row["error"] for row in rows(tmp_path)] == ["time-out after 0.5 s", ""]


def test_a_killed_fork_server_costs_one_row(tmp_path):
    summary = run_sweep(sweep_of(), tmp_path, executor=local("orphaning_run"))
    assert dict(summary.counts) == {"ok": 2, "failed": 2, "left": 0}
    assert {row["error"] for row in rows(tmp_path)} == {"", "the worker's parent process was killed"}


def test_workers_that_cannot_start_stop_the_sweep_and_cost_no_row(tmp_path):
    with pytest.raises(PlaceError, match=r"cannot be started: .*no_such_run"):
        run_sweep(sweep_of(), tmp_path, executor=local("no_such_run"))
    assert rows(tmp_path) == []


def test_a_record_that_cannot_be_kept_stops_the_sweep(tmp_path):
    with pytest.raises(StoreError, match="cannot write"):
        run_sweep(sweep_of(["lsh"]), tmp_path, executor=local("spoiling_run"))


def test_an_interrupt_ends_the_worker_and_leaves_its_run_to_be_done(tmp_path):
    class Interrupting(Listener):
        def run_progressed(self, run, progress):
            raise KeyboardInterrupt

    sweep = FakeSweep([spec("lsh", active_pct=5.0)])
    with pytest.raises(KeyboardInterrupt):
        run_sweep(sweep, tmp_path, executor=local("endless_run"), listener=Interrupting())
    assert rows(tmp_path) == [] and plan_sweep(sweep, tmp_path).runs[0].state == "missing"
    with Store(tmp_path / "fake").claimed(plan_sweep(sweep, tmp_path).runs[0].run_id) as free:
        assert free, "the worker is gone"


def test_what_is_wanted_decides_what_is_done(tmp_path):
    broken = run_sweep(sweep_of(), tmp_path, executor=local("raising_run"))
    ids = [run.run_id for run in broken.plan.runs]
    assert run_sweep(sweep_of(), tmp_path, executor=local(), wanted=Wanted(retry="none")).ran == 0
    assert run_sweep(sweep_of(), tmp_path, executor=local(), wanted=Wanted(only=(ids[1][:6],))).ran == 1
    assert run_sweep(sweep_of(), tmp_path, executor=local(), wanted=Wanted(only=(ids[1],))).ran == 0
    assert run_sweep(sweep_of(), tmp_path, executor=local(), wanted=Wanted(True, only=(ids[0],))).ran == 1
    assert run_sweep(sweep_of(), tmp_path, executor=local()).ran == 1
    with pytest.raises(ConfigError, match="--only nope: no run"):
        run_sweep(sweep_of(), tmp_path, executor=local(), wanted=Wanted(only=("nope",)))


def test_no_run_starts_once_the_budget_is_spent(tmp_path):
    summary = run_sweep(sweep_of(repeats=50), tmp_path, executor=local("slow_run"), budget_s=0.5)
    assert 1 <= summary.ran < 100 and summary.counts["left"] == 100 - summary.ran


def test_many_drivers_do_each_run_once(tmp_path):
    command = [sys.executable, str(Path(__file__).parents[1] / "fake_runs.py"), str(tmp_path), "12", "0.1"]
    environment = {**os.environ, "PYTHONPATH": str(Path(lshexp.__file__).parents[1])}
    drivers = [subprocess.Popen(command, env=environment) for _ in range(4)]
    assert [driver.wait(120) for driver in drivers] == [0] * 4
    assert sorted((tmp_path / "executed.txt").read_text().split(), key=int) == [str(n) for n in range(12)]
    assert [row["repeat"] for row in rows(tmp_path)] == [str(n) for n in range(12)]


def test_a_run_lost_to_another_driver_again_and_again_is_waited_for(tmp_path, monkeypatch):
    """Each time our driver sees the run free, another one takes it before our worker does."""
    sweep, others, looks = sweep_of(["dense"], repeats=1), contextlib.ExitStack(), iter(range(8))
    plan = plan_sweep(sweep, tmp_path)
    plan.folder.mkdir()
    assert others.enter_context(Store(plan.folder).claimed(plan.runs[0].run_id))

    class SeenFree(Store):
        def claimed(self, run_id):
            if next(looks, None) is None:
                others.close()
            return contextlib.nullcontext(True)

    monkeypatch.setattr("lshexp.runs.local.Store", SeenFree)
    monkeypatch.setattr("lshexp.runs.executors.RETRY_S", 0.01)
    assert run_sweep(sweep, tmp_path, executor=local()).complete


def test_a_worker_outlives_its_driver_and_nobody_else_does_its_run(tmp_path):
    command = [sys.executable, str(Path(__file__).parents[1] / "fake_runs.py"), str(tmp_path), "2", "1.0"]
    environment = {**os.environ, "PYTHONPATH": str(Path(lshexp.__file__).parents[1])}
    driver = subprocess.Popen(command, env=environment)
    deadline = time.monotonic() + 30
    while not (tmp_path / "executed.txt").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    driver.kill()
    driver.wait()
    subprocess.run(command, env=environment, check=True, timeout=60)
    assert (tmp_path / "executed.txt").read_text().split() == ["0", "1"]
    assert len(rows(tmp_path)) == 2


def test_more_threads_than_cores_are_refused_unless_asked_for(tmp_path):
    runs = plan_sweep(sweep_of(threads=4), tmp_path).runs
    with pytest.raises(ConfigError, match=r"1000 runs of 4 threads need 4000 cores .*--oversubscribe"):
        build_executor("local", runs, 1000)
    build_executor("local", runs, 1000, oversubscribe=True)
    build_executor("local", runs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "local", "address": "x:1"}, "--executor dask"),
        ({"name": "dask", "detach": True}, "--executor slurm"),
        ({"name": "inline", "jobs": 2}, "one run at a time"),
        ({"name": "cloud"}, "unknown executor"),
    ],
)
def test_options_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        build_executor(runs=[], **arguments)


def test_workers_find_the_training_code_imported(tmp_path):
    summary = run_sweep(sweep_of(["lsh"]), tmp_path, executor=local("unprepared_run"))
    assert summary.complete, summary.records[0].result.error


def test_a_script_needs_no_main_guard_and_runs_once(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        f"""\
from pathlib import Path
with Path({str(tmp_path / "times.txt")!r}).open("a") as file:
    file.write("once ")
from fake_runs import Toy, sweep_of
from lshexp import registry, run_sweep
from lshexp.runs.local import Local
registry.datasets.add("toy", Toy)
assert run_sweep(sweep_of(), {str(tmp_path)!r}, executor=Local(2, "fake_runs:fake_run")).complete
"""
    )
    path = os.pathsep.join([str(Path(lshexp.__file__).parents[1]), str(Path(__file__).parents[1])])
    subprocess.run([sys.executable, str(script)], env={**os.environ, "PYTHONPATH": path}, check=True)
    assert (tmp_path / "times.txt").read_text() == "once "


def test_a_worker_sees_the_variables_that_are_set_when_its_run_starts(tmp_path, monkeypatch):
    for number in range(2):  # the fork server is older than the second
        monkeypatch.setenv("EXECUTED", str(tmp_path / f"{number}.txt"))
        monkeypatch.setenv("SECONDS", "0")
        run_sweep(sweep_of(["dense"], repeats=1), tmp_path / str(number), executor=local("noted_run"))
        assert (tmp_path / f"{number}.txt").read_text() == "0\n"


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="pidfd is of Linux")
def test_no_process_is_ever_killed_by_its_number(tmp_path, monkeypatch):
    def kill(*arguments):
        raise AssertionError("a number may belong to another process by now")

    monkeypatch.setattr(os, "kill", kill)
    sweep = FakeSweep([spec("lsh", active_pct=5.0)], timeout_s=0.2)
    assert run_sweep(sweep, tmp_path, executor=local("endless_run")).counts["failed"] == 1


def test_workers_that_die_before_they_begin_stop_the_sweep(tmp_path, monkeypatch):
    def leaves(worker, notify):
        worker.link.close()  # it goes when it is not told to begin
        raise EOFError

    monkeypatch.setattr("lshexp.runs.local.Worker._introduced", leaves)
    with pytest.raises(PlaceError, match="cannot be started"):
        run_sweep(sweep_of(), tmp_path, executor=local())
    assert rows(tmp_path) == []

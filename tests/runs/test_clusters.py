"""The same rows from a Dask cluster and from submitit as from this machine's own processes."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_runs import sweep_of

from lshexp.errors import ConfigError, PlaceError
from lshexp.runs import clusters
from lshexp.runs.executors import Executor, Inline, build_executor
from lshexp.runs.local import Local
from lshexp.runs.sweep import run_sweep
from lshexp.runs.worker import load_runner

pytestmark = pytest.mark.usefixtures("toy_dataset")
VOLATILE = ("compile_s", "timing_valid", "started_utc", "env_id", "peak_rss_mb")
RUNNER = "fake_runs:raising_run"  # LSH runs fail, dense runs do not


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "fake" / "runs.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    return [{key: cell for key, cell in row.items() if key not in VOLATILE} for row in table]


def check(executor: Executor, tmp_path: Path) -> None:
    """Compare the tables that an executor leaves with those of local processes."""
    summary = run_sweep(sweep_of(), tmp_path / "cluster", executor=executor)
    run_sweep(sweep_of(), tmp_path / "here", executor=Local(runner=RUNNER))
    assert dict(summary.counts) == {"ok": 2, "failed": 2, "left": 0} and summary.ran == 4
    assert rows(tmp_path / "cluster") == rows(tmp_path / "here")


@pytest.fixture
def search_path(monkeypatch):
    """Let processes that are started elsewhere import what this one can."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(folder for folder in sys.path if folder))


@pytest.fixture
def scheduler(tmp_path, search_path):
    """A Dask scheduler and two worker processes, as a user would start them; gives its address."""
    pytest.importorskip("distributed")
    file = tmp_path / "scheduler.json"
    common = ["--scheduler-file", str(file), "--no-dashboard"]
    commands = [["scheduler", *common, "--port", "0"]] + [["worker", *common, "--nthreads", "1"]] * 2
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "dask", *command],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for command in commands
    ]
    deadline = time.monotonic() + 60
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    from distributed import Client

    with Client(scheduler_file=str(file)) as client:
        client.wait_for_workers(2, timeout=60)
        address = client.scheduler.address
    yield address
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(30)


def test_a_dask_scheduler_and_two_workers(tmp_path, scheduler):
    check(clusters.Dask(scheduler, runner=RUNNER), tmp_path)


def test_a_dask_address_where_nobody_answers(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(clusters, "ANSWER_S", 0.2)
    with pytest.raises(PlaceError, match="no Dask scheduler answers"):
        clusters.Dask("127.0.0.1:1").run([], lambda event: None)


def test_submitit(tmp_path, search_path):
    pytest.importorskip("submitit")
    check(clusters.Slurm(cluster="local", runner=RUNNER), tmp_path)


def test_detached_jobs_are_collected_by_the_next_call(tmp_path, search_path, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("EXECUTED", str(tmp_path / "executed.txt"))
    monkeypatch.setenv("SECONDS", "1")
    detached = clusters.Slurm(detach=True, cluster="local", runner="fake_runs:noted_run")
    first = run_sweep(sweep_of(["dense"]), tmp_path, executor=detached)
    assert first.counts["left"] == 2, "it has not waited"
    assert len(list((tmp_path / "fake" / "slurm").glob("*.job"))) == 2
    again = run_sweep(
        sweep_of(["dense"]), tmp_path, executor=clusters.Slurm(cluster="local", runner="fake_runs:noted_run")
    )
    assert again.complete
    assert sorted((tmp_path / "executed.txt").read_text().split()) == ["0", "1"], "each once"


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("place", ["inline", "local", "dask", "submitit"])
def test_fail_fast_starts_nothing_after_a_failure_wherever_runs_are_done(tmp_path, search_path, place, jobs):
    if place == "inline" and jobs > 1:
        pytest.skip("one run at a time")
    pytest.importorskip("distributed" if place == "dask" else "submitit" if place == "submitit" else "lshexp")
    makers = {
        "inline": lambda: Inline(load_runner(RUNNER)),
        "local": lambda: Local(jobs, RUNNER),
        "dask": lambda: clusters.Dask(jobs=jobs, runner=RUNNER),
        "submitit": lambda: clusters.Slurm(jobs, cluster="local", runner=RUNNER),
    }
    summary = run_sweep(sweep_of(["lsh"], repeats=5), tmp_path, executor=makers[place](), fail_fast=True)
    assert summary.counts["failed"] <= jobs
    assert summary.counts["left"] >= 5 - jobs


def test_a_budget_and_a_number_of_jobs_hold_on_slurm(tmp_path, search_path, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("EXECUTED", str(tmp_path / "executed.txt"))
    monkeypatch.setenv("SECONDS", "0.5")
    executor = clusters.Slurm(1, cluster="local", runner="fake_runs:noted_run")
    summary = run_sweep(sweep_of(["dense"], repeats=50), tmp_path, executor=executor, budget_s=0.2)
    assert summary.ran == 1
    assert (tmp_path / "executed.txt").read_text().split() == ["0"]


def test_a_job_that_the_cluster_ends_leaves_a_failed_row(tmp_path, search_path):
    pytest.importorskip("submitit")
    executor = clusters.Slurm(cluster="local", runner="fake_runs:killed_run")
    summary = run_sweep(sweep_of(["lsh"], repeats=1), tmp_path, executor=executor)
    assert [record.result.error for record in summary.records] == [
        "the worker was killed by SIGKILL; was the machine out of memory?"
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "no sbatch and srun on this machine"),
        ({"limited": "--fail-fast"}, "--fail-fast: without --jobs .*add -j N"),
        ({"limited": "--budget"}, "--budget: without --jobs"),
        ({"detach": True, "jobs": 2}, "--jobs has no effect with --detach"),
        ({"detach": True, "limited": "--budget"}, "--budget has no effect with --detach"),
    ],
)
def test_what_slurm_cannot_do_is_refused_at_once_in_one_line(arguments, message, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ConfigError, match=message) as caught:
        build_executor("slurm", [], **arguments)
    assert "\n" not in str(caught.value)

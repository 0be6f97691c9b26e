"""Sweeps without training: a toy dataset, made-up results, and a driver to be killed."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lshexp import registry
from lshexp.data.base import Dataset, DatasetInfo, Part, Splits
from lshexp.errors import LshexpError
from lshexp.nn.result import EpochRow, Progress, Reporter, RunResult, WorkRow
from lshexp.runs.local import Local
from lshexp.runs.sweep import run_sweep
from lshexp.runs.worker import RunFunction
from lshexp.spec import RunSpec


class Toy(Dataset):
    """Two examples, for tests."""

    side: int = 2

    def info(self) -> DatasetInfo:
        return DatasetInfo(self.side, 2, 2, 2, "made up")

    def fingerprint(self) -> str:
        return f"toy {self.side}"

    def load(self) -> Splits:
        part = Part(np.zeros((2, self.side), np.float32), np.zeros(2, np.int32))
        return Splits(part, part)


Toy.name, Toy.kind = "toy", "dataset"


@dataclass(frozen=True)
class FakeSweep:
    """What `lshexp.config.Sweep` looks like to those who run it."""

    runs: list[RunSpec]
    name: str = "fake"
    baseline: Mapping[str, object] = field(default_factory=lambda: {"method": "dense"})
    merged: int = 0
    timeout_s: float | None = None
    save: bool = False


def spec(method: str = "dense", repeat: int = 0, active_pct: float = 100.0, **changes: Any) -> RunSpec:
    """A run of the toy dataset."""
    values = {"dataset": "toy", "hidden": [4, 3], "epochs": 2, "method": method, "repeat": repeat}
    return RunSpec(**{**values, "active_pct": active_pct, **changes})


def sweep_of(methods: Sequence[str] = ("dense", "lsh"), repeats: int = 2, **changes: Any) -> FakeSweep:
    """One run for each repeat and method."""
    return FakeSweep(
        [
            spec(method, repeat, 100.0 if method == "dense" else 5.0, **changes)
            for repeat in range(repeats)
            for method in methods
        ]
    )


def accuracy(run: RunSpec) -> float:
    """Final accuracy of a made-up run: dense is best, repeats differ."""
    return {"dense": 98.0, "lsh": 97.5}.get(run.method, 90.0) + 0.1 * run.repeat


def fake_run(run: RunSpec, report: Reporter | None = None, **changes: Any) -> RunResult:
    """A made-up result, the same for the same specification."""
    if report:
        report(Progress(1, run.epochs, 1, 2, 0.7, None))
    share = run.active_pct / 100
    epochs = [
        EpochRow(
            epoch=number,
            train_loss=1 / number,
            train_acc_pct=90.0,
            valid_acc_pct=None,
            test_acc_pct=accuracy(run) + (0.25 if number < run.epochs else 0.0),
            active_pct_achieved=run.active_pct,
            mults_total=int(500 * share),
            select_s=0.125,
            train_s=0.5,
            eval_s=0.25,
        )
        for number in range(1, run.epochs + 1)
    ]
    work = [
        WorkRow(layer, phase, int(mults * share), int(100 * share), 8)
        for layer in range(2)
        for phase, mults in (
            ("select", 0),
            ("forward", 200),
            ("backward", 200),
            ("update", 100),
            ("rebuild", 0),
        )
    ]
    values: dict[str, Any] = {
        "status": "ok",
        "error": None,
        "epochs": epochs,
        "work": work,
        "mults_dense": 1000,
        "mults_paper": int(400 * share),
        "mults_dense_paper": 400,
        "active_by_layer_pct": [run.active_pct] * len(run.hidden),
        "compile_s": 1.5,
        "peak_rss_mb": 100.0,
        "init_hash": f"init{run.repeat}",
        "order_hash": f"order{run.repeat}",
    }
    return RunResult(**{**values, **changes})


def unless_dense(misdeed: Callable[[RunSpec], object]) -> RunFunction:
    """A run that does something before it ends, if it can; dense runs end well."""

    def run(run: RunSpec, report: Reporter | None) -> RunResult:
        if run.method != "dense":
            print("printed before the end", flush=True)  # noqa: T201 - into the log of the run
            if report:
                report(Progress(1, run.epochs, 1, 2, 0.7, None))
            misdeed(run)
        return fake_run(run, report)

    return run


def _raise(run: RunSpec) -> None:
    raise ValueError("no good")


def _fill_the_store(run: RunSpec) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    os.fsync = full


raising_run = unless_dense(_raise)
crashing_run = unless_dense(lambda run: os.kill(os.getpid(), signal.SIGSEGV))
killed_run = unless_dense(lambda run: os.kill(os.getpid(), signal.SIGKILL))
leaving_run = unless_dense(lambda run: os._exit(7))
endless_run = unless_dense(lambda run: time.sleep(600))
slow_run = unless_dense(lambda run: time.sleep(0.1))
orphaning_run = unless_dense(lambda run: (os.kill(os.getppid(), signal.SIGKILL), time.sleep(600)))
spoiling_run = unless_dense(_fill_the_store)


def unprepared_run(run: RunSpec, report: Reporter | None) -> RunResult:
    """Fail where importing the training code is still to be done."""
    if "lshexp.nn.trainer" not in sys.modules:
        raise RuntimeError("the training code is not imported yet")
    return fake_run(run, report)


def noted_run(run: RunSpec, report: Reporter | None) -> RunResult:
    """Take a while, and leave a trace of having run."""
    with Path(os.environ["EXECUTED"]).open("a") as log:
        log.write(f"{run.repeat}\n")
    time.sleep(float(os.environ["SECONDS"]))
    return fake_run(run, report)


def main() -> None:
    """Drive a sweep of slow runs in a process of its own: fake_runs.py OUT RUNS SECONDS [JOBS]."""
    out, runs, seconds, *jobs = sys.argv[1:]
    os.environ |= {"EXECUTED": str(Path(out) / "executed.txt"), "SECONDS": seconds}
    registry.datasets.add("toy", Toy)
    executor = Local(int(jobs[0]) if jobs else 1, "fake_runs:noted_run")
    try:
        run_sweep(sweep_of(["dense"], repeats=int(runs)), out, executor=executor)
    except LshexpError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()

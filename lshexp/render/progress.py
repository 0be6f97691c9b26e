"""What a sweep shows while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from lshexp.execution.events import Listener
from lshexp.render._console import err

if TYPE_CHECKING:
    from lshexp.execution.plan import Plan, PlannedRun
    from lshexp.execution.record import Record
    from lshexp.training.result import Progress as RunProgress

HEARTBEAT_S = 60.0


def label(run: PlannedRun) -> str:
    """Name a run for people: `lsh:paper 5% mnist 1000-1000 #0`."""
    spec = run.spec
    widths = "-".join(map(str, spec.hidden))
    preset = spec.method_options.get("preset")
    method = f"{spec.method}:{preset}" if preset else spec.method
    return f"{method} {spec.active_pct:g}% {spec.dataset} {widths} #{spec.repeat}"


@contextmanager
def watch(style: str) -> Iterator[Listener]:
    """Give a listener that shows a sweep in the wanted style: auto, bars, lines or none."""
    console = err()
    if style == "none":
        yield Listener()
    elif style == "bars" or (style == "auto" and console.is_terminal):
        with _bars(console) as bars:
            yield _Bars(bars)
    else:
        yield _Lines(console)


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


class _Bars(Listener):
    """A bar for the sweep and one for the running run."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._sweep: TaskID | None = None
        self._run: TaskID | None = None

    def sweep_started(self, plan: Plan, to_run: int) -> None:
        self._sweep = self._bars.add_task(plan.name, total=to_run, note="")

    def run_started(self, run: PlannedRun) -> None:
        self._run = self._bars.add_task(label(run), total=None, note="compiling and loading")

    def run_progressed(self, run: PlannedRun, progress: RunProgress) -> None:
        if self._run is not None:
            total = progress.epochs * progress.examples
            done = (progress.epoch - 1) * progress.examples + progress.examples_done
            self._bars.update(self._run, total=total, completed=done, note=_state(progress))

    def run_finished(self, run: PlannedRun, record: Record) -> None:
        if self._run is not None:
            self._bars.remove_task(self._run)
        if self._sweep is not None:
            self._bars.advance(self._sweep)
        self._bars.console.print(outcome(run, record), markup=False)


class _Lines(Listener):
    """One line a finished run, and a heartbeat now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._spoke = time.monotonic()
        self._done = self._total = 0

    def sweep_started(self, plan: Plan, to_run: int) -> None:
        self._total = to_run
        self._say(f"{plan.name}: {to_run} of {len(plan.runs)} runs to do, results in {plan.folder}")

    def run_progressed(self, run: PlannedRun, progress: RunProgress) -> None:
        if time.monotonic() - self._spoke > HEARTBEAT_S:
            self._say(f"[{self._done}/{self._total}] {label(run)}: {_state(progress)}")

    def run_finished(self, run: PlannedRun, record: Record) -> None:
        self._done += 1
        self._say(f"[{self._done}/{self._total}] {outcome(run, record)}")

    def _say(self, line: str) -> None:
        self._spoke = time.monotonic()
        self._console.print(line, markup=False)


def _state(progress: RunProgress) -> str:
    accuracy = "" if progress.test_acc_pct is None else f", test {progress.test_acc_pct:.2f} %"
    return f"epoch {progress.epoch}/{progress.epochs}, loss {progress.train_loss:.4f}{accuracy}"


def outcome(run: PlannedRun, record: Record) -> str:
    """One line about a finished run."""
    result = record.result
    if record.status != "ok" or not result.epochs:
        log = f"; see logs/{record.run_id}.txt" if record.status == "failed" else ""
        return f"{label(run)}: {record.status}: {result.error}{log}"
    last = result.epochs[-1]
    mults = sum(row.mults for row in result.work)
    seconds = sum(row.train_s for row in result.epochs)
    return (
        f"{label(run)}: test {last.test_acc_pct:.2f} %, active {last.active_pct_achieved:.1f} %, "
        f"mults {100 * mults / result.mults_dense:.1f} % of dense, {seconds:.1f} s"
    )

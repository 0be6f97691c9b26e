"""What a sweep shows while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from lshexp.render._console import err
from lshexp.runs.sweep import Listener

if TYPE_CHECKING:
    from lshexp.nn.result import Progress as RunProgress
    from lshexp.runs.plan import Plan, PlannedRun
    from lshexp.runs.record import Record

HEARTBEAT_S = 60.0


def label(run: PlannedRun) -> str:
    """Name a run for people: `lsh:paper 5% mnist 1000-1000 #0`."""
    spec = run.spec
    widths = "-".join(map(str, spec.hidden))
    preset = spec.method_options.get("preset")
    method = f"{spec.method}:{preset}" if preset else spec.method
    return f"{method} {spec.active_pct:g}% {spec.dataset} {widths} #{spec.repeat}"


@contextmanager
def watch(style: str, command: str) -> Iterator[Listener]:
    """Give a listener that shows a sweep in the wanted style: auto, bars, lines or none.

    `command` is what the user typed to get here, without options: it is shown beside a failure.
    """
    console = err()
    if style == "none":
        yield Listener()
    elif style == "bars" or (style == "auto" and console.is_terminal):
        with _bars(console) as bars:
            yield _Bars(bars, command)
    else:
        yield _Lines(console, command)


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
    """A bar for the sweep and one for each running run."""

    def __init__(self, bars: Progress, command: str) -> None:
        self._bars, self._command = bars, command
        self._sweep: TaskID | None = None
        self._runs: dict[str, TaskID] = {}

    def sweep_started(self, plan: Plan, to_run: int) -> None:
        self._sweep = self._bars.add_task(plan.name, total=to_run, note="")

    def run_started(self, run: PlannedRun) -> None:
        note = "compiling and loading"
        self._runs[run.run_id] = self._bars.add_task(label(run), total=None, note=note)

    def run_progressed(self, run: PlannedRun, progress: RunProgress) -> None:
        if run.run_id in self._runs:
            total = progress.epochs * progress.examples
            done = (progress.epoch - 1) * progress.examples + progress.examples_done
            self._bars.update(self._runs[run.run_id], total=total, completed=done, note=_state(progress))

    def run_finished(self, run: PlannedRun, record: Record) -> None:
        if run.run_id in self._runs:
            self._bars.remove_task(self._runs.pop(run.run_id))
        if self._sweep is not None:
            self._bars.advance(self._sweep)
        self._bars.console.print(outcome(run, record, self._command), markup=False)


class _Lines(Listener):
    """One line a finished run, and a heartbeat now and then."""

    def __init__(self, console: Console, command: str) -> None:
        self._console, self._command = console, command
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
        self._say(f"[{self._done}/{self._total}] {outcome(run, record, self._command)}")

    def _say(self, line: str) -> None:
        self._spoke = time.monotonic()
        self._console.print(line, markup=False)


def _state(progress: RunProgress) -> str:
    accuracy = "" if progress.test_acc_pct is None else f", test {progress.test_acc_pct:.2f} %"
    return f"epoch {progress.epoch}/{progress.epochs}, loss {progress.train_loss:.4f}{accuracy}"


def outcome(run: PlannedRun, record: Record, command: str) -> str:
    """One line about a finished run; of a failed one where its log is and how it alone is done again."""
    result = record.result
    if record.status != "ok" or not result.epochs:
        again = f"; see logs/{run.run_id}.txt; again: {command} --only {run.run_id}"
        return f"{label(run)}: {record.status}: {result.error}{again if record.status == 'failed' else ''}"
    last = result.epochs[-1]
    mults = sum(row.mults for row in result.work)
    seconds = sum(row.train_s for row in result.epochs)
    return (
        f"{label(run)}: test {last.test_acc_pct:.2f} %, active {last.active_pct_achieved:.1f} %, "
        f"mults {100 * mults / result.mults_dense:.1f} % of dense, {seconds:.1f} s"
    )

"""What a sweep shows while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from lshexp.render._console import clock, err, span
from lshexp.runs.listener import Listener
from lshexp.runs.pace import Pace, expected
from lshexp.runs.plan import label

if TYPE_CHECKING:
    from lshexp.nn.result import Progress as RunProgress
    from lshexp.runs.plan import Plan, PlannedRun
    from lshexp.runs.record import Record

HEARTBEAT_S = 60.0


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
    """Bars that fit 80 columns: only a run's name is shortened, never a number or a time."""

    def column(text: str) -> TextColumn:
        return TextColumn(text, table_column=Column(no_wrap=True))

    return Progress(
        TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=12),
        column("{task.fields[count]:>5}"),
        column("{task.fields[note]}"),
        column("{task.fields[left]:>7}"),
        console=console,
        transient=True,
        expand=True,
    )


class _Bars(Listener):
    """A bar for the sweep and one for each running run, each with the time that is left."""

    def __init__(self, bars: Progress, command: str) -> None:
        self._bars, self._command = bars, command
        self._plan: Plan | None = None
        self._sweep: TaskID | None = None
        self._pace = Pace([], {})
        self._done = self._total = 0
        self._shares: dict[str, float] = {}  # of running runs, what is done
        self._runs: dict[str, TaskID] = {}

    def sweep_started(self, plan: Plan, to_run: list[PlannedRun], slots: int) -> None:
        self._plan, self._total = plan, len(to_run)
        self._pace = Pace([run.run_id for run in to_run], expected(plan.name), slots)
        count, left = f"0/{self._total}", clock(self._pace.left_s())
        self._sweep = self._bars.add_task(plan.name, total=self._total, note="", count=count, left=left)
        self._show_sweep()

    def run_started(self, run: PlannedRun) -> None:
        self._pace.started(run.run_id)
        name = label(run, self._plan) if self._plan else run.run_id
        self._runs[run.run_id] = self._bars.add_task(
            name, total=None, note="compiling and loading", count="", left=""
        )
        self._show_sweep()

    def run_progressed(self, run: PlannedRun, progress: RunProgress) -> None:
        if run.run_id in self._runs:
            self._shares[run.run_id] = progress.share
            self._pace.progressed(run.run_id, progress.share)
            accuracy = "" if progress.test_acc_pct is None else f" {progress.test_acc_pct:.2f} %"
            self._bars.update(
                self._runs[run.run_id],
                total=1.0,
                completed=progress.share,
                count=f"{100 * progress.share:.0f} %",
                note=f"epoch {progress.epoch}/{progress.epochs}{accuracy}",
                left=clock(self._pace.left_of(run.run_id)),
            )
            self._show_sweep()

    def run_finished(self, run: PlannedRun, record: Record) -> None:
        if run.run_id in self._runs:
            self._bars.remove_task(self._runs.pop(run.run_id))
        self._shares.pop(run.run_id, None)
        self._pace.finished(run.run_id)
        self._done += 1
        self._show_sweep()
        if self._plan:
            line = outcome(run, record, self._plan, self._command)
            self._bars.console.print(line, markup=False)

    def _show_sweep(self) -> None:
        if self._sweep is not None:
            done = self._done + sum(self._shares.values())
            left, count = clock(self._pace.left_s()), f"{self._done}/{self._total}"
            self._bars.update(self._sweep, completed=done, count=count, left=left)


class _Lines(Listener):
    """One line a finished run, and a heartbeat now and then."""

    def __init__(self, console: Console, command: str) -> None:
        self._console, self._command = console, command
        self._spoke = time.monotonic()
        self._pace = Pace([], {})
        self._plan: Plan | None = None
        self._done = self._total = 0

    def sweep_started(self, plan: Plan, to_run: list[PlannedRun], slots: int) -> None:
        self._plan, self._total = plan, len(to_run)
        self._pace = Pace([run.run_id for run in to_run], expected(plan.name), slots)
        left = self._pace.left_s()
        took = "" if left is None or not to_run else f", about {span(left)}"
        self._say(
            f"{plan.name}: {len(to_run)} of {len(plan.runs)} runs to do{took}, results in {plan.folder}"
        )

    def run_started(self, run: PlannedRun) -> None:
        self._pace.started(run.run_id)

    def run_progressed(self, run: PlannedRun, progress: RunProgress) -> None:
        self._pace.progressed(run.run_id, progress.share)
        if self._plan and time.monotonic() - self._spoke > HEARTBEAT_S:
            left = self._pace.left_s()
            rest = "" if left is None else f"; the sweep: about {span(left)} left"
            self._say(f"[{self._done}/{self._total}] {label(run, self._plan)}: {_state(progress)}{rest}")

    def run_finished(self, run: PlannedRun, record: Record) -> None:
        self._pace.finished(run.run_id)
        self._done += 1
        if self._plan:
            line = outcome(run, record, self._plan, self._command)
            self._say(f"[{self._done}/{self._total}] {line}")

    def _say(self, line: str) -> None:
        self._spoke = time.monotonic()
        self._console.print(line, markup=False)


def _state(progress: RunProgress) -> str:
    accuracy = "" if progress.test_acc_pct is None else f", test {progress.test_acc_pct:.2f} %"
    return f"epoch {progress.epoch}/{progress.epochs}, loss {progress.train_loss:.4f}{accuracy}"


def outcome(run: PlannedRun, record: Record, plan: Plan, command: str) -> str:
    """One line about a finished run; of a failed one where its log is and how it alone is done again."""
    result, name = record.result, label(run, plan)
    if record.status == "ok" and not result.epochs:  # its task trains no network
        return f"{name}: ok, {len(result.task_rows)} rows in the table of its task"
    if record.status != "ok":
        again = f"; see logs/{run.run_id}.txt; again: {command} --only {run.run_id}"
        return f"{name}: {record.status}: {result.error}{again if record.status == 'failed' else ''}"
    last = result.epochs[-1]
    mults = sum(row.mults_total for row in result.epochs)
    seconds = sum(row.train_s for row in result.epochs)
    return (
        f"{name}: test {last.test_acc_pct:.2f} %, active {last.active_pct_achieved:.1f} %, "
        f"mults {100 * mults / result.mults_dense:.1f} % of dense, {seconds:.1f} s"
    )

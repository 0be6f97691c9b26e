"""What a sweep shows while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from lshexp.render._console import err
from lshexp.runs.columns import Cell, settings, variant_columns
from lshexp.runs.sweep import Listener

if TYPE_CHECKING:
    from lshexp.nn.result import Progress as RunProgress
    from lshexp.runs.plan import Plan, PlannedRun
    from lshexp.runs.record import Record

HEARTBEAT_S = 60.0
SPEAK_FOR_THEMSELVES = ("method", "dataset", "hidden", "optimizer")


def label(run: PlannedRun, plan: Plan) -> str:
    """Name a run by what tells it from the others of its sweep: `lsh 5% K=6 #0`."""
    cells = settings(run.spec)
    words = [_word(name, cells[name]) for name in plan.distinguishing if cells.get(name) is not None]
    return " ".join([*words, f"#{run.spec.repeat}"])


def _word(name: str, value: Cell) -> str:
    if name == "active_pct":
        return f"{value:g}%"
    return (
        str(value)
        if name in (*SPEAK_FOR_THEMSELVES, *variant_columns())
        else f"{name.removeprefix('p_')}={value}"
    )


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
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True, min_width=7)),
        console=console,
        transient=True,
        expand=True,
    )


class _Bars(Listener):
    """A bar for the sweep and one for each running run."""

    def __init__(self, bars: Progress, command: str) -> None:
        self._bars, self._command = bars, command
        self._plan: Plan | None = None
        self._sweep: TaskID | None = None
        self._done = self._total = 0
        self._runs: dict[str, TaskID] = {}

    def sweep_started(self, plan: Plan, to_run: int) -> None:
        self._plan, self._total = plan, to_run
        self._sweep = self._bars.add_task(plan.name, total=to_run, note="", count=f"0/{to_run}")

    def run_started(self, run: PlannedRun) -> None:
        name = label(run, self._plan) if self._plan else run.run_id
        self._runs[run.run_id] = self._bars.add_task(name, total=None, note="compiling and loading", count="")

    def run_progressed(self, run: PlannedRun, progress: RunProgress) -> None:
        if run.run_id in self._runs:
            total = progress.epochs * progress.examples
            done = (progress.epoch - 1) * progress.examples + progress.examples_done
            accuracy = "" if progress.test_acc_pct is None else f" {progress.test_acc_pct:.2f} %"
            self._bars.update(
                self._runs[run.run_id],
                total=total,
                completed=done,
                count=f"{100 * done / total:.0f} %",
                note=f"epoch {progress.epoch}/{progress.epochs}{accuracy}",
            )

    def run_finished(self, run: PlannedRun, record: Record) -> None:
        if run.run_id in self._runs:
            self._bars.remove_task(self._runs.pop(run.run_id))
        self._done += 1
        if self._sweep is not None:
            self._bars.update(self._sweep, advance=1, count=f"{self._done}/{self._total}")
        if self._plan:
            line = outcome(run, record, self._plan, self._command)
            self._bars.console.print(line, markup=False)


class _Lines(Listener):
    """One line a finished run, and a heartbeat now and then."""

    def __init__(self, console: Console, command: str) -> None:
        self._console, self._command = console, command
        self._spoke = time.monotonic()
        self._plan: Plan | None = None
        self._done = self._total = 0

    def sweep_started(self, plan: Plan, to_run: int) -> None:
        self._plan, self._total = plan, to_run
        self._say(f"{plan.name}: {to_run} of {len(plan.runs)} runs to do, results in {plan.folder}")

    def run_progressed(self, run: PlannedRun, progress: RunProgress) -> None:
        if self._plan and time.monotonic() - self._spoke > HEARTBEAT_S:
            self._say(f"[{self._done}/{self._total}] {label(run, self._plan)}: {_state(progress)}")

    def run_finished(self, run: PlannedRun, record: Record) -> None:
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
    if record.status != "ok" or not result.epochs:
        again = f"; see logs/{run.run_id}.txt; again: {command} --only {run.run_id}"
        return f"{name}: {record.status}: {result.error}{again if record.status == 'failed' else ''}"
    last = result.epochs[-1]
    mults = sum(row.mults_total for row in result.epochs)
    seconds = sum(row.train_s for row in result.epochs)
    return (
        f"{name}: test {last.test_acc_pct:.2f} %, active {last.active_pct_achieved:.1f} %, "
        f"mults {100 * mults / result.mults_dense:.1f} % of dense, {seconds:.1f} s"
    )

"""Run the runs of a sweep: none is lost when it is stopped, none is done twice by several calls at once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lshexp.config import Sweep, resolved_text
from lshexp.errors import ConfigError
from lshexp.runs.environment import capture
from lshexp.runs.executors import Event, Executor, Inline, Progressed, Started
from lshexp.runs.listener import Listener
from lshexp.runs.local import Local
from lshexp.runs.notebook import NotebookBar, in_notebook
from lshexp.runs.plan import WHAT_IS_LEFT, Plan, PlannedRun, SweepLike, Wanted, check_data, plan_sweep
from lshexp.runs.record import Job, Record
from lshexp.runs.store import Store
from lshexp.runs.tables import ResultTables, read_old_rows
from lshexp.runs.worker import RunFunction

TABLES_SHARE = 0.05  # of the time that may go into rewriting tables while runs are going


@dataclass(frozen=True)
class SweepSummary:
    """Where a sweep stands after a call of `run_sweep`; the counts are of its runs, whoever ran them."""

    plan: Plan  # as it was before the call
    ran: int  # by this call
    records: list[Record]  # of the sweep's runs, in its order

    @property
    def counts(self) -> Counter[str]:
        """Number of runs by status, `ok`, `failed`, `diverged`, and `left` for those without a record."""
        counts = Counter[str](record.status for record in self.records)
        counts["left"] = len(self.plan.runs) - len(self.records)
        return counts

    @property
    def complete(self) -> bool:
        """Whether every run of the sweep has ended `ok`."""
        return self.counts["ok"] == len(self.plan.runs)


class SweepInterrupted(KeyboardInterrupt):
    """The interrupt key was pressed; finished runs are kept, and the same call does the rest."""

    def __init__(self, summary: SweepSummary) -> None:
        ended = sum(record.finished for record in summary.records)
        super().__init__(f"{ended} of {len(summary.plan.runs)} done; the same call goes on")
        self.summary = summary


def run_sweep(
    sweep: SweepLike,
    out: str | Path = "results",
    *,
    wanted: Wanted = WHAT_IS_LEFT,
    fail_fast: bool = False,
    budget_s: float | None = None,
    listener: Listener | None = None,
    executor: Executor | None = None,
    run: RunFunction | None = None,
) -> SweepSummary:
    """Do the runs of a sweep that are not done yet, and write its tables to `out`/<sweep name>/.

    Several calls may be at the same folder at once: each run is done by one of them, and each waits for all.
    A run that raises, crashes or runs out of time leaves a record with status "failed" and a log, and the
    sweep goes on; the next call tries it again. A diverged run is a result and is kept.

    `wanted` tells which runs; `fail_fast` starts none after the first failure, `budget_s` none after so many
    seconds. `executor` does the runs, by default one after another in processes of their own. `run`
    replaces the training, in this process. `listener` is told what happens; a notebook shows a bar without.

    Raises DataError when files of a dataset are absent or damaged, StoreError when results cannot be read
    or written; ConfigError for a wanted run that is not there,
    or when finished rows of the tables belong to no run of the sweep and `wanted` does not let them go.
    An interrupt is passed on as SweepInterrupted once the tables hold all finished runs.
    """
    executor = executor or (Inline(run) if run else Local())
    listener = listener or (NotebookBar() if in_notebook() else Listener())
    plan = plan_sweep(sweep, out)
    todo = plan.to_run(wanted)
    if plan.leaving and not (wanted.force or wanted.replace):
        raise ConfigError(
            f"{plan.leaving} would leave the tables in {plan.folder}: --replace lets them go, "
            "another folder with -o or another name of the sweep keeps both"
        )
    if executor.here:
        check_data(todo)
    driver = _Driver(Store(plan.folder), plan, listener)
    driver.open(resolved_text(sweep) if isinstance(sweep, Sweep) else None)
    listener.sweep_started(plan, todo, executor.slots)
    try:
        if todo:
            executor.run(driver.jobs(todo, sweep), driver.handle, driver.limit(fail_fast, budget_s))
    except KeyboardInterrupt:
        driver.write_tables()
        raise SweepInterrupted(driver.summary()) from None
    except BaseException:
        driver.write_tables()
        raise
    finally:
        listener.sweep_ended()
    driver.write_tables()
    return driver.summary()


class _Driver:
    """The state of one call of `run_sweep`."""

    def __init__(self, store: Store, plan: Plan, listener: Listener) -> None:
        self._store, self._plan, self._listener = store, plan, listener
        self._runs = {run.run_id: run for run in plan.runs}
        self._records = {run.run_id: run.record for run in plan.runs if run.record is not None}
        self._ran = 0
        self._failed = False
        self._tables = ResultTables(store, self._runs)
        self._tables_due = 0.0
        if plan.unrecorded:
            self._tables.keep(read_old_rows(store), plan.unrecorded)
        for record in self._records.values():
            self._tables.add(record)

    def open(self, resolved: str | None) -> None:
        """Make sure of the folder before anything is run in it; the sweep is written beside its results."""
        self._store.clean()
        self.write_tables()
        if resolved is not None:
            self._store.write_sweep(resolved)

    def jobs(self, todo: list[PlannedRun], sweep: SweepLike) -> list[Job]:
        """The jobs, in order."""
        env = capture()
        return [
            Job(
                folder=self._store.folder,
                sweep=self._plan.name,
                run_id=planned.run_id,
                spec=planned.spec,
                stamp=planned.stamp,
                timeout_s=sweep.timeout_s,
                save=sweep.save,
                env=env,
            )
            for planned in todo
        ]

    def limit(self, fail_fast: bool, budget_s: float | None) -> Callable[[], bool]:
        """Whether one more run may be started, asked before each."""
        end = None if budget_s is None else time.monotonic() + budget_s
        return lambda: not (fail_fast and self._failed) and (end is None or time.monotonic() < end)

    def handle(self, event: Event) -> None:
        """Pass on what an executor reports; take in the record of a run that has ended."""
        planned = self._runs[event.run_id]
        if isinstance(event, Started):
            self._listener.run_started(planned)
        elif isinstance(event, Progressed):
            self._listener.run_progressed(planned, event.progress)
        else:
            self._ran += event.outcome == "done"
            record = self._take_in(event.run_id)
            if record:
                self._failed |= record.status == "failed"
                self._listener.run_finished(planned, record)
            if time.monotonic() > self._tables_due:
                self.write_tables()

    def write_tables(self) -> None:
        """Bring the tables up to date, with what other drivers of the folder have done too.

        How long that took decides when it may be done again.
        """
        started = time.monotonic()
        with self._store.tables_locked():
            for run_id in self._store.run_ids() & self._runs.keys():
                record = self._records.get(run_id)
                if record is None or not record.finished:
                    self._take_in(run_id)
            self._tables.write()
        ended = time.monotonic()
        self._tables_due = ended + (ended - started) / TABLES_SHARE

    def summary(self) -> SweepSummary:
        """The records of all runs of the sweep, in its order."""
        return SweepSummary(
            self._plan, self._ran, [self._records[i] for i in self._runs if i in self._records]
        )

    def _take_in(self, run_id: str) -> Record | None:
        """Read a run's record and put it into the tables."""
        record = self._store.read(run_id, self._runs[run_id].spec)
        if record:
            self._records[run_id] = record
            self._tables.add(record)
        return record

"""Run the runs of a sweep, one after another, so that none is ever lost."""

from __future__ import annotations

import datetime
import os
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lshexp.execution.environment import Environment, capture
from lshexp.execution.events import Listener
from lshexp.execution.overlap import OverlapWatch
from lshexp.execution.plan import Plan, PlannedRun, SweepLike, plan_sweep
from lshexp.execution.record import Record
from lshexp.execution.store import Store
from lshexp.execution.tables import Tables
from lshexp.spec import RunSpec
from lshexp.training.result import Progress, Reporter, RunResult

RunFunction = Callable[[RunSpec, Reporter | None], RunResult]
MAX_ERROR_CHARACTERS = 500


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


def run_sweep(
    sweep: SweepLike,
    out: str | Path = "results",
    *,
    force: bool = False,
    fail_fast: bool = False,
    listener: Listener | None = None,
    run: RunFunction | None = None,
) -> SweepSummary:
    """Do the runs of a sweep that are not done yet, and write `out`/<sweep name>/{runs,epochs,work,env}.csv.

    The tables are rewritten after each run. A run that raises leaves a record with status "failed", its
    traceback in logs/<run_id>.txt, and the sweep goes on; the next call tries it again. A diverged run is a
    result and is kept. `force` runs everything again; `fail_fast` stops after the first failed run. `run`
    replaces the training, for tests and other executors.

    Raises StoreError when results cannot be read or written, or when another driver holds the folder.
    KeyboardInterrupt passes through once the tables hold all finished runs.
    """
    run = run or _training_run()
    listener = listener or Listener()
    store = Store(Path(out) / sweep.name)
    with store.locked():
        plan = plan_sweep(sweep, out)
        driver = _Driver(store, plan, run, listener)
        todo = plan.to_run(force)
        listener.sweep_started(plan, len(todo))
        try:
            driver.tables.write()
            for planned in todo:
                record = driver.do(planned, replace_finished=force)
                if fail_fast and record.status == "failed":
                    break
        except KeyboardInterrupt:
            driver.tables.write()
            raise
    return driver.summary()


class _Driver:
    """The state of one call of `run_sweep`."""

    def __init__(self, store: Store, plan: Plan, run: RunFunction, listener: Listener) -> None:
        self._store, self._plan, self._run, self._listener = store, plan, run, listener
        self._watch = OverlapWatch()
        self._env: Environment | None = None
        self._ran = 0
        self._records = {run.run_id: run.record for run in plan.runs if run.record is not None}
        self.tables = Tables(store, (run.run_id for run in plan.runs))
        for record in self._records.values():
            self.tables.add(record)

    def do(self, planned: PlannedRun, *, replace_finished: bool) -> Record:
        """Run one run, keep its record and bring the tables up to date."""
        self._env = self._env or capture()
        self._listener.run_started(planned)
        record = self._attempt(planned, self._env)
        self._store.write(record, replace_finished=replace_finished)
        if record.status != "failed":
            self._store.remove_log(record.run_id)
        self._records[record.run_id] = record
        self._ran += 1
        self.tables.add(record)
        self.tables.write()
        self._listener.run_finished(planned, record)
        return record

    def summary(self) -> SweepSummary:
        """The records of all runs of the sweep, in its order."""
        ids = [run.run_id for run in self._plan.runs]
        return SweepSummary(self._plan, self._ran, [self._records[i] for i in ids if i in self._records])

    def _attempt(self, planned: PlannedRun, env: Environment) -> Record:
        """Run, and turn any exception of the run into a record that says so."""

        def report(progress: Progress) -> None:
            self._listener.run_progressed(planned, progress)

        def record(result: RunResult, timing_valid: bool | None) -> Record:
            return Record(
                run_id=planned.run_id,
                sweep=self._plan.name,
                spec=planned.spec,
                result=result,
                env=env,
                started_utc=started,
                timing_valid=timing_valid,
            )

        started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        try:
            with self._watch.run():
                result = self._run(planned.spec, report)
            return record(result, self._watch.alone)
        except Exception as error:  # whatever a run raises costs that run, not the sweep
            self._store.write_log(planned.run_id, without_machine_paths(traceback.format_exc()))
            return record(_failure(error), None)


def without_machine_paths(message: str) -> str:
    """Cut the folders of this machine out of a text, so that results can be published as they are."""
    short_forms = {
        **dict.fromkeys([*sys.path, str(Path.cwd())], ""),
        str(Path.home()): "~" + os.sep,
        os.environ.get("LSHEXP_DATA", ""): "$LSHEXP_DATA" + os.sep,
    }
    for folder, short in sorted(short_forms.items(), key=lambda pair: -len(pair[0])):
        if len(Path(folder).parts) > 1:  # neither "" nor the root
            message = message.replace(folder.rstrip(os.sep) + os.sep, short)
    return message


def _failure(error: Exception) -> RunResult:
    """The result of a run that raised."""
    words = " ".join(f"{type(error).__name__}: {error}".split())
    return RunResult(
        status="failed",
        error=without_machine_paths(words)[:MAX_ERROR_CHARACTERS],
        epochs=[],
        work=[],
        mults_dense=0,
        mults_paper=0,
        mults_dense_paper=0,
        active_by_layer_pct=[],
        compile_s=0.0,
        peak_rss_mb=None,
        init_hash="",
        order_hash="",
    )


def _training_run() -> RunFunction:
    """The real thing, imported when first needed because it loads numba."""
    from lshexp.training.trainer import run

    return run

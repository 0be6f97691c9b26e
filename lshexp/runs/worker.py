"""Do one job: claim the run, train, and leave a record, so that no run is ever done twice or lost."""

from __future__ import annotations

import datetime
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from lshexp.nn.result import Reporter, RunResult
from lshexp.runs.environment import capture
from lshexp.runs.job import Job
from lshexp.runs.overlap import OverlapWatch
from lshexp.runs.record import Record
from lshexp.runs.store import Store
from lshexp.spec import RunSpec

RunFunction = Callable[[RunSpec, Reporter | None], RunResult]
Outcome = Literal["done", "already", "taken"]
MAX_ERROR_CHARACTERS = 500


def work(job: Job, run: RunFunction, report: Reporter | None, watch: OverlapWatch) -> Outcome:
    """Do a job unless somebody else has it, or has done it since it was planned.

    Whatever the run raises becomes a record with status "failed" and a log with the traceback.

    Returns "taken" when another process is doing the run just now: ask again later.
    Raises StoreError when the record cannot be kept.
    """
    store = Store(job.folder)
    with store.claimed(job.run_id) as mine:
        if not mine:
            return "taken"
        if store.stamp(job.run_id) != job.stamp:
            return "already"
        _attempt(store, job, run, report, watch)
    return "done"


def keep_failure(job: Job, error: str, log: str) -> None:
    """Record that a run has ended without a word of its own: killed, out of memory, out of time.

    Raises StoreError when the record cannot be kept.
    """
    store = Store(job.folder)
    with store.claimed(job.run_id) as mine:
        if mine and store.stamp(job.run_id) == job.stamp:
            store.write_log(job.run_id, without_machine_paths(log))
            store.write(_record(job, failure(error), _now(), None))


def failure(message: str) -> RunResult:
    """The result of a run that has none, with its reason in one line."""
    return RunResult(
        status="failed",
        error=without_machine_paths(" ".join(message.split()))[:MAX_ERROR_CHARACTERS],
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


def _attempt(store: Store, job: Job, run: RunFunction, report: Reporter | None, watch: OverlapWatch) -> None:
    """Run and keep the record. The claim is held."""
    started = _now()
    store.remove_log(job.run_id)
    try:
        with watch.run():
            result = run(job.spec, report)
        record = _record(job, result, started, watch.alone)
    except Exception as error:  # whatever a run raises costs that run, not the sweep
        printed = store.read_log(job.run_id)
        store.write_log(job.run_id, without_machine_paths(printed + traceback.format_exc()))
        record = _record(job, failure(f"{type(error).__name__}: {error}"), started, None)
    store.write(record)
    if record.status != "failed":
        store.remove_log(job.run_id)  # of a run that has printed and done well


def _record(job: Job, result: RunResult, started: str, timing_valid: bool | None) -> Record:
    return Record(
        run_id=job.run_id,
        sweep=job.sweep,
        spec=job.spec,
        result=result,
        env=job.env or capture(),
        started_utc=started,
        timing_valid=timing_valid,
    )


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

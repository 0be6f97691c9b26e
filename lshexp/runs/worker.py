"""Do one job: claim the run, train, and leave a record, so that no run is done twice and none is lost.

    python -m lshexp.runs.worker MODULE:FUNCTION < job.json

does a job in a process of its own, which is how cluster executors do it; see `run_in_subprocess`.
"""

from __future__ import annotations

import datetime
import faulthandler
import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from lshexp.errors import StoreError
from lshexp.nn.result import Reporter, RunResult
from lshexp.runs.environment import capture
from lshexp.runs.overlap import OverlapWatch
from lshexp.runs.record import Job, Record
from lshexp.runs.store import Store
from lshexp.spec import RunSpec

RunFunction = Callable[..., RunResult]  # of a RunSpec and a Reporter; `keep` names the network's file
Outcome = Literal["done", "already", "taken"]
TRAINER = "lshexp.tasks.base:run"
MAX_ERROR_CHARACTERS = 500
SPINS = "20000"  # turns that an idle thread of GNU OpenMP waits for work before it sleeps


def do_job(job: Job, run: RunFunction, report: Reporter | None, watch: OverlapWatch) -> Outcome:
    """Do a job and keep its record.

    Whatever the run raises becomes a record with status "failed" and a log with the traceback.

    Returns "taken" when another process is doing the run just now: ask again later; "already" when it has
    been done since it was planned. Raises StoreError when the record cannot be kept.
    """
    store = Store(job.folder)
    with store.claimed(job.run_id) as mine:
        if not mine:
            return "taken"
        if store.stamp(job.run_id) != job.stamp:
            return "already"
        _attempt(store, job, run, report, watch)
    return "done"


def _attempt(store: Store, job: Job, run: RunFunction, report: Reporter | None, watch: OverlapWatch) -> None:
    """Run and keep the record. The claim is held."""
    started = _now()
    store.remove_log(job.run_id)
    try:
        with watch.run():
            keep = {"keep": store.network_path(job.run_id)} if job.save else {}
            result = run(job.spec, report, **keep)
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


def keep_failure(job: Job, error: str) -> None:
    """Record that a run's process ended without a record: killed, out of memory, out of time.

    The log keeps what the run has printed. Raises StoreError when the record cannot be kept.
    """
    store = Store(job.folder)
    with store.claimed(job.run_id) as mine:
        if mine and store.stamp(job.run_id) == job.stamp:
            log = f"{store.read_log(job.run_id)}{error}\n"
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


def load_runner(runner: str) -> RunFunction:
    """Import `module:function`."""
    module, _, function = runner.partition(":")
    loaded: RunFunction = getattr(importlib.import_module(module), function)
    return loaded


def logged(job: Job, run: RunFunction) -> RunFunction:
    """The run, with all that this process prints from its start on going into the run's log."""

    def logged_run(spec: RunSpec, report: Reporter | None, **keep: Path) -> RunResult:
        log = os.open(Store(job.folder).start_log(job.run_id), os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        faulthandler.enable(2)
        return run(spec, report, **keep)

    return logged_run


def worker_environment() -> dict[str, str]:
    """Environment variables of a process that does runs: ours, and how idle kernel threads wait.

    They wait for a moment, as the next kernel is near, and then sleep: by default they go on spinning, on
    the core on which the next block of a dense product could be computed.
    """
    return {"GOMP_SPINCOUNT": SPINS, **os.environ}


def import_path() -> str:
    """This process's import path as a value of PYTHONPATH."""
    return os.pathsep.join(folder or os.curdir for folder in sys.path)


def ending(exit_code: int) -> str:
    """Why a process has ended without a record, in words; a negative exit code is a signal."""
    if exit_code >= 0:
        return f"the worker ended with exit code {exit_code}"
    name = signal.Signals(-exit_code).name if -exit_code in set(signal.Signals) else str(-exit_code)
    hint = "; was the machine out of memory?" if name == "SIGKILL" else ""
    return f"the worker was killed by {name}{hint}"


def out_of_time(job: Job) -> str:
    """The error of a run that has used up its time."""
    return f"time-out after {job.timeout_s:g} s"


def run_in_subprocess(text: str, runner: str = TRAINER) -> Outcome:
    """Do a job, given as JSON, in a fresh Python process, and wait for it; called on a cluster's machine.

    The record goes into the store, only the outcome back. A process that crashes or runs out of time leaves
    a record with status "failed". Raises StoreError when the record cannot be kept.
    """
    job = Job.model_validate_json(text)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "lshexp.runs.worker", runner],
            input=text,
            stdout=subprocess.PIPE,
            text=True,
            env={**worker_environment(), "PYTHONPATH": import_path()},
            timeout=job.timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        keep_failure(job, out_of_time(job))
        return "done"
    answer = json.loads(done.stdout or "{}")
    if "store_error" in answer:
        raise StoreError(answer["store_error"])
    if "outcome" not in answer:
        keep_failure(job, ending(done.returncode))
    outcome: Outcome = answer.get("outcome", "done")
    return outcome


def main(runner: str) -> None:
    """Do the job on stdin and write its outcome, or what kept its record from being kept, to stdout."""
    answers = os.dup(1)
    os.dup2(2, 1)  # what an import prints is no answer
    watch = OverlapWatch()
    job = Job.model_validate_json(sys.stdin.read())
    answer: dict[str, str] = {}
    try:
        answer["outcome"] = do_job(job, logged(job, load_runner(runner)), None, watch)
    except StoreError as error:
        answer["store_error"] = str(error)
    watch.leave()
    os.write(answers, json.dumps(answer).encode())


if __name__ == "__main__":
    main(*sys.argv[1:])

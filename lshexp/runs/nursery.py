"""A process that has everything imported and forks a fresh worker for each run.

    python -m lshexp.runs.nursery PLACE MODULE:FUNCTION

A run in a process of its own can crash, be killed or time out at the cost of one row. Importing the backend
for each would take a second; a fork of a process that has done so takes milliseconds. This one never trains:
it starts no threads, so that forking it is safe.

Jobs arrive on stdin, one JSON line each. What happens is told on stdout, one JSON line each: `{"pid": ...}`
when a worker starts, `{"progress": ...}` while it runs, `{"store_error": ...}` when its record cannot be
kept, and `{"exit": ...}` when it has ended, with its exit code, negative for a signal.
"""

from __future__ import annotations

import dataclasses
import faulthandler
import gc
import importlib
import json
import os
import signal
import sys
from typing import Any

from lshexp.errors import StoreError
from lshexp.nn.result import Progress, Reporter, RunResult
from lshexp.runs.job import Job
from lshexp.runs.overlap import OverlapWatch
from lshexp.runs.store import Store
from lshexp.runs.worker import Outcome, RunFunction, work
from lshexp.spec import RunSpec

# exit codes of a worker by what came of its job; 75 is "try again later" in sysexits.h
EXIT_CODES: dict[Outcome, int] = {"done": 0, "already": 64, "taken": 75}
TRAINER = "lshexp.nn.trainer:run"


def main(place: str, runner: str) -> None:
    """Serve jobs until stdin ends. The interrupt key is the driver's business, which ends its workers."""
    run = load_runner(runner)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # a collection in a worker would touch, and so copy, every page of what was imported
    for line in sys.stdin:
        job = Job.model_validate_json(line)
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            os._exit(_worker(job, run, OverlapWatch(place=place)))
        _tell(pid=pid)
        _, status = os.waitpid(pid, 0)
        _tell(exit=os.waitstatus_to_exitcode(status))
    OverlapWatch(place=place).leave()


def load_runner(runner: str) -> RunFunction:
    """Import `module:function`."""
    module, _, function = runner.partition(":")
    loaded: RunFunction = getattr(importlib.import_module(module), function)
    return loaded


def _worker(job: Job, run: RunFunction, watch: OverlapWatch) -> int:
    """Do one job in this process, what it prints going to the run's log, and return the exit code."""
    telling = os.dup(1)

    def logged_run(spec: RunSpec, report: Reporter | None) -> RunResult:
        log = os.open(Store(job.folder).start_log(job.run_id), os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        faulthandler.enable(2)
        return run(spec, report)

    try:
        return EXIT_CODES[work(job, logged_run, lambda progress: _report(progress, telling), watch)]
    except StoreError as error:
        _tell(telling, store_error=str(error))
        return error.exit_code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _report(progress: Progress, telling: int) -> None:
    _tell(telling, progress=dataclasses.asdict(progress))


def _tell(descriptor: int = 1, **message: Any) -> None:
    """Write one line in one piece. A driver that has gone is no reason to stop."""
    try:
        os.write(descriptor, (json.dumps(message) + "\n").encode())
    except BrokenPipeError:
        return


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Runs in processes of their own on this machine, one or several at a time."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator

from lshexp.errors import PlaceError, StoreError
from lshexp.nn.result import Progress
from lshexp.runs.executors._base import Ended, Hear, Progressed, Started
from lshexp.runs.executors._lanes import run_in_lanes
from lshexp.runs.job import Job
from lshexp.runs.nursery import EXIT_CODES, TRAINER
from lshexp.runs.store import Store
from lshexp.runs.worker import keep_failure

SECONDS_TO_LEAVE = 5.0
SPINS = "20000"  # turns that an idle thread of GNU OpenMP waits for work before it sleeps


class Local:
    """Each run in a worker process, so that a crash, a kill or a time-out costs one row."""

    def __init__(self, jobs: int = 1, runner: str = TRAINER) -> None:
        self._lanes = [Nursery(runner) for _ in range(jobs)]

    def run(self, jobs: Iterator[Job], hear: Hear) -> None:
        """Do as many jobs at a time as there are lanes."""
        run_in_lanes(jobs, self._lanes, hear)


class Nursery:
    """A lane: one nursery process and the worker it has forked; see `lshexp.runs.nursery`."""

    def __init__(self, runner: str = TRAINER) -> None:
        self._runner = runner
        self._place = uuid.uuid4().hex  # of the overlap watch: this lane never overlaps itself
        self._process: subprocess.Popen[str] | None = None
        self._worker: int | None = None
        self._closed = False

    def do(self, job: Job, hear: Hear) -> bool:
        """Do a job in a fresh process and tell what happens.

        Returns False when another driver is doing it just now. Raises StoreError, and PlaceError when no
        process can be started.
        """
        store = Store(job.folder)
        with store.claimed(job.run_id) as free:
            if not free:
                return False
        exit_code, timed_out = self._converse(job, hear)
        if self._closed or exit_code == EXIT_CODES["taken"]:
            return False
        if exit_code == EXIT_CODES["already"]:
            hear(Ended(job.run_id, "already"))
            return True
        if exit_code != EXIT_CODES["done"]:
            reason = f"time-out after {job.timeout_s:g} s" if timed_out else _reason(exit_code)
            keep_failure(job, reason, f"{store.read_log(job.run_id)}{reason}\n")
        hear(Ended(job.run_id, "done"))
        return True

    def close(self) -> None:
        """End the worker and its nursery, which leaves when it hears no more."""
        self._closed = True
        self._kill_worker()
        process = self._process
        if process is None:
            return
        with contextlib.suppress(OSError):
            assert process.stdin
            process.stdin.close()
        try:
            process.wait(SECONDS_TO_LEAVE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _converse(self, job: Job, hear: Hear) -> tuple[int | None, bool]:
        """Hand a job over and listen until its worker has ended.

        Returns its exit code, None when the nursery itself has died, and whether its time ran out.
        """
        process = self._started()
        assert process.stdin and process.stdout
        timed_out = threading.Event()

        def run_out() -> None:
            timed_out.set()
            self._kill_worker()

        timer = threading.Timer(job.timeout_s, run_out) if job.timeout_s else None
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(job.model_dump_json() + "\n")
                process.stdin.flush()
            for line in process.stdout:
                message = json.loads(line)
                if "pid" in message:
                    self._worker = message["pid"]
                    hear(Started(job.run_id))
                    if timer:
                        timer.start()
                elif "progress" in message:
                    hear(Progressed(job.run_id, Progress(**message["progress"])))
                elif "store_error" in message:
                    raise StoreError(message["store_error"])
                elif "exit" in message:
                    self._worker = None
                    return message["exit"], timed_out.is_set()
        finally:
            if timer:
                timer.cancel()
        died = process.wait()
        self._process = self._worker = None
        if died > 0 and not self._closed:
            raise PlaceError(f"worker processes cannot be started: exit code {died}; the reason stands above")
        return None, timed_out.is_set()

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lshexp.runs.nursery", self._place, self._runner],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=_environment(),
            )
            threading.Thread(target=self._guard, args=(self._process,), daemon=True).start()
        return self._process

    def _guard(self, process: subprocess.Popen[str]) -> None:
        """End the worker with its nursery: it holds the pipe open that would tell us."""
        process.wait()
        self._kill_worker()

    def _kill_worker(self) -> None:
        if self._worker is not None:
            with contextlib.suppress(OSError):
                os.kill(self._worker, signal.SIGKILL)


def _environment() -> dict[str, str]:
    """This process's environment, its import path, and a BLAS that starts no threads before the fork.

    The run sets its own number of BLAS threads later. Kernel threads with nothing to do wait for a moment, as
    the next kernel is near, and then sleep: by default they go on spinning, on the core on which the next
    block of a dense product could be computed.
    """
    path = os.pathsep.join(folder or os.curdir for folder in sys.path)
    spins = os.environ.get("GOMP_SPINCOUNT", SPINS)
    return {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "GOMP_SPINCOUNT": spins}


def _reason(exit_code: int | None) -> str:
    """Why a worker has ended without a record, in words."""
    if exit_code is None:
        return "the worker's parent process was killed"
    if exit_code >= 0:
        return f"the worker ended with exit code {exit_code}"
    name = signal.Signals(-exit_code).name if -exit_code in set(signal.Signals) else str(-exit_code)
    hint = "; was the machine out of memory?" if name == "SIGKILL" else ""
    return f"the worker was killed by {name}{hint}"

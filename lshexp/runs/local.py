"""Runs in processes of their own on this machine, one or several at a time.

Importing the training code takes a second; a fork of a process that has done so takes milliseconds. So the
fork server of `multiprocessing` imports it once and forks a fresh worker for each run: one that crashes, is
killed or runs out of time costs one row of the tables.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import time
import types
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import connection, reduction
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from lshexp.errors import PlaceError, StoreError
from lshexp.nn.result import Progress
from lshexp.runs.executors import Ended, Executor, Notify, Progressed, Started
from lshexp.runs.overlap import OverlapWatch
from lshexp.runs.record import Job
from lshexp.runs.store import Store
from lshexp.runs.worker import (
    TRAINER,
    Outcome,
    do_job,
    ending,
    import_path,
    keep_failure,
    load_runner,
    logged,
    out_of_time,
    worker_environment,
)

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess

ATTEMPTS = 3  # to have a worker forked: its server may be killed at any instant
MOST_LOST = 5
SECONDS_TO_LEAVE = 5.0
PRELOADED = ["lshexp.tasks.base", "lshexp.nn.trainer", "lshexp.runs.local"]
SERVER_KILLED = 255  # what `multiprocessing` says of a worker whose server has gone before it


class Local(Executor):
    """Each run in a worker process, so that a crash, a kill or a time-out costs one row."""

    def __init__(self, jobs: int = 1, runner: str = TRAINER) -> None:
        self.slots = jobs
        self._runner = runner
        # of the overlap watch: runs that follow each other in a slot share its file
        self._free = [uuid.uuid4().hex for _ in range(jobs)]
        self._workers: list[Worker] = []
        self._lost = 0  # workers that have ended in a row without having begun

    def start(self, job: Job, notify: Notify) -> bool:
        """Have a worker forked for the job, unless another driver is doing it. Raises PlaceError."""
        with Store(job.folder).claimed(job.run_id) as free:
            if not free:
                return False
        place = self._free.pop()
        self._workers.append(Worker(job, place, *_forked(job, self._runner, place)))
        return True

    def wait(self, notify: Notify, seconds: float) -> list[Ended]:
        """Listen to the workers; end those whose time is over."""
        now = time.monotonic()
        for worker in self._workers:
            if worker.deadline is not None and now >= worker.deadline:
                worker.timed_out = True
                worker.kill()
            seconds = min(seconds, max(0.0, (worker.deadline or now + seconds) - now))
        sources: list[Any] = [worker.link for worker in self._workers if worker.linked]
        ready = connection.wait([*sources, *(worker.process.sentinel for worker in self._workers)], seconds)
        ended = []
        for worker in list(self._workers):
            if worker.link in ready:
                worker.receive(notify)
            if worker.process.sentinel in ready:
                self._workers.remove(worker)
                self._free.append(worker.place)
                ended.append(worker.finish(notify))
                # one that has begun and found its run taken by another driver is not lost
                self._lost = 0 if worker.begun else self._lost + 1
        if self._lost > MOST_LOST:
            raise PlaceError(f"worker processes cannot be started: {self._lost} have ended before they began")
        return ended

    def stop(self) -> None:
        """Kill what is running and wait until it is gone; its runs are left to be done."""
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.join()
            self._free.append(worker.place)
        self._workers.clear()
        for place in self._free:
            OverlapWatch(place=place).leave()


@dataclass
class Worker:
    """The driver's side of one worker process."""

    job: Job
    place: str
    process: ForkServerProcess
    link: Connection
    linked: bool = True  # until the worker's end is closed
    begun: bool = False  # whether it was let begin its job
    handle: int | None = None  # a pidfd, so that no other process of this number can be killed in its place
    deadline: float | None = None
    timed_out: bool = False
    outcome: Outcome | None = None
    complaint: tuple[str, str] | None = None  # what kept it from doing its job: kind and message

    def receive(self, notify: Notify) -> None:
        """Take in all that the worker has sent."""
        try:
            if self.handle is None:
                self._introduced(notify)
            while self.link.poll():
                kind, content = self.link.recv()
                if kind == "progress":
                    notify(Progressed(self.job.run_id, Progress(**content)))
                elif kind == "outcome":
                    self.outcome = content
                else:
                    self.complaint = kind, content
        except (EOFError, OSError):
            self.linked = False

    def _introduced(self, notify: Notify) -> None:
        """Take the worker's handle and let it begin."""
        if hasattr(os, "pidfd_open"):
            self.handle = reduction.recv_handle(self.link)
        else:
            self.link.recv_bytes()
            self.handle = -1
        self.begun = True
        self.link.send_bytes(b"begin")
        if self.job.timeout_s:
            self.deadline = time.monotonic() + self.job.timeout_s
        notify(Started(self.job.run_id))

    def finish(self, notify: Notify) -> Ended:
        """Say what came of the job once the process has ended; keep a failure that it could not record.

        Raises StoreError and PlaceError for what the worker has complained of.
        """
        self.receive(notify)
        orphaned = self.process.exitcode == SERVER_KILLED and self._alive()
        if orphaned:
            self.kill()
        exit_code = self.process.exitcode or 0
        self.join()
        if self.complaint is not None:
            kind, message = self.complaint
            raise StoreError(message) if kind == "store_error" else PlaceError(message)
        if not self.begun:
            if 0 < exit_code < SERVER_KILLED:
                raise PlaceError(
                    f"worker processes cannot be started: exit code {exit_code}; the reason stands above"
                )
            return Ended(self.job.run_id, "taken")  # killed before it did anything
        if self.outcome is None:
            reason = "the worker's parent process was killed" if orphaned else ending(exit_code)
            keep_failure(self.job, out_of_time(self.job) if self.timed_out else reason)
        return Ended(self.job.run_id, self.outcome or "done")

    def kill(self) -> None:
        """End the process, whatever it is doing; one that has not begun leaves by itself."""
        if self.handle is None:
            self.link.close()
        elif self.handle >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)
        else:  # not Linux
            self.process.kill()

    def join(self) -> None:
        """Wait until the process is gone and close what belongs to it."""
        self.process.join(SECONDS_TO_LEAVE)
        if self._alive():  # its server was killed, so that its end was not seen
            connection.wait([self.handle or 0], SECONDS_TO_LEAVE)
        self.link.close()
        if self.handle is not None and self.handle >= 0:
            os.close(self.handle)
        self.handle = None

    def _alive(self) -> bool:
        handle = self.handle
        return handle is not None and handle >= 0 and not connection.wait([handle], 0)


def _forked(job: Job, runner: str, place: str) -> tuple[ForkServerProcess, Connection]:
    """Have the fork server start a worker; returns the process and our end of the link to it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    for attempt in range(1, ATTEMPTS + 1):
        ours, theirs = context.Pipe()
        arguments = (job.model_dump_json(), runner, place, worker_environment(), theirs)
        process = context.Process(target=_work, args=arguments, name=f"lshexp {job.run_id}")
        try:
            with _without_main_module(), _server_environment():
                process.start()
            return process, ours
        except (OSError, EOFError) as error:
            ours.close()
            if attempt == ATTEMPTS:
                raise PlaceError(f"worker processes cannot be started: {error}") from error
        finally:
            theirs.close()
    raise AssertionError("unreachable")


@contextlib.contextmanager
def _without_main_module() -> Iterator[None]:
    """Keep `multiprocessing` from running the caller's script again in each worker.

    A worker needs nothing of it, and a script without an `if __name__ == "__main__"` would start the sweep
    once more in there.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _server_environment() -> Iterator[None]:
    """What the fork server must find, should it have to be started: our import path, and a BLAS that starts
    no threads before the fork. A run sets its own number of BLAS threads."""
    ours = {"PYTHONPATH": import_path(), "OPENBLAS_NUM_THREADS": "1"}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _work(text: str, runner: str, place: str, environment: dict[str, str], link: Connection) -> None:
    """Do one job in a worker process, under the driver's environment variables, and answer through `link`.

    It begins only when the driver knows it, so that no run is ever done unseen. The interrupt key is the
    driver's business, which ends its workers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # a collection would touch, and so copy, every page of what the server has imported
    os.environ.clear()
    os.environ.update(environment)

    def answer(kind: str, content: Any) -> None:
        with contextlib.suppress(OSError):  # a driver that has gone is no reason to stop
            link.send((kind, content))

    try:
        _introduce(link)
    except (OSError, EOFError):
        return
    try:
        job, run = Job.model_validate_json(text), load_runner(runner)
    except Exception as error:
        answer("unable", f"worker processes cannot be started: {type(error).__name__}: {error}")
        return
    try:
        outcome = do_job(
            job,
            logged(job, run),
            lambda progress: answer("progress", vars(progress)),
            OverlapWatch(place=place),
        )
        answer("outcome", outcome)
    except StoreError as error:
        answer("store_error", str(error))


def _introduce(link: Connection) -> None:
    """Give the driver a handle of this process, and wait until it has it."""
    if hasattr(os, "pidfd_open"):
        own = os.pidfd_open(os.getpid())
        reduction.send_handle(link, own, None)
        os.close(own)
    else:
        link.send_bytes(b"here")
    link.recv_bytes()

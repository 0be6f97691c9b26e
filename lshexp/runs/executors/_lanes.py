"""Several jobs at a time: one thread for each lane, all taking from one line of jobs."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Protocol

from lshexp.runs.executors._base import Event, Hear
from lshexp.runs.job import Job

PATIENCE_S = 0.3  # between two looks at a run that another driver is doing


class Lane(Protocol):
    """A place that does one job at a time."""

    def do(self, job: Job, hear: Hear) -> bool:
        """Do a job and tell what happens. Returns False when another driver is doing it just now."""

    def close(self) -> None:
        """Stop what is running; called from another thread."""


def run_in_lanes(jobs: Iterator[Job], lanes: Sequence[Lane], hear: Hear) -> None:
    """Do the jobs in all lanes at once, until all have ended; `hear` is called in the caller's thread.

    An exception of a lane, of the iterator of jobs or of `hear` stops everything and is raised here.
    """
    line = _Line(jobs)
    heard: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()

    def serve(lane: Lane) -> None:
        try:
            while (job := line.next()) is not None:
                if not lane.do(job, heard.put):
                    line.put_back(job)
            heard.put(None)
        except BaseException as error:
            heard.put(error)

    threads = [threading.Thread(target=serve, args=(lane,), daemon=True) for lane in lanes]
    for thread in threads:
        thread.start()
    busy = len(threads)
    try:
        while busy:
            event = heard.get()
            if isinstance(event, BaseException):
                raise event
            if event is None:
                busy -= 1
            else:
                hear(event)
    finally:
        line.stop()
        for lane in lanes:
            lane.close()
        for thread in threads:
            thread.join()


class _Line:
    """Jobs that wait, safe to be called from several threads."""

    def __init__(self, jobs: Iterator[Job]) -> None:
        self._jobs = jobs
        self._later: deque[tuple[float, Job]] = deque()
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def next(self) -> Job | None:
        """Wait for a job that is due; None when there is none left, or the line has been stopped."""
        while not self._stopped.is_set():
            with self._lock:
                job = next(self._jobs, None)
                if job is not None:
                    return job
                if not self._later:
                    return None
                if self._later[0][0] <= time.monotonic():
                    return self._later.popleft()[1]
            self._stopped.wait(PATIENCE_S / 3)
        return None

    def put_back(self, job: Job) -> None:
        """Have a job asked for again a little later."""
        with self._lock:
            self._later.append((time.monotonic() + PATIENCE_S, job))

    def stop(self) -> None:
        """Hand out no more jobs."""
        self._stopped.set()

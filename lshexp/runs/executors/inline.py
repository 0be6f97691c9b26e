"""Runs one after another in this very process: for a debugger, and for tests that bring their own run."""

from __future__ import annotations

import time
from collections.abc import Iterator

from lshexp.nn.result import Reporter, RunResult
from lshexp.runs.executors._base import Ended, Hear, Progressed, Started
from lshexp.runs.executors._lanes import PATIENCE_S
from lshexp.runs.job import Job
from lshexp.runs.nursery import TRAINER, load_runner
from lshexp.runs.overlap import OverlapWatch
from lshexp.runs.worker import RunFunction, work
from lshexp.spec import RunSpec


class Inline:
    """No isolation: what crashes a run crashes the sweep."""

    def __init__(self, run: RunFunction | None = None) -> None:
        self._run = run or load_runner(TRAINER)
        self._watch = OverlapWatch()

    def run(self, jobs: Iterator[Job], hear: Hear) -> None:
        """Do the jobs in order; those that another driver is doing come last."""
        taken = [job for job in jobs if not self._do(job, hear)]
        while taken:
            time.sleep(PATIENCE_S)
            taken = [job for job in taken if not self._do(job, hear)]
        self._watch.leave()

    def _do(self, job: Job, hear: Hear) -> bool:
        def run(spec: RunSpec, report: Reporter | None) -> RunResult:
            hear(Started(job.run_id))
            return self._run(spec, report)

        outcome = work(job, run, lambda progress: hear(Progressed(job.run_id, progress)), self._watch)
        if outcome == "taken":
            return False
        hear(Ended(job.run_id, outcome))
        return True

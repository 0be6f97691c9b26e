"""Runs as jobs of a Slurm cluster, submitted by submitit."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lshexp.io import make_folder, write_atomic
from lshexp.runs.executors._base import Ended, Hear, Started
from lshexp.runs.executors._remote import do_remotely, for_remote, need
from lshexp.runs.job import Job
from lshexp.runs.nursery import TRAINER
from lshexp.runs.worker import Outcome, keep_failure

POLL_S = 1.0
FOLDER = "slurm"  # below the results: submitit's files, and which job does which run


class Slurm:
    """One Slurm job for each run, `jobs` of them at a time.

    With `detach` they are only submitted. The same sweep later finds the jobs it has submitted and waits for
    them; none is submitted again while Slurm says that it is queued or running.
    """

    def __init__(
        self,
        jobs: int | None = None,
        *,
        detach: bool = False,
        options: Mapping[str, Any] | None = None,
        cluster: str = "slurm",
        runner: str = TRAINER,
    ) -> None:
        need("submitit", "slurm")
        self._jobs, self._detach, self._runner = jobs, detach, runner
        self._options, self._cluster = dict(options or {}), cluster

    def run(self, jobs: Iterator[Job], hear: Hear) -> None:
        """Submit what is not submitted yet, and wait for all unless detached."""
        waiting = {}
        for job in jobs:
            executor = self._executor(job)
            waiting[job.run_id] = (job, self._submitted(executor, job) or self._submit(executor, job))
            hear(Started(job.run_id))
        while waiting and not self._detach:
            for run_id, (job, ticket) in list(waiting.items()):
                if not ticket.done():
                    continue
                del waiting[run_id]
                outcome = self._outcome(job, ticket)
                if outcome == "taken":
                    waiting[run_id] = (job, self._submit(self._executor(job), job))
                else:
                    hear(Ended(run_id, outcome))
            time.sleep(POLL_S if waiting else 0)

    def _executor(self, job: Job) -> Any:
        import submitit

        folder = job.folder / FOLDER
        make_folder(folder)
        executor = submitit.AutoExecutor(folder=folder, cluster=self._cluster)
        minutes = {} if job.timeout_s is None else {"timeout_min": int(job.timeout_s // 60) + 5}
        parallel = {"slurm_array_parallelism": self._jobs} if self._jobs else {}
        executor.update_parameters(
            name=job.run_id, cpus_per_task=job.spec.threads, **minutes, **parallel, **self._options
        )
        return executor

    def _submit(self, executor: Any, job: Job) -> Any:
        ticket = executor.submit(do_remotely, for_remote(job), self._runner)
        write_atomic(_note(job), f"{ticket.job_id} {job.stamp}\n".encode())
        return ticket

    def _submitted(self, executor: Any, job: Job) -> Any | None:
        """The Slurm job that an earlier call submitted for this very run, unless it has come to nothing."""
        try:
            job_id, stamp = _note(job).read_text(encoding="ascii").split()
        except (OSError, ValueError):
            return None
        if stamp != str(job.stamp):
            return None  # it has ended, and left the record that is now to be replaced
        ticket = self._job_class()(folder=executor.folder, job_id=job_id)
        return None if ticket.done() else ticket

    def _job_class(self) -> Any:
        import submitit

        return submitit.LocalJob if self._cluster == "local" else submitit.SlurmJob

    def _outcome(self, job: Job, ticket: Any) -> Outcome:
        """What came of a job; one that Slurm ended leaves a failed row here."""
        try:
            outcome: Outcome = ticket.result()
            return outcome
        except Exception as error:
            keep_failure(job, f"the Slurm job {ticket.job_id} came to nothing: {error}", _log(ticket))
            return "done"


def _note(job: Job) -> Path:
    return job.folder / FOLDER / f"{job.run_id}.job"


def _log(ticket: Any) -> str:
    with contextlib.suppress(Exception):
        return str(ticket.stderr() or "")
    return ""

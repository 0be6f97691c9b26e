"""Runs on other machines: the workers of a Dask cluster, or jobs of a Slurm cluster.

All machines must see the results folder under the same path; a run's record goes there, and only how it
ended comes back. What a running job reports of its progress stays where it runs.
"""

from __future__ import annotations

import contextlib
import importlib.util
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from lshexp.errors import ConfigError, LshexpError, PlaceError
from lshexp.io import make_folder, write_atomic
from lshexp.runs.executors import Ended, Executor, Notify, Started
from lshexp.runs.record import Job
from lshexp.runs.worker import TRAINER, Outcome, keep_failure, run_in_subprocess

ANSWER_S = 30  # for a Dask scheduler to answer
ALL_AT_ONCE = 100_000  # as many jobs as a sweep may have runs
FOLDER = "slurm"  # below the results: submitit's files, and which Slurm job does which run


def _as_text(job: Job) -> str:
    """The job as JSON, for a machine that sees the same files but has an environment of its own."""
    return job.model_copy(update={"folder": job.folder.absolute(), "env": None}).model_dump_json()


def _require(module: str, executor: str) -> None:
    """Raise ConfigError when the library of an executor is not installed."""
    if importlib.util.find_spec(module) is None:
        raise ConfigError(
            f"--executor {executor} needs {module}, which is not installed; pip install 'lshexp[{executor}]'"
        )


def _outcome(job: Job, result: Callable[[], Outcome], failed: str) -> Outcome:
    """The outcome of a job that has ended; one that the cluster ended leaves a failed row here.

    Raises StoreError when its record could not be kept.
    """
    try:
        return result()
    except LshexpError:
        raise
    except Exception as error:
        keep_failure(job, f"{failed}: {error or type(error).__name__}")
        return "done"


class Dask(Executor):
    """As many jobs at a time as the cluster has worker threads, or `jobs`.

    Without an address a cluster is started on this machine.
    """

    def __init__(self, address: str | None = None, jobs: int | None = None, runner: str = TRAINER) -> None:
        _require("distributed", "dask")
        self._address, self._jobs, self._runner = address, jobs, runner
        self.here = address is None
        self._stack = contextlib.ExitStack()
        self._client: Any = None
        self._running: dict[Any, Job] = {}

    def run(self, jobs: Iterable[Job], notify: Notify, go_on: Callable[[], bool] = lambda: True) -> None:
        """Do the jobs on the cluster. Raises PlaceError when it cannot be reached or has no workers."""
        try:
            self._client = self._connect()
            self.slots = self._jobs or sum(self._client.nthreads().values())
            if not self.slots:
                raise PlaceError(
                    f"the Dask scheduler {self._address} has no workers; start some and try again"
                )
            super().run(jobs, notify, go_on)
        finally:
            self.stop()

    def _connect(self) -> Any:
        import distributed

        dask: Any = distributed  # it has no types
        address: Any = self._address
        if address is None:
            address = self._stack.enter_context(
                dask.LocalCluster(n_workers=self._jobs or 1, threads_per_worker=1, dashboard_address=None)
            )
        try:
            return self._stack.enter_context(dask.Client(address, timeout=ANSWER_S))
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise PlaceError(
                f"--address {self._address}: no Dask scheduler answers there ({reason})"
            ) from None

    def start(self, job: Job, notify: Notify) -> bool:
        future = self._client.submit(run_in_subprocess, _as_text(job), self._runner, pure=False)
        self._running[future] = job
        notify(Started(job.run_id))
        return True

    def wait(self, notify: Notify, seconds: float) -> list[Ended]:
        import distributed

        dask: Any = distributed
        with contextlib.suppress(TimeoutError):
            dask.wait(list(self._running), timeout=seconds, return_when="FIRST_COMPLETED")
        ended = []
        for future in [future for future in self._running if future.done()]:
            job = self._running.pop(future)
            ended.append(Ended(job.run_id, _outcome(job, future.result, "the Dask worker failed")))
        return ended

    def stop(self) -> None:
        """Take back jobs that have not begun; one that is running ends by itself and keeps its record."""
        for future in self._running:
            future.cancel()
        self._running.clear()
        self._stack.close()


class Slurm(Executor):
    """One Slurm job for each run, submitted by submitit; `jobs` of them at a time, or all at once.

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
        _require("submitit", "slurm")
        self.slots = jobs or ALL_AT_ONCE
        self._detach, self._runner = detach, runner
        self._options, self._cluster = dict(options or {}), cluster
        self._running: dict[str, tuple[Job, Any]] = {}  # with submitit's side of the job

    def run(self, jobs: Iterable[Job], notify: Notify, go_on: Callable[[], bool] = lambda: True) -> None:
        """Submit what is not submitted yet, and wait for all unless detached."""
        if not self._detach:
            super().run(jobs, notify, go_on)
            return
        for job in jobs:
            self.start(job, notify)

    def start(self, job: Job, notify: Notify) -> bool:
        """Submit the job, unless an earlier call has. Raises PlaceError when Slurm refuses it."""
        executor = self._executor(job)
        self._running[job.run_id] = job, self._submitted(executor, job) or self._submit(executor, job)
        notify(Started(job.run_id))
        return True

    def wait(self, notify: Notify, seconds: float) -> list[Ended]:
        ended = []
        for run_id, (job, ticket) in list(self._running.items()):
            if ticket.done():
                del self._running[run_id]
                ended.append(Ended(run_id, self._outcome(job, ticket)))
        if not ended:
            time.sleep(seconds)
        return ended

    def stop(self) -> None:
        """Leave submitted jobs to Slurm: the same sweep finds them again."""
        self._running.clear()

    def _executor(self, job: Job) -> Any:
        import submitit

        folder = job.folder / FOLDER
        make_folder(folder)
        executor = submitit.AutoExecutor(folder=folder, cluster=self._cluster)
        minutes = {} if job.timeout_s is None else {"timeout_min": int(job.timeout_s // 60) + 5}
        executor.update_parameters(
            name=job.run_id, cpus_per_task=job.spec.threads, **minutes, **self._options
        )
        return executor

    def _submit(self, executor: Any, job: Job) -> Any:
        try:
            ticket = executor.submit(run_in_subprocess, _as_text(job), self._runner)
        except Exception as error:  # submitit and sbatch have many ways of saying no
            reason = " ".join(str(error).split())[:300]
            raise PlaceError(f"Slurm does not take run {job.run_id}: {reason}") from error
        write_atomic(_note(job), f"{ticket.job_id} {job.stamp}\n".encode())
        return ticket

    def _submitted(self, executor: Any, job: Job) -> Any | None:
        """The Slurm job that an earlier call submitted for this very run, unless it has ended."""
        import submitit

        try:
            job_id, stamp = _note(job).read_text(encoding="ascii").split()
        except (OSError, ValueError):
            return None
        if stamp != str(job.stamp):
            return None  # it has ended, and left the record that is now to be replaced
        job_class = submitit.LocalJob if self._cluster == "local" else submitit.SlurmJob
        ticket: Any = job_class(folder=executor.folder, job_id=job_id)
        return None if ticket.done() else ticket

    def _outcome(self, job: Job, ticket: Any) -> Outcome:
        return _outcome(job, ticket.result, f"the Slurm job {ticket.job_id} failed")


def _note(job: Job) -> Path:
    """The file that says which Slurm job does a run, and which record it replaces."""
    return job.folder / FOLDER / f"{job.run_id}.job"

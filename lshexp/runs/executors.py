"""What an executor is, the loop they share, and the plain one: it does jobs and says what happens."""

from __future__ import annotations

import shutil
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lshexp.errors import ConfigError
from lshexp.nn.result import Progress, Reporter, RunResult
from lshexp.runs.environment import usable_cores
from lshexp.runs.overlap import OverlapWatch
from lshexp.runs.plan import PlannedRun
from lshexp.runs.record import Job
from lshexp.runs.worker import TRAINER, Outcome, RunFunction, do_job, load_runner
from lshexp.spec import RunSpec

RETRY_S = 0.3  # between two looks at a run that another driver is doing
WAIT_S = 1.0  # the most that an executor waits for news before the loop goes round


@dataclass(frozen=True)
class Started:
    """A run begins."""

    run_id: str


@dataclass(frozen=True)
class Progressed:
    """A heartbeat of a running run."""

    run_id: str
    progress: Progress


@dataclass(frozen=True)
class Ended:
    """The run's record is in the store: an executor carries no results itself."""

    run_id: str
    outcome: Outcome  # already: another driver was quicker; taken: another one is doing it just now


Event = Started | Progressed | Ended
Notify = Callable[[Event], None]


class Executor(ABC):
    """Where and how jobs are done."""

    slots: int = 1  # runs that may be going at a time
    here: bool = True  # whether runs read the data files that this machine sees

    def run(self, jobs: Iterable[Job], notify: Notify, go_on: Callable[[], bool] = lambda: True) -> None:
        """Do the jobs in their order, as many at a time as there are slots, and report what happens.

        `go_on` is asked before each start; once it says no, what is running ends and nothing else begins.
        A job that another driver is doing is tried again until its record is there. An exception, also one
        of `notify`, stops what is running. Raises StoreError when records cannot be kept, PlaceError when
        runs cannot be done here.
        """
        queue = deque((0.0, job) for job in jobs)  # not before this instant, and what
        running: dict[str, Job] = {}
        try:
            while queue or running:
                while queue and len(running) < self.slots and queue[0][0] <= time.monotonic():
                    if not go_on():
                        queue.clear()
                        break
                    job = queue.popleft()[1]
                    if self.start(job, notify):
                        running[job.run_id] = job
                    else:
                        queue.append((time.monotonic() + RETRY_S, job))
                if not running:
                    time.sleep(RETRY_S / 3 if queue else 0)
                    continue
                for ended in self.wait(notify, RETRY_S if queue else WAIT_S):
                    job = running.pop(ended.run_id)
                    if ended.outcome == "taken":
                        queue.append((time.monotonic() + RETRY_S, job))
                    else:
                        notify(ended)
        finally:
            self.stop()

    @abstractmethod
    def start(self, job: Job, notify: Notify) -> bool:
        """Begin a job. Returns False when another driver is seen to be doing it."""

    @abstractmethod
    def wait(self, notify: Notify, seconds: float) -> list[Ended]:
        """Pass on what running jobs report, and return those that end within about so many seconds."""

    @abstractmethod
    def stop(self) -> None:
        """End what is running and let go of all that was started; the executor can be used again."""


class Inline(Executor):
    """Runs in this very process, one after another: for a debugger. What crashes a run crashes the sweep."""

    def __init__(self, run: RunFunction | None = None) -> None:
        self._run = run or load_runner(TRAINER)
        self._watch = OverlapWatch()
        self._ended: list[Ended] = []

    def start(self, job: Job, notify: Notify) -> bool:
        """Do the job to its end."""

        def run(spec: RunSpec, report: Reporter | None, **keep: Path) -> RunResult:
            notify(Started(job.run_id))
            return self._run(spec, report, **keep)

        outcome = do_job(job, run, lambda progress: notify(Progressed(job.run_id, progress)), self._watch)
        if outcome == "taken":
            return False
        self._ended.append(Ended(job.run_id, outcome))
        return True

    def wait(self, notify: Notify, seconds: float) -> list[Ended]:
        ended, self._ended = self._ended, []
        return ended

    def stop(self) -> None:
        self._watch.leave()


def build_executor(
    name: str,
    runs: Sequence[PlannedRun],
    jobs: int | None = None,
    *,
    oversubscribe: bool = False,
    address: str | None = None,
    detach: bool = False,
    limited: str | None = None,
) -> Executor:
    """Make the executor of this name for these runs, `jobs` of them at a time.

    `limited` is the option, if any, that may keep runs from being started, such as --budget.

    Raises ConfigError for options that it has no use for, a library or scheduler that is not there, or more
    threads than cores.
    """
    if address is not None and name != "dask":
        raise ConfigError(f"--address is of no use to the executor '{name}'; add --executor dask")
    if detach and name != "slurm":
        raise ConfigError(f"--detach is of no use to the executor '{name}'; add --executor slurm")
    if not oversubscribe and (name == "local" or (name == "dask" and address is None)):
        _check_cores(runs, jobs or 1)
    if name == "local":
        from lshexp.runs.local import Local

        return Local(jobs or 1)
    if name == "inline":
        if (jobs or 1) > 1:
            raise ConfigError("--jobs: the executor 'inline' does one run at a time; leave -j out")
        return Inline()
    if name == "dask":
        from lshexp.runs.clusters import Dask

        return Dask(address, jobs)
    if name == "slurm":
        from lshexp.runs.clusters import Slurm

        _check_slurm(jobs, detach, limited)
        return Slurm(jobs, detach=detach)
    raise ConfigError(f"unknown executor '{name}'; there are local, inline, dask and slurm")


def _check_slurm(jobs: int | None, detach: bool, limited: str | None) -> None:
    """Refuse what cannot be kept to once jobs have been handed to Slurm, and a machine without it."""
    if detach and (jobs or limited):
        option = "--jobs" if jobs else limited
        raise ConfigError(
            f"{option} has no effect with --detach, which submits all runs and leaves; leave one of them out"
        )
    if limited and not jobs:
        raise ConfigError(
            f"{limited}: without --jobs Slurm is handed all runs at once, and starts them when it likes; "
            "add -j N, and the next run is submitted when one of N has ended"
        )
    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise ConfigError(
            "--executor slurm: there is no sbatch and srun on this machine; "
            "run the command where jobs of a Slurm cluster are submitted"
        )


def _check_cores(runs: Sequence[PlannedRun], jobs: int) -> None:
    """Refuse to have runs slow each other down unasked: their times would mean nothing."""
    threads = max((run.spec.threads for run in runs), default=1)
    cores = usable_cores()
    if jobs > 1 and cores is not None and jobs * threads > cores:
        fit = max(1, cores // threads)
        raise ConfigError(
            f"--jobs: {jobs} runs of {threads} thread{'s' * (threads > 1)} need {jobs * threads} cores and "
            f"there are {cores}; use -j {fit}, or --oversubscribe if times do not matter"
        )

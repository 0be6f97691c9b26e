"""Where runs are done: one file each."""

from __future__ import annotations

from collections.abc import Sequence

from lshexp.errors import ConfigError
from lshexp.runs.environment import usable_cores
from lshexp.runs.executors._base import Executor
from lshexp.runs.plan import PlannedRun


def build_executor(
    name: str,
    runs: Sequence[PlannedRun],
    jobs: int | None = None,
    *,
    oversubscribe: bool = False,
    address: str | None = None,
    detach: bool = False,
) -> Executor:
    """Make the executor of this name for these runs, `jobs` of them at a time.

    Raises ConfigError for options that it has no use for, a library that is not installed, or more threads
    than cores.
    """
    if address is not None and name != "dask":
        raise ConfigError(f"--address is of no use to the executor '{name}'; add --executor dask")
    if detach and name != "slurm":
        raise ConfigError(f"--detach is of no use to the executor '{name}'; add --executor slurm")
    if name == "local":
        if not oversubscribe:
            _check_cores(runs, jobs or 1)
        from lshexp.runs.executors.local import Local

        return Local(jobs or 1)
    if name == "inline":
        if (jobs or 1) > 1:
            raise ConfigError("--jobs: the executor 'inline' does one run at a time; leave -j out")
        from lshexp.runs.executors.inline import Inline

        return Inline()
    if name == "dask":
        from lshexp.runs.executors.dask import Dask

        return Dask(address, jobs)
    if name == "slurm":
        from lshexp.runs.executors.slurm import Slurm

        return Slurm(jobs, detach=detach)
    raise ConfigError(f"unknown executor '{name}'; there are local, inline, dask and slurm")


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

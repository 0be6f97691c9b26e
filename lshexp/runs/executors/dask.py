"""Runs on the workers of a Dask cluster: one that is there, or one that is started here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from lshexp.errors import PlaceError
from lshexp.runs.executors._base import Ended, Hear, Started
from lshexp.runs.executors._lanes import run_in_lanes
from lshexp.runs.executors._remote import do_remotely, for_remote, need
from lshexp.runs.job import Job
from lshexp.runs.nursery import TRAINER

PATIENCE_S = 30  # for a scheduler to answer


class Dask:
    """As many jobs at a time as the cluster has worker threads, or `jobs`.

    Workers must see the results folder under the same path. They do not send progress.
    """

    def __init__(self, address: str | None = None, jobs: int | None = None, runner: str = TRAINER) -> None:
        need("distributed", "dask")
        self._address, self._jobs, self._runner = address, jobs, runner

    def run(self, jobs: Iterator[Job], hear: Hear) -> None:
        """Do the jobs on the cluster. Raises PlaceError when it cannot be reached or has no workers."""
        with contextlib.ExitStack() as stack:
            client = stack.enter_context(self._client(stack))
            slots = self._jobs or sum(client.nthreads().values())
            if not slots:
                raise PlaceError(
                    f"the Dask scheduler {self._address} has no workers; start some and try again"
                )
            run_in_lanes(jobs, [_Lane(client, self._runner) for _ in range(slots)], hear)

    def _client(self, stack: contextlib.ExitStack) -> Any:
        import distributed

        dask: Any = distributed  # it has no types
        address: Any = self._address
        if address is None:
            address = stack.enter_context(
                dask.LocalCluster(n_workers=self._jobs or 1, threads_per_worker=1, dashboard_address=None)
            )
        try:
            return dask.Client(address, timeout=PATIENCE_S)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise PlaceError(
                f"--address {self._address}: no Dask scheduler answers there ({reason})"
            ) from None


class _Lane:
    """One job at a time of those that the cluster has."""

    def __init__(self, client: Any, runner: str) -> None:
        self._client, self._runner = client, runner
        self._future: Any = None

    def do(self, job: Job, hear: Hear) -> bool:
        """Submit a job and wait for it."""
        self._future = self._client.submit(do_remotely, for_remote(job), self._runner, pure=False)
        hear(Started(job.run_id))
        outcome = self._future.result()
        if outcome == "taken":
            return False
        hear(Ended(job.run_id, outcome))
        return True

    def close(self) -> None:
        """Take a job back that has not begun; one that is running ends by itself and keeps its record."""
        if self._future is not None:
            self._future.cancel()

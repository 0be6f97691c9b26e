"""What an executor is: it does jobs somewhere and says when each starts, goes on and has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from lshexp.nn.result import Progress
from lshexp.runs.job import Job


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
    outcome: Literal["done", "already"]  # already: another driver was quicker


Event = Started | Progressed | Ended
Hear = Callable[[Event], None]


class Executor(Protocol):
    """Where and how jobs are done."""

    def run(self, jobs: Iterator[Job], hear: Hear) -> None:
        """Do the jobs, taking the next one whenever there is room for it, and tell `hear` what happens.

        A job that another driver is doing is waited for. An exception, also one of `jobs` or `hear`, stops
        what is running. Raises StoreError when records cannot be kept, PlaceError when the place fails.
        """

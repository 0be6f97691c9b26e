"""What a sweep tells whoever watches it."""

from __future__ import annotations

from lshexp.nn.result import Progress
from lshexp.runs.plan import Plan, PlannedRun
from lshexp.runs.record import Record


class Listener:
    """Hears what happens in a sweep; each method does nothing until overridden. Must not raise."""

    def sweep_started(self, plan: Plan, to_run: int) -> None:
        """The plan is made, and `to_run` of its runs follow."""

    def run_started(self, run: PlannedRun) -> None:
        """A run begins."""

    def run_progressed(self, run: PlannedRun, progress: Progress) -> None:
        """A heartbeat of the running run, a few times a second at most."""

    def run_finished(self, run: PlannedRun, record: Record) -> None:
        """The run's record and the tables are on disk."""

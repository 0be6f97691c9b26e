"""What a sweep tells while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lshexp.nn.result import Progress
    from lshexp.runs.plan import Plan, PlannedRun
    from lshexp.runs.record import Record


class Listener:
    """Whoever watches a sweep; each method does nothing until overridden. Must not raise."""

    def sweep_started(self, plan: Plan, to_run: list[PlannedRun], slots: int) -> None:
        """The plan is made, and these of its runs follow, so many at a time."""

    def run_started(self, run: PlannedRun) -> None:
        """A run begins."""

    def run_progressed(self, run: PlannedRun, progress: Progress) -> None:
        """A heartbeat of the running run, a few times a second at most."""

    def run_finished(self, run: PlannedRun, record: Record) -> None:
        """The run's record is on disk."""

    def sweep_ended(self) -> None:
        """No run follows, whatever the reason."""

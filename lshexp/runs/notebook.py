"""A bar that shows, in a notebook, how far a sweep is."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

from lshexp.runs.listener import Listener
from lshexp.runs.pace import Pace, expected
from lshexp.runs.plan import label

if TYPE_CHECKING:
    from lshexp.nn.result import Progress
    from lshexp.runs.plan import Plan, PlannedRun
    from lshexp.runs.record import Record

FORM = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}{postfix}"


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


class NotebookBar(Listener):
    """One bar for the sweep, of tqdm's; runs that are going count by the share that is done."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._shares: dict[str, float] = {}
        self._done = self._total = 0

    def sweep_started(self, plan: Plan, to_run: list[PlannedRun], slots: int) -> None:
        from tqdm import TqdmWarning

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TqdmWarning)  # without ipywidgets its bar is one of text
            from tqdm.auto import tqdm

            self._bar = tqdm(total=len(to_run), desc=plan.name, bar_format=FORM)
        self._plan, self._total = plan, len(to_run)
        self._pace = Pace([run.run_id for run in to_run], expected(plan.name), slots)

    def run_started(self, run: PlannedRun) -> None:
        self._pace.started(run.run_id)
        self._show(run)

    def run_progressed(self, run: PlannedRun, progress: Progress) -> None:
        self._shares[run.run_id] = progress.share
        self._pace.progressed(run.run_id, progress.share)
        self._show(run)

    def run_finished(self, run: PlannedRun, record: Record) -> None:
        self._shares.pop(run.run_id, None)
        self._done += 1
        self._pace.finished(run.run_id)
        self._show(run)

    def sweep_ended(self) -> None:
        self._bar.close()

    def _show(self, run: PlannedRun) -> None:
        left = self._pace.left_s()
        words = [f"{self._done}/{self._total} runs", label(run, self._plan)]
        if left is not None and self._done < self._total:
            words.append(f"about {left:.0f} s left" if left < 90 else f"about {left / 60:.0f} min left")
        self._bar.set_postfix_str(", ".join(words), refresh=False)
        self._bar.n = self._done + sum(self._shares.values())
        self._bar.refresh()

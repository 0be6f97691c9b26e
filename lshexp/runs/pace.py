"""How long a sweep still takes: from what its runs were expected to take, and what they have taken so far."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import platformdirs

from lshexp.errors import StoreError
from lshexp.io import make_folder, write_atomic

MOST_BYTES = 2**24  # of a file of expected times
KNOWN_FROM = 0.05  # share of a run that must be done for its own speed to say when it ends


def keep_expected(name: str, seconds: Mapping[str, float]) -> None:
    """Keep what the runs of a sweep are expected to take, by run id, for the time when they are done.

    A dry run is where this is known. The file stands in the user's cache; where none can be written, nothing
    is kept.
    """
    with contextlib.suppress(OSError, StoreError):
        make_folder(_file(name).parent)
        write_atomic(_file(name), json.dumps({**expected(name), **seconds}).encode())


def expected(name: str) -> dict[str, float]:
    """Seconds that runs of the sweep of this name are expected to take, by run id; empty when not known."""
    try:
        text = _file(name).read_bytes()[: MOST_BYTES + 1]
        found = json.loads(text) if len(text) <= MOST_BYTES else {}
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        run_id: float(value)
        for run_id, value in found.items()
        if isinstance(value, int | float) and 0 < value < float("inf")
    }


def _file(name: str) -> Path:
    return Path(platformdirs.user_cache_dir("lshexp")) / "expected" / f"{name}.json"


class Pace:
    """The progress of the runs of one call, as many at a time as there are `slots`.

    A run is expected to take its own expected time, corrected by how much longer than expected others have
    taken; without any, the mean of those that have ended.
    """

    def __init__(
        self,
        runs: Iterable[str],
        expected: Mapping[str, float],
        slots: int = 1,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._waiting = dict.fromkeys(runs)
        self._expected, self._slots, self._now = expected, slots, now
        self._running: dict[str, tuple[float, float]] = {}  # when begun, and the share that is done
        self._took: dict[str, float] = {}

    def started(self, run_id: str) -> None:
        """A run begins."""
        self._waiting.pop(run_id, None)
        self._running[run_id] = self._now(), 0.0

    def progressed(self, run_id: str, share: float) -> None:
        """So much of a run is done, 0 to 1."""
        if run_id in self._running:
            self._running[run_id] = self._running[run_id][0], share

    def finished(self, run_id: str) -> None:
        """A run has ended."""
        self._waiting.pop(run_id, None)
        if run_id in self._running:
            self._took[run_id] = self._now() - self._running.pop(run_id)[0]

    def left_s(self) -> float | None:
        """Seconds until the last run ends; None as long as nothing tells."""
        parts = [self._whole(run) for run in self._waiting] + [self.left_of(run) for run in self._running]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        return max([sum(known) / self._slots, *known], default=0.0)

    def left_of(self, run_id: str) -> float | None:
        """Seconds until a running run ends; None as long as nothing tells."""
        whole = self._total(run_id) or self._whole(run_id)
        return None if whole is None else max(0.0, whole - (self._now() - self._running[run_id][0]))

    def _whole(self, run: str) -> float | None:
        """Seconds that a run takes in all, by what is known of others."""
        if run in self._expected:
            return self._expected[run] * self._slower()
        took = [*self._took.values(), *filter(None, map(self._total, self._running))]
        return sum(took) / len(took) if took else None

    def _total(self, run: str) -> float | None:
        """Seconds that a running run takes in all, by its own speed."""
        begun, share = self._running[run]
        return (self._now() - begun) / share if share >= KNOWN_FROM else None

    def _slower(self) -> float:
        """Time taken over time expected, of runs of which both are known."""
        both = [(took, self._expected[run]) for run, took in self._took.items() if run in self._expected]
        for run in self._running:
            total = self._total(run)
            if run in self._expected and total is not None:
                both.append((total, self._expected[run]))
        return sum(took for took, _ in both) / sum(wanted for _, wanted in both) if both else 1.0

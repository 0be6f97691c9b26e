"""Whether another run of ours was on the machine at the same time, so that times are not to be trusted.

Every place where runs are done one after another keeps an empty file in the user's cache folder. It is
locked while a run is going, and touched when a run starts and when it ends. A run overlapped another one
exactly when, at its end, another place's file is locked, or was touched since the run began. The lock dies
with its process.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from lshexp.io import file_lock

STALE_NS = 60 * 10**9
PATIENCE_S = 5.0  # another run's look at our file holds its lock for an instant


class OverlapWatch:
    """One place among those where this user's runs are done on this machine.

    A place has at most one run at a time; its name may be given so that the processes of a place share it.
    """

    def __init__(self, folder: Path | None = None, place: str | None = None) -> None:
        self._folder = folder or platformdirs.user_cache_path("lshexp") / "running"
        self._own = self._folder / f"{place or uuid.uuid4().hex}.lock"
        self.alone: bool | None = None  # of the last run watched; None = could not be found out
        self._remove_stale()

    @contextmanager
    def run(self) -> Iterator[None]:
        """Watch one run; `alone` holds the answer once the block has ended without an exception."""
        self.alone = None
        started = time.time_ns()
        with contextlib.ExitStack() as stack:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                held = stack.enter_context(file_lock(self._own, PATIENCE_S))
            except OSError:
                held = False
            if not held:
                yield  # no place to keep the file: the answer stays unknown
                return
            try:
                self._touch()
                yield
                with contextlib.suppress(OSError):
                    self.alone = not any(_active_since(started, other) for other in self._others())
            finally:
                self._touch()

    def leave(self) -> None:
        """Give the place up: take its file away, unless a run that it may have overlapped is still going."""
        with contextlib.suppress(OSError):
            if not any(_locked(other) for other in self._others()):
                self._own.unlink(missing_ok=True)

    def _touch(self) -> None:
        now = time.time_ns()
        with contextlib.suppress(OSError):
            os.utime(self._own, ns=(now, now))

    def _others(self) -> list[Path]:
        return [path for path in self._folder.glob("*.lock") if path != self._own]

    def _remove_stale(self) -> None:
        """Delete the files that no run has need of: idle for a while, and since before any run that is going.

        A place that is killed does not delete its own, nor does one that leaves while others are busy.
        """
        with contextlib.suppress(OSError):
            idle, began = [], time.time_ns() - STALE_NS
            for path in self._others():
                touched = path.stat().st_mtime_ns
                if _locked(path):
                    began = min(began, touched)  # when its run began
                else:
                    idle.append((touched, path))
            for touched, path in idle:
                if touched < began:
                    path.unlink(missing_ok=True)


def _active_since(instant: int, path: Path) -> bool:
    """Whether the place that owns `path` had a run going at or after `instant`, in ns since the epoch."""
    return path.stat().st_mtime_ns >= instant or _locked(path)


def _locked(path: Path) -> bool:
    """Whether a run is going at the place that owns `path`."""
    with file_lock(path, wait_s=0) as free:
        return not free

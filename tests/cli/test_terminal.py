"""A sweep watched in a real terminal of 80 columns: a pseudo-terminal, with a process at its other end."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SWEEP = """\
name: watched
dataset: {name: rectangles, train: 400, test: 100}
hidden: [30, 30]
active_pct: 20
sweep:
  - grid: {method: [lsh], lsh.K: [4, 5], lsh.L: [5, 10]}
"""
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command in a terminal of so many columns; `said` is what it has written."""

    def __init__(self, folder: Path, *words: str, columns: int = 80) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}
        environment |= {"XDG_CACHE_HOME": str(folder / "cache"), "NUMBA_CACHE_DIR": numba_cache()}
        for name in ("COLUMNS", "NO_COLOR"):
            environment.pop(name, None)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lshexp", *words],
            cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs,
            preexec_fn=lambda: (os.setsid(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)),
        )  # fmt: skip
        os.close(theirs)
        self.said = ""

    def read_until(self, pattern: str, seconds: float = 240.0) -> None:
        """Read on until what was said matches; an end of output before is a failure."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self.plain):
            assert self._read() and time.monotonic() < end, self.plain

    def press_interrupt(self) -> None:
        os.write(self._ours, b"\x03")

    def ended(self) -> int:
        """Read to the end; the exit code."""
        while self._read():
            pass
        os.close(self._ours)
        return self._process.wait(60)

    @property
    def plain(self) -> str:
        """What was said, without colours and movements of the cursor."""
        return ESCAPES.sub("", self.said)

    @property
    def lines(self) -> list[str]:
        return [line for line in re.split(r"[\r\n]+", self.plain) if line.strip()]

    def _read(self) -> bool:
        try:
            chunk = os.read(self._ours, 65536)
        except OSError:  # the other end is closed
            return False
        self.said += chunk.decode(errors="replace")
        return bool(chunk)


def numba_cache() -> str:
    """Compiled kernels of the other tests are used, though the cache of the user is another one here."""
    import numba

    import lshexp.kernels  # noqa: F401 - it says where

    return str(numba.config.CACHE_DIR)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "watched.yaml").write_text(SWEEP)
    return tmp_path


def test_a_dry_run_says_what_is_swept_and_why_and_its_times_feed_the_bar(folder):
    dry = Terminal(folder, "sweep", "watched.yaml", "--dry-run")
    assert dry.ended() == 0, dry.plain
    assert "swept: p_K 4, 5" in dry.plain and "swept: p_L 5, 10" in dry.plain
    assert "4 to do: not done yet" in dry.plain
    assert max(map(len, dry.lines[:4])) <= 80, "its table fits"
    sweep = Terminal(folder, "sweep", "watched.yaml")
    assert sweep.ended() == 0, sweep.plain
    bars = [line for line in sweep.lines if line.startswith("watched ") and "/4" in line]
    assert bars and all(re.search(r"\d:\d\d *$", bar) for bar in bars), (
        "the time that is left is there at once"
    )


def test_the_total_stays_and_finished_runs_are_told_apart(folder):
    sweep = Terminal(folder, "sweep", "watched.yaml")
    assert sweep.ended() == 0, sweep.plain
    bars = [line for line in sweep.lines if re.search(r"[━╸╺]", line)]
    assert bars and max(map(len, bars)) <= 80
    totals = [line for line in bars if line.startswith("watched")]
    assert len(totals) >= 4 and any("3/4" in line for line in totals)
    assert not any("…" in line for line in totals)
    assert all(re.search(r"(\d:\d\d|--:--|%|loading) *$", line) for line in bars), "no time is cut"
    done = [line for line in sweep.lines if ": test " in line]
    assert [line.partition(":")[0] for line in done] == [
        f"lsh K={bits} L={tables} #0" for bits in (4, 5) for tables in (5, 10)
    ]
    assert "next:   lshexp compare results/watched" in sweep.plain


def test_an_interrupt_says_how_far_it_got_and_the_same_command_goes_on(folder):
    (folder / "watched.yaml").write_text(SWEEP + "epochs: 2000\n")  # long enough to be interrupted in
    sweep = Terminal(folder, "sweep", "watched.yaml")
    sweep.read_until(r": test \d")
    sweep.press_interrupt()
    assert sweep.ended() == 130
    last = re.search(r"interrupted: (\d) of 4 done; the same command goes on", sweep.plain)
    assert last and 1 <= int(last[1]) < 4, sweep.plain
    assert "Traceback" not in sweep.plain
    again = Terminal(folder, "sweep", "watched.yaml")
    assert again.ended() == 0
    assert f"ran {4 - int(last[1])}; 4 ok" in again.plain

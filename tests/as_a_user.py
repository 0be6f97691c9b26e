"""Commands in a process of their own, as a user gives them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def python(*words: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these words; what it prints, and how it ended."""
    return subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def lshexp(*words: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `lshexp` with these words."""
    return python("-m", "lshexp", *words, cwd=cwd, **env)

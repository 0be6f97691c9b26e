"""What commands say at their end: mistakes, and where the files are that were written."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lshexp.errors import ConfigError, LshexpError
from lshexp.render._console import err, say

if TYPE_CHECKING:
    from lshexp.analysis.figures import Drawn
    from lshexp.analysis.report import Written


def fail(error: LshexpError) -> None:
    """Print an error: one line for each problem, and how many there are when there are several."""
    console = err()
    lines = str(error).splitlines() or [type(error).__name__]
    for line in lines:
        console.print(f"error: {line}", markup=False, style="red")
    if isinstance(error, ConfigError) and len(error.problems) > 1:
        console.print(f"{len(error.problems)} problems; nothing was run", markup=False)


def drawn(figures: list[Drawn]) -> None:
    """A line for each figure that was written, and one for each that was not, with the reason."""
    for figure in figures:
        if figure.files:
            paths = ", ".join(str(path) for path in figure.files)
            say(f"{figure.name}: {figure.caption} {paths}")
    for figure in figures:
        if not figure.files:
            say(f"{figure.name} is not drawn: {figure.reason}")


def report_written(written: Written) -> None:
    """The path on stdout; what is missing from the page, and why, on stderr."""
    for problem in written.problems:
        for line in problem.splitlines():
            say(f"note: {line}")
    sys.stdout.write(f"{written.path}\n")

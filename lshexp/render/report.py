"""Where the report is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lshexp.render._console import err

if TYPE_CHECKING:
    from lshexp.analysis.report import Written


def report_written(written: Written) -> None:
    """The path on stdout; what is missing from the page, and why, on stderr."""
    for problem in written.problems:
        for line in problem.splitlines():
            err().print(f"note: {line}", markup=False)
    sys.stdout.write(f"{written.path}\n")

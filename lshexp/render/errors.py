"""A user's mistake, in one line for each problem."""

from __future__ import annotations

from lshexp.errors import ConfigError, LshexpError
from lshexp.render._console import err


def fail(error: LshexpError) -> None:
    """Print an error: one line for each problem, and how many there are when there are several."""
    console = err()
    lines = str(error).splitlines() or [type(error).__name__]
    for line in lines:
        console.print(f"error: {line}", markup=False, style="red")
    if isinstance(error, ConfigError) and len(error.problems) > 1:
        console.print(f"{len(error.problems)} problems; nothing was run", markup=False)

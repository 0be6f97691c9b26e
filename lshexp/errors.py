"""Errors a user can meet, and the exit code each one ends with.

Anything else that escapes is a bug: it keeps its traceback and exits with 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

EXIT_OK = 0
EXIT_BUG = 1
EXIT_INTERRUPTED = 130

Location = tuple[str | int, ...]


class LshexpError(Exception):
    """Base of every error that the user can put right; printed as one line, without a traceback."""

    exit_code = EXIT_BUG


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a configuration.

    `where` is the path of keys and indices inside the mapping that was checked, such as
    ("sweep", 0, "grid", "active_pct", 3); `mark` is "file:line:col" once it is known.
    """

    where: Location
    message: str
    mark: str = ""

    def __str__(self) -> str:
        path = format_location(self.where)
        return " ".join(
            part
            for part in (f"{self.mark}:" if self.mark else "", f"{path}:" if path else "", self.message)
            if part
        )


def format_location(where: Location) -> str:
    """Write a path of keys and indices the way a user would: `sweep[0].grid.active_pct[3]`."""
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class ConfigError(LshexpError):
    """The sweep file, an override or a command-line option is wrong; nothing was run."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem] | str) -> None:
        self.problems = (Problem((), problems),) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class RunError(LshexpError):
    """At least one run of a sweep failed or diverged; the others were kept."""

    exit_code = 3


class ClaimError(LshexpError):
    """A claim or gate does not hold."""

    exit_code = 4


class DataError(LshexpError):
    """A data file is absent, damaged or not what its checksum promises."""

    exit_code = 5


class PlaceError(LshexpError):
    """Worker processes, a cluster or the machine itself cannot do what was asked."""

    exit_code = 5


class StoreError(LshexpError):
    """Results cannot be read or written: permissions, disk space, a lock, a damaged record."""

    exit_code = 5

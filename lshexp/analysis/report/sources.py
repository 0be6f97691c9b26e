"""What the page is made of: the folders of sweeps, read and compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import pandas as pd

from lshexp.analysis.compare import compare
from lshexp.analysis.presentation import TablePart, parts
from lshexp.analysis.results import Results, folders_of, read_results
from lshexp.errors import ConfigError, StoreError


@dataclass(frozen=True)
class Question:
    """What every sweep is asked, as in `lshexp compare`."""

    baseline: str | None = None  # by default the sweep's own
    metric: str = "test_acc_pct"
    margin: float | None = None  # by default the sweep's own

    def options(self) -> str:
        """The options that ask it, empty where all are the defaults."""
        default = Question()
        asked = (
            (name, getattr(self, name), getattr(default, name)) for name in ("baseline", "metric", "margin")
        )
        return "".join(f" --{name} {quote(str(value))}" for name, value, usual in asked if value != usual)


@dataclass(frozen=True)
class SweepResults:
    """One folder of results and its comparison; `comparison` is None, and `problem` says why, without one."""

    name: str
    folder: Path
    shown: str  # the folder as it is written in commands
    results: Results
    comparison: pd.DataFrame | None
    problem: str

    def parts(self) -> Iterator[TablePart]:
        """The comparison by dataset and network."""
        return parts(self.comparison) if self.comparison is not None else iter(())

    @property
    def typed(self) -> str:
        """The folder as it is typed in a terminal."""
        return quote(self.shown)

    @property
    def unsound(self) -> pd.DataFrame:
        """The runs that failed or diverged."""
        return self.results.runs[self.results.runs["status"] != "ok"]


@dataclass(frozen=True)
class Unread:
    """A folder whose tables cannot be read."""

    name: str
    shown: str
    problem: str


def read_sweep(folder: Path, shown: str, question: Question) -> SweepResults:
    """Read and compare one folder; runs that are no pairs become a problem.

    Raises StoreError, and ConfigError for a baseline, metric or margin that these results do not know.
    """
    results = read_results(folder)
    names = results.runs["sweep"].dropna().unique()
    name = str(names[0]) if len(names) == 1 else folder.name
    try:
        frame, problem = compare(results, question.baseline, question.metric, question.margin), ""
    except ConfigError as error:
        if any(problem.where for problem in error.problems):  # it is the question that is wrong
            raise
        frame, problem = None, str(error)
    return SweepResults(name, folder, shown, results, frame, problem)


def read_all(folder: Path, question: Question) -> list[SweepResults | Unread]:
    """Read the folders of sweeps; one that is alone must be readable. Raises StoreError and ConfigError."""
    found = folders_of(folder)
    made: list[SweepResults | Unread] = []
    for path in found:
        shown = shown_path(path)
        try:
            made.append(read_sweep(path, shown, question))
        except StoreError as error:
            if len(found) == 1:
                raise
            made.append(Unread(path.name, shown, str(error).replace(str(path), shown)))
    return made


def shown_path(path: Path) -> str:
    """A path as it is written on the page: as given, but never with the places of this machine in it."""
    relative = not path.is_absolute() and ".." not in path.parts
    return path.as_posix() if relative else path.resolve().name

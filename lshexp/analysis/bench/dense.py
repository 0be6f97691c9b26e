"""Our dense network, through BLAS."""

from __future__ import annotations

from contextlib import AbstractContextManager

from lshexp.analysis.bench._ours import our_trainee
from lshexp.analysis.bench._task import Task, Trainee

NAMES = ("dense",)


def missing() -> str | None:
    """Nothing is."""
    return None


def trainees(task: Task, names: tuple[str, ...]) -> AbstractContextManager[list[Trainee]]:
    """The one network."""
    return our_trainee(task, names[0])

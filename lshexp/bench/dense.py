"""Our dense network, through BLAS."""

from __future__ import annotations

from contextlib import AbstractContextManager

from lshexp.bench._ours import Variant, our_trainees
from lshexp.bench._task import Recipe, Task, Trainee

VARIANTS = {"dense": Variant("dense")}
NAMES = tuple(VARIANTS)
RECIPES = (
    Recipe(
        "dense",
        "momentum",
        0.1,
        "of 0.02, 0.05 and 0.1 best on held-out digits: experiments/headline_lr.yaml",
    ),
)


def missing() -> str | None:
    """Nothing is."""
    return None


def trainees(task: Task, names: tuple[str, ...]) -> AbstractContextManager[list[Trainee]]:
    """The one network."""
    return our_trainees(task, VARIANTS, names)

"""What every competitor is given, and what it gives back."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lshexp import registry
from lshexp.data.base import Part
from lshexp.errors import DataError

Pass = Callable[[NDArray[np.float32], NDArray[np.int32]], float]
RATE = 0.1  # learning rate of all competitors that are timed, plain SGD: one that no network here diverges at
MOMENTUM = 0.9  # of `momentum`


@dataclass(frozen=True)
class Task:
    """A network to train and the machine's share to train it with."""

    features: int
    classes: int
    hidden: tuple[int, ...]
    active_pct: float
    batch: int  # of our own networks; others say theirs in their names
    threads: int
    optimizer: str = "sgd"
    lr: float = RATE
    seed: int = 0

    @property
    def parameters(self) -> int:
        """Weights and biases of the network."""
        widths = [self.features, *self.hidden, self.classes]
        return sum((fan_in + 1) * nodes for fan_in, nodes in itertools.pairwise(widths))


@dataclass(frozen=True)
class Trainee:
    """A network being trained.

    `train(x, y)` is one pass in order and returns the mean loss; `test(x, y)` returns how many it gets right.
    """

    name: str
    batch: int
    train: Pass
    test: Callable[[NDArray[np.float32], NDArray[np.int32]], int]


@dataclass(frozen=True)
class Recipe:
    """How a competitor is trained where accuracy counts: the optimiser and rate that suit it, and why."""

    name: str  # of the trainee
    optimizer: str  # one of ours, or `adam` where the competitor has it
    lr: float
    why: str


class Family(Protocol):
    """A competitor's module: one file of this package whose name does not start with an underscore."""

    NAMES: tuple[str, ...]  # of its trainees, whether or not they can run here
    RECIPES: tuple[Recipe, ...]  # any number for each name

    def missing(self) -> str | None:
        """Why it cannot run here, or None."""

    def trainees(self, task: Task, names: tuple[str, ...]) -> AbstractContextManager[list[Trainee]]:
        """Networks of those names, ready to train; what they hold is released at the end of the context."""


@dataclass(frozen=True)
class Data:
    """Examples to time with; `origin` says which."""

    origin: str
    part: Part
    classes: int


def load_examples(examples: int) -> Data:
    """MNIST's first examples where its files are at hand, generated rectangles elsewhere."""
    try:
        return _load("mnist", {}, examples)
    except DataError:
        return _load("rectangles", {"train": examples, "test": 1}, examples)


def _load(name: str, options: dict[str, int], examples: int) -> Data:
    dataset = registry.datasets.build(name, options)
    train = dataset.load().train
    # as many as asked for, over again where there are fewer; own copies, as batches are in training
    x, y = train.batch(np.arange(examples) % train.size)
    assert isinstance(x, np.ndarray)  # neither of the two is sparse
    return Data(name, Part(x, y), dataset.info().classes)

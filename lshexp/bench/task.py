"""What a bench is asked for, what a competitor is given, and what it gives back."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Protocol

import numba
import numpy as np
from numpy.typing import NDArray

from lshexp import registry
from lshexp.data.base import Part
from lshexp.errors import DataError

Question = Literal["time", "to", "memory", "profile", "output"]
Say = Callable[[str], None]
Pass = Callable[[NDArray[np.float32], NDArray[np.int32]], float]
RATE = 0.1  # learning rate of all competitors that are timed, plain SGD: one that no network here diverges at
MOMENTUM = 0.9  # of `momentum`


@dataclass(frozen=True)
class BenchPlan:
    """What to measure.

    A pass has `examples` at most, fewer where it would take longer than `seconds`, and one batch at least.
    Where a batch takes more than twice as long, there are fewer passes: no more than fit into `repeats` times
    `seconds`, or one. `budget_s` bounds the whole bench: passes are shortened to fit, and neither a repeat
    nor a network but the first begins after its time.

    `reference` is the competitor that ratios are to. Where a target is trained to, `seconds` is the time
    after which a network is given up.
    """

    widths: tuple[int, ...] = (1000, 2000, 4000, 8000)
    layers: int = 3
    threads: tuple[int, ...] = (1, 2)
    examples: int = 5120
    repeats: int = 5
    seconds: float = 1.0
    active_pct: float = 5.0
    batch: int = 128
    only: tuple[str, ...] = ()
    reference: str = "lsh"
    budget_s: float | None = None


PLANS: dict[Question, BenchPlan] = {
    "time": BenchPlan(),
    "to": BenchPlan(widths=(1000,), threads=(1,), repeats=1, seconds=120.0),
    "memory": BenchPlan(widths=(4000,), threads=(1,), repeats=1),
    # one network at a time, so that a longer pass costs little
    "profile": BenchPlan(widths=(1000,), threads=(1,), repeats=1, seconds=10.0, only=("lsh",)),
    # widths are numbers of classes; active_pct 0: as `output.active_pct` has it
    "output": BenchPlan(widths=(10_000,), threads=(1,), examples=4096, repeats=3, active_pct=0.0),
}


def resolved(question: Question, given: dict[str, Any]) -> tuple[BenchPlan, str]:
    """The plan of a question with what was given in place of its defaults; None = not given.

    Default thread counts are cut to those that Numba may start here; the second value says so, or is empty.
    """
    plan = replace(PLANS[question], **{name: value for name, value in given.items() if value is not None})
    if given.get("threads") is not None:
        return plan, ""
    most = int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
    kept = tuple(count for count in plan.threads if count <= most) or (1,)
    left = [str(count) for count in plan.threads if count not in kept]
    said = f"threads {', '.join(left)} left out: this machine offers {most}" if left else ""
    return replace(plan, threads=kept), said


@dataclass(frozen=True)
class Task:
    """A network to train and the threads to train it with."""

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

    @property
    def weights_mb(self) -> float:
        """Weights and biases in MB of a million bytes, four bytes each."""
        return 4 * self.parameters / 1e6


@dataclass(frozen=True)
class Trainee:
    """A network being trained.

    `train(x, y)` is one pass in order and returns the mean loss; `test(x, y)` returns how many it gets right.
    """

    name: str
    batch: int
    train: Pass
    test: Callable[[NDArray[np.float32], NDArray[np.int32]], int]
    arithmetic: str = "fp32"  # of its products; "bf16, emulated" where the processor has none of its own


@dataclass(frozen=True)
class Predictor:
    """A network that predicts: `predict(x, y)` finds the best class of each example of a batch."""

    name: str
    predict: Callable[[NDArray[np.float32], NDArray[np.int32]], object]
    arithmetic: str = "fp32"


class Predictors(NamedTuple):
    """What predicts, and in words what could not be made to."""

    ready: list[Predictor]
    left_out: list[str]


@dataclass(frozen=True)
class Networks:
    """What a competitor's module has built; `predictors` makes those of the weights as they are then."""

    trainees: list[Trainee]
    predictors: Callable[[], Predictors]


@dataclass(frozen=True)
class Recipe:
    """How a competitor is trained where accuracy counts: the optimiser and rate that suit it, and why."""

    name: str  # of the trainee
    optimizer: str  # one of ours, or `adam` where the competitor has it
    lr: float
    why: str


class Family(Protocol):
    """A competitor's module: one file of the package `competitors`."""

    NAMES: tuple[str, ...]  # of its trainees, whether or not they can run here
    ENVIRONMENT: Mapping[str, str]  # variables of its process, unless the user has set them
    RECIPES: tuple[Recipe, ...]  # any number for each name

    def missing(self) -> str | None:
        """Why it cannot run here, or None."""

    def networks(self, task: Task, names: tuple[str, ...]) -> AbstractContextManager[Networks]:
        """Networks of those names, in that order; what they hold is released at the end of the context."""


def label_frequencies(classes: int) -> NDArray[np.float64]:
    """Share of each class in the made-up labels of an output layer, float64[classes]: Zipf's law."""
    weights = 1 / np.arange(1, classes + 1)
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


@dataclass(frozen=True)
class Data:
    """Examples to time with; `origin` is the dataset's name."""

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

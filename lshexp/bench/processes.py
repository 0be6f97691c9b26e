"""A family of competitors in a process of its own, which sleeps while others are timed.

Threads of one library spin for a while when they have nothing to do, on the cores that another library's
threads need next: in one process, each pass would be slowed by all libraries that it calls in turn. Here a
process whose pass has ended is left to settle before the next one starts.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

from lshexp.bench.competitors import NETWORKS, families
from lshexp.bench.task import Data, Networks, Predictor, Predictors, Task, Trainee
from lshexp.errors import LshexpError, RunError

SETTLE_S = 0.05  # idle threads of OpenBLAS and GNU OpenMP spin for some 20 ms, then sleep

Result = TypeVar("Result")


class Ready(NamedTuple):
    """A network that a process has ready to be timed."""

    name: str
    batch: int
    arithmetic: str


class BenchExamples(NamedTuple):
    """What the processes time with."""

    origin: str
    features: int
    classes: int


class Process:
    """The parent's end: each method is done by the family's process and returns when it is done."""

    def __init__(self, family: str, connection: Connection, process: Any) -> None:
        self.family = family
        self._connection, self._process = connection, process

    def load(self, loader: Callable[[], Data]) -> BenchExamples:
        """Load the examples; the same in every process."""
        return cast(BenchExamples, self._ask("load", loader))

    def build(self, task: Task, names: tuple[str, ...]) -> list[Ready]:
        """Build networks to train, in place of those there were."""
        return cast(list[Ready], self._ask("build", task, names))

    def predictors(self) -> tuple[list[Ready], list[str]]:
        """Make the networks predict as they are now; their batch is 0, as it is chosen later.

        The second list says what could not be made to.
        """
        return cast(tuple[list[Ready], list[str]], self._ask("predictors"))

    def train(self, index: int, examples: int) -> float:
        """Seconds of a training pass of the trainee at `index`; RunError when its loss is not finite."""
        return float(self._ask("train", index, examples))

    def predict(self, index: int, examples: int, batch: int) -> float:
        """Seconds in which the predictor at `index` predicts so many examples, a batch at a time."""
        return float(self._ask("predict", index, examples, batch))

    def drop(self) -> None:
        """Release the networks."""
        self._ask("drop")

    def _ask(self, *request: Any) -> Any:
        try:
            self._connection.send(request)
            answer = self._connection.recv()
        except (EOFError, OSError):
            self._process.join(1)
            said = (
                f"its process ended with exit code {self._process.exitcode}, as happens when memory runs out"
            )
            raise RunError(f"{self.family}: {said}; try fewer --widths") from None
        if isinstance(answer, LshexpError):
            raise answer
        if isinstance(answer, _Bug):
            raise RuntimeError(f"in the process of {self.family}:\n{answer.traceback}")
        return answer


def in_process(family: str, function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function in a process of its own, with a family's environment, and return what it returns.

    Raises what the function raises, and RunError when the process ends before its time.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            with _environment(families()[family].ENVIRONMENT):
                pending = pool.submit(function, *arguments)
            return pending.result()
        except BrokenProcessPool:
            said = "its process was killed, as happens when memory runs out; try fewer --widths"
            raise RunError(f"{family}: {said}") from None


class _Bug(NamedTuple):
    traceback: str


@contextmanager
def process_of(family: str, package: str = NETWORKS) -> Iterator[Process]:
    """Start the process of a family of a package, and end it with the context."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, family, package), daemon=True)
    with _environment(families(package)[family].ENVIRONMENT):
        process.start()
    theirs.close()
    try:
        yield Process(family, ours, process)
    finally:
        ours.close()
        process.join(1)
        if process.is_alive():
            process.kill()
            process.join()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Variables that a process inherits which starts in this context, unless the user has set them."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _serve(connection: Connection, family: str, package: str) -> None:
    """Answer the parent until it closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's to handle
    with _Workshop(family, package) as workshop:
        while True:
            try:
                method, *arguments = connection.recv()
            except EOFError:
                return
            try:
                answer = getattr(workshop, method)(*arguments)
            except LshexpError as error:
                answer = error
            except Exception:
                answer = _Bug(traceback.format_exc())
            time.sleep(SETTLE_S if method in ("train", "predict") else 0)
            connection.send(answer)


_NONE = Networks([], lambda: Predictors([], []))


class _Workshop:
    """The process's end: what it holds between requests."""

    def __init__(self, family: str, package: str) -> None:
        self._family = families(package)[family]
        self._data: Data
        self._networks = _NONE
        self._predictors: list[Predictor] = []
        self._held = ExitStack()

    def __enter__(self) -> _Workshop:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def load(self, loader: Callable[[], Data]) -> BenchExamples:
        self._data = loader()
        return BenchExamples(self._data.origin, self._data.part.rows.shape[1], self._data.classes)

    def build(self, task: Task, names: tuple[str, ...]) -> list[Ready]:
        self.drop()
        self._networks = self._held.enter_context(self._family.networks(task, names))
        return [Ready(each.name, each.batch, each.arithmetic) for each in self._networks.trainees]

    def predictors(self) -> tuple[list[Ready], list[str]]:
        self._predictors, left_out = self._networks.predictors()
        return [Ready(each.name, 0, each.arithmetic) for each in self._predictors], left_out

    def train(self, index: int, examples: int) -> float:
        return timed(self._networks.trainees[index], self._data, examples)

    def predict(self, index: int, examples: int, batch: int) -> float:
        predict = self._predictors[index].predict
        part = self._data.part
        batches = [(part.rows[a : a + batch], part.classes[a : a + batch]) for a in range(0, examples, batch)]
        started = time.perf_counter()
        for x, y in batches:
            predict(x, y)
        return time.perf_counter() - started

    def drop(self) -> None:
        self._networks, self._predictors = _NONE, []
        self._held.close()
        gc.collect()


def timed(trainee: Trainee, data: Data, examples: int) -> float:
    """Seconds of one training pass. Raises RunError when its loss is not finite."""
    x, y = data.part.rows[:examples], data.part.classes[:examples]
    started = time.perf_counter()
    loss = trainee.train(x, y)
    seconds = time.perf_counter() - started
    if not np.isfinite(loss):
        raise RunError(f"{trainee.name}: the loss is not finite, so its time means nothing")
    return seconds

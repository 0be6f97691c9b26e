"""Our own networks, trained as a sweep trains them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lshexp import registry
from lshexp.bench._task import MOMENTUM, Task, Trainee
from lshexp.methods.base import Batch
from lshexp.nn.gemm import Gemm
from lshexp.nn.network import Network
from lshexp.nn.trainer import EVALUATION_BATCH, using_threads
from lshexp.spec import Input, RunSpec


class Variant(NamedTuple):
    """One of our networks: a method with its options, and how it is fed."""

    method: str
    options: Mapping[str, Any] = {}
    batch: int | None = None  # None = that of the task
    input: Input = "rows"


@contextmanager
def our_trainees(
    task: Task, variants: Mapping[str, Variant], names: tuple[str, ...]
) -> Iterator[list[Trainee]]:
    """Networks of the variants of those names; each has weights of its own, the same at the start."""
    with ExitStack() as stack:
        stack.enter_context(using_threads(task.threads))
        gemm = stack.enter_context(Gemm(task.threads))
        yield [_trainee(task, name, variants[name], gemm) for name in names]


def our_network(task: Task, variant: Variant, gemm: Gemm) -> tuple[Network, int]:
    """A network of the variant and the size of its batches; use within the `Gemm` it is given."""
    spec = RunSpec(
        hidden=list(task.hidden),
        method=variant.method,
        active_pct=task.active_pct,
        optimizer=task.optimizer,  # type: ignore[arg-type]  # checked by the model
        lr=task.lr,
        momentum=MOMENTUM,
        batch=variant.batch or task.batch,
        input=variant.input,
        threads=task.threads,
        seed=task.seed,
    )
    method = registry.methods.build(variant.method, dict(variant.options))
    return Network(spec, method, task.features, task.classes, gemm), spec.batch


def _trainee(task: Task, name: str, variant: Variant, gemm: Gemm) -> Trainee:
    network, size = our_network(task, variant, gemm)

    def train(x: NDArray[np.float32], y: NDArray[np.int32]) -> float:
        loss = 0.0
        for ids in _batches(len(y), size):
            loss += network.train_batch(x[ids], y[ids], Batch(ids, 0, True)).loss
        return loss / len(y)

    def test(x: NDArray[np.float32], y: NDArray[np.int32]) -> int:
        parts = _batches(len(y), EVALUATION_BATCH)
        return sum(network.predict(x[ids], y[ids], Batch(ids, 0, False)).hits for ids in parts)

    return Trainee(name, size, train, test)


def _batches(examples: int, size: int) -> Iterator[NDArray[np.int64]]:
    for first in range(0, examples, size):
        yield np.arange(first, min(first + size, examples))

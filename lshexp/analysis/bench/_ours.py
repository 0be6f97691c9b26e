"""Our own networks, trained as a sweep trains them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from lshexp.analysis.bench._task import RATE, Task, Trainee
from lshexp.methods._base import Batch, Method
from lshexp.registry import build
from lshexp.spec import RunSpec
from lshexp.training.gemm import Gemm
from lshexp.training.network import Network
from lshexp.training.trainer import using_threads


@contextmanager
def our_trainee(task: Task, name: str) -> Iterator[list[Trainee]]:
    """A network of the method `name` with its default options."""
    spec = RunSpec(
        hidden=list(task.hidden),
        method=name,
        active_pct=task.active_pct,
        optimizer="sgd",
        lr=RATE,
        batch=task.batch,
        threads=task.threads,
    )
    method = build("method", name)
    assert isinstance(method, Method)  # what the kind registers
    with using_threads(task.threads), Gemm(task.threads) as gemm:
        network = Network(spec, method, task.features, task.classes, gemm)

        def train(x: NDArray[np.float32], y: NDArray[np.int32]) -> float:
            loss = 0.0
            for first in range(0, len(y), task.batch):
                ids = np.arange(first, min(first + task.batch, len(y)))
                loss += network.train_batch(x[ids], y[ids], Batch(ids, 0, True)).loss
            return loss / len(y)

        yield [Trainee(name, task.batch, train)]

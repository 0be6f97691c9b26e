"""scikit-learn's MLPClassifier, dense, plain SGD."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lshexp.analysis.bench._task import RATE, Task, Trainee

BATCH = 256
NAMES = (f"scikit_learn_{BATCH}",)


def missing() -> str | None:
    """Whether scikit-learn is installed."""
    found = importlib.util.find_spec("sklearn")
    return None if found else "scikit-learn is not installed: pip install lshexp[bench]"


@contextmanager
def trainees(task: Task, names: tuple[str, ...]) -> Iterator[list[Trainee]]:
    """One classifier in single precision."""
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        task.hidden,
        solver="sgd",
        alpha=0.0,
        momentum=0.0,
        learning_rate_init=RATE,
        batch_size=BATCH,
        shuffle=False,
        random_state=0,
    )

    def train(x: NDArray[np.float32], y: NDArray[np.int32]) -> float:
        with threadpool_limits(task.threads, user_api="blas"):
            model.partial_fit(x, y, classes=np.arange(task.classes))
        return float(model.loss_)

    yield [Trainee(names[0], BATCH, train)]

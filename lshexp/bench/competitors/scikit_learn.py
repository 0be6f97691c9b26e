"""scikit-learn's MLPClassifier, dense, in single precision."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lshexp.bench.task import MOMENTUM, Networks, Predictor, Predictors, Recipe, Task, Trainee

BATCH = 256
NAMES = (f"scikit_learn_{BATCH}",)
ENVIRONMENT: Mapping[str, str] = {}
# its solvers are plain SGD, with or without momentum, and Adam
_SOLVERS = {"sgd": ("sgd", 0.0), "momentum": ("sgd", MOMENTUM), "adam": ("adam", 0.0)}
RECIPES = (
    Recipe(NAMES[0], "momentum", 0.1, "the rate of our dense network, whose arithmetic is the same"),
    Recipe(NAMES[0], "adam", 0.001, "the library's own default"),
)


def missing() -> str | None:
    """Whether scikit-learn is installed."""
    found = importlib.util.find_spec("sklearn")
    return None if found else "scikit-learn is not installed: pip install lshexp[bench]"


@contextmanager
def networks(task: Task, names: tuple[str, ...]) -> Iterator[Networks]:
    """One classifier."""
    from sklearn.neural_network import MLPClassifier

    solver, momentum = _SOLVERS[task.optimizer]
    model = MLPClassifier(
        task.hidden,
        solver=solver,
        alpha=0.0,
        momentum=momentum,
        nesterovs_momentum=False,
        learning_rate_init=task.lr,
        batch_size=BATCH,
        shuffle=False,
        random_state=task.seed,
    )

    def train(x: NDArray[np.float32], y: NDArray[np.int32]) -> float:
        model.batch_size = min(BATCH, len(y))  # else it warns that it does so itself
        with threadpool_limits(task.threads, user_api="blas"):
            model.partial_fit(x, y, classes=np.arange(task.classes))
        return float(model.loss_)

    def test(x: NDArray[np.float32], y: NDArray[np.int32]) -> int:
        return int(np.count_nonzero(model.predict(x) == y))

    def predict(x: NDArray[np.float32], y: NDArray[np.int32]) -> object:
        with threadpool_limits(task.threads, user_api="blas"):
            return model.predict(x)

    predictors = Predictors([Predictor("scikit_learn", predict)], [])
    yield Networks([Trainee(names[0], BATCH, train, test)], lambda: predictors)

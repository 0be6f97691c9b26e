"""PyTorch's `AdaptiveLogSoftmaxWithLoss` on the CPU (Grave et al., ICML 2017), in fp32.

Classes are numbered by falling frequency, as it asks for. The head has a fiftieth of the classes; the next
tenth, and the rest, are clusters whose inputs are four and sixteen times narrower.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from lshexp.bench.competitors.pytorch import missing, optimiser_of, settings
from lshexp.bench.task import Networks, Predictor, Predictors, Recipe, Task, Trainee

__all__ = ["ENVIRONMENT", "NAMES", "RECIPES", "missing", "networks"]

NAMES = tuple(f"adaptive_fp32_{batch}" for batch in (128, 512, 2048))
ENVIRONMENT: Mapping[str, str] = {}
RECIPES: tuple[Recipe, ...] = ()


def cutoffs(classes: int) -> list[int]:
    """Classes before each cluster; strictly ascending, from eight classes on."""
    return sorted({max(2, classes // 50), max(3, classes // 10 + classes // 50)})


@contextmanager
def networks(task: Task, names: tuple[str, ...]) -> Iterator[Networks]:
    """One layer, trained at the batch size of each name."""
    import torch

    torch.manual_seed(task.seed)
    layer = torch.nn.AdaptiveLogSoftmaxWithLoss(task.features, task.classes, cutoffs(task.classes))
    steps = optimiser_of(task, layer.parameters())

    def trainee(name: str) -> Trainee:
        batch = int(name.rpartition("_")[2])

        def train(x: NDArray[np.float32], y: NDArray[np.int32]) -> float:
            loss = 0.0
            with settings(task.threads):
                for first in range(0, len(y), batch):
                    inputs = torch.from_numpy(x[first : first + batch]).requires_grad_()
                    labels = torch.from_numpy(y[first : first + batch].astype(np.int64))
                    steps.zero_grad(set_to_none=True)
                    mean = layer(inputs, labels).loss
                    mean.backward()
                    steps.step()
                    loss += float(mean.detach()) * len(labels)
            return loss / len(y)

        def test(x: NDArray[np.float32], y: NDArray[np.int32]) -> int:
            return int(np.count_nonzero(predict(x, y) == y))

        return Trainee(name, batch, train, test)

    def predict(x: NDArray[np.float32], y: NDArray[np.int32]) -> object:
        with settings(task.threads), torch.inference_mode():
            return layer.predict(torch.from_numpy(x)).numpy()

    yield Networks(
        [trainee(name) for name in names], lambda: Predictors([Predictor("adaptive_fp32", predict)], [])
    )

"""PyTorch's full softmax on the CPU: `Linear` and `cross_entropy`, fp32 and bf16, at several batch sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from lshexp.bench.competitors.pytorch import bf16, missing, optimiser_of, settings
from lshexp.bench.task import Networks, Predictor, Predictors, Recipe, Task, Trainee

__all__ = ["ENVIRONMENT", "NAMES", "RECIPES", "missing", "networks"]

BATCHES = (128, 256, 1024, 4096)
NAMES = (*(f"softmax_fp32_{batch}" for batch in BATCHES), "softmax_bf16_256", "softmax_bf16_1024")
ENVIRONMENT: Mapping[str, str] = {}
RECIPES: tuple[Recipe, ...] = ()


@contextmanager
def networks(task: Task, names: tuple[str, ...]) -> Iterator[Networks]:
    """One layer, trained in as many ways as there are names, and predicting in fp32."""
    import torch

    torch.manual_seed(task.seed)
    layer = torch.nn.Linear(task.features, task.classes)
    steps = optimiser_of(task, layer.parameters())

    def trainee(name: str) -> Trainee:
        batch, reduced = int(name.rpartition("_")[2]), "bf16" in name

        def train(x: NDArray[np.float32], y: NDArray[np.int32]) -> float:
            loss = 0.0
            with settings(task.threads), torch.autocast("cpu", dtype=torch.bfloat16, enabled=reduced):
                for first in range(0, len(y), batch):
                    inputs = torch.from_numpy(x[first : first + batch]).requires_grad_()
                    labels = torch.from_numpy(y[first : first + batch].astype(np.int64))
                    steps.zero_grad(set_to_none=True)
                    mean = torch.nn.functional.cross_entropy(layer(inputs), labels)
                    mean.backward()
                    steps.step()
                    loss += float(mean.detach()) * len(labels)
            return loss / len(y)

        def test(x: NDArray[np.float32], y: NDArray[np.int32]) -> int:
            return int(np.count_nonzero(predict(x, y) == y))

        return Trainee(name, batch, train, test, bf16() if reduced else "fp32")

    def predict(x: NDArray[np.float32], y: NDArray[np.int32]) -> object:
        with settings(task.threads), torch.inference_mode():
            return layer(torch.from_numpy(x)).argmax(1).numpy()

    yield Networks(
        [trainee(name) for name in names], lambda: Predictors([Predictor("softmax_fp32", predict)], [])
    )

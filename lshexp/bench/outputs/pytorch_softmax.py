"""PyTorch's full softmax on the CPU: `Linear` and `cross_entropy`, fp32 and bf16, at several batch sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lshexp.bench.competitors.pytorch import missing, optimiser_of, predictor, trainee
from lshexp.bench.task import Networks, Predictors, Recipe, Task

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
    yield Networks(
        [trainee(name, layer, steps, task.threads, hidden=True) for name in names],
        lambda: Predictors([predictor("softmax_fp32", layer, torch.float32, task.threads)], []),
    )

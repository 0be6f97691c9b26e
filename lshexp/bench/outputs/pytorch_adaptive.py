"""PyTorch's `AdaptiveLogSoftmaxWithLoss` on the CPU (Grave et al., ICML 2017), in fp32.

Classes are numbered by falling frequency, as it asks for. The head has a fiftieth of the classes; the next
tenth, and the rest, are clusters whose inputs are four and sixteen times narrower.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lshexp.bench.competitors.pytorch import missing, optimiser_of, predictor, trainee
from lshexp.bench.task import Networks, Predictors, Recipe, Task

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

    yield Networks(
        [
            trainee(
                name,
                layer,
                steps,
                task.threads,
                loss_of=lambda inputs, labels: layer(inputs, labels).loss,
                guess=layer.predict,
                hidden=True,
            )
            for name in names
        ],
        lambda: Predictors(
            [predictor("adaptive_fp32", layer, torch.float32, task.threads, guess=layer.predict)], []
        ),
    )

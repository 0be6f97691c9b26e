"""PyTorch's network with our layer in it: `lshexp.torch.LSHLinear` in place of each hidden `torch.nn.Linear`.

Its gradients are dense, and the optimiser is PyTorch's own, as beside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lshexp.bench.competitors.pytorch import missing, optimiser_of, predictor, trainee
from lshexp.bench.task import Networks, Predictors, Recipe, Task

NAMES = ("pytorch_lsh_128", "pytorch_lsh_512")
ENVIRONMENT: Mapping[str, str] = {}
RECIPES: tuple[Recipe, ...] = ()  # no rate has been chosen for it

__all__ = ["ENVIRONMENT", "NAMES", "RECIPES", "missing", "networks"]


@contextmanager
def networks(task: Task, names: tuple[str, ...]) -> Iterator[Networks]:
    """One network, trained in as many batch sizes as there are names."""
    import torch

    from lshexp.torch import LSHLinear

    torch.manual_seed(task.seed)
    layers: list[Any] = []
    for fan_in, nodes in itertools.pairwise([task.features, *task.hidden]):
        hidden = LSHLinear(
            fan_in, nodes, active_pct=task.active_pct, seed=task.seed + len(layers), threads=task.threads
        )
        layers += [hidden, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(task.hidden[-1], task.classes))
    optimiser = optimiser_of(task, model.parameters())
    before = torch.get_num_threads()

    def ready() -> Predictors:
        return Predictors([predictor("pytorch_lsh", model.eval(), torch.float32, task.threads)], [])

    try:
        yield Networks([trainee(name, model, optimiser, task.threads) for name in names], ready)
    finally:
        torch.set_num_threads(before)

"""Sampled softmax in plain PyTorch on the CPU, as it is usually written, in fp32.

Rows of the classes that are needed come from an embedding with sparse gradients, which `SparseAdam` steps.
The negative classes of a batch are drawn once for all of its examples from the log-uniform distribution, as
many as ours have active; scores are corrected by the logarithm of their expected count, and a negative that
is an example's label is masked (Jean et al., ACL 2015; TensorFlow's `sampled_softmax_loss`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lshexp.bench.competitors.pytorch import missing, trainee
from lshexp.bench.task import Networks, Predictors, Recipe, Task

__all__ = ["ENVIRONMENT", "NAMES", "RECIPES", "missing", "networks"]

NAMES = tuple(f"sampled_fp32_{batch}" for batch in (128, 512, 2048))
ENVIRONMENT: Mapping[str, str] = {}
RECIPES: tuple[Recipe, ...] = ()


@contextmanager
def networks(task: Task, names: tuple[str, ...]) -> Iterator[Networks]:
    """One layer, trained at the batch size of each name."""
    import torch

    torch.manual_seed(task.seed)
    rows = torch.nn.Embedding(task.classes, task.features, sparse=True)
    torch.nn.init.normal_(rows.weight, std=(2 / task.features) ** 0.5)
    bias = torch.nn.Embedding(task.classes, 1, sparse=True)
    torch.nn.init.zeros_(bias.weight)
    parameters = [rows.weight, bias.weight]
    steps: Any
    if task.optimizer == "adam":
        steps = torch.optim.SparseAdam(parameters, lr=task.lr)
    else:
        steps = torch.optim.SGD(parameters, lr=task.lr)
    drawn = max(1, round(task.active_pct / 100 * task.classes))
    log_all = math.log(task.classes + 1)

    def log_expected(classes: Any) -> Any:
        """Logarithm of how often each class is expected in the draws of a batch."""
        return torch.log(drawn * torch.log1p(1 / (classes + 1).float()) / log_all)

    def loss_of(inputs: Any, labels: Any) -> Any:
        points = torch.rand(drawn)
        negatives = (torch.exp(points * log_all).long() - 1).clamp_(0, task.classes - 1)
        own = (inputs * rows(labels)).sum(1) + bias(labels)[:, 0] - log_expected(labels)
        others = torch.addmm(bias(negatives)[:, 0] - log_expected(negatives), inputs, rows(negatives).T)
        others = others.masked_fill(labels[:, None] == negatives[None], -1e9)
        scores = torch.cat([own[:, None], others], dim=1)
        return torch.nn.functional.cross_entropy(scores, torch.zeros_like(labels))

    def guess(inputs: Any) -> Any:
        return torch.addmm(bias.weight[:, 0], inputs, rows.weight.T).argmax(1)

    both = torch.nn.ModuleList([rows, bias])
    yield Networks(
        [
            trainee(name, both, steps, task.threads, loss_of=loss_of, guess=guess, hidden=True)
            for name in names
        ],
        lambda: Predictors([], []),  # predicting is what full softmax does
    )

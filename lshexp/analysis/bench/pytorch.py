"""PyTorch's dense network on the CPU, fp32 and bf16 autocast, at several batch sizes.

It is given what makes it fastest: fused SGD, and subnormal numbers flushed to zero. All batch sizes train one
and the same network in turn, so that a wide one is held in memory once.
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lshexp.analysis.bench._task import RATE, Task, Trainee

FP32, BF16 = "pytorch_fp32_", "pytorch_bf16_"
NAMES = (*(f"{FP32}{batch}" for batch in (32, 128, 256, 1024)), *(f"{BF16}{batch}" for batch in (256, 1024)))


def missing() -> str | None:
    """Whether PyTorch is installed."""
    return None if importlib.util.find_spec("torch") else "torch is not installed: pip install lshexp[bench]"


@contextmanager
def trainees(task: Task, names: tuple[str, ...]) -> Iterator[list[Trainee]]:
    """One network, trained in as many ways as there are names."""
    import torch

    torch.manual_seed(0)
    widths = [task.features, *task.hidden, task.classes]
    layers: list[Any] = []
    for fan_in, nodes in itertools.pairwise(widths):
        layers += [torch.nn.Linear(fan_in, nodes), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimiser = torch.optim.SGD(model.parameters(), lr=RATE, fused=True)
    before = torch.get_num_threads()
    try:
        yield [_trainee(name, model, optimiser, task.threads) for name in names]
    finally:
        torch.set_num_threads(before)


def _trainee(name: str, model: Any, optimiser: Any, threads: int) -> Trainee:
    import torch

    batch = int(name.rpartition("_")[2])

    def train(x: NDArray[np.float32], y: NDArray[np.int32]) -> float:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        inputs, labels = torch.from_numpy(x), torch.from_numpy(y.astype(np.int64))
        loss = 0.0
        try:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=name.startswith(BF16)):
                for first in range(0, len(y), batch):
                    chunk = slice(first, first + batch)
                    optimiser.zero_grad(set_to_none=True)
                    mean = torch.nn.functional.cross_entropy(model(inputs[chunk]), labels[chunk])
                    mean.backward()
                    optimiser.step()
                    loss += float(mean.detach()) * len(labels[chunk])
        finally:
            torch.set_flush_denormal(False)  # it holds for the whole thread, our kernels included
        return loss / len(y)

    return Trainee(name, batch, train)

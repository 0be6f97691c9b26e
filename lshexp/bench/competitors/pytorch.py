"""PyTorch's dense network on the CPU, fp32 and bf16 autocast, at several batch sizes.

It is given what makes it fastest: fused optimisers, and subnormal numbers flushed to zero. All batch sizes
train one and the same network in turn, so that a wide one is held in memory once. It predicts in fp32, with
weights in bf16, and compiled by `torch.compile` where that works.
"""

from __future__ import annotations

import copy
import importlib.util
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lshexp.bench.machine import has_bf16
from lshexp.bench.task import MOMENTUM, Networks, Predictor, Predictors, Recipe, Task, Trainee

FP32, BF16 = "pytorch_fp32_", "pytorch_bf16_"
BATCHES = (32, 128, 256, 1024)
# where a processor has no bf16 of its own, a larger batch of it takes minutes on a wide network
ENVIRONMENT: Mapping[str, str] = {}
NAMES = (*(f"{FP32}{batch}" for batch in BATCHES), f"{BF16}256")
# the rate of each optimiser at each batch size: of two or three, the soonest at 97 % of 10,000 training
# digits held out, or the most accurate of them after two epochs
_RATES: dict[str, tuple[float, ...]] = {
    "momentum": (0.02, 0.05, 0.1, 0.1),
    "adagrad": (0.01, 0.01, 0.01, 0.01),
    "adam": (0.0003, 0.001, 0.001, 0.002),
}
_WHY = "best of two or three rates on held-out digits"
RECIPES = (
    *(
        Recipe(f"{FP32}{batch}", optimizer, lr, _WHY)
        for optimizer, rates in _RATES.items()
        for batch, lr in zip(BATCHES, rates, strict=True)
    ),
    Recipe(f"{BF16}256", "adam", 0.001, "what fp32 does best with at this batch"),
)


def missing() -> str | None:
    """Whether PyTorch is installed."""
    return None if importlib.util.find_spec("torch") else "torch is not installed: pip install lshexp[bench]"


@contextmanager
def networks(task: Task, names: tuple[str, ...]) -> Iterator[Networks]:
    """One network, trained in as many ways as there are names, and predicting in each precision wanted."""
    import torch

    torch.manual_seed(task.seed)
    widths = [task.features, *task.hidden, task.classes]
    layers: list[Any] = []
    for fan_in, nodes in itertools.pairwise(widths):
        layers += [torch.nn.Linear(fan_in, nodes), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimiser = optimiser_of(task, model.parameters())
    before = torch.get_num_threads()
    try:
        yield Networks(
            [trainee(name, model, optimiser, task.threads) for name in names],
            lambda: _predictors(model, names, task),
        )
    finally:
        torch.set_num_threads(before)


def optimiser_of(task: Task, parameters: Any) -> Any:
    """The optimiser of a task, all of whose parameters are stepped by one fused kernel."""
    from torch import optim

    if task.optimizer == "adam":
        return optim.Adam(parameters, lr=task.lr, fused=True)
    if task.optimizer == "adagrad":
        return optim.Adagrad(parameters, lr=task.lr, fused=True)
    return optim.SGD(parameters, lr=task.lr, momentum=MOMENTUM * (task.optimizer == "momentum"), fused=True)


@contextmanager
def settings(threads: int) -> Iterator[None]:
    """Threads, and subnormal numbers as zero."""
    import torch

    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)  # it holds for the whole thread, our kernels included


def trainee(
    name: str,
    model: Any,
    optimiser: Any,
    threads: int,
    *,
    loss_of: Callable[[Any, Any], Any] | None = None,
    guess: Callable[[Any], Any] | None = None,
    hidden: bool = False,
) -> Trainee:
    """A model that trains in batches of the size at the end of `name`, with bf16 products if that says so.

    `loss_of` gives the mean loss of inputs and labels, by default cross-entropy of the model's scores, and
    `guess` the classes of inputs, by default those with the highest scores; `hidden` says that the inputs
    are activations, whose gradient is formed too.
    """
    import torch

    batch, reduced = int(name.rpartition("_")[2]), "_bf16_" in name

    def cross_entropy(inputs: Any, labels: Any) -> Any:
        return torch.nn.functional.cross_entropy(model(inputs), labels)

    mean_loss = loss_of or cross_entropy
    classes = guess or (lambda inputs: model(inputs).argmax(1))

    def train(x: NDArray[np.float32], y: NDArray[np.int32]) -> float:
        inputs, labels = torch.from_numpy(x), torch.from_numpy(y.astype(np.int64))
        loss = 0.0
        model.train()
        with settings(threads), torch.autocast("cpu", dtype=torch.bfloat16, enabled=reduced):
            for first in range(0, len(y), batch):
                chunk = slice(first, first + batch)
                optimiser.zero_grad(set_to_none=True)
                mean = mean_loss(inputs[chunk].requires_grad_(hidden), labels[chunk])
                mean.backward()
                optimiser.step()
                loss += float(mean.detach()) * len(labels[chunk])
        return loss / len(y)

    def test(x: NDArray[np.float32], y: NDArray[np.int32]) -> int:
        model.eval()
        with settings(threads), torch.no_grad():
            return int(np.count_nonzero(classes(torch.from_numpy(x)).numpy() == y))

    return Trainee(name, batch, train, test, bf16() if reduced else "fp32")


def predictor(
    name: str, model: Any, dtype: Any, threads: int, guess: Callable[[Any], Any] | None = None
) -> Predictor:
    """A model that predicts in numbers of type `dtype`; `guess` as for `trainee`."""
    import torch

    classes = guess or (lambda inputs: model(inputs).argmax(1))

    def predict(x: NDArray[np.float32], y: NDArray[np.int32]) -> object:
        with settings(threads), torch.inference_mode():
            return classes(torch.from_numpy(x).to(dtype)).numpy()

    return Predictor(name, predict, "fp32" if dtype == torch.float32 else bf16())


def _predictors(model: Any, names: tuple[str, ...], task: Task) -> Predictors:
    """The precisions of `names`, and the compiled network, which needs a C++ compiler, where that works."""
    import torch

    ready, left_out = [], []
    if any(name.startswith(FP32) for name in names):
        ready.append(predictor("pytorch_fp32", model, torch.float32, task.threads))
        torch._dynamo.reset()  # forget the code of another width or thread count
        compiled = torch.compile(model, dynamic=False)
        fast = predictor("pytorch_compiled", compiled, torch.float32, task.threads)
        try:
            fast.predict(np.zeros((1, task.features), np.float32), np.zeros(1, np.int32))
            ready.append(fast)
        except Exception as error:  # whatever a compiler may raise
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            left_out.append(f"pytorch_compiled: torch.compile does not work here: {reason}")
    if any(name.startswith(BF16) for name in names):
        reduced = copy.deepcopy(model).to(torch.bfloat16)
        ready.append(predictor("pytorch_bf16", reduced, torch.bfloat16, task.threads))
    return Predictors(ready, left_out)


def bf16() -> str:
    """How bf16 products are computed here."""
    return "bf16" if has_bf16() else "bf16, emulated"

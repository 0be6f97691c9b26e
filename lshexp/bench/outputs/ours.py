"""Our own output layers: dense, LSH sampling with a tail drawn by frequency, and classes that are drawn.

A variant is one line of `VARIANTS`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lshexp import registry
from lshexp.bench.task import Networks, Predictor, Predictors, Recipe, Task, Trainee, label_frequencies
from lshexp.methods.base import Batch
from lshexp.nn.gemm import Gemm
from lshexp.nn.network import Network
from lshexp.nn.plan import LayerPlan, plan_layers
from lshexp.nn.ranking import best_retrieved
from lshexp.nn.threads import using_threads
from lshexp.runs.worker import SPINS
from lshexp.spec import UNIFORM, RunSpec
from lshexp.streams import stream


class OutputVariant(NamedTuple):
    """One of our output layers: a method, its options, and its share of the active classes."""

    method: str
    options: Mapping[str, Any] = {}
    selected: float = 1.0  # share of the active classes that the method chooses; the rest is drawn as a tail
    batch: int | None = None  # None = that of the task


_LSH = {"rehash": "rolling", "learn_growth": 2.0, "bucket_cap": 128}
FIFTH = 0.2  # a fifth of the active classes looked up, the rest drawn by frequency, for a whole batch
WARM_UP_WIDTH = 256  # classes of the twin that compiles the kernels
VARIANTS = {
    "dense": OutputVariant("dense"),
    "lsh": OutputVariant("lsh", _LSH, FIFTH),
    "lsh_512": OutputVariant("lsh", _LSH, FIFTH, 512),
    "popularity": OutputVariant("popularity", {"distribution": "log_uniform"}),
    "popularity_512": OutputVariant("popularity", {"distribution": "log_uniform"}, 1.0, 512),
    "dropout": OutputVariant("dropout"),
}
NAMES = tuple(VARIANTS)
ENVIRONMENT = {"GOMP_SPINCOUNT": SPINS}  # as in the runs of a sweep: idle kernel threads soon sleep
RECIPES: tuple[Recipe, ...] = ()


def missing() -> str | None:
    """Our own networks run everywhere."""
    return None


@contextmanager
def networks(task: Task, names: tuple[str, ...]) -> Iterator[Networks]:
    """Output layers of the variants of those names; each has weights of its own, the same at the start."""
    with ExitStack() as stack:
        stack.enter_context(using_threads(task.threads))
        gemm = stack.enter_context(Gemm(task.threads))
        built = [(name, *output_layer(task, VARIANTS[name], gemm)) for name in names]
        predictors = [_predictor(name, network) for name, network, _ in built]
        yield Networks(
            [_trainee(name, network, batch) for name, network, batch in built],
            lambda: Predictors([each for each in predictors if each], []),
        )


def output_layer(task: Task, variant: OutputVariant, gemm: Gemm) -> tuple[Network, int]:
    """A network that is an output layer alone, and the size of its batches; use within the `Gemm`."""
    spec = RunSpec(
        hidden=[],
        method="dense",
        output_method=variant.method,
        output_options=dict(variant.options),
        output_active_pct=variant.selected * task.active_pct,
        tail_pct=(1 - variant.selected) * task.active_pct,
        tail="popularity" if variant.selected < 1 else UNIFORM,
        optimizer=task.optimizer,  # type: ignore[arg-type]  # checked by the model
        lr=task.lr,
        batch=variant.batch or task.batch,
        threads=task.threads,
        seed=task.seed,
    )
    method = registry.methods.build("dense", {})
    (plan,) = plan_layers(spec, method, [task.features, task.classes])
    plan = replace(plan, first=False)  # it passes a gradient on, as above a hidden layer

    def built(plan: LayerPlan) -> Network:
        counts = np.ceil(1e6 * label_frequencies(plan.nodes)).astype(np.int64)
        return Network(spec, method, task.features, plan.nodes, gemm, [plan], label_counts=counts)

    _compile(built(replace(plan, nodes=min(plan.nodes, WARM_UP_WIDTH))), variant)
    return built(plan), spec.batch


def _compile(twin: Network, variant: OutputVariant) -> None:
    """Train a narrow twin for a few batches: tables are filled, kept, and filled anew."""
    train = _trainee("", twin, 8).train
    x = np.maximum(0, stream(0, "warm").standard_normal((4096, twin.layers[0].fan_in), dtype=np.float32))
    y = (np.arange(4096) % twin.output.nodes).astype(np.int32)
    train(x, y)
    predictor = _predictor(variant.method, twin)
    if predictor:
        predictor.predict(x[:2], y[:2])


def _trainee(name: str, network: Network, size: int) -> Trainee:
    head, layer = network.head, network.output
    passes = itertools.count()  # so that each draws other classes

    def train(x: NDArray[np.float32], y: NDArray[np.int32]) -> float:
        loss, epoch = 0.0, next(passes)
        for first in range(0, len(y), size):
            ids = np.arange(first, min(first + size, len(y)))
            rows = x[ids]
            step = head.step(rows, y[ids], Batch(ids, epoch, True))
            layer.input_gradient(rows, step.pairs, step.deltas)
            layer.update(rows, step.pairs, step.deltas)
            if step.pairs is not None:
                network.report_step(0, step.pairs, step.deltas, step.token)
            loss += float(step.losses.losses.sum(dtype=np.float64))
        return loss / len(y)

    def test(x: NDArray[np.float32], y: NDArray[np.int32]) -> int:
        return network.predict(x, y, Batch(np.arange(len(y)), 0, False)).hits

    return Trainee(name, size, train, test)


def _predictor(name: str, network: Network) -> Predictor | None:
    """The best class by the scores of all, or of those retrieved; None where another variant does so too."""

    def exact(x: NDArray[np.float32], y: NDArray[np.int32]) -> object:
        return network.scores(x, Batch(np.arange(len(y)), 0, False))[0].argmax(axis=1)

    def retrieved(x: NDArray[np.float32], y: NDArray[np.int32]) -> object:
        found = network.retrieve(x, Batch(np.arange(len(y)), 0, False))
        assert found is not None  # the method selects at test
        return best_retrieved(found, 1, network.output.threads)

    if name == "dense":
        return Predictor(name, exact)
    return Predictor(name, retrieved) if name == "lsh" else None

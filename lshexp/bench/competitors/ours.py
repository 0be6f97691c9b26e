"""Our own networks, trained as a sweep trains them: dense, LSH sampling, exact winners.

A variant is one line of `VARIANTS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lshexp import registry
from lshexp.bench.task import MOMENTUM, Networks, Predictor, Predictors, Recipe, Task, Trainee
from lshexp.methods.base import Batch
from lshexp.nn.gemm import Gemm
from lshexp.nn.network import Network
from lshexp.nn.prediction import EVALUATION_BATCH
from lshexp.nn.threads import using_threads
from lshexp.runs.worker import SPINS
from lshexp.spec import Block, Input, RunSpec


class Variant(NamedTuple):
    """One of our networks: a method with its options, and how it is fed."""

    method: str
    options: Mapping[str, Any] = {}
    batch: int | None = None  # None = that of the task
    input: Input = "rows"
    block: Block = 1


VARIANTS = {
    "dense": Variant("dense"),
    "lsh": Variant("lsh"),
    "lsh_hybrid": Variant("lsh", {"preset": "hybrid"}),
    "lsh_hybrid_512": Variant("lsh", {"preset": "hybrid"}, batch=512),
    "lsh_hybrid_no_tables_512": Variant("lsh", {"preset": "hybrid", "L": 0}, batch=512),
    "winner_take_all_lists_512": Variant(
        "winner_take_all", {"over": "example", "where_sparse": "scan"}, batch=512, input="lists"
    ),
    "winner_take_all_blocks_of_8_512": Variant("winner_take_all", {"over": "example"}, batch=512, block=8),
    "winner_take_all_blocks_of_16_512": Variant("winner_take_all", {"over": "example"}, batch=512, block=16),
}
NAMES = tuple(VARIANTS)
ENVIRONMENT = {"GOMP_SPINCOUNT": SPINS}  # as in the runs of a sweep: idle kernel threads soon sleep
RECIPES = (
    Recipe(
        "dense",
        "momentum",
        0.1,
        "of 0.02, 0.05 and 0.1 best on held-out digits",
    ),
    Recipe("lsh", "sgd", 1.0, "best of 0.5, 1 and 2 on held-out digits"),
    Recipe("lsh_hybrid", "sgd", 1.0, "as lsh, whose first layer it has"),
    Recipe("lsh_hybrid", "adagrad", 0.02, "took lsh to 96.7 % of held-out digits in the fewest examples"),
    Recipe("winner_take_all_lists_512", "adam", 0.004, "the best in experiments/blocks_rates.yaml"),
    Recipe("winner_take_all_blocks_of_8_512", "adam", 0.004, "the best in experiments/blocks_rates.yaml"),
    Recipe("winner_take_all_blocks_of_16_512", "adam", 0.004, "the best in experiments/blocks_rates.yaml"),
)


def missing() -> str | None:
    """Our own networks run everywhere."""
    return None


@contextmanager
def networks(
    task: Task, names: tuple[str, ...], variants: Mapping[str, Variant] = VARIANTS
) -> Iterator[Networks]:
    """Networks of the variants of those names; each has weights of its own, the same at the start."""
    with ExitStack() as stack:
        stack.enter_context(using_threads(task.threads))
        gemm = stack.enter_context(Gemm(task.threads))
        built = [(name, *our_network(task, variants[name], gemm)) for name in names]
        yield Networks(
            [_trainee(name, network, batch) for name, network, batch in built],
            lambda: Predictors([_predictor(name, network) for name, network, _ in built], []),
        )


def our_network(task: Task, variant: Variant, gemm: Gemm) -> tuple[Network, int]:
    """A network of the variant and the size of its batches; use within the `Gemm` it is given."""
    spec = RunSpec(
        hidden=list(task.hidden),
        method=variant.method,
        active_pct=task.active_pct,
        optimizer=task.optimizer,  # type: ignore[arg-type]  # checked by the model
        lr=task.lr,
        momentum=MOMENTUM,
        batch=variant.batch or task.batch,
        input=variant.input,
        block=variant.block,
        threads=task.threads,
        seed=task.seed,
    )
    method = registry.methods.build(variant.method, dict(variant.options))
    return Network(spec, method, task.features, task.classes, gemm), spec.batch


def _trainee(name: str, network: Network, size: int) -> Trainee:
    def train(x: NDArray[np.float32], y: NDArray[np.int32]) -> float:
        loss = 0.0
        for ids in _batches(len(y), size):
            loss += network.train_batch(x[ids], y[ids], Batch(ids, 0, True)).loss
        return loss / len(y)

    def test(x: NDArray[np.float32], y: NDArray[np.int32]) -> int:
        parts = _batches(len(y), EVALUATION_BATCH)
        return sum(network.predict(x[ids], y[ids], Batch(ids, 0, False)).hits for ids in parts)

    return Trainee(name, size, train, test)


def _predictor(name: str, network: Network) -> Predictor:
    def predict(x: NDArray[np.float32], y: NDArray[np.int32]) -> object:
        return network.scores(x, Batch(np.arange(len(y)), 0, False))[0].argmax(axis=1)

    return Predictor(name, predict)


def _batches(examples: int, size: int) -> Iterator[NDArray[np.int64]]:
    for first in range(0, examples, size):
        yield np.arange(first, min(first + size, examples))

"""What a run will cost, measured on a few batches of made-up examples."""

from __future__ import annotations

import statistics
import time
from typing import NamedTuple

import numpy as np

from lshexp import registry
from lshexp.arrays import CSR, FloatArray, IntArray
from lshexp.methods.base import Batch
from lshexp.nn.asynchronous import Hogwild, SimulatedWorkers, workers_of
from lshexp.nn.gemm import Gemm
from lshexp.nn.network import Network
from lshexp.nn.plan import plan_layers
from lshexp.nn.threads import using_threads
from lshexp.spec import RunSpec
from lshexp.streams import stream
from lshexp.work import PHASES, Work

FILLED = 0.19  # share of non-zero features, as in MNIST: the cost of some methods hangs on it
STORED = 50  # features of an example that are not zero where a dataset is sparse
SKIPPED = 3  # first batches: they compile, and learn what later ones only keep up
FEWEST = 5  # batches that are timed


class Cost(NamedTuple):
    """Training cost of one example, measured; where the active share falls, the mean over all epochs."""

    seconds: float
    work: Work


def measure(spec: RunSpec, features: int, classes: int, seconds: float, sparse: bool = False) -> Cost:
    """Train the network of a run on random examples for about so long, at least a few batches.

    `sparse`: the dataset's examples come as a CSR.

    The examples have neither the structure nor, perhaps, the sparsity of the data, so selection and table
    upkeep are estimates; dense arithmetic is exact.
    """
    method = registry.methods.build(spec.method, spec.method_options)
    draws = stream(spec.key(), "calibration")
    x = _sparse(draws, spec.batch, features) if sparse else _rows(draws, spec.batch, features)
    y = draws.integers(0, classes, spec.batch, dtype=np.int32)
    with using_threads(spec.threads), Gemm(spec.threads) as gemm:
        plans = plan_layers(spec, method, [features, *spec.hidden, classes], sparse)
        counts = np.ones(classes, dtype=np.int64)
        network = Network(spec, method, features, classes, gemm, plans, label_counts=counts)
        trainee = workers_of(spec, network) or network
        ids = np.arange(spec.batch)
        for _ in range(SKIPPED):
            trainee.train_batch(x, y, Batch(ids, 0, True))
        # where the active share falls, each of the first epochs has its own; others are as the last of them
        epochs = range(spec.active_until or 1)
        costs = [_epoch(network, trainee, x, y, epoch, seconds / len(epochs)) for epoch in epochs]
    if len(costs) > 1:
        costs += costs[-1:] * (spec.epochs - len(costs))
    works = zip(*(cost.work for cost in costs), strict=True)
    mean_work = Work(*(sum(amounts) // len(costs) for amounts in works))
    return Cost(statistics.fmean(cost.seconds for cost in costs), mean_work)


def _epoch(
    network: Network,
    trainee: SimulatedWorkers | Hogwild | Network,
    x: FloatArray | CSR,
    y: IntArray,
    epoch: int,
    seconds: float,
) -> Cost:
    """Train on one batch again and again for about so long, at least a few times, as in an epoch of a run."""
    before, ids = _total(network), np.arange(len(y))
    times: list[float] = []
    while len(times) < FEWEST or sum(times) < seconds:
        started = time.perf_counter()
        trainee.train_batch(x, y, Batch(ids, epoch, True))
        times.append(time.perf_counter() - started)
    examples = len(times) * len(y)
    work = Work(*((now - then) // examples for now, then in zip(_total(network), before, strict=True)))
    return Cost(statistics.median(times) / len(y), work)


def _rows(draws: np.random.Generator, examples: int, features: int) -> FloatArray:
    x = draws.random((examples, features), dtype=np.float32)
    x *= draws.random(x.shape) < FILLED
    return x


def _sparse(draws: np.random.Generator, examples: int, features: int) -> CSR:
    x = CSR.from_lengths(np.full(examples, min(STORED, features)), features)
    columns = [np.sort(draws.choice(features, min(STORED, features), replace=False)) for _ in range(examples)]
    x.indices[:] = np.concatenate(columns)
    x.data[:] = draws.random(x.nnz, dtype=np.float32)
    return x


def _total(network: Network) -> Work:
    tallies = [layer.work.tally(phase) for layer in network.layers for phase in PHASES]
    return sum(tallies, Work(0, 0, 0))

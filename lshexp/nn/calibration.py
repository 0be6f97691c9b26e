"""What a run will cost, measured on a few batches of made-up examples."""

from __future__ import annotations

import statistics
import time
from typing import NamedTuple

import numpy as np

from lshexp import registry
from lshexp.methods.base import Batch
from lshexp.nn.asynchronous import workers_of
from lshexp.nn.gemm import Gemm
from lshexp.nn.network import Network
from lshexp.nn.threads import using_threads
from lshexp.spec import RunSpec
from lshexp.streams import stream
from lshexp.work import PHASES, Work

FILLED = 0.19  # share of non-zero features, as in MNIST: the cost of some methods hangs on it
SKIPPED = 3  # first batches: they compile, and learn what later ones only keep up
FEWEST = 5  # batches that are timed


class Cost(NamedTuple):
    """Training cost of one example, measured."""

    seconds: float
    work: Work


def measure(spec: RunSpec, features: int, classes: int, seconds: float) -> Cost:
    """Train the network of a run on random examples for about so long, at least a few batches.

    The examples have neither the structure nor, perhaps, the sparsity of the data, so selection and table
    upkeep are estimates; dense arithmetic is exact.
    """
    method = registry.methods.build(spec.method, spec.method_options)
    draws = stream(spec.key(), "calibration")
    x = draws.random((spec.batch, features), dtype=np.float32)
    x *= draws.random(x.shape) < FILLED
    y = draws.integers(0, classes, spec.batch, dtype=np.int32)
    with using_threads(spec.threads), Gemm(spec.threads) as gemm:
        network = Network(spec, method, features, classes, gemm)
        trainee = workers_of(spec, network) or network
        ids = np.arange(spec.batch)
        for _ in range(SKIPPED):
            trainee.train_batch(x, y, Batch(ids, 0, True))
        before = _total(network)
        times: list[float] = []
        while len(times) < FEWEST or sum(times) < seconds:
            started = time.perf_counter()
            trainee.train_batch(x, y, Batch(ids, 0, True))
            times.append(time.perf_counter() - started)
        after = _total(network)
    examples = len(times) * spec.batch
    work = Work(*((now - then) // examples for now, then in zip(after, before, strict=True)))
    return Cost(statistics.median(times) / spec.batch, work)


def _total(network: Network) -> Work:
    tallies = [layer.work.tally(phase) for layer in network.layers for phase in PHASES]
    return sum(tallies, Work(0, 0, 0))

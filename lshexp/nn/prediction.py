"""Predicting a split with a network: accuracy, and what it takes in work and in time.

Times are those of `Network.predict` alone, without what it takes to read or make the examples.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from lshexp.data.base import Examples
from lshexp.methods.base import Batch
from lshexp.nn.network import Network
from lshexp.work import PREDICT, Work

EVALUATION_BATCH = 256
# examples, and seconds, at most, of predicting one at a time for the sake of the time it takes
SINGLES, SECONDS = 256, 2.0


@dataclass(frozen=True)
class Prediction:
    """What predicting a split came to."""

    accuracy_pct: float
    work: list[Work]  # of each layer, over all examples
    us: float  # microseconds an example, in batches of EVALUATION_BATCH


def predict_split(network: Network, part: Examples, epoch: int) -> Prediction:
    """Predict all examples of a split, which must not be empty, once."""
    before = [layer.work.tally(PREDICT) for layer in network.layers]
    hits, seconds = 0, 0.0
    for first in range(0, part.size, EVALUATION_BATCH):
        ids = np.arange(first, min(first + EVALUATION_BATCH, part.size))
        x, y = part.batch(ids)
        started = time.perf_counter()
        hits += network.predict(x, y, Batch(ids, epoch, False)).hits
        seconds += time.perf_counter() - started
    after = [layer.work.tally(PREDICT) for layer in network.layers]
    work = [now.less(then) for now, then in zip(after, before, strict=True)]
    return Prediction(100 * hits / part.size, work, 1e6 * seconds / part.size)


def time_of_one(network: Network, part: Examples, epoch: int) -> float:
    """Microseconds that an example takes alone, the mean over the first ones of a split."""
    seconds, done = 0.0, 0
    for example in range(min(part.size, SINGLES)):
        ids = np.arange(example, example + 1)
        x, y = part.batch(ids)
        started = time.perf_counter()
        network.predict(x, y, Batch(ids, epoch, False))
        seconds += time.perf_counter() - started
        done += 1
        if seconds > SECONDS:
            break
    return 1e6 * seconds / done

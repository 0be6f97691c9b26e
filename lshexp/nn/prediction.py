"""Predicting a split with a network: accuracy, rankings of the classes, and what it takes in work and time.

Times are those of the network alone, without what it takes to read or make the examples, or to rank.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from lshexp.arrays import CSR, OffsetArray
from lshexp.data.base import Examples
from lshexp.methods.base import Batch
from lshexp.nn.network import Network
from lshexp.nn.output import as_csr
from lshexp.nn.ranking import DEPTH, RankingTotals, Sums, best_classes, best_retrieved
from lshexp.work import PREDICT, Work

EVALUATION_BATCH = 256
MOST_SCORES = 2**24  # of one batch: with very many classes, batches are smaller
# examples, and seconds, at most, of predicting one at a time for the sake of the time it takes
SINGLES, SECONDS = 256, 2.0


@dataclass(frozen=True)
class Prediction:
    """What predicting a split came to."""

    accuracy_pct: float
    work: list[Work]  # of each layer, over all examples
    us: float  # microseconds an example, in batches of EVALUATION_BATCH
    ranking: Mapping[str, float] = field(default_factory=dict)  # measures by name, where classes are ranked
    perplexity: float | None = None
    stored: int = 0  # inputs that the examples store, where they are sparse


def predict_split(network: Network, part: Examples, epoch: int, weights: Sums | None = None) -> Prediction:
    """Predict all examples of a split, which must not be empty, once, by the scores of all classes.

    `weights` are the inverse propensities of the classes, float64[classes], where they are known.
    """
    before = _predicted(network)
    totals = RankingTotals(weights) if network.output.nodes > DEPTH else None
    hits, loss, seconds, stored = 0, 0.0, 0.0, 0
    one_label = True
    for ids in _batches(network, part):
        x, y = part.batch(ids)
        started = time.perf_counter()
        scores, _ = network.scores(x, Batch(ids, epoch, False))
        outcome = network.head.losses(scores, y)
        seconds += time.perf_counter() - started
        hits += int(outcome.hits.sum())
        stored += x.nnz if isinstance(x, CSR) else 0
        loss += float(outcome.losses.sum(dtype=np.float64))
        one_label = not isinstance(y, CSR)
        if totals:
            totals.add(best_classes(scores, DEPTH, network.output.threads), as_csr(y, scores.shape[1]))
    perplexity = None
    if totals and one_label and network.head.normalised:
        perplexity = float(np.exp(min(loss / part.size, 700.0)))
    return Prediction(
        100 * hits / part.size,
        _less(_predicted(network), before),
        1e6 * seconds / part.size,
        totals.measures() if totals else {},
        perplexity,
        stored,
    )


def retrieve_split(
    network: Network, part: Examples, epoch: int, weights: Sums | None = None
) -> Prediction | None:
    """As `predict_split`, by the classes that the output's method retrieves; None where it takes all."""
    before = _predicted(network)
    totals, seconds = RankingTotals(weights), 0.0
    for ids in _batches(network, part):
        x, y = part.batch(ids)
        started = time.perf_counter()
        found = network.retrieve(x, Batch(ids, epoch, False))
        seconds += time.perf_counter() - started
        if found is None:
            return None
        totals.add(best_retrieved(found, DEPTH, network.output.threads), as_csr(y, found.shape[1]))
    work = _less(_predicted(network), before)
    measures = totals.measures()
    return Prediction(measures["acc_pct"], work, 1e6 * seconds / part.size, measures)


def time_of_one(network: Network, part: Examples, epoch: int) -> float:
    """Microseconds that an example takes alone, the mean over the first ones of a split."""
    return _time_of_one(part, epoch, network.scores)


def time_of_one_retrieved(network: Network, part: Examples, epoch: int) -> float:
    """The same of an example whose classes are retrieved."""
    return _time_of_one(part, epoch, network.retrieve)


def _time_of_one(part: Examples, epoch: int, predict: Callable[..., object]) -> float:
    seconds, done = 0.0, 0
    for example in range(min(part.size, SINGLES)):
        ids = np.arange(example, example + 1)
        x, _ = part.batch(ids)
        started = time.perf_counter()
        predict(x, Batch(ids, epoch, False))
        seconds += time.perf_counter() - started
        done += 1
        if seconds > SECONDS:
            break
    return 1e6 * seconds / done


def _batches(network: Network, part: Examples) -> list[OffsetArray]:
    """Numbers of the examples of each batch."""
    size = min(EVALUATION_BATCH, max(1, MOST_SCORES // network.output.nodes))
    return [np.arange(first, min(first + size, part.size)) for first in range(0, part.size, size)]


def _predicted(network: Network) -> list[Work]:
    return [layer.work.tally(PREDICT) for layer in network.layers]


def _less(after: list[Work], before: list[Work]) -> list[Work]:
    return [now.less(then) for now, then in zip(after, before, strict=True)]

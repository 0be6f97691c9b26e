"""Classes drawn by how often they occur in training."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lshexp.arrays import CSR, FloatArray, Inputs
from lshexp.methods.base import Batch, LayerView, Method, Selection, Selector, wanted_nodes
from lshexp.registry import register
from lshexp.streams import stream
from lshexp.work import Work, indexed

Chances = NDArray[np.float64]


@register("method", "popularity")
class Popularity(Method):
    """Draw classes by their frequency in training, the same ones for a whole batch; for outputs alone.

    Sampled softmax as practitioners use it (Bengio and Senecal, 2008; Jean et al., ACL 2015). Classes are
    drawn with replacement so many times that active_pct of all are expected to be drawn at least once; of a
    class with share p of the draws, the chance is 1 - (1 - p)^draws. At test every class is used.
    """

    for_hidden: ClassVar[bool] = False
    draws: ClassVar[bool] = True
    counts_labels: ClassVar[bool] = True

    distribution: Literal["unigram", "log_uniform"] = Field(
        default="unigram",
        description="share of a class in the draws; unigram: (its training examples + 1) to a power, "
        "log_uniform: log(1 + 1 / rank) by rank of frequency, as Zipf's law has it",
    )
    power: float = Field(default=1.0, ge=0, le=2, description="power of the unigram distribution")

    def memory_bytes(self, nodes: int, fan_in: int, share: float, threads: int) -> int:
        """Of each class its training examples, the sum of the shares up to it, and its chance."""
        return (8 + 8 + 4) * nodes

    def selector(self, layer: LayerView, share: float, key: int) -> Selector:
        """Draw classes so that `share` of all are expected."""
        return _Draw(self, layer, wanted_nodes(share, layer.nodes), key)

    def shares(self, counts: Chances) -> Chances:
        """Share of each class in the draws, float64[Y], from its training examples."""
        if self.distribution == "unigram":
            weights = (counts + 1) ** self.power
        else:
            weights = np.empty(len(counts))
            weights[np.argsort(-counts, kind="stable")] = np.log1p(1 / np.arange(1, len(counts) + 1))
        shares: Chances = weights / weights.sum()
        return shares


def draws_for(shares: Chances, wanted: int) -> int:
    """Least number of draws with replacement that are expected to meet `wanted` different classes.

    Rare classes would take for ever: beyond a hundred draws for each class, no more are made.
    """
    low, high = 1, 100 * len(shares)
    while low < high:
        middle = (low + high) // 2
        if float(inclusion(shares, middle).sum()) < min(wanted, len(shares) - 0.5):
            low = middle + 1
        else:
            high = middle
    return low


def inclusion(shares: Chances, draws: int) -> Chances:
    """Chance that each class is met in so many draws, float64[Y]."""
    with np.errstate(divide="ignore"):
        chances: Chances = -np.expm1(draws * np.log1p(-shares))
    return chances


class _Draw(Selector):
    def __init__(self, options: Popularity, layer: LayerView, wanted: int, key: int) -> None:
        self._options = options
        self._layer = layer
        self._wanted = wanted
        self._key = key
        self._drawn_from: _Urn | None = None

    def select(self, inputs: Inputs, batch: Batch) -> Selection:
        if not batch.training:
            return Selection(active=None)
        examples, nodes, urn = len(batch.examples), self._layer.nodes, self._urn()
        random = stream(self._key, "popularity", batch.epoch, *map(int, batch.examples[:1]))
        points = random.random(urn.draws) * urn.upto[-1]
        met = np.unique(np.searchsorted(urn.upto, points, side="right").clip(max=nodes - 1))
        active = CSR.from_lengths(np.full(examples, len(met)), nodes)
        active.indices[:] = np.tile(met.astype(np.int32), examples)
        log_inclusion = urn.log_inclusion[met]
        # float64 numbers drawn, scaled and sought; and the chances of the classes met, for each example
        self._layer.work.count("select", Work(urn.draws, 0, 40 * urn.draws))
        self._layer.work.count("select", indexed(len(met), met.nbytes))
        self._layer.work.count("select", Work(0, 0, 4 * (len(met) + active.nnz)))
        return Selection(active, log_inclusion=np.tile(log_inclusion, examples))

    def _urn(self) -> _Urn:
        """What classes are drawn from, made when first asked for: a network that predicts needs no counts."""
        if self._drawn_from is None:
            counts = self._layer.label_counts
            if counts is None:
                raise ValueError("popularity draws by the label counts of the training examples")
            shares = self._options.shares(counts.astype(np.float64))
            draws = draws_for(shares, self._wanted)
            log_inclusion = np.log(inclusion(shares, draws)).astype(np.float32)
            self._drawn_from = _Urn(draws, np.cumsum(shares), log_inclusion)
        return self._drawn_from


class _Urn(NamedTuple):
    """What classes are drawn from."""

    draws: int
    upto: Chances  # sums of the shares of the classes up to each
    log_inclusion: FloatArray  # of each class

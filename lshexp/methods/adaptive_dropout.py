"""Adaptive dropout (standout): a node is kept with a probability that grows with its own activation.

A draw compares that probability with a random number, so one that is rounded otherwise may keep another node,
and from there on two runs part. With several layers at few per cent active that shows: trained on 10,000
digits (three layers of 1,000, 5 %, Adagrad, three epochs), test accuracy after the first epoch was 41.0 %,
36.3 % with another kernel of the same BLAS and 37.2 % with Numba compiling for another processor; over
twelve epochs one run's accuracy moved by up to 26 points from an epoch to the next. At 25 and 50 %, changing
one initial weight by its last bit moved the accuracy after three epochs by 0.2 at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lshexp.arrays import CSR, FloatArray, Inputs, like
from lshexp.buffers import empty, empty_like
from lshexp.hashing.learned import sigmoid
from lshexp.kernels.csr import gather_rows, gather_rows_cost
from lshexp.kernels.parallel import even_bounds
from lshexp.kernels.select import draw_gated, draw_gated_cost, take_above, take_above_cost
from lshexp.methods.base import Batch, LayerView, Method, Selection, Selector
from lshexp.registry import register
from lshexp.streams import stream_key
from lshexp.work import Work, elementwise


@register("method", "adaptive_dropout")
class AdaptiveDropout(Method):
    """Keep a node with probability sigmoid(alpha * pre-activation + beta) (standout; Ba & Frey, 2013).

    The belief network shares the layer's weights, as the source found to work as well as separate ones. At
    test every node is used, its activation multiplied by its keep probability. Pre-activations of all nodes
    are computed to make the choice. It has no meaning for an output, whose nodes are not gated.

    Where `beta` is left out, it starts where the first batch meets active_pct, and moves after each batch by
    the difference in log-odds between the share wanted and the mean keep probability seen.
    """

    for_output: ClassVar[bool] = False

    alpha: float = Field(
        default=1.0, ge=0, description="factor of the pre-activation in the keep probability"
    )
    beta: float | None = Field(
        default=None,
        description="offset in the keep probability, which sets the active share; left out: adjusted until "
        "active_pct is met",
    )

    @property
    def fixed_share(self) -> str:
        """The offset is moved towards one share, and tests use it."""
        return "it tests by an offset that earlier batches have set"

    def selector(self, layer: LayerView, share: float, key: int) -> Selector:
        """Keep nodes by activation, a share of `share` on average where beta is not given."""
        return _Standout(layer, share, key, self.alpha, self.beta)


class _Standout(Selector):
    def __init__(self, layer: LayerView, share: float, key: int, alpha: float, beta: float | None) -> None:
        self._layer = layer
        self._share = min(share, 1 - 1e-6)  # log-odds of 1 are infinite
        self._key = key
        self._alpha = np.float32(alpha)
        self._beta = beta
        self._sought = beta is None

    def select(self, inputs: Inputs, batch: Batch) -> Selection:
        scores = self._layer.scores_of_all(inputs, "select")
        size = scores.size
        driven = elementwise(2 * size, mults=size, adds=size)  # alpha times the score, plus beta
        self._layer.work.count("select", driven + elementwise(4 * size))  # and the sigmoid
        drive = np.multiply(self._alpha, scores, out=empty_like(scores))
        if self._beta is None:
            self._beta = _solve_beta(drive, self._share)
        keep = sigmoid(np.add(drive, np.float32(self._beta), out=drive))
        if not batch.training:
            return Selection(active=None, scored=True, scores=scores, multiplier=keep)
        if self._sought:
            seen = float(keep.mean(dtype=np.float64))
            self._layer.work.count("select", Work(0, 0, 4 * size))
            if 0 < seen < 1:
                self._beta += _logit(self._share) - _logit(seen)
        return self._draw(scores, keep, batch)

    def state(self) -> dict[str, NDArray[Any]]:
        """The offset, once there is one."""
        return {} if self._beta is None else {"beta": np.array([self._beta], dtype=np.float64)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        if "beta" in state:
            self._beta = float(like(state, "beta", np.zeros(1))[0])

    def _draw(self, scores: FloatArray, keep: FloatArray, batch: Batch) -> Selection:
        n, nodes = scores.shape
        bounds = even_bounds(n, self._layer.threads)
        chosen = empty_like(scores)
        counts = empty(n, dtype=np.int64)
        key = np.uint64(stream_key(self._key, "standout", batch.epoch))
        draw_gated(key, batch.examples, keep, bounds, chosen, counts)
        active = CSR.from_lengths(counts, scores.shape[1])
        take_above(chosen, np.full(nodes, 0.5, dtype=np.float32), bounds, *active.arrays)
        gather_rows(scores, active.indptr, active.indices, bounds, active.data)
        costs = (
            draw_gated_cost(keep),
            Work(0, 0, 4 * nodes),  # one threshold for all
            take_above_cost(chosen, active.indices),
            gather_rows_cost(active.indptr, active.indices),
        )
        self._layer.work.count("select", sum(costs, Work(0, 0, 0)))
        return Selection(active, scored=True)


def _logit(p: float) -> float:
    return float(np.log(p / (1 - p)))


def _solve_beta(drive: FloatArray, share: float) -> float:
    """Find beta with mean(sigmoid(drive + beta)) = share by bisection; the mean grows with beta."""
    finite = drive[np.isfinite(drive)]
    if not len(finite):
        return _logit(share)
    low = _logit(share) - float(finite.max())
    high = _logit(share) - float(finite.min())
    for _ in range(40):
        middle = (low + high) / 2
        if float(sigmoid(finite + np.float32(middle)).mean(dtype=np.float64)) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2

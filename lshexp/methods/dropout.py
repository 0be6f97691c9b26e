"""Vanilla dropout."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lshexp.arrays import CSR, Inputs
from lshexp.buffers import empty
from lshexp.kernels.select import draw_bernoulli, draw_bernoulli_cost
from lshexp.methods.base import Batch, LayerView, Method, Selection, Selector
from lshexp.registry import register
from lshexp.streams import stream_key


@register("method", "dropout")
class Dropout(Method):
    """Keep each hidden node with probability active_pct, by chance alone (Srivastava et al., 2014).

    Inverted dropout: kept activations are divided by the keep probability in training, and the full network,
    unscaled, is used at test. Each example draws nodes of its own. At an output it is sampled softmax with
    uniform classes.
    """

    draws: ClassVar[bool] = True

    @property
    def fixed_share(self) -> str:
        """Empty: it draws with any probability."""
        return ""

    def selector(self, layer: LayerView, share: float, key: int) -> Selector:
        """Draw nodes with keep probability `share`."""
        return _Draw(layer, share, key)


class _Draw(Selector):
    def __init__(self, layer: LayerView, share: float, key: int) -> None:
        self._layer = layer
        self._share = share
        self._key = key

    def select(self, inputs: Inputs, batch: Batch) -> Selection:
        if not batch.training:
            return Selection(active=None)
        nodes, n = self._layer.nodes, len(batch.examples)
        share = self._share if batch.share is None else batch.share
        with np.errstate(divide="ignore"):
            log_drop = float(np.log1p(-share))
        key = np.uint64(stream_key(self._key, "dropout", batch.epoch))
        indptr = empty(n + 1, dtype=np.int64)
        expected = n * nodes * share
        capacity = min(n * nodes, int(expected + 6 * np.sqrt(expected) + 16))
        while True:
            drawn = empty(capacity, dtype=np.int32)
            pairs = draw_bernoulli(key, batch.examples, nodes, log_drop, indptr, drawn)
            if pairs >= 0:
                break
            capacity = min(n * nodes, 2 * capacity)
        self._layer.work.count("select", draw_bernoulli_cost(batch.examples, pairs))
        active = CSR(indptr, drawn[:pairs], empty(pairs, dtype=np.float32), (n, nodes))
        return Selection(active, multiplier=1.0 / share, log_inclusion=float(np.log(share)))

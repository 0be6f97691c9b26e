"""The exact winners of each example."""

from __future__ import annotations

import numpy as np

from lshexp.kernels.ragged import even_bounds
from lshexp.kernels.top_k import top_k_rows
from lshexp.methods.base import Batch, LayerView, Selection, Selector, Signal, pack


class Exact(Selector):
    """Computes every node and keeps the k of largest pre-activation."""

    def __init__(self, layer: LayerView, k: int) -> None:
        self._layer = layer
        self._k = k

    def select(self, inputs: Signal, batch: Batch) -> Selection:
        scores = self._layer.scores_of_all(inputs, "select")
        n = len(scores)
        lists = pack(np.full(n, self._k))
        top_k_rows(scores, self._k, even_bounds(n, self._layer.threads), lists.nodes, lists.values)
        return Selection(lists, scored=True)

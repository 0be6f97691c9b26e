"""The exact winners of each example."""

from __future__ import annotations

import numpy as np

from lshexp.arrays import CSR, Inputs
from lshexp.kernels.parallel import even_bounds
from lshexp.kernels.top_k import top_k_rows, top_k_rows_cost
from lshexp.methods.base import Batch, LayerView, Selection, Selector


class Exact(Selector):
    """Computes every node and keeps the k of largest pre-activation."""

    def __init__(self, layer: LayerView, k: int) -> None:
        self._layer = layer
        self._k = k

    def select(self, inputs: Inputs, batch: Batch) -> Selection:
        scores = self._layer.scores_of_all(inputs, "select")
        n = len(scores)
        active = CSR.from_lengths(np.full(n, self._k), self._layer.nodes)
        bounds = even_bounds(n, self._layer.threads)
        touched = top_k_rows(scores, self._k, bounds, active.indices, active.data)
        self._layer.work.count("select", top_k_rows_cost(active.indices, touched))
        return Selection(active, scored=True)

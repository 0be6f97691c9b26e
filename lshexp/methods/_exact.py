"""The best-scored nodes of each example, and selectors for all nodes and for the exact winners."""

from __future__ import annotations

import numpy as np

from lshexp.arrays import CSR, FloatArray, Inputs
from lshexp.kernels.parallel import balanced_bounds, even_bounds
from lshexp.kernels.top_k import top_k_csr, top_k_csr_cost, top_k_rows, top_k_rows_cost
from lshexp.methods.base import Batch, LayerView, Selection, Selector


class Everything(Selector):
    """Every node, whatever the input."""

    def select(self, inputs: Inputs, batch: Batch) -> Selection:
        return Selection(active=None)


class Exact(Selector):
    """Computes every node and keeps the k of largest pre-activation."""

    def __init__(self, layer: LayerView, k: int) -> None:
        self._layer = layer
        self._k = k

    def winners(self, batch: Batch) -> int:
        return batch.wanted(self._k, self._layer.nodes)

    def select(self, inputs: Inputs, batch: Batch) -> Selection:
        scores = self._layer.scores_of_all(inputs, "select")
        return Selection(best_of_rows(scores, self.winners(batch), self._layer), scored=True)


def best_of_rows(scores: FloatArray, k: int, layer: LayerView, phase: str = "select") -> CSR:
    """The k nodes of largest score of each example and their scores, of float32[B, nodes]."""
    best = CSR.of_equal_rows(len(scores), k, layer.nodes)
    bounds = even_bounds(len(scores), layer.threads)
    touched = top_k_rows(scores, k, bounds, best.indices, best.data)
    layer.work.count(phase, top_k_rows_cost(best.indices, touched))
    return best


def best_of_pairs(candidates: CSR, k: int, layer: LayerView) -> CSR:
    """The k pairs of largest value of each example, or all where there are fewer; counted as `select`."""
    best = CSR.from_lengths(np.minimum(candidates.row_lengths(), k), candidates.shape[1])
    bounds = balanced_bounds(candidates.indptr, layer.threads)
    touched = top_k_csr(*candidates.arrays, k, bounds, *best.arrays)
    layer.work.count("select", top_k_csr_cost(candidates.indptr, best.indptr, touched))
    return best

"""How good a ranking of classes is, for examples with any number of labels.

Every measure takes the best-ranked classes of each example, int32[B, k] with -1 where fewer were retrieved,
and returns a sum over the examples, so that batches add up. Examples without labels count as zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lshexp.arrays import CSR, BoolArray, FloatArray, IntArray
from lshexp.kernels.parallel import balanced_bounds, even_bounds
from lshexp.kernels.top_k import top_k_csr, top_k_rows

Sums = NDArray[np.float64]

DEPTH = 20  # of the rankings that are looked at; with no more classes than these there is nothing to rank

# Constants of the propensity model where a dataset has none of its own (Jain, Prabhu and Varma, KDD 2016).
PROPENSITY_A, PROPENSITY_B = 0.55, 1.5


def best_classes(scores: FloatArray, k: int, threads: int) -> IntArray:
    """Return the k best-scored classes of each example, best first, int32[B, k]; ties: the lower class."""
    k = min(k, scores.shape[1])
    top = np.empty((len(scores), k), dtype=np.int32)
    values = np.empty((len(scores), k), dtype=np.float32)
    top_k_rows(scores, k, even_bounds(len(scores), threads), top.ravel(), values.ravel())
    best: IntArray = np.take_along_axis(top, np.argsort(-values, axis=1, kind="stable"), axis=1)
    return best


def best_retrieved(found: CSR, k: int, threads: int) -> IntArray:
    """Return the k best of the classes retrieved for each example, best first, int32[B, k], then -1."""
    best = CSR.from_lengths(np.minimum(found.row_lengths(), k), found.shape[1])
    top_k_csr(*found.arrays, k, balanced_bounds(found.indptr, threads), *best.arrays)
    lengths = best.row_lengths()
    rows = np.repeat(np.arange(len(best)), lengths)
    order = np.lexsort((best.indices, -best.data, rows))
    ranked = np.full((len(best), k), -1, dtype=np.int32)
    ranked[rows, np.arange(best.nnz) - np.repeat(best.indptr[:-1], lengths)] = best.indices[order]
    return ranked


def hits_of(ranked: IntArray, labels: CSR) -> BoolArray:
    """Return bool[B, k]: which of the ranked classes are labels of their example."""
    rows = np.repeat(np.arange(len(labels), dtype=np.int64), np.diff(labels.indptr))
    classes = np.int64(labels.shape[1])
    known = np.sort(rows * classes + labels.indices)
    asked = np.arange(len(ranked), dtype=np.int64)[:, None] * classes + ranked
    if not len(known):
        return np.zeros(ranked.shape, dtype=np.bool_)
    at = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    hits: BoolArray = (known[at] == asked) & (ranked >= 0)
    return hits


def precision(hits: BoolArray, k: int) -> float:
    """Sum over examples of the share of labels among the k best: P@k."""
    return float(hits[:, :k].sum()) / k


def recall(hits: BoolArray, labels: CSR, k: int) -> float:
    """Sum over examples of the share of an example's labels that are among the k best: R@k."""
    counts = np.diff(labels.indptr)
    found = hits[:, :k].sum(axis=1)
    return float((found / np.maximum(counts, 1)).sum())


def ndcg(hits: BoolArray, labels: CSR, k: int) -> float:
    """Sum over examples of the discounted gain of the k best over that of the ideal ranking: nDCG@k."""
    gains = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate(([0.0], np.cumsum(gains)))[np.minimum(np.diff(labels.indptr), k)]
    gained = hits[:, :k] @ gains[: hits[:, :k].shape[1]]
    return float((gained / np.where(ideal > 0, ideal, 1)).sum())


def propensities(label_counts: NDArray[np.int64], examples: int) -> Sums:
    """Return the modelled chance that a relevant label is recorded, float64[Y] (Jain et al. 2016, eq. 1)."""
    c = (np.log(examples) - 1) * (PROPENSITY_B + 1) ** PROPENSITY_A
    chances: Sums = 1 / (1 + c * np.exp(-PROPENSITY_A * np.log(label_counts + PROPENSITY_B)))
    return chances


def propensity_scored(
    ranked: IntArray, hits: BoolArray, labels: CSR, weights: Sums, k: int
) -> tuple[float, float]:
    """Return the sums that PSP@k is the ratio of: gain of the k best, and of the best ranking there is.

    `weights` are inverse propensities, float64[Y]. The ratio is taken over the whole test set, as the
    extreme-classification repository does.
    """
    gained = float((weights[ranked[:, :k]] * hits[:, :k]).sum()) / k
    rows = np.repeat(np.arange(len(labels)), np.diff(labels.indptr))
    own = weights[labels.indices]
    order = np.lexsort((-own, rows))
    place = np.arange(len(order)) - labels.indptr[rows[order]]
    return gained, float(own[order][place < k].sum()) / k


class RankingTotals:
    """Measures of the rankings of a split, added up batch by batch."""

    def __init__(self, weights: Sums | None) -> None:
        """Take inverse propensities, float64[Y], or None where PSP@k is not measured."""
        self._weights = weights
        self._examples = 0
        self._sums = {"acc_pct": 0.0, "p3_pct": 0.0, "p5_pct": 0.0, "recall20_pct": 0.0, "ndcg20_pct": 0.0}
        self._scored = {k: np.zeros(2) for k in (1, 3, 5)} if weights is not None else {}

    def add(self, ranked: IntArray, labels: CSR) -> None:
        """Take the best classes of a batch, int32[B, DEPTH], -1 where there are fewer."""
        hits = hits_of(ranked, labels)
        self._examples += len(ranked)
        for name, k in (("acc_pct", 1), ("p3_pct", 3), ("p5_pct", 5)):
            self._sums[name] += precision(hits, k)
        self._sums["recall20_pct"] += recall(hits, labels, DEPTH)
        self._sums["ndcg20_pct"] += ndcg(hits, labels, DEPTH)
        if self._weights is not None:
            for k, sums in self._scored.items():
                sums += propensity_scored(ranked, hits, labels, self._weights, k)

    def measures(self) -> dict[str, float]:
        """Per cent by name: P@1 as `acc_pct`, P@3 as `p3_pct`, PSP@1 as `psp1_pct` and so on."""
        means = {name: 100 * value / max(1, self._examples) for name, value in self._sums.items()}
        scored = {f"psp{k}_pct": 100 * gained / best for k, (gained, best) in self._scored.items() if best}
        return means | scored

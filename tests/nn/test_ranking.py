"""Measures of rankings against their definitions, example by example."""

from __future__ import annotations

import numpy as np
import pytest

from lshexp.arrays import CSR
from lshexp.nn import ranking

CLASSES, K = 12, 5


def cases(examples=9, seed=0):
    """Scores with ties, and labels of which the first example has none."""
    random = np.random.default_rng(seed)
    scores = random.integers(0, 6, (examples, CLASSES)).astype(np.float32)
    known = random.random((examples, CLASSES)) < 0.25
    known[:1] = False
    return scores, [np.flatnonzero(row) for row in known], CSR.from_dense(known.astype(np.float32))


@pytest.mark.parametrize("examples", [0, 1, 9])
def test_measures(examples):
    scores, own, labels = cases(examples)
    ranked = ranking.best_classes(scores, K, threads=1)
    expected = [sorted(range(CLASSES), key=lambda c: (-row[c], c))[:K] for row in scores]
    assert ranked.tolist() == expected
    hits = ranking.hits_of(ranked, labels)
    truth = [[c in mine for c in row] for row, mine in zip(expected, own, strict=True)]
    assert hits.tolist() == truth
    for k in (1, 3, K):
        assert ranking.precision(hits, k) == pytest.approx(sum(sum(row[:k]) for row in truth) / k)
        recalls = [sum(row[:k]) / len(mine) if len(mine) else 0 for row, mine in zip(truth, own, strict=True)]
        assert ranking.recall(hits, labels, k) == pytest.approx(sum(recalls))
        gains = []
        for row, mine in zip(truth, own, strict=True):
            gained = sum(1 / np.log2(i + 2) for i in range(k) if row[i])
            ideal = sum(1 / np.log2(i + 2) for i in range(min(k, len(mine))))
            gains.append(gained / ideal if ideal else 0)
        assert ranking.ndcg(hits, labels, k) == pytest.approx(sum(gains))
        weights = 1 / ranking.propensities(np.arange(CLASSES), 100)
        gained, ideal = ranking.propensity_scored(ranked, hits, labels, weights, k)
        mine_best = [sorted(weights[mine], reverse=True)[:k] for mine in own]
        assert ideal == pytest.approx(sum(sum(best) for best in mine_best) / k)
        reached = [
            sum(weights[c] for c in row[:k] if c in mine) for row, mine in zip(expected, own, strict=True)
        ]
        assert gained == pytest.approx(sum(reached) / k)


def test_places_without_a_class_are_no_hits():
    _, _, labels = cases()
    ranked = np.full((9, 2), -1, dtype=np.int32)
    assert not ranking.hits_of(ranked, labels).any()


def test_a_rare_label_weighs_more():
    propensity = ranking.propensities(np.array([1, 10, 1000]), 10_000)
    assert (np.diff(propensity) > 0).all() and (propensity > 0).all() and (propensity <= 1).all()

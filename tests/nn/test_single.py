"""An example predicted alone: layers of exact winners are taken in one call, to the same bits and counts."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import data

from lshexp import registry
from lshexp.arrays import CSR
from lshexp.methods.base import Batch
from lshexp.nn.gemm import Gemm
from lshexp.nn.layer import Layer
from lshexp.nn.network import Network
from lshexp.nn.threads import using_threads
from lshexp.spec import RunSpec
from lshexp.work import PREDICT

WINNERS = ("winner_take_all", {"over": "example"})
SCANNED = ("winner_take_all", {"over": "example", "where_sparse": "scan"})
HYBRID = ("lsh", {"preset": "hybrid", "L": 0, "hash": {"dims": 4}})
EXAMPLES, CLASSES = 30, 3
CASES = {  # method, changes of the spec, hidden layers that are taken in one call
    "scanned": (*SCANNED, {"input": "lists", "hidden": [41, 300, 50]}, 3),
    "scanned above rows": (*SCANNED, {"hidden": [41, 300, 50]}, 2),
    "blocks of 4": (*WINNERS, {"block": 4, "hidden": [41, 70, 50]}, 3),
    "blocks of 16, lists": (*WINNERS, {"block": 16, "input": "lists", "hidden": [41, 70, 50]}, 3),
    "hybrid": (*HYBRID, {"hidden": [41, 300, 50]}, 2),
    "hybrid, blocks": (*HYBRID, {"hidden": [300, 300, 50], "block": 8}, 2),
    "skips": (*SCANNED, {"input": "lists", "hidden": [50, 50, 50], "skip": True}, 0),
    "by node": (*WINNERS, {"hidden": [41, 50, 30]}, 0),
}


@pytest.fixture(params=CASES)
def trained(request):
    method, options, changes, at_once = CASES[request.param]
    x, y = data(EXAMPLES)
    spec = RunSpec(method=method, active_pct=9.0, lr=0.1, optimizer="sgd", batch=10, **changes)
    with using_threads(1), Gemm(1) as gemm:
        net = Network(spec, registry.methods.build(method, options), x.shape[1], CLASSES, gemm)
        for first in range(0, EXAMPLES, 10):
            ids = np.arange(first, first + 10)
            net.train_batch(x[ids], y[ids], Batch(ids, 0, True))
        yield net, x, at_once


def one_by_one(net, x):
    """Scores of all examples, and the nodes selected in each layer."""
    found = [net.scores(x[i : i + 1], Batch(np.arange(i, i + 1), 0, False)) for i in range(len(x))]
    return np.concatenate([scores for scores, _ in found]), np.sum([chosen for _, chosen in found], axis=0)


def counted(net, predict):
    before = [layer.work.tally(PREDICT) for layer in net.layers]
    found = predict()
    after = [layer.work.tally(PREDICT) for layer in net.layers]
    return found, [now.less(then)[:2] for now, then in zip(after, before, strict=True)]


def test_an_example_alone_is_predicted_and_counted_as_in_a_batch(trained, monkeypatch):
    net, x, at_once = trained
    together = counted(net, lambda: net.scores(x, Batch(np.arange(len(x)), 0, False)))
    calls = []
    for layer in net.hidden:
        whole = layer.winners_of_one

        def watched(*own, whole=whole):
            calls.append(whole(*own))
            return calls[-1]

        monkeypatch.setattr(layer, "winners_of_one", watched)
    alone = counted(net, lambda: one_by_one(net, x))
    assert sum(found is not None for found in calls) == at_once * len(x)
    (scores, selected), (own_scores, own_selected) = together[0], alone[0]
    if net.layers[0].plan.first and not isinstance(net._input(x), CSR):  # BLAS sums one row in another order
        np.testing.assert_allclose(own_scores, scores, rtol=1e-4, atol=1e-5)
    else:
        np.testing.assert_array_equal(own_scores, scores)
    assert own_selected.tolist() == selected
    assert alone[1] == together[1]  # multiplications and additions


def test_a_layer_that_has_no_such_kernel_says_so(trained):
    net, x, _ = trained
    assert type(net.output).winners_of_one is not None
    assert Layer.winners_of_one(net.output, x[:1], 3) is None


def test_nothing_is_counted_while_counting_is_paused(trained):
    net, x, _ = trained
    with net.counting("paused"):
        _, work = counted(net, lambda: one_by_one(net, x))
    assert set(work) == {(0, 0)}

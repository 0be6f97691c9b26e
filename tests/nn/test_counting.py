"""Every cell of work.csv, counted again by a twin that knows no formula; closed forms; and growth."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from typing import ClassVar

import metered
import numpy as np
import pytest
from recount import Recount
from small_networks import data, network, train

from lshexp import registry
from lshexp.arrays import CSR
from lshexp.data.base import Dataset, DatasetInfo, Part, Splits
from lshexp.kernels.step import OPTIMIZERS
from lshexp.nn import asynchronous, trainer
from lshexp.nn.blocks import BlockLayer
from lshexp.nn.dense_cost import DenseCost
from lshexp.nn.layer import Layer
from lshexp.nn.network import Network
from lshexp.nn.output import Output
from lshexp.spec import RunSpec
from lshexp.work import PHASES, PREDICT, LayerWork, Work

FEATURES, CLASSES, EXAMPLES, TESTED = 11, 3, 15, 7
SKETCH = {"K": 2, "L": 3, "rehash_every": 6}
METHODS = {
    "dense": ("dense", {}, 25.0),
    "dropout": ("dropout", {}, 40.0),
    "dropout few": ("dropout", {}, 8.0),
    "adaptive_dropout": ("adaptive_dropout", {}, 40.0),
    "adaptive_dropout given": ("adaptive_dropout", {"beta": -1.0, "alpha": 2.0}, 40.0),
    "winners batch": ("winner_take_all", {"over": "batch"}, 25.0),
    "winners node": ("winner_take_all", {"over": "node"}, 25.0),
    "winners example": ("winner_take_all", {"over": "example"}, 9.0),
    "winners scan": ("winner_take_all", {"over": "example", "where_sparse": "scan"}, 9.0),
    "lsh": ("lsh", {**SKETCH, "hash": {"dims": 4}}, 12.0),
    "lsh refined": ("lsh", {"K": 2, "L": 3, "refine": 0, "refine_sparse": 3, "hash": {"dims": 2}}, 9.0),
    "lsh uncentred": ("lsh", {**SKETCH, "hash": {"dims": 3, "center": False, "offset": 0.0}}, 12.0),
    "lsh random": ("lsh", {**SKETCH, "hash": {"dims": 3, "directions": "random"}}, 12.0),
    "lsh many ranked": ("lsh", {**SKETCH, "hash": {"dims": 2, "rank_dims": 5}}, 12.0),
    "lsh touched": ("lsh", {"K": 2, "L": 3, "hash": {"dims": 3, "offset": 0.0}, "rehash": "touched"}, 12.0),
    "lsh changed": ("lsh", {**SKETCH, "hash": {"dims": 3}, "rehash": "changed", "rehash_growth": 1.5}, 12.0),
    "lsh rolling": (
        "lsh",
        {"K": 2, "L": 3, "hash": {"dims": 3}, "rehash": "rolling", "rehash_nodes": 1},
        12.0,
    ),
    "lsh not following": ("lsh", {**SKETCH, "hash": {"dims": 2}, "follow": False}, 12.0),
    "lsh hybrid": ("lsh", {**SKETCH, "preset": "hybrid", "hash": {"dims": 2}}, 9.0),
    "lsh without tables": ("lsh", {"L": 0, "hash": {"dims": 2}, "rehash_every": 6}, 12.0),
    "lsh paper": ("lsh", {"preset": "paper", "K": 3, "L": 3, "probes": 4}, 25.0),
    "lsh authors": ("lsh", {"preset": "authors_code", "K": 3, "L": 6, "rehash_every": 4}, 12.0),
    "lsh srp": ("lsh", {**SKETCH, "hash": "srp", "rank": "count", "refine": 1.0, "candidates": 2.0}, 25.0),
    "lsh capped": ("lsh", {**SKETCH, "hash": "srp", "rank": "count", "refine": 0.0, "bucket_cap": 2}, 25.0),
    "lsh simple_lsh": ("lsh", {**SKETCH, "hash": "simple_lsh", "rank": "first", "refine": 0.0}, 25.0),
    "lsh alsh": ("lsh", {**SKETCH, "hash": {"name": "alsh", "m": 3}, "rank": "count"}, 25.0),
    "lsh learned": (
        "lsh",
        {
            "K": 3,
            "L": 2,
            "hash": {"name": "learned_hash", "examples": 4, "steps": 2},
            "rank": "count",
            "rehash": "moved",
            "rehash_every": 4,
            "learn_every": 9,
            "moved_pct": 10.0,
        },
        25.0,
    ),
    "lsh moved": ("lsh", {"K": 2, "L": 3, "hash": {"dims": 2}, "rehash": "moved", "rehash_every": 4}, 12.0),
    "sparse_weights": (
        "sparse_weights",
        {"keep_pct": 40.0, "exchange_every": 2, "exchange_pct": 50.0, "exchange_until": 5},
        100.0,
    ),
    "low_rank": ("low_rank", {"rank": 3}, 100.0),
    "low_rank share": ("low_rank", {"keep_pct": 50.0}, 100.0),
    "hashed_weights": ("hashed_weights", {"keep_pct": 20.0}, 100.0),
    "quantized_weights int8": ("quantized_weights", {"to": "int8"}, 100.0),
    "quantized_weights pow2": ("quantized_weights", {"to": "pow2"}, 100.0),
    "sparse_weights static": ("sparse_weights", {"keep_pct": 30.0, "exchange_every": 0}, 100.0),
    "predictor": ("predictor", {"width": 3, "share": 0.4}, 12.0),
    "predictor unrefined": ("predictor", {"width": 2, "share": 1.0, "refine": 0.0}, 25.0),
    "product_key": ("product_key", {"dims": 4, "lr": 0.02}, 25.0),
    "product_key few": ("product_key", {"dims": 6}, 9.0),
    "lsh dwta": ("lsh", {**SKETCH, "hash": "dwta", "rank": "count"}, 25.0),
}
STORAGE = {
    "rows": {},
    "stored": {"input": "lists"},
    "sparse examples": {"dataset": "tiny_sparse"},
    "skip": {"skip": True, "hidden": [16, 16, 16, 16], "input": "lists"},
}
UPDATES = {"batch": {}, "simulated": {"simulate_workers": 3}, "lock-free": {"update": "hogwild"}}


class Tiny(Dataset):
    """A few examples with zeros, one of them all zero."""

    sparse: ClassVar[bool] = False

    def info(self):
        return DatasetInfo(FEATURES, CLASSES, EXAMPLES, TESTED, "made up", sparse=self.sparse)

    def fingerprint(self):
        return "tiny"

    def load(self):
        random = np.random.default_rng(3)
        parts = []
        for examples in (EXAMPLES, TESTED):
            present = random.random((examples, FEATURES)) < 0.6
            x = (random.random((examples, FEATURES)) * present).astype(np.float32)
            x[0] = 0
            y = random.integers(0, CLASSES, examples).astype(np.int32)
            parts.append(Part(CSR.from_dense(x) if self.sparse else x, y))
        return Splits(*parts)


class TinySparse(Tiny):
    """The same examples as a CSR."""

    sparse: ClassVar[bool] = True


def tiny(method, options, share, **more):
    """A run that is over in no time."""
    settings = {"hidden": [16, 24], "batch": 6, "epochs": 2, "lr": 0.05, "momentum": 0.5, "dataset": "tiny"}
    return RunSpec(method=method, method_options=options, active_pct=share, **{**settings, **more})


def trained(monkeypatch, spec):
    """The result of a run; its kernels are not compiled beforehand."""
    monkeypatch.setattr(trainer, "warm_up", lambda *arguments: 0.0)
    with registry.temporarily(dataset={"tiny": Tiny, "tiny_sparse": TinySparse}):
        result = trainer.run(spec)
    assert result.status == "ok"
    return result


def recounted(monkeypatch, method, options, share, **more):
    """Train and test through the trainer; return its result and the recount."""
    spec = tiny(method, options, share, **more)
    recounts = []

    def network(*arguments, **named):
        net = Network(*arguments, **named)
        recounts.append(Recount(net, spec))
        kernel = recounts[-1].lock_free(asynchronous.hogwild_round)
        monkeypatch.setattr(asynchronous, "hogwild_round", kernel)
        return net

    monkeypatch.setattr(trainer, "Network", network)
    return trained(monkeypatch, spec), recounts[0]


def compare(result, recount):
    """Multiplications and additions of every cell of work.csv, and the weights, are those of the twin."""
    meter = recount.meter
    cells = {(row.layer, row.phase): (row.mults, row.adds) for row in result.work}
    assert len(cells) == len(recount.net.layers) * (len(PHASES) + 1)
    assert cells == {at: (meter.mults[at], meter.adds[at]) for at in cells}
    for layer, weights in zip(recount.net.layers, recount.twin.weights, strict=True):
        np.testing.assert_allclose(layer.weights, weights, rtol=5e-3, atol=5e-4)


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("storage", STORAGE)
@pytest.mark.parametrize("name", METHODS)
def test_mults_and_adds_of_every_layer_and_phase(monkeypatch, name, storage, update):
    """Exact in every phase, predicting included; and but for rounding, the twin would have chosen so too."""
    if (storage, update) == ("skip", "lock-free"):
        pytest.skip("lock-free threads take no skips")
    method = registry.methods.build(*METHODS[name][:2])
    if update == "lock-free" and (method.gated or method.storage):
        pytest.skip("lock-free threads take neither gates nor layers without a full matrix of weights")
    optimizer = "adagrad" if storage == "rows" else "sgd"
    more = {"optimizer": optimizer, **STORAGE[storage], **UPDATES[update]}
    result, recount = recounted(monkeypatch, *METHODS[name], **more)
    compare(result, recount)
    assert recount.overlap > 0.8
    assert np.mean(recount.agreed or [True]) > 0.8


FALLING = (
    "dropout few", "winners example", "winners scan", "lsh", "lsh touched", "lsh hybrid",
    "lsh without tables", "lsh paper", "lsh authors", "lsh learned", "predictor", "product_key few",
)  # fmt: skip


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("name", FALLING)
def test_a_falling_share_is_counted_as_it_falls(monkeypatch, name, update):
    """Each epoch at its own share, predicting at active_pct."""
    if update == "lock-free" and registry.methods.build(*METHODS[name][:2]).gated:
        pytest.skip("lock-free threads take no gates")
    falling = {"active_from": 70.0, "active_until": 2, "optimizer": "sgd", "input": "lists"}
    result, recount = recounted(monkeypatch, *METHODS[name], **falling, **UPDATES[update])
    compare(result, recount)
    assert recount.overlap > 0.8
    assert np.mean(recount.agreed or [True]) > 0.8
    first, last = (row.active_pct_achieved for row in result.epochs)
    assert first > last


@pytest.mark.parametrize("update", ["batch", "lock-free"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", ["dense", "dropout", "winners scan"])
def test_every_optimiser_is_counted_and_steps_as_its_twin(monkeypatch, name, optimizer, update):
    compare(*recounted(monkeypatch, *METHODS[name], optimizer=optimizer, **UPDATES[update]))


@pytest.mark.parametrize("hidden", [[], [5], [5, 7, 6]])
def test_dense_equals_the_closed_form(monkeypatch, hidden):
    """Training without the optimiser, all of training, and predicting."""
    result, _ = recounted(monkeypatch, "dense", {}, 100.0, hidden=hidden, epochs=1, optimizer="adagrad")
    widths = [FEATURES, *hidden, CLASSES]
    cost = DenseCost(widths)
    products = [a * b for a, b in itertools.pairwise(widths)]
    of = {phase: sum(row.mults for row in result.work if row.phase == phase) for phase in (*PHASES, PREDICT)}
    counted = of["forward"] + of["backward"]
    assert counted == EXAMPLES * (3 * sum(products) - products[0]) == cost.forward_backward(EXAMPLES)
    assert sum(of[phase] for phase in PHASES) == cost.training(EXAMPLES, 3, "adagrad") == result.mults_dense
    assert of[PREDICT] == cost.forward(TESTED) == result.mults_dense_predict


KERNEL_CALLERS = ("lshexp.nn.", "lshexp.methods.", "lshexp.hashing.")


def metered_kernels(monkeypatch):
    """Run every kernel that has a cost formula as Python on counted arrays.

    Returns, by kernel, the bytes that were metered and those that the formula gave. Not metered is what the
    rule leaves out: all nodes of a batch, grouped once for its size, and the loss where nothing is learned.
    """
    found, given, meter, left_out = Counter(), Counter(), metered.Meter(), []

    def run(kernel, name):
        def call(*arguments):
            before = meter.nbytes
            returned = metered.call(kernel, *arguments, meter=meter)
            found[name] += 0 if left_out else meter.nbytes - before
            return returned

        return call

    def count(cost, name):
        def call(*arguments):
            costs = cost(*arguments)
            given[name] += bytes_of(costs)
            return costs

        return call

    def count_sums(work, formula, constants, *sizes):
        given[formula.__name__.removesuffix("_sums")] += formula(*constants, *sizes).bytes

    def leave_out(function):
        def call(*arguments):
            left_out.append(True)
            try:
                return function(*arguments)
            finally:
                left_out.pop()

        return call

    for module in [m for name, m in sys.modules.items() if name.startswith(KERNEL_CALLERS)]:
        for name, kernel in list(vars(module).items()):
            cost = getattr(sys.modules.get(getattr(kernel, "__module__", "")), f"{name}_cost", None)
            if cost and cost.__module__.startswith("lshexp.kernels."):
                monkeypatch.setattr(module, name, run(kernel, name))
                monkeypatch.setattr(module, f"{name}_cost", count(cost, name), raising=False)
    monkeypatch.setattr(LayerWork, "count_sums", count_sums)
    for kind in (Layer, BlockLayer):
        monkeypatch.setattr(kind, "every_node", leave_out(kind.every_node))
    monkeypatch.setattr(Output, "losses", leave_out(Output.losses))
    return found, given


def bytes_of(costs):
    """Bytes of a formula, whose parts may be told apart."""
    return costs.bytes if isinstance(costs, Work) else sum(map(bytes_of, costs))


@pytest.mark.parametrize("storage", ["rows", "stored", "sparse examples", "skip", "blocks"])
@pytest.mark.parametrize("name", METHODS)
def test_every_kernel_of_a_run_counts_the_bytes_that_a_meter_finds(monkeypatch, name, storage):
    """For the arguments of the run itself: no call is left out, counted twice, or given another's formula.

    Plain steps, as others are counted and not taken where a gradient is exactly zero.
    """
    if storage == "blocks" and registry.methods.lookup(METHODS[name][0]).gated:
        pytest.skip("a gate is that of a single node")
    found, given = metered_kernels(monkeypatch)
    more = {"block": 4, **STORAGE["skip"]} if storage == "blocks" else STORAGE[storage]
    trained(monkeypatch, tiny(*METHODS[name], optimizer="sgd", **more))
    assert found and {name: (found[name], given[name]) for name in found if found[name] != given[name]} == {}


@pytest.mark.parametrize("name", ["dense", "dropout", "winners example", "lsh touched"])
def test_lock_free_kernels_count_the_bytes_that_a_meter_finds(monkeypatch, name):
    found, given = metered_kernels(monkeypatch)
    trained(monkeypatch, tiny(*METHODS[name], update="hogwild", optimizer="sgd"))
    assert found["hogwild_round"] == given["hogwild_round"] > 0
    assert {name: (found[name], given[name]) for name in found if found[name] != given[name]} == {}


@pytest.mark.parametrize("options", [{"preset": "paper"}, {"preset": "authors_code"}, {"K": 5}])
def test_selection_cost_does_not_grow_with_width(options):
    """With the active nodes and candidates held, a wider layer costs an example no more to choose from."""
    costs = []
    for width in (400, 3200):
        x, y = data(32)
        options = {**options, "rehash_every": 10**6, "rehash": "schedule"}
        with network("lsh", options, hidden=[width], active_pct=100 * 8 / width) as net:
            train(net, x, y, batch=16)
            costs.append(net.hidden[0].work.tally("select").mults)
    assert costs[1] <= 1.1 * costs[0]


def test_spec_default_method_is_registered():
    with network(RunSpec().method):
        pass

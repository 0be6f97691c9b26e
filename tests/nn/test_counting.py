"""Every counter against an instrumented twin that counts each scalar operation as it happens."""

from __future__ import annotations

import counting
import naive
import numpy as np
import pytest
from small_networks import CLASSES, FEATURES, data, network, train

from lshexp.arrays import CSR
from lshexp.kernels.step import OPTIMIZERS
from lshexp.methods._exact import Exact
from lshexp.methods.base import Batch
from lshexp.nn.dense_cost import DenseCost
from lshexp.nn.layer import LayerByInput
from lshexp.spec import RunSpec
from lshexp.work import PHASES, PREDICT

METHODS = {
    "dense": ("dense", {}, 25.0),
    "dropout": ("dropout", {}, 40.0),
    "dropout sparse": ("dropout", {}, 8.0),
    "adaptive_dropout": ("adaptive_dropout", {}, 40.0),
    "winner_take_all batch": ("winner_take_all", {"over": "batch"}, 25.0),
    "winner_take_all node": ("winner_take_all", {"over": "node"}, 25.0),
    "winner_take_all example": ("winner_take_all", {"over": "example"}, 9.0),
    "winner_take_all by input": ("winner_take_all", {"over": "example", "where_sparse": "scan"}, 9.0),
    "lsh": ("lsh", {"K": 2, "L": 3, "hash": {"name": "sketch", "dims": 4}, "rehash_every": 6}, 12.0),
    "lsh refined where sparse": (
        "lsh",
        {"K": 2, "L": 3, "refine": 0, "refine_sparse": 3, "hash": {"name": "sketch", "dims": 2}},
        9.0,
    ),
    "lsh uncentred": (
        "lsh",
        {"K": 2, "L": 3, "hash": {"name": "sketch", "dims": 3, "center": False, "offset": 0.0}},
        12.0,
    ),
    "lsh following": (
        "lsh",
        {"K": 2, "L": 3, "hash": {"name": "sketch", "dims": 2, "rank_dims": 5}, "rehash_every": 6},
        12.0,
        "sgd",
    ),
    "lsh following without an offset": (
        "lsh",
        {"K": 2, "L": 3, "hash": {"name": "sketch", "dims": 3, "offset": 0.0}, "rehash": "touched"},
        12.0,
        "sgd",
    ),
    "lsh not following": (
        "lsh",
        {"K": 2, "L": 3, "hash": {"name": "sketch", "dims": 2}, "rehash_every": 6, "follow": False},
        12.0,
        "sgd",
    ),
    "lsh hybrid": ("lsh", {"preset": "hybrid", "K": 2, "L": 3, "hash": {"dims": 2}}, 9.0),
    "lsh hybrid, plain steps": (
        "lsh",
        {"preset": "hybrid", "K": 2, "L": 3, "hash": {"dims": 2}, "rehash_every": 6},
        9.0,
        "sgd",
    ),
    "lsh without tables": ("lsh", {"L": 0, "hash": {"dims": 2}, "rehash_every": 6}, 12.0),
    "lsh without tables, following": ("lsh", {"L": 0, "hash": {"dims": 2}, "rehash_every": 6}, 12.0, "sgd"),
    "lsh paper": ("lsh", {"preset": "paper", "K": 3, "L": 3, "probes": 4}, 25.0),
    "lsh authors_code": ("lsh", {"preset": "authors_code", "K": 3, "L": 6}, 12.0),
    "lsh srp refined": (
        "lsh",
        {
            "hash": "srp",
            "rank": "count",
            "refine": 1.0,
            "candidates": 2.0,
            "K": 2,
            "L": 4,
            "rehash": "touched",
        },
        25.0,
    ),
    "lsh simple_lsh": ("lsh", {"hash": "simple_lsh", "rank": "first", "refine": 0.0, "K": 2, "L": 4}, 25.0),
}


def run_pair(method, options, active_pct, optimizer="adagrad", hidden=(16, 24), predicted=False, **more):
    """Train the real network and its twin on the same two-and-a-bit batches; return both."""
    x, y = data(15)
    spec = {"optimizer": optimizer, "momentum": 0.5, "active_pct": active_pct, "hidden": list(hidden)} | more
    with network(method, options, **spec) as net:
        by_term = {
            index
            for index, layer in enumerate(net.layers)
            if isinstance(layer, LayerByInput) and optimizer == "sgd"
        }
        weights = [layer.weights for layer in net.layers]
        twin = counting.Twin(weights, optimizer, 0.05, 0.5, by_term, skip=more.get("skip", False))
        selection = SelectionTwin(method, net, twin)
        for first in range(0, len(y), 6):
            ids = np.arange(first, min(first + 6, len(y)))
            forms = spy_on_inputs(net)
            selection.before_step(len(ids))
            train(net, x[ids], y[ids])
            recorders = net.selectors
            for index in range(len(recorders)):
                selection.count(index)
            chosen = [recorder.chosen(-1) for recorder in recorders]
            scale = recorders[0].selections[-1].multiplier if recorders else 1
            twin.train(x[ids], y[ids], chosen, forms, selection.scored, scale)
            selection.after_step()
        if predicted:
            predict(net, twin, selection)
    return net, twin


def predict(net, twin, selection, examples=7):
    """Predict a batch with the real network and with its twin."""
    x, y = data(examples, seed=5)
    original, listed = net.head.scores, []

    def logits(signal):
        listed.append(isinstance(signal, CSR))
        return original(signal)

    net.head.scores = logits
    outcome = net.predict(x, y, Batch(np.arange(examples), 0, False))
    selection.predicting = True
    for index in range(len(net.selectors)):
        selection.count(index)
    listed = [isinstance(recorder.inputs[-1], CSR) for recorder in net.selectors] + listed
    multiplier = net.selectors[0].selections[-1].multiplier if net.selectors else 1
    scale = 0.5 if isinstance(multiplier, np.ndarray) else multiplier
    chosen = [recorder.chosen(-1) for recorder in net.selectors]
    twin.forward(x, chosen, listed, selection.scored, scale, PREDICT)
    pairs = [
        examples * layer.nodes if nodes is None else sum(map(len, nodes))
        for nodes, layer in zip(chosen, net.hidden, strict=True)
    ]
    assert outcome.selected == pairs


def spy_on_inputs(net):
    """A list that fills with whether each layer read its input as lists."""
    forms = []
    for layer in net.layers:
        original = type(layer).update

        def update(inputs, pairs, deltas, layer=layer, original=original):
            forms.insert(0, isinstance(inputs, CSR))  # layers are updated from the last to the first
            original(layer, inputs, pairs, deltas)

        layer.update = update
    return forms


class SelectionTwin:
    """Counts what each method does to choose, from its own description."""

    def __init__(self, method, net, twin):
        self.method, self.net, self.twin, self.meter = method, net, twin, twin.meter
        self.scored = [method in ("adaptive_dropout", "winner_take_all")] * len(net.selectors)
        if method == "lsh":
            tabled = [one.selector for one in net.selectors if not isinstance(one.selector, Exact)]
            self.options = tabled[0]._options if tabled else None
        self.batches = 0
        self.predicting = False
        self.seen = [0] * len(net.selectors)
        self.learn_at = [0] * len(net.selectors)
        self.rehash_at = [0] * len(net.selectors)

    def before_step(self, examples):
        self.examples = examples

    def rows(self, index):
        """Inputs of a layer as dense rows, and whether they were listed."""
        inputs = self.net.selectors[index].inputs[-1]
        if isinstance(inputs, CSR):
            return naive.rows_of(*inputs.arrays, self.net.hidden[index].fan_in), True
        return inputs.astype(np.float64), False

    def project(self, rows, listed, matrix):
        return (counting.listed_matmul if listed else counting.matmul)(self.meter, rows, np.asarray(matrix))

    def count(self, index):
        rows, listed = self.rows(index)
        layer, meter = self.net.hidden[index], self.meter
        meter.at = (index, PREDICT if self.predicting else "select")
        if self.method == "dropout" and not self.predicting:
            for live in self.net.selectors[index].chosen(-1):
                for _ in range(len(live) + 1):
                    meter.mul(1.0, 1.0)  # a scaled logarithm for each leap
        if self.method in ("adaptive_dropout", "winner_take_all"):
            scores = self.project(rows, listed, layer.weights.T)
            if self.method == "adaptive_dropout":
                for score in scores.ravel():
                    meter.add(meter.mul(1.0, score), 0.0)
            elif self._averages(index):
                for _ in range(layer.nodes):
                    meter.add(meter.mul(0.9, 1.0), meter.mul(0.1, 1.0))
        if self.method == "lsh":
            self.count_lsh(index, rows, listed)

    def _averages(self, index):
        """Whether thresholds of nodes are averaged now."""
        per_node = getattr(self.net.selectors[index].selector, "_per_node", False)
        return per_node and self.batches and not self.predicting

    def after_step(self):
        self.batches += 1
        if self.method != "lsh":
            return
        for index, recorder in enumerate(self.net.selectors):
            if isinstance(recorder.selector, Exact):
                continue
            self.meter.at = (index, "rebuild")
            step = recorder.steps[-1]
            if self.follows():
                self.follow(index, len(step.deltas), len(step.touched))
            if self.options.rehash == "touched":
                self.hash_nodes(index, len(step.touched), from_coordinates=self.follows())

    def follows(self):
        sgd = self.twin.optimizer == "sgd"
        return sgd and self.options.follow and self.options.hash["name"] == "sketch"

    def follow(self, index, pairs, nodes):
        """Each pair adds its step to a sum; each node's sum is multiplied by the rate and taken away."""
        for _ in range((pairs + nodes) * (self.rank_dims(index) + 1)):
            self.meter.add(0.0, self.meter.mul(1.0, 1.0))

    def count_lsh(self, index, rows, listed):
        layer = self.net.hidden[index]
        if isinstance(self.net.selectors[index].selector, Exact):
            self.project(rows, listed, layer.weights.T)
            self.scored[index] = True
            return
        if not self.predicting:
            self.keep_fresh(index, rows, listed)
        self.choose(index, rows, listed)

    def keep_fresh(self, index, rows, listed):
        options, meter, layer = self.options, self.meter, self.net.hidden[index]
        name, seen = options.hash["name"], self.seen[index]
        scheduled = options.rehash == "schedule" and seen >= self.rehash_at[index]
        meter.at = (index, "rebuild")
        if seen >= self.learn_at[index]:
            if name == "sketch":
                self.learn(index, rows, listed)
            self.hash_nodes(index, layer.nodes)
            gap = min(options.learn_every, max(2 * options.rehash_every, seen // 4))
            learns = name == "sketch" and (
                options.hash["center"] or options.hash["directions"] == "principal"
            )
            self.learn_at[index] = seen + gap if learns else 10**9
        elif scheduled:
            self.hash_nodes(index, layer.nodes, from_coordinates=self.follows())
        if scheduled:
            self.rehash_at[index] = seen + options.rehash_every
        self.seen[index] += self.examples

    def choose(self, index, rows, listed):
        options, meter, layer = self.options, self.meter, self.net.hidden[index]
        name, width = options.hash["name"], layer.fan_in
        meter.at = (index, PREDICT if self.predicting else "select")
        planes = (options.K or 0) * options.L
        if name == "sketch":
            m, hashed = self.rank_dims(index), self.dims(index)
            sketch = self.project(rows, listed, np.ones((width, m)))
            if self.follows() and options.hash["offset"] > 0 and not self.predicting:
                for column in self.project(rows, listed, np.ones((width, 1))):
                    meter.div(meter.add(column, 1.0), 2.0)
            if options.hash["center"]:
                self.subtract(sketch)
            self.project(np.ones((len(rows), hashed + 1)), False, np.ones((hashed + 1, planes)))
        else:
            self.project(rows, listed, np.ones((width, planes)))
        recorder = self.net.selectors[index]
        budget = recorder.selector._budget
        per_example = recorder.collected[-1] if options.L else np.full(len(rows), layer.nodes)
        sparse = 2.4 * options.refine if options.refine_sparse is None else options.refine_sparse
        refine = sparse if listed else options.refine
        if options.rank == "sketch":
            for n in per_example:
                for _ in range(n):
                    meter.dot(np.ones(self.rank_dims(index) + 1), np.ones(self.rank_dims(index) + 1))
            per_example = np.minimum(per_example, max(budget, round(refine * budget)))
        if refine:
            for n, row in zip(per_example, rows, strict=True):
                inputs = np.count_nonzero(row) if listed else width
                for _ in range(n):
                    meter.dot(np.ones(inputs), np.ones(inputs))
            self.scored[index] = True  # metered here, so the twin's forward pass must not

    def dims(self, index):
        layer = self.net.hidden[index]
        return min(self.options.hash["dims"] or max(1, round(layer.fan_in / 100)), layer.fan_in)

    def rank_dims(self, index):
        hash_options = self.options.hash
        more = 2 if hash_options["directions"] == "principal" else 1
        return min(hash_options["rank_dims"] or more * self.dims(index), self.net.hidden[index].fan_in)

    def subtract(self, values):
        for value in values.ravel():
            self.meter.add(value, 0.0)

    def learn(self, index, rows, listed):
        hash_options, meter = self.options.hash, self.meter
        d, m = self.net.hidden[index].fan_in, self.rank_dims(index)
        if not (hash_options["center"] or hash_options["directions"] == "principal"):
            self.spread(index, rows, listed, d, m)
            return
        if hash_options["center"]:
            entries = np.count_nonzero(rows) if listed else rows.size
            for _ in range(entries):
                meter.add(0.0, 0.0)
            for _ in range(d):
                meter.div(1.0, 2.0)
                meter.add(meter.mul(1.0, 1.0), meter.mul(1.0, 1.0))
        if hash_options["directions"] == "principal":
            for _ in range(1 if self.seen[index] else 6):
                self.turn(rows, listed, d, m, hash_options["center"])
        if hash_options["center"]:
            counting.matmul(meter, np.ones((1, d)), np.ones((d, m)))
        self.spread(index, rows, listed, d, m)

    def spread(self, index, rows, listed, d, m):
        """Mean squared length of what is hashed, which the offset is scaled to."""
        if not self.options.hash["offset"]:
            return
        coordinates = self.project(rows, listed, np.ones((d, m)))
        if self.options.hash["center"]:
            self.subtract(coordinates)
        for _ in range(len(rows)):
            self.meter.dot(np.ones(self.dims(index)), np.ones(self.dims(index)))

    def turn(self, rows, listed, d, m, center):
        meter = self.meter
        if center:
            counting.matmul(meter, np.ones((1, d)), np.ones((d, m)))
        coordinates = self.project(rows, listed, np.ones((d, m)))
        if center:
            self.subtract(coordinates)
        entries = np.count_nonzero(rows) if listed else rows.size
        for _ in range(entries * m):  # X^T times coordinates
            meter.add(0.0, meter.mul(1.0, 1.0))
        if center:
            self.subtract(coordinates)  # their sums
            for _ in range(d * m):
                meter.add(0.0, meter.mul(1.0, 1.0))
        for _ in range(d * m):
            meter.div(1.0, 2.0)
            meter.add(meter.mul(1.0, 1.0), meter.mul(1.0, 1.0))
        counting.orthonormalise(meter, np.random.default_rng(0).standard_normal((d, m)))

    def hash_nodes(self, index, n, from_coordinates=False):
        options, meter, d = self.options, self.meter, self.net.hidden[index].fan_in
        planes, name = (options.K or 0) * options.L, options.hash["name"]
        if name == "sketch":
            m, hashed = self.rank_dims(index), self.dims(index)
            if not from_coordinates:
                counting.matmul(meter, np.ones((n, d)), np.ones((d, m)))
                if options.hash["offset"] > 0:
                    for _ in range(n):
                        meter.div(meter.add(meter.dot(np.ones(d), np.ones(d)), 0.0), 2.0)
            counting.matmul(meter, np.ones((n, hashed + 1)), np.ones((hashed + 1, planes)))
            return
        counting.matmul(meter, np.ones((n, d)), np.ones((d, planes)))
        if name == "srp":
            return
        for _ in range(n):
            meter.dot(np.ones(d), np.ones(d))  # squared norms
        if name == "simple_lsh":
            for _ in range(n):
                meter.sqrt(meter.add(1.0, 0.0))
            for _ in range(n * planes):
                meter.add(0.0, meter.mul(1.0, 1.0))
            return
        for _ in range(n):
            meter.mul(meter.mul(1.0, 1.0), 1.0)  # norms to the scale of U
        for _ in range(n * planes):
            meter.mul(1.0, 1.0)  # projections to the scale of U
        for _ in range(options.hash["m"]):
            for _ in range(n):
                meter.add(0.5, -1.0)
                meter.mul(1.0, 1.0)  # the next power
            for _ in range(n * planes):
                meter.add(0.0, meter.mul(1.0, 1.0))


@pytest.mark.parametrize("name", METHODS)
def test_mults_and_adds_are_exact(name):
    method, options, active_pct, *optimizer = METHODS[name]
    net, twin = run_pair(method, options, active_pct, *optimizer)
    for index, layer in enumerate(net.layers):
        for phase in PHASES:
            tally = layer.work.tally(phase)
            at = (index, phase)
            assert (tally.mults, tally.adds) == (twin.meter.mults[at], twin.meter.adds[at]), at


@pytest.mark.parametrize("name", ["dropout", "winner_take_all example", "lsh", "lsh following", "lsh paper"])
def test_listed_inputs_are_counted_exactly(name):
    method, options, active_pct, *optimizer = METHODS[name]
    net, twin = run_pair(method, options, active_pct, *optimizer, input="lists")
    for index, layer in enumerate(net.layers):
        for phase in PHASES:
            tally = layer.work.tally(phase)
            at = (index, phase)
            assert (tally.mults, tally.adds) == (twin.meter.mults[at], twin.meter.adds[at]), at


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("method", ["dense", "dropout"])
def test_update_counts_and_weights_follow_the_optimiser(method, optimizer):
    net, twin = run_pair(method, {}, 40.0, optimizer)
    for layer, weights in zip(net.layers, twin.weights, strict=True):
        np.testing.assert_allclose(layer.weights, weights, rtol=1e-3, atol=1e-4)
        index = net.layers.index(layer)
        assert layer.work.tally("update").mults == twin.meter.mults[index, "update"]
        assert layer.work.tally("update").adds == twin.meter.adds[index, "update"]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize(
    "name",
    [
        "dense",
        "dropout",
        "dropout sparse",
        "winner_take_all batch",
        "winner_take_all example",
        "winner_take_all by input",
        "lsh without tables",
    ],
)
def test_skips_are_counted_and_learn_as_their_twin(name, optimizer):
    """Four hidden layers, so that inputs are sums of several layers; rows and CSR inputs, both storages."""
    method, options, active_pct, *_ = METHODS[name]
    more = {"hidden": (16, 16, 16, 16), "skip": True, "input": "lists" if active_pct < 10 else "rows"}
    net, twin = run_pair(method, options, active_pct, optimizer, **more)
    for index, layer in enumerate(net.layers):
        np.testing.assert_allclose(layer.weights, twin.weights[index], rtol=2e-3, atol=2e-4)
        for phase in PHASES:
            tally = layer.work.tally(phase)
            at = (index, phase)
            assert (tally.mults, tally.adds) == (twin.meter.mults[at], twin.meter.adds[at]), at


@pytest.mark.parametrize("hidden", [[], [5], [5, 7, 6]])
def test_dense_equals_the_closed_form(hidden):
    net, _ = run_pair("dense", {}, 100.0, hidden=hidden)
    cost = DenseCost([FEATURES, *hidden, CLASSES])
    products = [a * b for a, b in zip([FEATURES, *hidden], [*hidden, CLASSES], strict=True)]
    counted = sum(layer.work.tally(phase).mults for layer in net.layers for phase in ("forward", "backward"))
    assert counted == 15 * (3 * sum(products) - products[0]) == cost.forward_backward(15)
    assert sum(layer.work.mults() for layer in net.layers) == cost.training(15, 3, "adagrad")


FORMS = {
    "rows": {},
    "lists": {"input": "lists"},
    "skip": {"hidden": (16, 16, 16), "skip": True},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", METHODS)
def test_prediction_is_counted_exactly_and_apart_from_training(name, form):
    method, options, active_pct, *optimizer = METHODS[name]
    more = FORMS[form]
    net, twin = run_pair(method, options, active_pct, *optimizer, predicted=True, **more)
    before, _ = run_pair(method, options, active_pct, *optimizer, **more)
    assert sum(layer.work.tally(PREDICT).mults for layer in net.layers)
    for index, layer in enumerate(net.layers):
        at, tally = (index, PREDICT), layer.work.tally(PREDICT)
        assert (tally.mults, tally.adds) == (twin.meter.mults[at], twin.meter.adds[at]), at
        assert layer.work.mults() == before.layers[index].work.mults()


def test_prediction_by_the_dense_network_equals_the_closed_form():
    net, _ = run_pair("dense", {}, 100.0, predicted=True)
    counted = sum(layer.work.tally(PREDICT).mults for layer in net.layers)
    assert counted == DenseCost([FEATURES, 16, 24, CLASSES]).forward(7)


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

"""Bytes between kernels: a run counts what formulas of kernels say, and what a meter of NumPy finds."""

from __future__ import annotations

import numpy as np
import numpy_meter
import pytest
import selected_outputs
from nn.test_golden import BLOCKS, IN_BLOCKS, METHODS

from lshexp import registry
from lshexp.arrays import CSR
from lshexp.hashing import base as hashing
from lshexp.methods import _lookup, adaptive_dropout, popularity
from lshexp.methods.base import Batch
from lshexp.nn import asynchronous, blocks, hashed, output
from lshexp.nn.asynchronous import SimulatedWorkers, workers_of
from lshexp.nn.blocks import BlockLayer
from lshexp.nn.gemm import Gemm
from lshexp.nn.kept import KeptLayer
from lshexp.nn.layer import Layer
from lshexp.nn.network import Network
from lshexp.nn.output import Losses, Output
from lshexp.nn.plan import plan_layers
from lshexp.nn.threads import using_threads
from lshexp.spec import RunSpec
from lshexp.work import PHASES, PREDICT

FEATURES, CLASSES, EXAMPLES, BATCHES = 30, 5, 10, 4
# what the rule of `lshexp.work` leaves out
LEFT_OUT = (
    (Network, "__init__"),
    (Losses, "sums"),
    (SimulatedWorkers, "_count"),
    (asynchronous, "stored"),
    (asynchronous, "_multipliers"),
    (Output, "losses"),
    (Layer, "every_node"),
    (BlockLayer, "every_node"),
    (blocks, "blocks_of_csr"),
    (output, "as_csr"),
    (adaptive_dropout, "_solve_beta"),
)


class Drawing:
    """A random stream whose numbers are counted as they are stored."""

    def __init__(self, random):
        self._random = random

    def random(self, numbers):
        numpy_meter.METER.add(8 * numbers)
        return self._random.random(numbers).view(numpy_meter.Values)


def urn(drawn_from):
    """What is drawn from is made once; looking into it counts."""
    return drawn_from._replace(log_inclusion=drawn_from.log_inclusion.view(numpy_meter.Values))


def counts(x):
    """Examples whose values count."""
    if isinstance(x, CSR):
        return x.with_data(x.data.view(numpy_meter.Values))
    return x.view(numpy_meter.Values)


def handed_over(function):
    """The form in which examples are handed over is left out, but not where kernels make blocks of rows."""

    def call(self, x):
        if isinstance(self.layers[0], BlockLayer):
            return function(self, x)
        with numpy_meter.leaving_out():
            return function(self, x)

    return call


def compare(monkeypatch, spec, x, y, classes, weights=None):
    """Train some batches and predict: all bytes are those of formulas of kernels, or metered."""
    meter = numpy_meter.put_in(monkeypatch, LEFT_OUT)
    monkeypatch.setattr(Network, "_input", handed_over(Network._input))
    draw, made = popularity.stream, popularity._Draw._urn
    monkeypatch.setattr(popularity, "stream", lambda *names: Drawing(draw(*names)))
    monkeypatch.setattr(popularity._Draw, "_urn", lambda self: urn(made(self)))
    with using_threads(1), Gemm(1) as gemm:
        built = registry.methods.build(spec.method, spec.method_options)
        plans = plan_layers(spec, built, [x.shape[1], *spec.hidden, classes], isinstance(x, CSR))
        labels = y.indices if isinstance(y, CSR) else y
        known = np.bincount(labels, minlength=classes)
        net = Network(spec, built, x.shape[1], classes, gemm, plans, label_counts=known)
        for layer in net.layers:
            if isinstance(layer, KeptLayer):
                layer.kept = counts(layer.kept)
            elif not isinstance(layer, BlockLayer):
                with numpy_meter.leaving_out():
                    layer.stored = counts(layer.stored)
        workers = workers_of(spec, net)
        for number in range(BATCHES):
            batch = Batch(np.arange(len(x)), number, True, weights)
            (workers or net).train_batch(counts(x), y, batch)
            if workers:
                workers.drain()
            assert_same(net, meter, f"batch {number + 1}")
        net.scores(counts(x), Batch(np.arange(len(x)), 0, False))
        net.retrieve(counts(x), Batch(np.arange(len(x)), 0, False))
        assert_same(net, meter, "prediction")


def assert_same(net, meter, when):
    found = sum(layer.work.tally(phase).bytes for layer in net.layers for phase in (*PHASES, PREDICT))
    lines = "\n".join(f"{line} {nbytes}" for line, nbytes in sorted(meter.lines.items()))
    assert found - meter.of_kernels == meter.nbytes, f"{when}; metered by line:\n{lines}"


def data(sparse):
    random = np.random.default_rng(4)
    x = random.random((EXAMPLES, FEATURES)) * (random.random((EXAMPLES, FEATURES)) < 0.5)
    x[0] = 0
    rows = x.astype(np.float32)
    return CSR.from_dense(rows) if sparse else rows, random.integers(0, CLASSES, EXAMPLES).astype(np.int32)


STORAGE = {
    "rows": {},
    "stored": {"input": "lists"},
    "sparse examples": {},
    "skip": {"skip": True, "hidden": [40, 40, 40], "optimizer": "adam"},
    "lock-free": {"update": "hogwild"},
    "simulated": {"simulate_workers": 2},
}


@pytest.mark.parametrize("storage", STORAGE)
@pytest.mark.parametrize("name", [*METHODS, "lsh-alsh", "lsh-first"])
def test_expressions_of_methods(monkeypatch, name, storage):
    method, options = (
        METHODS.get(name)
        or {
            "lsh-alsh": ("lsh", {"hash": {"name": "alsh", "m": 3}, "L": 8, "rank": "count"}),
            "lsh-first": ("lsh", {"hash": "srp", "L": 8, "rank": "first", "refine": 0.0, "candidates": 3.0}),
        }[name]
    )
    built = registry.methods.build(method, options)
    if storage == "lock-free" and (built.gated or built.storage):
        pytest.skip("lock-free threads take neither gates nor layers without a full matrix of weights")
    settings = {"hidden": [48, 40, 40], "active_pct": 8.0, "optimizer": "sgd", "lr": 0.05, **STORAGE[storage]}
    spec = RunSpec(method=method, method_options=options, **settings)
    compare(monkeypatch, spec, *data(storage == "sparse examples"), CLASSES)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("name", IN_BLOCKS)
def test_expressions_of_blocks(monkeypatch, name, block):
    method, options = METHODS[name]
    settings = {"hidden": [40, 40, 40], "block": block, **BLOCKS[block], "threads": 1}
    compare(monkeypatch, RunSpec(method=method, method_options=options, **settings), *data(False), CLASSES)


@pytest.mark.parametrize("loss", ["softmax", "binary"])
@pytest.mark.parametrize("labels", ["one", "many"])
@pytest.mark.parametrize("case", ["dense", *selected_outputs.METHODS])
def test_expressions_of_outputs(monkeypatch, case, labels, loss):
    method, options, settings = selected_outputs.METHODS.get(case) or ("dense", {}, {})
    spec = RunSpec(
        method="dropout",
        **(
            {"hidden": [16], "active_pct": 30.0, "output_active_pct": 20.0, "lr": 0.1, "loss": loss}
            | {"output_method": method, "output_options": options}
            | settings
        ),
    )
    x, y = selected_outputs.data(labels)
    weights = np.linspace(0.5, 1.5, len(x), dtype=np.float32).view(numpy_meter.Values)
    compare(monkeypatch, spec, x, y, selected_outputs.CLASSES, weights if loss == "binary" else None)


def test_an_expression_that_is_not_counted_is_found(monkeypatch):
    """The test above can fail: one more pass over a layer's activations is noticed."""
    through = Network._through_relu

    def more(self, layer, tape, gradient):
        return through(self, layer, tape, gradient + 0)

    monkeypatch.setattr(Network, "_through_relu", more)
    with pytest.raises(AssertionError, match="metered by line"):
        compare(monkeypatch, RunSpec(method="dense", hidden=[6]), *data(False), CLASSES)


def test_layers_that_are_hashed_in_parts(monkeypatch):
    monkeypatch.setattr(hashing, "BLOCK", 15)
    spec = RunSpec(method="lsh", method_options={"L": 8, "hash": {"dims": 4}}, hidden=[40], active_pct=8.0)
    compare(monkeypatch, spec, *data(False), CLASSES)


def test_batches_of_one(monkeypatch):
    """Directions are learned from the last inputs together."""
    monkeypatch.setattr(_lookup, "SAMPLE", 3)
    options = {"L": 8, "hash": {"dims": 4}}
    spec = RunSpec(method="lsh", method_options=options, hidden=[40, 40], active_pct=8.0, input="lists")
    x, y = data(False)
    compare(monkeypatch, spec, x[1:2], y[1:2], CLASSES)


def test_weights_that_are_looked_up_in_parts(monkeypatch):
    monkeypatch.setattr(hashed, "ROWS", 15)
    spec = RunSpec(method="hashed_weights", method_options={"keep_pct": 20.0}, hidden=[40, 40])
    compare(monkeypatch, spec, *data(False), CLASSES)

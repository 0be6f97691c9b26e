"""Lock-free training: one thread against a plain twin; several threads by accuracy, never by bits."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import CLASSES, data, network

from lshexp import registry
from lshexp.arrays import CSR
from lshexp.errors import ConfigError
from lshexp.methods.base import Batch
from lshexp.nn.asynchronous import Hogwild
from lshexp.nn.trainer import run
from lshexp.spec import RunSpec
from lshexp.validation import validate

LSH = {"K": 2, "L": 8, "hash": {"name": "sketch", "dims": 4}, "learn_every": 20, "rehash_every": 7}
METHODS = {
    "dense": ("dense", {}),
    "dropout": ("dropout", {}),
    "adaptive_dropout": ("adaptive_dropout", {}),
    "winner_take_all": ("winner_take_all", {"over": "example"}),
    "lsh": ("lsh", LSH),
    "lsh touched": ("lsh", {"preset": "paper", "K": 3, "probes": 4}),
}
RATE = 0.1


def passes(net, threads, x, y, epochs=2, batch=8):
    team = Hogwild(net, threads)
    for epoch in range(epochs):
        for first in range(0, len(y), batch):
            ids = np.arange(first, min(first + batch, len(y)))
            yield ids, team.train_batch(x[ids], y[ids], Batch(ids, epoch, True))


def plain_step(weights, biases, x, label, active, scale):
    """One SGD step on one example with its active nodes held fixed, in float64; returns the loss."""
    signals = [x.astype(np.float64)]
    for w, b, nodes in zip(weights[:-1], biases[:-1], active, strict=True):
        z = np.zeros(len(w))
        z[nodes] = np.maximum(w[nodes] @ signals[-1] + b[nodes], 0) * scale
        signals.append(z)
    logits = weights[-1] @ signals[-1] + biases[-1]
    delta = np.exp(logits - logits.max())
    loss = np.log(delta.sum()) + logits.max() - logits[label]
    delta = delta / delta.sum() - (np.arange(CLASSES) == label)
    for index in range(len(weights) - 1, -1, -1):
        below = (weights[index].T @ delta) * (signals[index] > 0) * (scale if index else 1)
        weights[index] -= RATE * np.outer(delta, signals[index])
        biases[index] -= RATE * delta
        delta = below
    return loss


@pytest.mark.parametrize("name", METHODS)
def test_one_thread_is_sgd_example_by_example(name):
    method, options = METHODS[name]
    x, y = data(32)
    with network(method, options, optimizer="sgd", lr=RATE, hidden=[20, 20], active_pct=40.0) as net:
        weights = [layer.weights.astype(np.float64) for layer in net.layers]
        biases = [layer.bias.astype(np.float64) for layer in net.layers]
        chosen = []
        choose = net.choose

        def spy(x, batch):
            found = choose(x, batch)
            chosen.append(found[0])
            return found

        net.choose = spy
        for ids, outcome in passes(net, 1, x, y):
            loss = 0.0
            for b, i in enumerate(ids):
                active = [slice(None)] * 2
                scale = 1.0
                if net.selects:
                    active = [tape.pairs.by_example.arrays for tape in chosen[-1]]
                    active = [nodes[starts[b] : starts[b + 1]] for starts, nodes, _ in active]
                    scale = float(chosen[-1][0].multiplier)
                loss += plain_step(weights, biases, x[i], y[i], active, scale)
            assert outcome.loss == pytest.approx(loss, rel=1e-4)
        for layer, w, b in zip(net.layers, weights, biases, strict=True):
            np.testing.assert_allclose(layer.weights, w, rtol=1e-3, atol=1e-5)
            np.testing.assert_allclose(layer.bias, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2])
def test_no_node_is_lost_from_the_tables_and_coordinates_follow(threads):
    x, y = data(64)
    with network("lsh", LSH, threads, optimizer="sgd", lr=0.05, hidden=[40, 40]) as net:
        for _ in passes(net, threads, x, y, epochs=4):
            for recorder in net.selectors:
                tables = recorder.selector.tables
                assert (np.sort(tables._nodes, axis=1) == np.arange(40)).all()
                assert (tables.occupancy().sum(axis=1) == 40).all()
        if threads == 1:  # deeper layers see inputs that move within a batch, and follow those of its start
            layer, hasher = net.hidden[0], net.selectors[0].selector.hasher
            followed = hasher.coordinates.copy()
            hasher.hash_nodes(layer.weights, layer.bias, np.arange(40, dtype=np.int32), layer.work)
            np.testing.assert_allclose(followed, hasher.coordinates, rtol=1e-4, atol=1e-4)


def test_work_of_the_dense_network_follows_what_was_live():
    x, y = data(8)
    with network("dense", hidden=[20], optimizer="sgd", lr=1e-9) as net:
        first, output = net.layers
        live = np.maximum(x @ first.weights.T, 0) > 0
        ((_, outcome),) = passes(net, 1, x, y, epochs=1)
        inputs = CSR.from_dense(x).row_lengths()
        products = int(live.sum(axis=1) @ inputs)
        assert outcome.selected == [8 * 20]
        assert first.work.tally("forward").mults == int(20 * inputs.sum())
        assert first.work.tally("backward").mults == products
        assert first.work.tally("update").mults == products + int(live.sum())
        assert output.work.tally("forward").mults == CLASSES * int(live.sum())
        assert output.work.tally("backward").mults == 2 * CLASSES * int(live.sum())


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("method", "share"), [("lsh", 10.0), ("dense", 100.0)])
def test_it_learns_as_well_as_batch_training_not_bit_identical(method, share, threads):
    options = registry.methods.build(method).model_dump()
    spec = RunSpec(
        dataset="rectangles", dataset_options={"train": 1000, "test": 300}, hidden=[100, 100], epochs=4,
        batch=32, optimizer="adagrad", lr=0.01, method=method, method_options=options, active_pct=share,
        threads=threads,
    )  # fmt: skip
    free = run(spec.model_copy(update={"update": "hogwild"}))
    assert free.status == "ok"
    assert free.epochs[-1].test_acc_pct > run(spec).epochs[-1].test_acc_pct - 6
    assert free.epochs[-1].test_acc_pct > 75


def test_real_threads_and_simulated_workers_exclude_each_other():
    with pytest.raises(ConfigError, match="simulate_workers"):
        validate(RunSpec, {"update": "hogwild", "simulate_workers": 4})

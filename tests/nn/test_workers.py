"""Simulated workers: a plain twin, one worker, conflicts, and tables that stay exact when steps come late."""

from __future__ import annotations

import heapq

import naive
import numpy as np
import pytest
from small_networks import CLASSES, data, network, train

from lshexp import registry
from lshexp.errors import ConfigError
from lshexp.kernels.hogwild import count_conflicts
from lshexp.methods.base import Batch
from lshexp.nn.asynchronous import SimulatedWorkers
from lshexp.nn.trainer import run
from lshexp.spec import RunSpec
from lshexp.streams import stream
from lshexp.validation import validate

LSH = {"K": 2, "L": 8, "hash": {"name": "sketch", "dims": 4}, "learn_every": 20, "rehash_every": 7}
METHODS = {
    "dense": ("dense", {}),
    "dropout": ("dropout", {}),
    "lsh": ("lsh", LSH),
    "lsh touched": ("lsh", {"preset": "paper", "K": 3, "probes": 4}),
}
RATE, KEY = 0.2, 5


def parameters(net):
    return [array.copy() for layer in net.layers for array in (layer.weights, layer.bias)]


def simulate(net, count, x, y, epochs=2, batch=1):
    workers = SimulatedWorkers(net, count, KEY)
    for epoch in range(epochs):
        for first in range(0, len(y), batch):
            ids = np.arange(first, min(first + batch, len(y)))
            workers.train_batch(x[ids], y[ids], Batch(ids, epoch, True))
        workers.drain()
    return workers


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad_momentum"])
@pytest.mark.parametrize("batch", [1, 6])
@pytest.mark.parametrize("name", METHODS)
def test_one_worker_is_plain_training_bit_for_bit(name, batch, optimizer):
    method, options = METHODS[name]
    x, y = data(30)
    with network(method, options, optimizer=optimizer) as net:
        for epoch in range(2):
            train(net, x, y, batch, epoch)
        plain, work = parameters(net), [layer.work.mults() for layer in net.layers]
    with network(method, options, optimizer=optimizer) as net:
        workers = simulate(net, 1, x, y, batch=batch)
        assert all((a == b).all() for a, b in zip(parameters(net), plain, strict=True))
        assert [layer.work.mults() for layer in net.layers] == work
        notes = workers.notes()
    assert notes["async_staleness_max"] == notes["async_conflicts_hidden"] == 0
    assert notes["async_writes_hidden"] > 0


def gradients(parameters, x, label, k):
    """Gradients of one example and, layer by layer, the weights they change; k largest nodes, None = all."""
    weights, biases = parameters[::2], parameters[1::2]
    signals = [x.astype(np.float64)]
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        z = w @ signals[-1] + b
        if k is not None:
            z[np.argsort(-z, kind="stable")[k:]] = 0
        signals.append(np.maximum(z, 0))
    logits = weights[-1] @ signals[-1] + biases[-1]
    delta = np.exp(logits - logits.max())
    delta = delta / delta.sum() - (np.arange(CLASSES) == label)
    found = []
    for index in range(len(weights) - 1, -1, -1):
        found = [np.outer(delta, signals[index]), delta, *found]
        delta = (weights[index].T @ delta) * (signals[index] > 0)
    return found


def twin(start, x, y, workers, k, epochs=2):
    """Asynchronous SGD written out: gradients on what was read, added to what is there; sets of writes."""
    now, durations = [p.astype(np.float64) for p in start], stream(KEY, "workers")
    busy, clock, history, number, stale, conflicts = [], 0.0, [], 0, [], 0

    def finish():
        nonlocal clock, conflicts
        clock, _, seen, steps = heapq.heappop(busy)
        for parameter, gradient in zip(now, steps, strict=True):
            parameter -= RATE * gradient
        changed = [gradient != 0 for gradient in steps[::2]]
        stale.append(len(history) - seen)
        for index, mine in enumerate(changed):
            others = [past[index] for past in history[seen:]]
            conflicts += int((mine & np.any(others, axis=0)).sum()) if others else 0
        history.append(changed)

    for _ in range(epochs):
        for example, label in zip(x, y, strict=True):
            if len(busy) == workers:
                finish()
            steps = gradients(now, example, label, k)
            heapq.heappush(busy, (clock + 0.5 + durations.random(), number, len(history), steps))
            number += 1
        while busy:
            finish()
    return now, stale, conflicts, sum(int(c.sum()) for past in history for c in past)


@pytest.mark.parametrize("workers", [1, 2, 7, 50])
@pytest.mark.parametrize(("method", "options", "k"), [
    ("dense", {}, None), ("winner_take_all", {"over": "example"}, 5),
])  # fmt: skip
def test_replay_matches_the_plain_twin(method, options, k, workers):
    x, y = data(40)
    with network(method, options, optimizer="sgd", lr=RATE, hidden=[20, 20]) as net:
        start = parameters(net)
        notes = simulate(net, workers, x, y).notes()
        wanted, stale, conflicts, writes = twin(start, x, y, workers, k)
        for found, reference in zip(parameters(net), wanted, strict=True):
            np.testing.assert_allclose(found, reference, rtol=2e-4, atol=2e-5)
    assert notes["async_staleness_max"] == max(stale) < 4 * workers
    assert notes["async_staleness_sum"] == sum(stale)
    assert notes["async_writes_hidden"] + notes["async_writes_output"] == writes
    assert notes["async_conflicts_hidden"] + notes["async_conflicts_output"] == conflicts
    assert (conflicts > 0) == (workers > 1)


def test_conflicts_of_a_batch_count_each_weight_once():
    random = np.random.default_rng(0)
    mine = np.zeros((9, 7), dtype=np.int32)
    theirs = mine.copy()
    for number in range(1, 30):
        lists = [
            [np.flatnonzero(random.random(size) < 0.3).astype(np.int32) for _ in range(3)] for size in (9, 7)
        ]
        packed = []
        for rows in lists:
            starts = np.cumsum([0, *map(len, rows)]).astype(np.int64)
            packed += [starts, np.concatenate(rows)]
        seen = max(0, number - 1 - int(random.integers(0, 5)))
        found = count_conflicts(*packed, seen, number, mine)
        assert found == naive.count_conflicts(*lists, seen, number, theirs)
        assert (mine == theirs).all()


def test_sparse_updates_have_far_fewer_conflicts_than_dense_ones():
    x, y = data(200, features=30)
    conflicts = {}
    for method, options in (("dense", {}), ("lsh", LSH)):
        with network(method, options, features=30, hidden=[100, 100], active_pct=5.0) as net:
            notes = simulate(net, 8, x, y, epochs=1).notes()
        conflicts[method] = notes["async_conflicts_hidden"]
    assert 0 < conflicts["lsh"] < 0.25 * conflicts["dense"]


@pytest.mark.parametrize("workers", [3, 20])
def test_followed_coordinates_stay_exact_when_steps_come_late(workers):
    x, y = data(60)
    with network("lsh", LSH, optimizer="sgd", lr=0.1, hidden=[40, 40]) as net:
        simulate(net, workers, x, y, epochs=3)
        for layer, recorder in zip(net.hidden, net.selectors, strict=True):
            hasher = recorder.selector.hasher
            followed = hasher.coordinates.copy()
            hasher.hash_nodes(layer.weights, layer.bias, np.arange(40, dtype=np.int32), layer.work)
            np.testing.assert_allclose(followed, hasher.coordinates, rtol=1e-4, atol=1e-4)


def test_a_run_says_what_its_workers_met_and_repeats_exactly():
    spec = RunSpec(
        dataset="rectangles", dataset_options={"train": 120, "test": 40}, hidden=[30, 30], batch=1, epochs=2,
        optimizer="sgd", lr=0.05, method_options=registry.methods.build("lsh").model_dump(), active_pct=10.0,
        simulate_workers=4,
    )  # fmt: skip
    first, second = run(spec), run(spec)
    assert first.notes == second.notes
    assert first.notes["async_conflicts_hidden"] > 0
    assert [row.train_loss for row in first.epochs] == [row.train_loss for row in second.epochs]
    assert first.work == second.work


def test_the_key_leaves_the_ids_of_other_runs_alone():
    spec = RunSpec()
    assert spec.run_id("data") != spec.model_copy(update={"simulate_workers": 1}).run_id("data")
    assert "simulate_workers" not in spec.model_dump(exclude_defaults=True)
    with pytest.raises(ConfigError, match="must be >= 1"):
        validate(RunSpec, {"simulate_workers": 0})


def test_batches_of_one_learn_their_directions_from_many():
    """A single example has no principal directions; found winners must not fall far behind larger batches."""
    random = np.random.default_rng(0)
    x = (random.standard_normal((400, 6)) @ random.standard_normal((6, 60))).astype(np.float32)
    y = random.integers(0, 3, 400).astype(np.int32)
    found = {}
    for batch in (1, 100):
        with network("lsh", hidden=[400], active_pct=5.0, features=60, lr=1e-6, optimizer="sgd") as net:
            train(net, x, y, batch)
            scores = x[-100:] @ net.hidden[0].weights.T + net.hidden[0].bias
            net.predict(x[-100:], y[-100:], Batch(np.arange(100), 0, False))
            chosen = net.selectors[0].chosen(-1)
        truth = np.argsort(-scores, axis=1)[:, :20].tolist()
        found[batch] = np.mean([len(set(a) & set(t)) / 20 for a, t in zip(chosen, truth, strict=True)])
    assert found[1] > found[100] - 0.1 > 0.5

"""Layers without a full matrix of weights: gradients by finite differences, sizes, and what is refused."""

from __future__ import annotations

import naive_storage
import numpy as np
import pytest
from naive_storage import places_and_signs
from small_networks import data, network, reference_loss, slope

from lshexp import registry
from lshexp.errors import ConfigError
from lshexp.methods.base import Batch
from lshexp.nn import hashed
from lshexp.nn.plan import plan_layers
from lshexp.runs.memory import memory_of
from lshexp.spec import RunSpec

WIDTHS = [784, 1000, 1000, 10]


def product_of_factors(stored, layer):
    return stored[:, : layer.nodes].T @ stored[:, layer.nodes :]


def shared(stored, layer):
    places, signs = places_and_signs(int(layer.key), layer.nodes, layer.fan_in, stored.shape[1])
    return signs * stored[0][places]


WEIGHTS = {"low_rank": product_of_factors, "hashed_weights": shared}
ROUNDED = [("quantized_weights", {"to": "int8"}), ("quantized_weights", {"to": "pow2"})]
CASES = [
    ("low_rank", {"rank": 2}),
    ("low_rank", {"keep_pct": 60.0}),
    ("hashed_weights", {"keep_pct": 20.0}),
    ("hashed_weights", {"keep_pct": 100.0}),
]


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize(("method", "options"), CASES)
def test_a_step_follows_the_slope_at_every_stored_number(method, options, skip):
    """One plain SGD step of size 1 is minus the gradient, held against central differences in float64."""
    x, y = data(6, seed=3)
    hidden = [9, 9, 9] if skip else [12, 9]
    with network(method, options, optimizer="sgd", lr=1.0, hidden=hidden, skip=skip) as net:
        before = [layer.stored.astype(np.float64) for layer in net.layers]
        biases = [layer.bias.astype(np.float64) for layer in net.layers]
        net.train_batch(x, y, Batch(np.arange(6), 0, True))
        moved = [old - layer.stored for old, layer in zip(before, net.layers, strict=True)]

        def loss(stored):
            own = [WEIGHTS[method](one, layer) for one, layer in zip(stored, net.hidden, strict=False)]
            return reference_loss([*own, stored[-1]], biases, x, y, [None] * len(net.hidden), 1.0, skip)

        checked = 0
        for index in range(len(net.hidden)):
            for spot in np.ndindex(*before[index].shape):
                losses = []
                for sign in (1, -1):
                    shifted = [one.copy() for one in before]
                    shifted[index][spot] += sign * 1e-5
                    losses.append(loss(shifted))
                slope = (losses[0] - losses[1]) / 2e-5
                assert moved[index][spot] == pytest.approx(slope, abs=2e-4, rel=2e-3)
                checked += abs(slope) > 1e-3
        assert checked > 20


@pytest.mark.parametrize(("method", "options"), ROUNDED)
def test_stored_weights_follow_the_slope_at_the_rounded_ones(method, options):
    """Straight-through, and what is computed with afterwards is the new weights, rounded."""
    x, y = data(6, seed=3)
    with network(method, options, optimizer="sgd", lr=1.0, hidden=[12, 9]) as net:
        weights = [layer.weights.astype(np.float64) for layer in net.layers]
        biases = [layer.bias.astype(np.float64) for layer in net.layers]
        before = [layer.stored.copy() for layer in net.hidden]
        net.train_batch(x, y, Batch(np.arange(6), 0, True))
        twin = getattr(naive_storage, f"round_to_{options['to']}")
        checked = 0
        for index, (old, layer) in enumerate(zip(before, net.hidden, strict=True)):
            np.testing.assert_allclose(weights[index], twin(old), rtol=1e-5)
            np.testing.assert_allclose(layer.weights, twin(layer.stored), rtol=1e-5)
            assert not np.allclose(layer.weights, layer.stored, rtol=1e-4)
            for spot in np.ndindex(*old.shape):
                want = slope(weights, biases, index, spot, x, y, [None, None], 1.0, False)
                assert old[spot] - layer.stored[spot] == pytest.approx(want, abs=2e-4, rel=2e-3)
                checked += abs(want) > 1e-3
        assert checked > 20


def planned(method, options, **spec):
    run = RunSpec(method=method, hidden=WIDTHS[1:-1], **spec)
    return plan_layers(run, registry.methods.build(method, options), WIDTHS)


def test_a_rank_has_the_share_of_the_multiplications_that_is_asked_for():
    assert [str(layer) for layer in planned("low_rank", {"keep_pct": 5.0})] == [
        "rows 784 -> 1000 of rank 22: blas step_dense",
        "rows 1000 -> 1000 of rank 25: blas step_dense",
        "rows 1000 -> 10 by node: blas step_dense",
    ]
    assert [layer.shape for layer in planned("low_rank", {"rank": 7})] == [(7, 1784), (7, 2000), (10, 1000)]
    assert planned("low_rank", {"rank": 900})[0].shape == (784, 1784)
    assert planned("low_rank", {"keep_pct": 0.01})[0].shape == (1, 1784)


@pytest.mark.parametrize("method", ["low_rank", "hashed_weights", "quantized_weights", "sparse_weights"])
def test_lock_free_threads_and_outputs_are_refused(method):
    with pytest.raises(ConfigError, match="has no full matrix of weights; that takes update: batch"):
        planned(method, {}, update="hogwild")
    with pytest.raises(ConfigError, match="for hidden layers alone"):
        planned("dense", {}, output_method=method)


def test_what_is_drawn_first_has_the_variance_of_a_full_matrix():
    """Of weights that are made of what is stored; the mean over half a million is within a few per cent."""
    for method, options in (("low_rank", {"rank": 20}), ("hashed_weights", {})):
        with network(method, options, features=784, hidden=[600]) as net:
            assert net.layers[0].weights.std() == pytest.approx(np.sqrt(2 / 784), rel=0.05)


def test_nothing_is_left_over_from_batches_that_are_predicted():
    x, y = data(12)
    with network("low_rank", {"rank": 2}) as net:
        net.train_batch(x, y, Batch(np.arange(12), 0, True))
        net.scores(x, Batch(np.arange(12), 0, False))
        net.watch(x, Batch(np.arange(12), 0, False), lambda view: None)
        assert not any(layer._between for layer in net.hidden)


@pytest.mark.parametrize(("method", "options"), CASES)
def test_memory_is_that_of_what_is_stored(method, options):
    spec = RunSpec(
        method=method, method_options=options, dataset="rectangles", hidden=[90, 70], optimizer="adam"
    )
    said = memory_of(spec, registry.datasets.build(spec.dataset), 10)
    settings = {"hidden": [90, 70], "optimizer": "adam", "features": 784}
    with network(method, options, **settings) as net:
        numbers = sum(layer.stored.size + layer.bias.size for layer in net.layers) - net.output.stored.size
    numbers += 2 * 70 - 1  # of two classes instead of three
    assert said.weights == pytest.approx(4 * numbers / 1e6)
    assert said.optimizer == pytest.approx(2 * said.weights)


def test_weights_that_are_looked_up_in_parts_are_the_same(monkeypatch):
    """Layers of more nodes than are in memory at a time: scores, gradients and steps, and all bytes."""
    x, y = data(6)
    found = []
    for rows in (1024, 5):
        monkeypatch.setattr(hashed, "ROWS", rows)
        with network("hashed_weights", {"keep_pct": 20.0}, hidden=[12, 9], optimizer="sgd") as net:
            net.train_batch(x, y, Batch(np.arange(6), 0, True))
            net.train_batch(x, y, Batch(np.arange(6), 1, True))
            found.append([layer.stored for layer in net.layers])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)

"""Steps: taken with the gradient or after it, and without numbers so small that they slow a processor."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import data, network

from lshexp.kernels.step import OPTIMIZERS
from lshexp.methods.base import Batch

SCANNING = ("winner_take_all", {"over": "example", "where_sparse": "scan"})
SHAPE = {"hidden": [40, 32, 24], "active_pct": 8.0, "input": "lists", "batch": 10}


def weights_after(update, **changes):
    """Weights, biases and counters of a network whose layers are stored by input, after six steps."""
    method, options = SCANNING
    x, y = data(60, features=30)
    with network(method, options, features=30, **SHAPE, **changes) as trained:
        for first in range(0, len(x), 10):
            ids = np.arange(first, first + 10)
            update(trained, x[ids], y[ids], Batch(ids, 0, True))
        counted = [layer.work.tally(phase) for layer in trained.layers for phase in ("backward", "update")]
        return [array.copy() for layer in trained.layers for array in (layer.weights, layer.bias)], counted


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_step_taken_with_the_gradient_is_the_same_to_the_bit(optimizer):
    def at_once(trained, *batch):
        trained.train_batch(*batch)

    def apart(trained, *batch):
        trained.finish(trained.start(*batch))

    arrays, counted = weights_after(at_once, optimizer=optimizer)
    others, also = weights_after(apart, optimizer=optimizer)
    for ours, other in zip(arrays, others, strict=True):
        np.testing.assert_array_equal(ours, other)
    assert counted == also


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("method", ["dense", "winner_take_all", "lsh"])
def test_no_subnormal_numbers_arise(method, optimizer):
    """A network that has become sure of its answers: its gradients are as small as they get."""
    x, y = data(40, features=30)
    lr = 0.002 if optimizer == "adam" else 0.05
    options = {"lsh": {"L": 8, "hash": {"dims": 4}}}.get(method, {})
    shape = {**SHAPE, "active_pct": 50.0, "optimizer": optimizer, "lr": lr, "momentum": 0.9, "batch": 40}
    with network(method, options, features=30, **shape) as trained:
        ids = np.arange(len(x))
        for epoch in range(300):
            outcome = trained.train_batch(x, y, Batch(ids, epoch, True))
        assert outcome.loss / len(x) < 0.5  # near what the all-zero and conflicting examples leave
        for layer in trained.layers:
            for array in (layer.weights, layer.bias, layer.state, layer.bias_state):
                size = np.abs(array[array != 0])
                assert not np.count_nonzero(size < np.finfo(np.float32).tiny)

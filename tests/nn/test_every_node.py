"""With every node active, whatever chooses them, a network learns what the dense network learns."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import data, network

from lshexp import registry
from lshexp.arrays import CSR
from lshexp.kernels.step import OPTIMIZERS
from lshexp.methods.base import Batch
from lshexp.nn.asynchronous import workers_of
from lshexp.spec import RunSpec

OPTIONS = {
    "winner_take_all": [{"over": over} for over in ("batch", "node", "example")],
    # tables leave out what lies in other buckets than the input; without them all nodes are ranked
    "lsh": [{"L": 0, "hash": {"dims": 4}}, {"L": 0, "hash": {"dims": 4}, "follow": False}],
    "predictor": [{"width": 3}, {"width": 3, "refine": 0.0}],
}
METHODS = [
    (name, options)
    for name, method in sorted(registry.methods.discover().items())
    # a gate multiplies what a node computes, and without some weights it computes less: other networks both
    if name != "dense" and method.for_hidden and not method.gated and method().storage is None
    for options in OPTIONS.get(name, [{}])
]
DEEP = {"hidden": [16, 16, 16]}
MODES = {
    "rows": {},
    "lists": {"input": "lists"},
    "sparse examples": {"sparse": True},
    "skips": {"skip": True, **DEEP},
    "threads": {"threads": 2},
    "blocks": {"block": 4},
    "blocks and skips": {"block": 8, "skip": True, **DEEP},
    "simulated": {"simulate_workers": 3},
    # of a longer batch, nodes that are zero at its beginning are left out until it ends
    "lock-free": {"update": "hogwild", "batch": 1},
}
TOLERANCE = 5e-6  # of weights that are about one: sums of float32 in another order


def learned(method, options, optimizer, mode):
    """Weights and biases after four epochs on forty examples."""
    x, y = data(40)
    settings = {"batch": 6, "hidden": [16, 24], **MODES[mode]}
    x = CSR.from_dense(x) if settings.pop("sparse", False) else x
    settings |= {"active_pct": 100.0, "optimizer": optimizer, "momentum": 0.9, "lr": 0.02}
    with network(method, options, sparse=isinstance(x, CSR), **settings) as net:
        spec = RunSpec(method=method, method_options=options, **settings)
        trained = workers_of(spec, net) or net
        for epoch in range(4):
            for first in range(0, len(y), spec.batch):
                ids = np.arange(first, min(first + spec.batch, len(y)))
                trained.train_batch(x[ids], y[ids], Batch(ids, epoch, True))
        if trained is not net:
            trained.drain()
        return [np.array(array) for layer in net.layers for array in (layer.weights, layer.bias)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_choosing_every_node_is_dense(optimizer, mode):
    """Lazy state included: what a batch does not reach is left alone by dense networks too."""
    dense = learned("dense", {}, optimizer, mode)
    for method, options in METHODS:
        weights = learned(method, options, optimizer, mode)
        for ours, other in zip(weights, dense, strict=True):
            np.testing.assert_allclose(ours, other, rtol=0, atol=TOLERANCE, err_msg=f"{method} {options}")


def test_a_state_that_is_not_lazy_would_be_seen():
    """A weight that dense alone moved on after its input was zero differs by far more than the tolerance."""
    x, y = data(40)
    x[6:, 0] = 0  # read in the first batch and never again
    with network("dense", {}, active_pct=100.0, optimizer="momentum", lr=0.02, hidden=[16]) as net:
        net.train_batch(x[:6], y[:6], Batch(np.arange(6), 0, True))
        before, moving = net.layers[0].weights[:, 0].copy(), net.layers[0].state[0][:, 0].copy()
        net.train_batch(x[6:12], y[6:12], Batch(np.arange(6, 12), 0, True))
        np.testing.assert_array_equal(net.layers[0].weights[:, 0], before)
    assert 0.9 * np.abs(moving).max() > 100 * TOLERANCE

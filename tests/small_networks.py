"""Small networks that record what they select, for tests of training and counting."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np

from lshexp import registry
from lshexp.methods.base import Batch
from lshexp.nn.gemm import Gemm
from lshexp.nn.network import Network
from lshexp.nn.plan import plan_layers
from lshexp.nn.threads import using_threads
from lshexp.spec import RunSpec

FEATURES, CLASSES = 11, 3


def data(examples, seed=0, features=FEATURES):
    """Inputs with zeros and one all-zero row, and labels."""
    random = np.random.default_rng(seed)
    x = (random.random((examples, features)) * (random.random((examples, features)) < 0.6)).astype(np.float32)
    x[0] = 0
    return x, random.integers(0, CLASSES, examples).astype(np.int32)


class Recorder:
    """Stands in for a selector and keeps what it answers."""

    def __init__(self, selector):
        self.selector = selector
        self.selections = []
        self.inputs = []

    def select(self, inputs, batch):
        selection = self.selector.select(inputs, batch)
        if selection.active is not None:
            selection = selection._replace(active=selection.active[:])
        self.selections.append(selection)
        self.inputs.append(inputs)
        return selection

    def winners(self, batch):
        return None  # so that it is asked, also for a single example

    def after_update(self, step):
        self.selector.after_update(step)

    def refresh(self):
        self.selector.refresh()

    def diagnostics(self):
        return self.selector.diagnostics()

    def notes(self):
        return self.selector.notes()

    def chosen(self, at):
        """Active nodes of each example in the at-th batch, or None for every node."""
        active = self.selections[at].active
        if active is None:
            return None
        return [
            sorted(active.indices[a:b].tolist())
            for a, b in zip(active.indptr, active.indptr[1:], strict=False)
        ]


@contextmanager
def network(method, options=None, threads=1, features=FEATURES, sparse=False, **spec):
    """A network of the given method whose selectors are recorded; `sparse`: its examples come as a CSR."""
    spec = {"hidden": [16, 24], "lr": 0.05, "active_pct": 25.0, "batch": 6, **spec}
    run = RunSpec(method=method, method_options=options or {}, threads=threads, **spec)
    with using_threads(threads), Gemm(threads) as gemm:
        built = registry.methods.build(method, options or {})
        plans = plan_layers(run, built, [features, *run.hidden, CLASSES], sparse)
        net = Network(run, built, features, CLASSES, gemm, plans)
        net.selectors = [Recorder(selector) for selector in net.selectors]
        yield net


def train(net, x, y, batch=6, epoch=0):
    """One epoch in order; returns the summed loss."""
    total = 0.0
    for first in range(0, len(y), batch):
        ids = np.arange(first, min(first + batch, len(y)))
        total += net.train_batch(x[ids], y[ids], Batch(ids, epoch, True)).loss
    return total


def reference_loss(weights, biases, x, y, chosen, scale, skip=False):
    """Mean loss of a plain float64 network with its active nodes held fixed."""
    signal = x.astype(np.float64)
    for index, (w, bias, active) in enumerate(zip(weights[:-1], biases[:-1], chosen, strict=True)):
        z = np.maximum(signal @ w.T + bias, 0) * scale
        if active is not None:
            mask = np.zeros_like(z)
            for b, nodes in enumerate(active):
                mask[b, nodes] = 1
            z *= mask
        signal = signal + z if skip and index else z
    logits = signal @ weights[-1].T + biases[-1]
    top = logits.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0] - logits[range(len(y)), y]))


def slope(weights, biases, index, spot, x, y, chosen, scale, skip):
    """Central difference of the loss at one weight."""
    losses = []
    for sign in (1, -1):
        moved = [w.copy() for w in weights]
        moved[index][spot] += sign * 1e-5
        losses.append(reference_loss(moved, biases, x, y, chosen, scale, skip))
    return (losses[0] - losses[1]) / 2e-5


def check_gradients(net, x, y, chosen_by, spots, skip=False):
    """One plain SGD step of size 1 moves the weights by the gradient, held against finite differences.

    `chosen_by(index, recorder)` gives the active nodes of a hidden layer once they are chosen; `spots` is how
    many of the strongest weights of a layer are looked at, and how many at random. Returns the outcome of
    the step, the active nodes of each hidden layer, and how many of those gradients are not next to zero.
    """
    random = np.random.default_rng(0)
    for layer in net.layers:  # no pre-activation sits on the kink of ReLU
        layer.bias = (0.1 * random.standard_normal(layer.nodes)).astype(np.float32)
    weights = [layer.weights.astype(np.float64) for layer in net.layers]
    biases = [layer.bias.astype(np.float64) for layer in net.layers]
    outcome = net.train_batch(x, y, Batch(np.arange(len(y)), 0, True))
    chosen = [chosen_by(index, recorder) for index, recorder in enumerate(net.selectors)]
    scale = net.selectors[0].selections[-1].multiplier
    wanted = reference_loss(weights, biases, x, y, chosen, scale, skip)
    np.testing.assert_allclose(outcome.loss / len(y), wanted, rtol=1e-5)
    checked = 0
    for index, layer in enumerate(net.layers):
        gradient = weights[index] - layer.weights
        strongest = np.argsort(-np.abs(gradient).ravel())[:spots]
        places = np.concatenate([strongest, random.integers(0, gradient.size, spots)])
        for spot in zip(*np.unravel_index(places, gradient.shape), strict=True):
            reference = slope(weights, biases, index, spot, x, y, chosen, scale, skip)
            np.testing.assert_allclose(gradient[spot], reference, rtol=1e-3, atol=2e-6)
            checked += abs(reference) > 1e-4
    return outcome, chosen, checked

"""Work of selected outputs: against a metered twin, and as the number of classes grows."""

from __future__ import annotations

import counting
import numpy as np
import pytest
from nn.test_counting import metered_kernels
from selected_outputs import CLASSES, EXAMPLES, METHODS, data, network, taken

from lshexp import registry
from lshexp.arrays import CSR
from lshexp.methods.base import Batch
from lshexp.methods.popularity import draws_for
from lshexp.nn import plan
from lshexp.nn.gemm import Gemm
from lshexp.nn.network import Network
from lshexp.nn.threads import using_threads
from lshexp.spec import RunSpec
from lshexp.work import PHASES


@pytest.mark.parametrize("loss", ["softmax", "binary"])
@pytest.mark.parametrize("labels", ["one", "many"])
@pytest.mark.parametrize("case", ["dense", *METHODS])
def test_every_kernel_counts_the_bytes_that_a_meter_finds(monkeypatch, case, labels, loss):
    """Choosing and listing classes, scores, losses, gradients and steps, for the arguments of the network."""
    found, given = metered_kernels(monkeypatch)
    x, y = data(labels)
    with network(case, "dropout", optimizer="sgd", loss=loss) as net:
        for epoch in range(2):
            net.train_batch(x, y, Batch(np.arange(EXAMPLES), epoch, True))
    assert found and {name: (found[name], given[name]) for name in found if found[name] != given[name]} == {}
    of_losses = {"softmax_cross_entropy", "softmax_of_labels", "binary_of_labels"}
    assert of_losses & set(found) if case == "dense" else {"complete_active", f"sampled_{loss}"} <= set(found)


class OutputTwin(counting.Twin):
    """One dense hidden layer and an output of given active classes and deltas, all read as rows."""

    def step(self, x, active, known, deltas):
        """active[b]: classes; known[b]: those of them whose score selecting has left behind."""
        every = [list(range(len(self.weights[0])))] * len(x)
        self.meter.at = (0, "forward")
        scores = [[self._score(0, j, row, False) for j in every[0]] for row in x.astype(float)]
        hidden = np.maximum(scores, 0)
        self.meter.at = (1, "forward")
        for b, classes in enumerate(active):
            for j in set(classes) - known[b]:
                self._score(1, j, hidden[b], False)
        self.steps += 1
        gradient = self._input_gradient(1, deltas, [every, active], None, False)
        self._update(1, hidden, deltas, active, False)
        self._update(0, x, gradient * (hidden > 0), every, False)
        return hidden


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("labels", ["one", "many"])
@pytest.mark.parametrize("case", METHODS)
def test_mults_and_adds_are_those_of_a_metered_twin(case, labels, optimizer):
    x, y = data(labels)
    with network(case, optimizer=optimizer, momentum=0.5, lr=0.02) as net:
        twin = OutputTwin([layer.weights for layer in net.layers], optimizer, 0.02, 0.5)
        for epoch in range(2):
            pending, selection = taken(net, x, y, Batch(np.arange(EXAMPLES), epoch, True))
            step = pending.steps[0]
            pairs = step.pairs.by_example
            active = [list(pairs.indices[a:b]) for a, b in zip(pairs.indptr, pairs.indptr[1:], strict=False)]
            found = selection.active
            known = [set()] * EXAMPLES
            if selection.scored:
                ends = zip(found.indptr, found.indptr[1:], strict=False)
                known = [set(found.indices[a:b]) for a, b in ends]
            hidden = twin.step(x, active, known, pairs.with_data(step.deltas).to_dense().astype(float))
            count_selecting(case, net, twin, hidden, found)
            net.finish(pending)
    for index, layer in enumerate(net.layers):
        np.testing.assert_allclose(layer.weights, twin.weights[index], rtol=1e-3, atol=1e-4)
        method, _, settings = METHODS[case]
        counted = method != "lsh" and settings.get("tail") != "dropout"
        phases = ["forward", "backward", "update", *(["select"] if counted else [])]
        for phase in phases:
            tally = layer.work.tally(phase)
            assert tally.mults == twin.meter.mults[index, phase], (index, phase)
            if phase != "select":
                assert tally.adds == twin.meter.adds[index, phase], (index, phase)


def count_selecting(case, net, twin, hidden, found):
    """What choosing the classes of a batch takes; of lsh and dropout it is tested where they choose alone."""
    method, options, settings = METHODS[case]
    twin.meter.at = (1, "select")
    if method == "winner_take_all":
        counting.matmul(twin.meter, hidden, twin.weights[1].T)
    elif method == "predictor":  # what it says of all classes, and of two and a half times as many the truth
        width, wanted = options["width"], 5 * 8 // 2
        shapes = [(hidden.shape[1], width), (width, net.output.nodes), (hidden.shape[1], wanted)]
        for shape in shapes:
            counting.matmul(twin.meter, np.zeros((EXAMPLES, shape[0])), np.zeros(shape))
    elif method == "dropout":
        for _ in range(found.nnz + EXAMPLES):
            twin.meter.mul(1.0, 1.0)
    if "popularity" in (method, settings.get("tail")):
        options = options if method == "popularity" else {}
        shares = registry.methods.build("popularity", options).shares(net.output.label_counts.astype(float))
        for _ in range(draws_for(shares, 8)):
            twin.meter.mul(1.0, 1.0)


GROWING = {
    "dropout": ("dropout", {}, {}),
    "popularity": ("popularity", {}, {}),
    "lsh": (
        "lsh",
        {"K": 6, "L": 4, "rehash": "touched", "learn_every": 100_000, "hash": {"dims": 4}},
        {"tail": 4},
    ),
    "lsh rolling": (
        "lsh",
        # bits are derived: buckets hold a few of the active classes, however many there are
        {"L": 4, "rehash": "rolling", "rehash_nodes": 4, "learn_every": 100_000, "hash": {"dims": 4}},
        {"tail": 4},
    ),
}


@pytest.mark.parametrize("case", GROWING)
def test_work_of_a_step_follows_the_active_classes_and_not_all(case, monkeypatch):
    """Twelve active classes an example: of sixteen times as many classes they take little more work.

    It is not the same: fewer examples of a batch share an active class, whose row is stepped and hashed once.
    Where active classes are listed, as they are of very many, the same holds of the bytes that are touched.
    """
    monkeypatch.setattr(plan, "LISTED_BEYOND", 100)
    method, options, settings = GROWING[case]
    mults, nbytes, pairs = [], [], []
    for classes in (300, 4800):
        spec = RunSpec(
            method="dense",
            hidden=[16],
            optimizer="adam",
            output_method=method,
            output_options=options,
            output_active_pct=100 * 12 / classes,
            tail_pct=100 * settings.get("tail", 0) / classes,
        )
        random = np.random.default_rng(1)
        counts = np.ones(classes, np.int64)
        with using_threads(1), Gemm(1) as gemm:
            built = registry.methods.build("dense")
            net = Network(spec, built, 9, classes, gemm, label_counts=counts)
            before, bytes_before, active = 0, 0, 0
            for epoch in range(9):
                x = random.normal(size=(24, 9)).astype(np.float32)
                y = random.integers(0, classes, 24).astype(np.int32)
                if epoch == 1:  # tables are filled and classes hashed once, at the first batch
                    before, bytes_before, active = net.output.work.mults(), touched(net.output.work), 0
                active += net.train_batch(x, y, Batch(np.arange(24), epoch, True)).active_classes
            mults.append(net.output.work.mults() - before)
            nbytes.append(touched(net.output.work) - bytes_before)
            pairs.append(active)
    assert mults[1] / pairs[1] <= 2 * mults[0] / pairs[0]
    assert pairs[1] <= 1.2 * pairs[0]
    if case in ("dropout", "lsh rolling"):
        assert nbytes[1] / pairs[1] <= 2 * nbytes[0] / pairs[0]


def touched(work):
    """Bytes of training, all phases."""
    return sum(work.tally(phase).bytes for phase in PHASES)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("hidden_method", ["dense", "dropout"])
@pytest.mark.parametrize("case", ["lsh", "lsh rolling", "winners", "unigram"])
def test_listing_the_active_nodes_changes_no_bit(case, hidden_method, optimizer, monkeypatch):
    x, y = data("many")
    nets = []
    for beyond in (plan.LISTED_BEYOND, 10):
        monkeypatch.setattr(plan, "LISTED_BEYOND", beyond)
        with network(case, hidden_method, optimizer=optimizer) as net:
            for epoch in range(3):
                net.train_batch(x, y, Batch(np.arange(EXAMPLES), epoch, True))
            nets.append(net)
    assert nets[1].output.plan.listed and not nets[0].output.plan.listed
    for one, other in zip(nets[0].layers, nets[1].layers, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
        np.testing.assert_array_equal(one.bias, other.bias)
        assert one.work.mults() == other.work.mults()


def test_a_batch_reads_no_class_that_is_not_active():
    """Weights and state of all other classes keep their bits."""
    x, y = data()
    for case in METHODS:
        with network(case, optimizer="adam") as net:
            before = net.output.weights.copy()
            pending, _ = taken(net, x, y, Batch(np.arange(EXAMPLES), 0, True))
            net.finish(pending)
            pairs = pending.steps[0].pairs.by_example
            idle = np.setdiff1d(np.arange(CLASSES), pairs.indices)
            np.testing.assert_array_equal(net.output.weights[idle], before[idle])
            assert not net.output.state[:, idle].any()
            assert isinstance(pairs, CSR)

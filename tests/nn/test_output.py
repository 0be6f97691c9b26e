"""Selected outputs: active classes, losses and gradients beside PyTorch on the same active set."""

from __future__ import annotations

import numpy as np
import pytest
from selected_outputs import CLASSES, EXAMPLES, METHODS, data, network, taken

from lshexp import registry
from lshexp.arrays import CSR
from lshexp.kernels.step import rule_of
from lshexp.methods.base import Batch
from lshexp.methods.popularity import draws_for, inclusion

LABELS = ("one", "many")
LOSSES = ("softmax", "binary")


def chances(net, case, labels, selection, active):
    """The chance with which each active class became active, from the description of the methods."""
    chance = np.ones((EXAMPLES, CLASSES))
    if METHODS[case][2].get("correction") == "none":
        return chance
    own = (labels if isinstance(labels, CSR) else CSR.from_classes(labels, CLASSES)).to_dense() > 0
    found = selection.active.with_data(np.ones(selection.active.nnz, np.float32)).to_dense() > 0
    drawing = METHODS[case][2].get("tail", METHODS[case][0])
    if drawing == "dropout":
        chance[:] = 0.2
    elif drawing == "popularity":
        method = registry.methods.build("popularity", METHODS[case][1] if drawing == METHODS[case][0] else {})
        shares = method.shares(net.output.label_counts.astype(float))
        chance[:] = 1 - (1 - shares) ** draws_for(shares, 8)
    if drawing != METHODS[case][0]:
        chance[found] = 1
    if drawing not in ("dropout", "popularity"):
        for b in range(EXAMPLES):
            tail = active[b] & ~own[b] & ~found[b]
            chance[b, tail] = tail.sum() / (CLASSES - (own[b] | found[b]).sum())
    chance[own] = 1
    return chance


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("case", METHODS)
def test_loss_and_gradients_are_those_of_pytorch_on_the_same_active_set(case, labels, loss):
    torch = pytest.importorskip("torch")
    x, y = data(labels)
    with network(case, loss=loss) as net:
        for epoch in range(2):  # some methods learn at the first batch
            batch = Batch(np.arange(EXAMPLES), epoch, True)
            pending, selection = taken(net, x, y, batch)
            net.finish(pending) if epoch == 0 else None
        step = pending.steps[0]
        active = step.pairs.by_example.with_data(np.ones(step.pairs.by_example.nnz, np.float32))
        active = active.to_dense() > 0
        own = (y if isinstance(y, CSR) else CSR.from_classes(y, CLASSES)).to_dense() > 0
        assert (own & ~active).sum() == 0
        q = torch.tensor(chances(net, case, y, selection, active))
        parameters = [torch.tensor(a.astype(np.float64), requires_grad=True)
                      for layer in net.layers for a in (layer.weights, layer.bias)]  # fmt: skip
        hidden = torch.relu(torch.tensor(x.astype(np.float64)) @ parameters[0].T + parameters[1])
        z = hidden @ parameters[2].T + parameters[3]
        losses = []
        for b in range(EXAMPLES):
            live, target = torch.tensor(active[b]), torch.tensor(own[b][active[b]].astype(float))
            if loss == "softmax":
                if target.sum() == 0:
                    continue
                corrected = (z[b] - torch.log(q[b]))[live][None]
                share = (target / target.sum())[None]
                losses.append(torch.nn.functional.cross_entropy(corrected, share))
            else:
                weight = 1 / q[b][live]
                losses.append(torch.nn.functional.binary_cross_entropy_with_logits(
                    z[b][live], target, weight=weight, reduction="sum"))  # fmt: skip
        total = sum(losses)
        (total / EXAMPLES).backward()
        assert pending.outcome.loss == pytest.approx(float(total), rel=1e-4)
        assert pending.outcome.active_classes == active.sum()
        before = [a.copy() for layer in net.layers for a in (layer.weights, layer.bias)]
        for layer in net.layers:
            layer.rule = rule_of("sgd", 1.0, 0.9)
        net.finish(pending)
        after = [a for layer in net.layers for a in (layer.weights, layer.bias)]
        for old, new, parameter in zip(before, after, parameters, strict=True):
            np.testing.assert_allclose(old - new, parameter.grad.numpy(), rtol=2e-3, atol=2e-6)


def test_the_draws_of_popularity_meet_as_many_classes_as_wanted():
    """Over many batches: the share of all classes, and the chance of each."""
    with network("unigram") as net:
        selector, layer = net.head.selector, net.output
        met = np.zeros(CLASSES)
        for epoch in range(600):
            chosen = selector.select(None, Batch(np.arange(3), epoch, True))
            rows = chosen.active.to_dense().shape, chosen.active.indices.reshape(3, -1)
            assert (rows[1] == rows[1][0]).all()  # shared by the batch
            met[rows[1][0]] += 1
            log_q = chosen.log_inclusion.reshape(3, -1)[0]
        method = registry.methods.build("popularity")
        shares = method.shares(layer.label_counts.astype(float))
        chance = inclusion(shares, draws_for(shares, 8))
        np.testing.assert_allclose(log_q, np.log(chance[rows[1][0]]), rtol=1e-5)
        np.testing.assert_allclose(met / 600, chance, atol=4.5 * 0.5 / np.sqrt(600))
        assert met.sum() / 600 == pytest.approx(8, abs=0.7)


@pytest.mark.parametrize("tail", ["popularity", "dropout"])
def test_a_drawn_tail_makes_the_partition_function_unbiased(tail):
    """Over many draws the mean of the sum of active classes, each over its chance, is the sum of all."""
    x, y = data()
    sums = []
    with network("winners, unigram tail", tail=tail, lr=1e-9) as net:
        scores, _ = net.scores(x, Batch(np.arange(EXAMPLES), 0, False))
        for epoch in range(800):
            pending, _ = taken(net, x, y, Batch(np.arange(EXAMPLES), epoch, True))
            losses = pending.steps[0].pairs, pending.steps[0].deltas
            active, deltas = losses[0].by_example, losses[1]
            at_label = deltas[active.indptr[:-1]] * EXAMPLES + 1  # softmax of the label, listed first
            sums.append(np.exp(scores[np.arange(EXAMPLES), y]) / at_label)
    error = np.std(sums, axis=0) / np.sqrt(len(sums))
    wanted = np.exp(scores).sum(axis=1)
    assert (np.abs(np.mean(sums, axis=0) - wanted) < 4.5 * error + 1e-4 * wanted).all()


@pytest.mark.parametrize("case", ["lsh", "lsh, unigram tail", "winners", "uniform", "unigram"])
def test_two_threads_learn_what_one_does(case):
    x, y = data("many")
    nets = []
    for threads in (1, 2):
        with network(case, threads=threads) as net:
            for epoch in range(3):
                net.train_batch(x, y, Batch(np.arange(EXAMPLES), epoch, True))
            nets.append(net)
    for one, other in zip(nets[0].layers, nets[1].layers, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)


def test_what_is_retrieved_is_scored_exactly():
    x, y = data()
    for case in ("lsh", "lsh unrefined", "winners"):
        with network(case) as net:
            net.train_batch(x, y, Batch(np.arange(EXAMPLES), 0, True))
            found = net.retrieve(x, Batch(np.arange(EXAMPLES), 0, False))
            scores, _ = net.scores(x, Batch(np.arange(EXAMPLES), 0, False))
            rows = np.repeat(np.arange(EXAMPLES), found.row_lengths())
            np.testing.assert_allclose(found.data, scores[rows, found.indices], rtol=1e-4, atol=1e-5)
    for case in ("uniform", "unigram"):
        with network(case) as net:
            assert net.retrieve(x, Batch(np.arange(EXAMPLES), 0, False)) is None


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_hashing_only_what_has_changed_learns_what_hashing_all_does(optimizer):
    """The same numbers, and fewer classes hashed: a class of no example keeps its weights and so its hash."""
    x, y = data()
    nets, hashed = [], []
    for rehash in ("schedule", "changed"):
        options = {"L": 6, "K": 2, "hash": {"dims": 4}, "rehash": rehash, "rehash_every": 6}
        settings = {"output_options": options, "output_active_pct": 5.0, "tail_pct": 2.5}
        with network("lsh", optimizer=optimizer, **settings) as net:
            for epoch in range(8):
                ids = np.arange(6) + 6 * (epoch % 2)
                net.train_batch(x[ids], y[ids], Batch(ids, epoch, True))
            nets.append(net)
            hashed.append(net.head.selector.notes()["rehashed_nodes"])
    for one, other in zip(nets[0].layers, nets[1].layers, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
    assert hashed[1] < hashed[0]


def test_rolling_hashes_no_more_than_it_may_and_in_the_end_everything():
    """A step hashes at most `rehash_nodes` classes an example, and in turn all that have changed are."""
    x, y = data()
    options = {"L": 6, "K": 2, "hash": {"dims": 4}, "rehash": "rolling", "rehash_nodes": 1}
    settings = {"output_options": options | {"learn_every": 10**6, "learn_growth": 100}, "tail_pct": 10.0}
    with network("lsh", optimizer="adam", hidden=[12], **settings) as net:
        selector, layer = net.head.selector, net.output
        hashed = []
        for epoch in range(12):
            before = selector.notes()["rehashed_nodes"]
            net.train_batch(x[:4], y[:4], Batch(np.arange(4), epoch, True))
            hashed.append(selector.notes()["rehashed_nodes"] - before)
        assert hashed[0] == CLASSES and max(hashed[1:]) == 4
        for epoch in range(12, 40):  # classes stay as they are from here on
            net.head.selector.select(np.zeros((4, 12), np.float32), Batch(np.arange(4), epoch, True))
        every = np.arange(CLASSES, dtype=np.int32)
        kept = selector.tables.codes.copy()
        np.testing.assert_array_equal(
            kept, selector.hasher.hash_nodes(layer.weights, layer.bias, every, layer.work)
        )
        assert selector.notes()["rebuilds"] == 1


@pytest.mark.parametrize(
    ("growth", "learned"), [(1.0, [0, 20, 40, 60, 80, 100, 120]), (2.0, [0, 20, 40, 80]), (3.0, [0, 20, 60])]
)
def test_learning_becomes_rarer_as_it_is_told(growth, learned):
    x, y = data()
    options = {
        "L": 6,
        "K": 2,
        "hash": {"dims": 4},
        "learn_every": 20,
        "rehash_every": 10,
        "rehash": "rolling",
    }
    with network("lsh", output_options=options | {"learn_growth": growth}) as net:
        times = []
        for step in range(14):
            before = net.head.selector.notes()["rebuilds"]
            net.train_batch(x[:10], y[:10], Batch(np.arange(10), step, True))
            times += [10 * step] * (net.head.selector.notes()["rebuilds"] - before)
    assert times == learned

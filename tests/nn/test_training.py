"""The network: gradients, thread counts, divergence, shapes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from small_networks import check_gradients, data, network, train

from lshexp import registry
from lshexp.errors import ConfigError
from lshexp.methods.base import Batch
from lshexp.nn import trainer
from lshexp.nn.threads import using_threads
from lshexp.nn.trainer import WeightAverage, run
from lshexp.spec import RunSpec

METHODS = {
    "dense": ("dense", {}),
    "dropout": ("dropout", {}),
    "adaptive_dropout": ("adaptive_dropout", {}),
    "winner_take_all": ("winner_take_all", {}),
    "winner_take_all example": ("winner_take_all", {"over": "example"}),
    "winner_take_all by input": ("winner_take_all", {"over": "example", "where_sparse": "scan"}),
    "lsh": ("lsh", {"K": 2, "L": 8, "hash": {"name": "sketch", "dims": 4}}),
    "lsh without tables": ("lsh", {"L": 0, "hash": {"dims": 4}}),
    "lsh hybrid": ("lsh", {"preset": "hybrid", "K": 2, "L": 8, "hash": {"dims": 4}}),
    "lsh paper": ("lsh", {"preset": "paper", "K": 3, "probes": 4}),
}


def form_of(options):
    """How the first layer reads its input: methods that scan are refused without a sparse one."""
    return "lists" if "scan" in str(options) or "hybrid" in str(options) else "rows"


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("share", [6.0, 40.0])
@pytest.mark.parametrize("name", METHODS)
def test_gradient_matches_finite_differences(name, share, skip):
    """One plain SGD step of size 1 moves the weights by the gradient, selection held fixed."""
    method, options = METHODS[name]
    x, y = data(7)
    spec = {"optimizer": "sgd", "lr": 1.0, "active_pct": share, "skip": skip, "input": form_of(options)}
    with network(method, options, hidden=[30, 30, 30] if skip else [30, 40, 35], **spec) as net:
        _, _, checked = check_gradients(net, x, y, lambda _, recorder: recorder.chosen(-1), 8, skip)
    assert checked > 10  # the comparison was not of zeros with zeros


@pytest.mark.parametrize("name", METHODS)
def test_bits_do_not_depend_on_threads(name):
    method, options = METHODS[name]
    x, y = data(40)
    images = []
    for threads in (1, 2, 1):
        with network(method, options, threads, hidden=[300, 40], active_pct=10.0) as net:
            losses = [train(net, x, y, 16, epoch) for epoch in range(2)]
            outcome = net.predict(x, y, Batch(np.arange(40), 0, False))
            counts = [layer.work.mults() for layer in net.layers]
            images.append(([layer.weights.tobytes() for layer in net.layers], losses, outcome, counts))
    assert images[0] == images[1] == images[2]


@pytest.mark.parametrize("name", METHODS)
def test_selected_ids_are_distinct_and_in_range(name):
    method, options = METHODS[name]
    x, y = data(20)
    before = x.copy(), y.copy()
    with network(method, options, input=form_of(options)) as net:
        train(net, x, y)
        for layer, recorder in zip(net.hidden, net.selectors, strict=True):
            for at in range(len(recorder.selections)):
                for nodes in recorder.chosen(at) or []:
                    assert len(set(nodes)) == len(nodes)
                    assert all(0 <= node < layer.nodes for node in nodes)
    assert (x == before[0]).all()
    assert (y == before[1]).all()


@pytest.mark.parametrize("method", ["dropout", "adaptive_dropout", "winner_take_all", "lsh"])
def test_achieved_share_is_near_the_wanted_one(method):
    x, y = data(600, features=30)
    with network(method, hidden=[200], active_pct=20.0, features=30, lr=0.01) as net:
        selected = sum(
            net.train_batch(x[i : i + 60], y[i : i + 60], Batch(np.arange(i, i + 60), 0, True)).selected[0]
            for i in range(0, 600, 60)
        )
    assert 100 * selected / (600 * 200) == pytest.approx(20, abs=1)


def test_given_beta_is_not_moved():
    x, y = data(60)
    with network("adaptive_dropout", {"beta": -1.0}) as net:
        train(net, x, y)
        assert net.selectors[0].selector._beta == -1.0


def test_adaptive_dropout_keeps_with_the_probability_of_its_sigmoid():
    x, _ = data(1)
    x[:] = 0.5
    with network("adaptive_dropout", {"alpha": 2.0, "beta": -0.5}, hidden=[16]) as net:
        layer, selector = net.hidden[0], net.selectors[0]
        drawn = np.zeros(16)
        for epoch in range(3000):
            active = selector.select(x, Batch(np.array([0]), epoch, True)).active
            drawn[active.indices] += 1
        keep = 1 / (1 + np.exp(-(2.0 * (layer.weights @ x[0] + layer.bias) - 0.5)))
        assert np.abs(drawn / 3000 - keep).max() < 5 * 0.5 / np.sqrt(3000)
        test = selector.select(x, Batch(np.array([0]), 0, False))
        assert test.active is None
        np.testing.assert_allclose(test.multiplier[0], keep, rtol=1e-4)


def test_lsh_beats_chance_by_far():
    """Of the true top 5 %, the tables' choice holds at least half; chance would hold a twentieth."""
    random = np.random.default_rng(0)
    x = (random.standard_normal((400, 6)) @ random.standard_normal((6, 60))).astype(np.float32)
    y = random.integers(0, 3, 400).astype(np.int32)
    with network("lsh", hidden=[400], active_pct=5.0, features=60, lr=0.001) as net:
        train(net, x, y, batch=100)
        net.train_batch(x[:100], y[:100], Batch(np.arange(100), 1, True))
        layer = net.hidden[0]
        chosen = net.selectors[0].chosen(0)
    with network("lsh", hidden=[400], active_pct=5.0, features=60, lr=0.001) as net:
        scores = x[:100] @ net.hidden[0].weights.T
    truth = np.argsort(-scores, axis=1)[:, :20]
    recall = np.mean([len(set(a) & set(t)) / 20 for a, t in zip(chosen, truth.tolist(), strict=True)])
    assert layer.nodes == 400
    assert recall > 0.5


@pytest.mark.parametrize("method", ["dense", "dropout", "adaptive_dropout", "winner_take_all", "lsh"])
def test_a_network_that_blows_up_shows_it(method):
    x, y = data(30)
    with network(method, optimizer="sgd", lr=1e30) as net, np.errstate(all="ignore"):
        losses = [train(net, x, y, epoch=epoch) for epoch in range(4)]
    assert not np.isfinite(losses[-1])


def test_more_threads_than_numba_may_start_is_an_error():
    with pytest.raises(ConfigError, match="NUMBA_NUM_THREADS"), using_threads(10_000):
        pass


def test_selection_of_an_empty_batch():
    for method, options in METHODS.values():
        x, y = data(6)
        with network(method, options, input=form_of(options)) as net:
            train(net, x, y)
            assert net.predict(x[:0], y[:0], Batch(np.arange(0), 0, False)).hits == 0


@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_coordinates_followed_through_sgd_are_those_of_the_weights(offset):
    x, y = data(60)
    options = {"K": 3, "L": 4, "hash": {"name": "sketch", "dims": 4, "offset": offset}, "learn_every": 20}
    with network("lsh", {**options, "rehash_every": 5}, optimizer="sgd", lr=0.5, hidden=[40, 40]) as net:
        for epoch in range(3):
            train(net, x, y, epoch=epoch)
        for layer, recorder in zip(net.hidden, net.selectors, strict=True):
            hasher = recorder.selector.hasher
            followed = hasher.coordinates.copy()
            hasher.hash_nodes(layer.weights, layer.bias, np.arange(40, dtype=np.int32), layer.work)
            np.testing.assert_allclose(followed, hasher.coordinates, rtol=1e-4, atol=1e-4)
            assert recorder.selector._seen == 180


def test_lsh_keeps_up_with_the_exact_winners():
    """A small twin of the headline: fails when tables, sketch or exact look degrade to chance."""
    dataset = {"train": 1500, "test": 500}
    common = {
        "dataset": "rectangles", "dataset_options": dataset, "hidden": [300, 300, 300], "active_pct": 5.0,
        "epochs": 4, "batch": 32, "lr": 0.01, "probe": 0.2,
    }  # fmt: skip
    lsh = run(RunSpec(method="lsh", method_options=registry.methods.build("lsh").model_dump(), **common))
    exact = run(RunSpec(method="winner_take_all", method_options={"over": "example"}, **common))
    chance = run(RunSpec(method="dropout", **common))
    found, wanted, drawn = (result.epochs[-1].test_acc_pct for result in (lsh, exact, chance))
    assert found > wanted - 4
    assert found > drawn + 20
    last = [row for row in lsh.selection if row.epoch == 4]
    assert min(row.recall_pct for row in last) > 60, last
    counted = sum(row.mults for row in lsh.work) / lsh.mults_dense
    assert counted < 0.15


@pytest.mark.parametrize(("platform", "megabytes"), [("linux", 1.024), ("darwin", 0.001)])
def test_peak_memory_is_in_millions_of_bytes(monkeypatch, platform, megabytes):
    """Linux counts it in units of 1,024 bytes, macOS in bytes."""
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr("resource.getrusage", lambda who: SimpleNamespace(ru_maxrss=1000))
    assert trainer._peak_rss_mb() == pytest.approx(megabytes)


@pytest.mark.parametrize("method", ["dense", "winner_take_all"])
def test_adam_steps_as_pytorch_does(method):
    """Dense layers as Adam, selected ones as SparseAdam, which leaves what has no gradient alone."""
    torch = pytest.importorskip("torch")
    x, y = data(12)
    spec = {"optimizer": "adam", "lr": 0.01, "active_pct": 25.0, "hidden": [20, 20], "skip": True}
    options = {"over": "example"} if method == "winner_take_all" else {}
    with network(method, options, **spec) as net:
        layers = [(torch.tensor(layer.weights.copy()), torch.zeros(layer.nodes)) for layer in net.layers]
        parameters = [one.requires_grad_() for pair in layers for one in pair]
        sparse = torch.optim.SparseAdam(parameters, lr=0.01, eps=1e-8)
        for step in range(4):
            net.train_batch(x, y, Batch(np.arange(12), step, True))
            signal = torch.tensor(x)
            for index, (weights, bias) in enumerate(layers[:-1]):
                own = torch.relu(signal @ weights.T + bias)
                chosen = net.selectors[index].chosen(-1)
                if chosen is not None:
                    mask = torch.zeros_like(own)
                    for b, nodes in enumerate(chosen):
                        mask[b, nodes] = 1
                    own = own * mask
                signal = signal + own if index else own
            logits = signal @ layers[-1][0].T + layers[-1][1]
            sparse.zero_grad()
            torch.nn.functional.cross_entropy(logits, torch.tensor(y, dtype=torch.int64)).backward()
            for one in parameters:
                one.grad = one.grad.to_sparse()
            sparse.step()
        for layer, (weights, bias) in zip(net.layers, layers, strict=True):
            np.testing.assert_allclose(layer.weights, weights.detach().numpy(), rtol=2e-3, atol=2e-5)
            np.testing.assert_allclose(layer.bias, bias.detach().numpy(), rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"hidden": [5, 6], "skip": True}, "one width"), ({"update": "hogwild", "skip": True}, "update: batch")],
)
def test_skips_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        RunSpec(**settings)


@pytest.mark.parametrize("method", ["dense", "lsh"])
def test_average_is_the_mean_and_leaves_training_alone(method):
    x, y = data(24)
    images, seen = [], []
    for look in (False, True):
        with network(method, hidden=[40, 30]) as net:
            average = WeightAverage(net)
            before = sum(layer.work.mults() for layer in net.layers)
            for epoch in range(3):
                train(net, x, y, epoch=epoch)
                counted = sum(layer.work.mults() for layer in net.layers)
                if look:
                    average.include()
                    seen.append(net.layers[0].weights.copy())
                    parameters = sum(layer.weights.size + layer.bias.size for layer in net.layers)
                    assert sum(layer.work.mults() for layer in net.layers) == counted + parameters
                    twin = average.network()
                    counted = sum(layer.work.mults() for layer in net.layers)
                    twin.predict(x, y, Batch(np.arange(24), epoch, False))
                    assert sum(layer.work.mults() for layer in net.layers) == counted
            assert before == 0
            images.append([layer.weights.tobytes() for layer in net.layers])
    assert images[0] == images[1]
    np.testing.assert_allclose(twin.layers[0].weights, np.mean(seen, axis=0), rtol=1e-5, atol=1e-7)

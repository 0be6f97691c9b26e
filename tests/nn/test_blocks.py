"""Networks whose nodes are chosen, computed and stepped in blocks."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import FEATURES, check_gradients, data, network, train

from lshexp.arrays import CSR
from lshexp.errors import ConfigError
from lshexp.methods.base import Batch
from lshexp.nn.blocks import BlockLayer, blocks_of_csr
from lshexp.spec import RunSpec

METHODS = {
    "winners": ("winner_take_all", {"over": "example"}),
    "winners of a batch": ("winner_take_all", {}),
    "lsh": ("lsh", {"K": 2, "L": 4, "hash": {"dims": 4}}),
    "lsh without tables": ("lsh", {"L": 0, "hash": {"dims": 4}}),
    "lsh hybrid": ("lsh", {"preset": "hybrid", "K": 2, "L": 4, "hash": {"dims": 4}}),
    "dropout": ("dropout", {}),
    "adaptive_dropout": ("adaptive_dropout", {}),
}


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("block", [4, 16])
@pytest.mark.parametrize("name", METHODS)
def test_gradient_matches_finite_differences(name, block, skip):
    """One plain SGD step of size 1 moves the weights by the gradient; 30 nodes fill no whole blocks."""
    method, options = METHODS[name]
    x, y = data(7)
    spec = {"optimizer": "sgd", "lr": 1.0, "active_pct": 40.0, "skip": skip, "block": block}
    with network(method, options, hidden=[30, 30, 30], **spec) as net:
        outcome, chosen, checked = check_gradients(
            net, x, y, lambda index, recorder: nodes(net.hidden[index], recorder, 7), 4, skip
        )
        assert outcome.selected == [sum(map(len, rows)) for rows in chosen]
    assert checked > 6


def nodes(layer, recorder, examples):
    """The nodes that a recorded choice of blocks stands for."""
    active = layer.nodes_of(recorder.selections[-1].active)
    return [sorted(active[slice(e, e + 1)].indices.tolist()) for e in range(examples)]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_scores_are_sums_of_pre_activations_and_never_out_of_date(optimizer):
    x, y = data(24)
    with network(
        "winner_take_all", {"over": "example"}, block=8, hidden=[28, 20], optimizer=optimizer
    ) as net:
        train(net, x, y)
        layer = net.hidden[0]
        by_node = np.zeros((24, 32))
        by_node[:, :28] = x @ layer.weights.T + layer.bias
        scores = layer.units.scores_of_all(x, "select")
        np.testing.assert_allclose(scores, by_node.reshape(24, 4, 8).sum(axis=2), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(layer.units.weights[:, :FEATURES], rows_of_blocks(layer), atol=1e-5)
        np.testing.assert_allclose(layer.scores_of_all(x), by_node[:, :28], rtol=1e-4, atol=1e-5)


def rows_of_blocks(layer):
    rows = np.zeros((layer.blocks * layer.block, layer.fan_in))
    rows[: layer.nodes] = layer.weights
    return rows.reshape(layer.blocks, layer.block, -1).sum(axis=1)


@pytest.mark.parametrize("name", ["dropout", "adaptive_dropout"])
def test_every_node_is_active_at_test(name):
    """What a method says of a block, such as its share of activation, holds for each of its nodes."""
    method, options = METHODS[name]
    x, y = data(20)
    with network(method, options, block=8, hidden=[20, 20], skip=True, active_pct=30.0) as net:
        train(net, x, y)
        scores, selected = net.scores(x, Batch(np.arange(20), 1, False))
        signal = x
        for index, (layer, recorder) in enumerate(zip(net.hidden, net.selectors, strict=True)):
            factor = np.broadcast_to(recorder.selections[-1].multiplier, (20, 3)).repeat(8, axis=1)[:, :20]
            own = np.maximum(signal @ layer.weights.T + layer.bias, 0) * factor
            signal = signal + own if index else own
        assert selected == [400, 400]
        np.testing.assert_allclose(
            scores, signal @ net.output.weights.T + net.output.bias, rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad"])
@pytest.mark.parametrize("name", METHODS)
def test_bits_do_not_depend_on_threads(name, optimizer):
    method, options = METHODS[name]
    x, y = data(40)
    images = []
    for threads in (1, 2):
        spec = {"hidden": [60, 60], "active_pct": 20.0, "block": 8, "skip": True, "optimizer": optimizer}
        with network(method, options, threads, **spec) as net:
            losses = [train(net, x, y, 16, epoch) for epoch in range(2)]
            outcome = net.predict(x, y, Batch(np.arange(40), 0, False))
            counts = [layer.work.mults() for layer in net.layers]
            images.append(([layer.weights.tobytes() for layer in net.layers], losses, outcome, counts))
    assert images[0] == images[1]


def test_choosing_blocks_costs_a_share_of_choosing_nodes():
    """A block is scored by one row of weights: 1/b of the multiplications."""
    x, _ = data(20, features=64)
    x[:] = 1  # no zeros to leave out
    mults = {}
    for block in (1, 8):
        with network("winner_take_all", {"over": "example"}, features=64, hidden=[64], block=block) as net:
            net.choose(x, Batch(np.arange(20), 0, True))
            mults[block] = net.hidden[0].work.tally("select").mults
    assert mults[1] == 20 * 64 * 64
    assert mults[8] == mults[1] // 8


def test_work_of_a_step_is_that_of_the_active_tiles():
    x, y = data(6, features=40)
    with network("dropout", {}, features=40, hidden=[40, 40], block=8, active_pct=30.0) as net:
        train(net, x, y)
        inputs = [recorder.inputs[-1].block_indptr for recorder in net.selectors]
        active = [recorder.selections[-1].active.indptr for recorder in net.selectors]
        for layer, below, above in zip(net.hidden, inputs, active, strict=True):
            visits = int(np.diff(below) @ np.diff(above))
            scaled = int(above[-1]) * 8  # by the multiplier of kept activations
            assert layer.work.tally("forward").mults == 64 * visits + scaled
            passed = 0 if layer is net.hidden[0] else 64 * visits
            assert layer.work.tally("backward").mults == 64 * visits + passed + scaled


def test_stored_entries_become_the_blocks_that_they_stand_in():
    x, _ = data(9, features=21)
    matrix = blocks_of_csr(CSR.from_dense(x), 4)
    assert matrix.shape == (9, 24)
    np.testing.assert_array_equal(matrix.to_dense()[:, :21], x)
    assert np.all(matrix.by_block.any(axis=1))


def test_a_plan_says_what_is_done_in_blocks():
    with network("lsh", {"preset": "hybrid", "L": 4}, block=8, hidden=[40, 40]) as net:
        assert all(isinstance(layer, BlockLayer) for layer in net.layers)
        plans = [str(plan) for plan in net.plans]
    assert plans[0] == f"bsr {FEATURES} -> 40 in blocks of 8: forward_blocks update_blocks"
    assert plans[1] == "bsr 40 -> 40 in blocks of 8: forward_blocks update_blocks"
    assert [plan.scan for plan in net.plans] == [False, True, False]


def test_blocks_do_nothing_where_all_nodes_are_active():
    with network("dense", {}, block=8) as net:
        assert not any(isinstance(layer, BlockLayer) for layer in net.layers)


def test_blocks_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="block: give it with update: batch"):
        RunSpec(block=8, update="hogwild")
    chosen = {"output_method": "lsh", "output_active_pct": 5.0}
    with (
        pytest.raises(ConfigError, match="output that computes all classes"),
        network("dropout", block=8, **chosen),
    ):
        pass

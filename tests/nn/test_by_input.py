"""Weights stored by input: kernels against their twins, the layer against the one stored by node."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from kernel_cases import CHUNKS, SHAPES, close, grouped_by_column, random_csr
from small_networks import data, network, train

from lshexp import registry
from lshexp.arrays import CSR
from lshexp.errors import ConfigError
from lshexp.kernels import by_input, parallel
from lshexp.kernels.step import OPTIMIZERS
from lshexp.methods.base import Batch
from lshexp.nn.by_input import LayerByInput
from lshexp.nn.layer import Layer

SCAN = {"preset": "hybrid", "K": 2, "L": 3}


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("shape", SHAPES)
def test_kernels(shape, chunks):
    examples, fan_in, nodes, active = shape
    random = np.random.default_rng(5)
    inputs = random_csr(random, examples, fan_in, min(fan_in, 10))  # more than eight, and a rest
    pairs = random_csr(random, examples, nodes, active, empty_first=False)
    deltas = pairs.data
    weights = random.standard_normal((nodes, fan_in)).astype(np.float32)
    columns = np.ascontiguousarray(weights.T)
    bias = random.standard_normal(nodes).astype(np.float32)
    x = naive.rows_of(*inputs.arrays, fan_in)

    scores = np.empty((examples, nodes), np.float32)
    by_input.scan_csr(*inputs.arrays, columns, bias, parallel.balanced_bounds(inputs.indptr, chunks), scores)
    close(scores, x @ weights.T + bias)

    grouped = grouped_by_column(inputs, fan_in)
    bounds = parallel.balanced_bounds(grouped.indptr, chunks)
    gradient = np.empty(len(inputs.indices), np.float32)
    by_input.input_gradient_by_input(grouped, *pairs.arrays[:2], deltas, columns, bounds, gradient)
    ref = naive.input_gradient(pairs.indptr, pairs.indices, deltas, weights)
    owners = np.repeat(np.arange(examples), np.diff(inputs.indptr))
    close(gradient, ref[owners, inputs.indices] if examples else ref.ravel())

    rate = np.float32(0.1)
    by_input.descend_by_input(grouped, inputs.data, *pairs.arrays[:2], deltas, rate, columns, bounds)
    step, _ = naive.weight_gradient(x, pairs.indptr, pairs.indices, deltas, nodes)
    close(columns.T, weights - rate * step)


def test_scan_passes_nan_on():
    columns = np.ones((2, 3), np.float32)
    scores = np.empty((1, 3), np.float32)
    inputs = np.array([0, 1]), np.array([1], np.int32), np.array([np.nan], np.float32)
    by_input.scan_csr(*inputs, columns, np.zeros(3, np.float32), np.array([0, 1]), scores)
    assert np.isnan(scores).all()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_layer_by_input_learns_what_one_by_node_does(optimizer):
    x, y = data(25)
    networks = []
    for update in ("batch", "hogwild"):  # the latter stores by node; steps are taken here, in batches
        with network(
            "lsh", SCAN, optimizer=optimizer, active_pct=9.0, hidden=[32, 40, 36], update=update
        ) as net:
            train(net, x, y)
            train(net, x, y, epoch=1)
            networks.append(net)
    by_input_net, by_node = networks
    assert [type(layer) for layer in by_input_net.hidden] == [Layer, LayerByInput, LayerByInput]
    assert {type(layer) for layer in by_node.layers} == {Layer}
    for one, other in zip(by_input_net.layers, by_node.layers, strict=True):
        np.testing.assert_allclose(one.weights, other.weights, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(one.bias, other.bias, rtol=1e-4, atol=1e-5)


def test_scanned_layers_select_the_exact_winners():
    x, y = data(9)
    with network("lsh", SCAN, active_pct=10.0, hidden=[30, 40, 50]) as net:
        train(net, x, y)
        shown = net.watch(x, Batch(np.arange(9), 0, False), lambda view: view)
        for view, k in zip(shown[1:], (4, 5), strict=True):
            for b in range(9):
                chosen = view.active.indices[b * k : (b + 1) * k].tolist()
                assert chosen == naive.top_k(view.scores[b], k)


def test_layers_that_may_read_rows_are_stored_by_node():
    with pytest.raises(ConfigError, match="no hidden layer of this network has sparse input"):
        network("lsh", SCAN, active_pct=25.0).__enter__()
    with network("lsh", {"K": 2}, active_pct=9.0) as net:  # hash tables everywhere
        assert {type(layer) for layer in net.layers} == {Layer}
    with network("lsh", SCAN, active_pct=9.0, input="lists") as net:
        assert [type(layer) for layer in net.hidden] == [LayerByInput, LayerByInput]


def test_weights_can_be_given_and_read_by_node():
    with network("lsh", SCAN, active_pct=9.0) as net:
        parameters = [(layer.weights + 1, layer.bias + 2) for layer in net.layers]
        twin = net.with_parameters(parameters)
        for layer, original, (weights, bias) in zip(twin.layers, net.layers, parameters, strict=True):
            np.testing.assert_array_equal(layer.weights, weights)
            np.testing.assert_array_equal(layer.bias, bias)
            assert not np.array_equal(layer.weights, original.weights)


def test_winner_take_all_by_input():
    x, y = data(25)
    chosen = []
    for where in ("gather", "scan"):
        options = {"over": "example", "where_sparse": where}
        with network("winner_take_all", options, active_pct=9.0, hidden=[32, 40], input="lists") as net:
            train(net, x, y)
            assert isinstance(net.hidden[1], LayerByInput) == (where == "scan")
            chosen.append([net.selectors[1].chosen(at) for at in range(5)])
    assert chosen[0] == chosen[1]
    assert "where_sparse" not in registry.methods.build("winner_take_all", {"over": "example"}).recorded()
    with pytest.raises(ConfigError, match="over: example"):
        registry.methods.build("winner_take_all", {"over": "node", "where_sparse": "scan"})


def test_runs_of_before_the_option_keep_their_ids():
    assert "where_sparse" not in registry.methods.build("lsh").recorded()
    assert registry.methods.build("lsh", {"where_sparse": "scan"}).recorded()["where_sparse"] == "scan"
    for options in ({"preset": "hybrid"}, {"preset": "hybrid", "where_sparse": "hash"}):
        method = registry.methods.build("lsh", options)
        assert registry.methods.build("lsh", method.recorded()) == method


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_dense_network_learns_from_sparse_examples_what_it_does_from_rows(optimizer):
    """Momentum is lazy by the row of an input: here every example stores the same inputs."""
    random = np.random.default_rng(3)
    rows = np.zeros((18, 11), np.float32)
    rows[:, 2:7] = random.random((18, 5))
    y = random.integers(0, 3, 18).astype(np.int32)
    networks = []
    for sparse in (False, True):
        with network("dense", optimizer=optimizer, sparse=sparse) as net:
            for first in range(0, 18, 6):
                ids = np.arange(first, first + 6)
                x = CSR.from_dense(rows[ids]) if sparse else rows[ids]
                net.train_batch(x, y[ids], Batch(ids, 0, True))
            networks.append(net)
    by_row, by_input_ = networks
    assert [type(layer) for layer in by_input_.layers] == [LayerByInput, Layer, Layer]
    assert by_input_.layers[0].plan.kernels == ("scan_csr", "update_by_input")
    for one, other in zip(by_row.layers, by_input_.layers, strict=True):
        np.testing.assert_allclose(one.weights, other.weights, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(one.bias, other.bias, rtol=1e-4, atol=1e-5)


def test_a_dense_network_counts_the_stored_inputs_alone():
    rows, y = data(6)
    x = CSR.from_dense(rows)
    with network("dense", sparse=True, optimizer="adam") as net:
        net.train_batch(x, y, Batch(np.arange(6), 0, True))
        layer = net.layers[0]
        touched = len(np.unique(x.indices))
        cost = OPTIMIZERS["adam"].mults
        assert layer.work.tally("forward").mults == layer.work.tally("backward").mults == x.nnz * layer.nodes
        assert layer.work.tally("update").mults == cost * (touched + 1) * layer.nodes

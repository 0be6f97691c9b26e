"""Kernels that take examples through a whole layer: against twins, the kernels they call, and the meter."""

from __future__ import annotations

import naive_blocks
import naive_layers
import numpy as np
import pytest
from kernel_cases import SHAPES, close, random_csr
from metered import check, total

from lshexp.kernels import blocks, by_input, csr, parallel, top_k, whole_layer
from lshexp.work import PREDICT, LayerWork

LAYERS = [  # examples, fan-in, nodes, wanted
    (1, 5, 7, 7),
    (4, 40, 300, 20),
    (6, 33, 9, 1),
]


def values(random, *shape):
    return random.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_are_listed(shape):
    examples, fan_in, *_ = shape
    rows = random_csr(np.random.default_rng(7), examples, fan_in, (fan_in + 1) // 2).to_dense()
    indptr, indices, data = whole_layer.list_stored(rows)
    ends, *entries = naive_layers.list_stored(rows)
    assert list(indptr) == list(ends)
    assert list(zip(indices, data, strict=True)) == entries
    for b in (4, 8):
        found = whole_layer.list_blocks(rows, b)
        for mine, its in zip(found, naive_blocks.list_blocks(rows, b), strict=True):
            np.testing.assert_array_equal(mine, its)
        assert [array.dtype for array in found] == [np.int64, np.int32, np.float32]
        check(whole_layer.list_blocks, rows, b)


@pytest.mark.parametrize("layer", LAYERS)
def test_winners_by_input(layer):
    examples, fan_in, nodes, k = layer
    random = np.random.default_rng(8)
    inputs, columns, bias = (
        random_csr(random, examples, fan_in, 30 % fan_in),
        values(random, fan_in, nodes),
        None,
    )
    bias = values(random, nodes)
    own = *inputs.arrays, columns, bias, k
    indptr, indices, data, _ = whole_layer.winners_by_input(*own)
    ref = naive_layers.winners_by_input(*own)
    assert list(np.diff(indptr)) == [len(live) for live in ref]
    assert indices.tolist() == [node for live in ref for node, _ in live]
    close(data, [value for live in ref for _, value in live])
    check(whole_layer.winners_by_input, *own)
    scores, bounds = np.empty((examples, nodes), np.float32), parallel.even_bounds(examples, 1)
    by_input.scan_csr(*inputs.arrays, columns, bias, bounds, scores)
    best, activations = np.empty(examples * k, np.int32), np.empty(examples * k, np.float32)
    top_k.top_k_rows(scores, k, bounds, best, activations)
    ends = np.arange(examples + 1) * k
    kept = (
        np.empty(examples + 1, np.int64),
        np.empty(examples * k, np.int32),
        np.empty(examples * k, np.float32),
    )
    csr.keep_positive(ends, best, activations, np.float32(1), *kept)
    assert data.tobytes() == kept[2][: len(data)].tobytes()


def test_winners_keep_nan():
    columns, bias = np.ones((2, 3), np.float32), np.zeros(3, np.float32)
    inputs = np.array([0, 1]), np.array([1], np.int32), np.array([np.nan], np.float32)
    assert np.isnan(whole_layer.winners_by_input(*inputs, columns, bias, 2)[2]).tolist() == [True, True]
    sums, tiles = np.ones((3, 8), np.float32), np.ones((6, 16), np.float32)
    inputs = *inputs[:2], np.full(4, np.nan, np.float32)
    own = sums, np.zeros(3, np.float32), tiles, np.zeros((3, 4), np.float32), 2, (0,) * 4
    assert np.isnan(whole_layer.winning_blocks(*inputs, *own)[2]).all()


@pytest.mark.parametrize("b", [4, 8, 16])
@pytest.mark.parametrize("layer", LAYERS)
def test_winning_blocks(layer, b):
    examples, of_input, of_nodes, k = layer
    random = np.random.default_rng(9)
    inputs = random_csr(random, examples, of_input, 30 % of_input)
    data = values(random, inputs.nnz * b)
    tiles, bias = values(random, of_nodes * of_input, b * b), values(random, of_nodes, b)
    sums, bias_sums = values(random, of_nodes, of_input * b), values(random, of_nodes)
    lanes = (0,) * b
    own = inputs.indptr, inputs.indices, data, sums, bias_sums, tiles, bias, k, lanes
    indptr, best, activations, _ = whole_layer.winning_blocks(*own)
    x = naive_blocks.dense_of_blocks(inputs.indptr, inputs.indices, data, of_input * b)
    ref_best, ref = naive_blocks.winning_blocks(x, sums, bias_sums, tiles, bias, k)
    assert list(indptr) == list(range(0, k * examples + 1, k))
    assert best.reshape(examples, k).tolist() == ref_best
    np.testing.assert_allclose(activations, np.concatenate(ref), rtol=2e-4, atol=2e-4)
    if examples * of_input * of_nodes < 5000:  # the meter takes its time
        check(whole_layer.winning_blocks, *own)
    scores = np.empty((examples, of_nodes), np.float32)
    fours = parallel.even_bounds(-(-of_nodes // 4), 1)
    blocks.score_every_block(*own[:5], fours, lanes, scores)
    assert best.tolist() == [n for row in scores for n in np.sort(np.argsort(-row, kind="stable")[:k])]


def test_costs_of_many_calls_are_the_cost_of_their_sums():
    random, work = np.random.default_rng(10), LayerWork()
    sums = total(())
    for stored in (0, 3, 17, 40):
        live, touched = random.integers(0, 9, 2).tolist()
        sizes = whole_layer.sizes_of_one(stored, live, touched)
        sums += whole_layer.winners_by_input_sums(300, 8, *sizes)
        sums += whole_layer.winning_blocks_sums(7, 8, 3, 1, 1, stored, touched)
        work.count_sums(whole_layer.winners_by_input_sums, (300, 8), *sizes)
        work.count_sums(whole_layer.winning_blocks_sums, (7, 8, 3), 1, 1, stored, touched)
    work.paused = True
    work.count_sums(whole_layer.winners_by_input_sums, (300, 8), *sizes)
    assert work.tally(PREDICT) == sums
    assert work.tally("forward") == total(())

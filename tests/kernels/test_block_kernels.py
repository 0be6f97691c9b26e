"""Kernels on whole blocks of nodes against their plain twins, and their costs against the meter."""

from __future__ import annotations

from types import SimpleNamespace

import naive_blocks
import numpy as np
import pytest
from kernel_cases import CHUNKS, close, grouped_by_column, random_csr
from metered import check

from lshexp.arrays import BSR
from lshexp.kernels import blocks, blocks_step, csr, parallel
from lshexp.kernels.step import OPTIMIZERS, rule_of

WIDTHS = [4, 8, 16]
SHAPES = [  # examples, blocks of inputs, blocks of nodes, active blocks an example
    (0, 2, 3, 1),
    (1, 1, 1, 1),
    (5, 7, 4, 0),
    (9, 11, 5, 3),
]


def in_blocks(random, examples, width, active, b):
    """A random matrix in blocks; the first example has none."""
    matrix = random_csr(random, examples, width, active)
    return BSR(matrix.indptr, matrix.indices, values(random, matrix.nnz, b), width * b)


def values(random, *shape):
    return random.standard_normal(shape).astype(np.float32)


@pytest.fixture(params=SHAPES, ids=str)
def shape(request):
    return request.param


@pytest.fixture(params=WIDTHS)
def case(request, shape):
    b, (examples, of_input, nodes, active) = request.param, shape
    random = np.random.default_rng(3)
    pairs = random_csr(random, examples, nodes, active, empty_first=False)
    deltas = values(random, pairs.nnz * b)
    return SimpleNamespace(
        b=b, lanes=(0,) * b, random=random, nodes=nodes, of_input=of_input, pairs=pairs, deltas=deltas,
        inputs=in_blocks(random, examples, of_input, (of_input + 1) // 2, b),
        tiles=values(random, nodes * of_input, b * b), bias=values(random, nodes, b),
        sums=values(random, nodes, of_input * b), bias_sums=values(random, nodes), examples=examples,
    )  # fmt: skip


def read(matrix):
    return matrix.block_indptr, matrix.blocks, matrix.data


def dense(matrix):
    return naive_blocks.dense_of_blocks(*read(matrix), matrix.shape[1])


@pytest.mark.parametrize("chunks", CHUNKS)
def test_rows_become_blocks(case, chunks):
    rows = dense(case.inputs).astype(np.float32)[:, : case.inputs.shape[1] - 1]  # the last block is not full
    bounds, counts = parallel.even_bounds(len(rows), chunks), np.empty(len(rows), np.int64)
    blocks.count_blocks(rows, case.b, bounds, counts)
    assert list(counts) == naive_blocks.count_blocks(rows, case.b)
    numbers, data = np.empty(counts.sum(), np.int32), np.empty((counts.sum(), case.b), np.float32)
    indptr = np.concatenate(([0], np.cumsum(counts)))
    blocks.take_blocks(rows, bounds, indptr, numbers, data)
    ref = naive_blocks.take_blocks(rows, case.b)
    assert list(numbers) == ref[0]
    close(data, ref[1])
    if chunks == 1:
        check(blocks.count_blocks, rows, case.b, bounds, counts)
        check(blocks.take_blocks, rows, bounds, indptr, numbers, data)


@pytest.mark.parametrize("chunks", CHUNKS)
def test_blocks_are_added(case, chunks):
    a = case.inputs
    b = in_blocks(case.random, case.examples, case.of_input, case.of_input // 2, case.b)
    places, counts = np.full((chunks, case.of_input), -1, np.int32), np.empty(case.examples, np.int64)
    bounds = parallel.even_bounds(case.examples, chunks)
    csr.count_union(a.block_indptr, a.blocks, b.block_indptr, b.blocks, bounds, places, counts)
    indptr = np.concatenate(([0], np.cumsum(counts)))
    numbers, data = np.empty(indptr[-1], np.int32), np.empty(indptr[-1] * case.b, np.float32)
    positions = np.empty(len(a.blocks), np.int64), np.empty(len(b.blocks), np.int64)
    own = *read(a), *read(b), bounds, places, case.lanes, indptr, numbers, data, *positions
    blocks.add_blocks(*own)
    found = naive_blocks.dense_of_blocks(indptr, numbers, data, a.shape[1])
    close(found, naive_blocks.add_blocks(read(a), read(b), a.shape[1]))
    assert np.array_equal(numbers[positions[0]], a.blocks)
    assert np.array_equal(numbers[positions[1]], b.blocks)
    assert np.all(places == -1)
    if chunks == 1:
        work = check(blocks.add_blocks, *own)
        assert work[:2] == (0, case.b * (len(a.blocks) + len(b.blocks) - len(numbers)))


@pytest.mark.parametrize("chunks", CHUNKS)
def test_forward(case, chunks):
    grouped = grouped_by_column(case.pairs, case.nodes)
    bounds = parallel.balanced_bounds(grouped.indptr, chunks)
    x, listed = dense(case.inputs), (case.pairs.indptr, case.pairs.indices)
    scores = np.empty(case.pairs.nnz, np.float32)
    own = *read(case.inputs), case.sums, case.bias_sums, grouped, bounds, case.lanes, scores
    blocks.score_blocks(*own)
    close(scores, naive_blocks.score_blocks(x, case.sums, case.bias_sums, *listed))
    every = np.empty((case.examples, case.nodes), np.float32)
    fours = parallel.even_bounds(-(-case.nodes // 4), chunks)
    all_of_them = *read(case.inputs), case.sums, case.bias_sums, fours, case.lanes, every
    blocks.score_every_block(*all_of_them)
    close(every, naive_blocks.score_every_block(x, case.sums, case.bias_sums))
    out = np.empty(case.pairs.nnz * case.b, np.float32)
    more = *read(case.inputs), case.tiles, case.bias, grouped, bounds, case.lanes, out
    blocks.forward_blocks(*more)
    ref = naive_blocks.forward_blocks(x, case.tiles, case.bias)
    close(out, naive_blocks.values_of_blocks(ref, *listed, case.b))
    if chunks == 1:
        visits = visited(case)
        in_fours = 4 * -(-case.nodes // 4) * len(case.inputs.data)
        assert check(blocks.score_every_block, *all_of_them)[:2] == (in_fours,) * 2
        assert check(blocks.score_blocks, *own)[:2] == (visits * case.b,) * 2
        assert check(blocks.forward_blocks, *more)[:2] == (visits * case.b**2,) * 2


def visited(case):
    """Pairs of an active block and a block of its example's input."""
    return int(np.diff(case.pairs.indptr) @ np.diff(case.inputs.block_indptr))


def deltas_of(case):
    indptr, numbers = case.pairs.indptr, case.pairs.indices
    return naive_blocks.dense_of_blocks(indptr, numbers, case.deltas, case.nodes * case.b)


def update(case, rule, chunks, run=None, wanted=True):
    grouped = grouped_by_column(case.pairs, case.nodes)
    bounds = parallel.even_bounds(len(case.tiles) // case.nodes, chunks)
    slots = rule.cost.slots
    state = np.zeros((slots, *case.tiles.shape), np.float32)
    bias_state = np.zeros((slots, *case.bias.shape), np.float32)
    kept = [array.copy() for array in (case.tiles, case.bias, state, bias_state, case.sums, case.bias_sums)]
    kept.append(np.zeros(len(case.inputs.data) if wanted else 0, np.float32))
    own = *read(case.inputs), case.deltas, grouped, bounds, case.lanes, rule, *kept
    return (run or blocks_step.update_blocks)(*own), kept


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("chunks", CHUNKS)
def test_update(case, chunks, wanted):
    rule = rule_of("sgd", 0.1, 0.9)
    _, (tiles, bias, _, _, sums, bias_sums, gradient) = update(case, rule, chunks, wanted=wanted)
    args = dense(case.inputs), deltas_of(case), case.tiles, case.bias, 0.1
    weights, ref_bias, ref_sums, ref_bias_sums, ref_gradient = naive_blocks.update_blocks(*args)
    close(naive_blocks.weights_of_tiles(tiles, case.bias.size, case.b), weights)
    close(bias.reshape(-1), ref_bias)
    stepped = np.any(tiles != case.tiles, axis=1).reshape(case.nodes, -1).repeat(case.b, axis=1)
    np.testing.assert_allclose(sums[stepped], ref_sums[stepped], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(sums[~stepped], case.sums[~stepped])
    served = np.isin(np.arange(case.nodes), case.pairs.indices)
    np.testing.assert_allclose(bias_sums[served], ref_bias_sums[served], rtol=1e-4, atol=1e-4)
    if wanted:
        close(gradient, naive_blocks.values_of_blocks(ref_gradient, *read(case.inputs)[:2], case.b))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimiser_gives_the_same_bits_in_any_chunks(case, name):
    rule = rule_of(name, 0.1, 0.9)
    first, once = update(case, rule, 1)
    second, thrice = update(case, rule, 3)
    assert first == second
    for one, other in zip(once, thrice, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_cost_of_update(case, name, wanted):
    if case.b > 8 and name != "adam":
        return  # the meter takes its time
    works = []
    rule = rule_of(name, 0.1, 0.9)
    update(case, rule, 1, lambda *own: works.append(check(blocks_step.update_blocks, *own)), wanted)
    assert works[0].mults >= visited(case) * case.b**2 * (2 if wanted and len(case.inputs.data) else 1)


def test_a_matrix_in_blocks_is_a_csr():
    """Its columns are listed when they are asked for, and copies and slices of it agree."""
    matrix = BSR(np.array([0, 1, 3]), np.array([2, 0, 1], np.int32), np.arange(12.0).reshape(3, 4), 11)
    assert matrix.shape == (2, 12)
    assert list(matrix.indptr) == [0, 4, 12]
    assert list(matrix.indices) == [8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 6, 7]
    assert np.array_equal(matrix.to_dense(), dense(matrix))
    assert np.array_equal(matrix[1:].to_dense(), dense(matrix)[1:])

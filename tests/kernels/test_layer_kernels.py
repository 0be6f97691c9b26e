"""The kernels that layers compute with, each against its plain twin on awkward sizes."""

from __future__ import annotations

from types import SimpleNamespace

import naive
import naive_layers
import numpy as np
import pytest
from kernel_cases import CHUNKS, SHAPES, close, grouped_by_column, grouped_by_filled_column, random_csr
from numba import njit

from lshexp.arrays import CSR
from lshexp.kernels import (
    backward,
    buckets,
    by_input,
    csr,
    forward,
    group,
    hogwild,
    loss,
    parallel,
    project,
    select,
    step,
    top_k,
    update,
)
from lshexp.kernels.csr import add_csr, count_union
from lshexp.kernels.parallel import even_bounds
from lshexp.kernels.step import OPTIMIZERS
from lshexp.kernels.vector import load, store

LR, MOMENTUM = 0.1, 0.9


@pytest.fixture(params=[(shape, kind) for shape in SHAPES for kind in ("all", "listed")], ids=str)
def case(request):
    """Two chunks of a random layer: its input with an empty example, its pairs, its parameters."""
    (examples, fan_in, nodes, active), kind = request.param
    group_of = grouped_by_column if kind == "all" else grouped_by_filled_column
    random = np.random.default_rng(2)
    pairs = random_csr(random, examples, nodes, active)
    inputs = random_csr(random, examples, fan_in, (fan_in + 1) // 2)
    grouped, in_grouped = group_of(pairs, nodes), group_of(inputs, fan_in)
    return SimpleNamespace(
        random=random, pairs=pairs, inputs=inputs, x=inputs.to_dense(), grouped=grouped,
        in_grouped=in_grouped, fan_in=fan_in, nodes=nodes, examples=examples,
        weights=random.standard_normal((nodes, fan_in)).astype(np.float32),
        bias=random.standard_normal(nodes).astype(np.float32),
        by_node=parallel.balanced_bounds(grouped.indptr, 2),
        by_example=parallel.balanced_bounds(pairs.indptr, 2),
        by_input=parallel.balanced_bounds(in_grouped.indptr, 2),
        where=(pairs.indptr, pairs.indices), in_where=(inputs.indptr, inputs.indices),
    )  # fmt: skip


def rule_of(name):
    return step.rule_of(name, LR, MOMENTUM)


def test_forward_rows_and_forward_csr(case):
    comp = np.empty(case.pairs.nnz, np.float32)
    rest = case.weights, case.bias, case.grouped, case.by_node, comp
    forward.forward_rows(case.x, *rest)
    close(comp, naive_layers.forward_rows(case.x, case.weights, case.bias, *case.where))
    comp[:] = np.nan
    forward.forward_csr(*case.inputs.arrays, *rest)
    close(comp, naive_layers.forward_csr(*case.inputs.arrays, case.weights, case.bias, *case.where))


def test_dot_sparse(case):
    _, indices, data = case.inputs.arrays
    for first, last in ((0, 0), (0, 1), (1, 6), (0, 8), (2, len(data))):
        first, last = min(first, len(data)), min(last, len(data))
        comp = forward.dot_sparse(case.weights[0], indices, data, first, last)
        close(comp, naive_layers.dot_sparse(case.weights[0], indices[first:last], data[first:last]))


def test_input_gradients(case):
    rows = np.full((case.examples, case.fan_in), np.nan, np.float32)
    backward.input_gradient_rows(*case.pairs.arrays, case.weights, case.by_example, rows)
    close(rows, naive_layers.input_gradient_rows(*case.pairs.arrays, case.weights))
    comp = np.full(case.inputs.nnz, np.nan, np.float32)
    own = *case.pairs.arrays, case.weights, *case.in_where
    backward.input_gradient_csr(*own, case.by_example, comp)
    close(comp, naive_layers.input_gradient_csr(*own))
    offsets = np.concatenate(([0], np.cumsum(case.pairs.row_lengths() * case.inputs.row_lengths())))
    terms = np.full(offsets[-1], np.nan, np.float32)
    grouped = case.pairs.indptr, case.grouped, case.pairs.data, case.weights, *case.in_where
    backward.input_products(*grouped, offsets, case.by_node, terms)
    close(terms, naive_layers.input_products(*own))
    comp[:] = np.nan
    backward.sum_products(case.pairs.indptr, case.inputs.indptr, offsets, terms, case.by_example, comp)
    close(comp, naive_layers.sum_products(case.pairs.indptr, case.inputs.indptr, terms))


def test_by_input(case):
    columns = np.ascontiguousarray(case.weights.T)
    scores = np.full((case.examples, case.nodes), np.nan, np.float32)
    by_input.scan_csr(*case.inputs.arrays, columns, case.bias, case.by_example, scores)
    close(scores, naive_layers.scan_csr(*case.inputs.arrays, columns, case.bias))
    comp, pairs = np.full(case.inputs.nnz, np.nan, np.float32), case.pairs.arrays
    by_input.input_gradient_by_input(case.in_grouped, *pairs, columns, case.by_input, comp)
    close(comp, naive_layers.input_gradient_by_input(*pairs, columns, *case.in_where))
    ref = naive_layers.descend_by_input(case.x, *pairs, 0.5, columns)
    own = case.in_grouped, case.inputs.data, *pairs, np.float32(0.5)
    before, expected = columns.copy(), comp.copy()
    by_input.descend_by_input(*own, columns, case.by_input)
    close(columns, ref)
    comp[:] = np.nan
    by_input.pass_back_by_input(*own, before, case.by_input, comp)
    twins = naive_layers.pass_back_by_input(case.x, *pairs, 0.5, case.weights.T, *case.in_where)
    for ours, twin in zip((comp, before), twins, strict=True):
        close(ours, twin)
    np.testing.assert_array_equal(comp, expected)  # to the bit
    np.testing.assert_array_equal(before, columns)


def test_sparse_and_dense(case):
    rows = np.full((case.examples, case.nodes), np.nan, np.float32)
    csr.scatter_rows(*case.pairs.arrays, case.by_example, rows)
    np.testing.assert_array_equal(rows, naive_layers.scatter_rows(*case.pairs.arrays, case.nodes))
    comp = np.empty_like(case.pairs.data)
    csr.gather_rows(rows, *case.where, case.by_example, comp)
    np.testing.assert_array_equal(comp, naive_layers.gather_rows(rows, *case.where))
    table = case.random.integers(0, 9, (case.examples, 12)).astype(np.int32)
    ids = np.empty_like(case.pairs.indices)
    buckets.pack_rows(table, case.pairs.indptr, case.by_example, ids)
    assert ids.tolist() == naive_layers.pack_rows(table, case.pairs.indptr)
    comp = [np.empty_like(array) for array in grouped_by_column(case.pairs, case.nodes)[:3]]
    chunks = parallel.balanced_bounds(case.pairs.indptr, 2)
    group.group_by_column(*case.where, chunks, np.empty((2, case.nodes), np.int32), *comp)
    for one, ref in zip(comp, naive.group_by_column(*case.where, case.nodes), strict=True):
        assert one.tolist() == list(ref)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps(case, name):
    slots, rule, pairs = OPTIMIZERS[name].slots, rule_of(name), case.pairs.arrays
    shape = (slots, case.nodes, case.fan_in)
    state = case.random.random(shape).astype(np.float32)
    bias_state = case.random.random((slots, 1, case.nodes)).astype(np.float32)
    more = name, LR, MOMENTUM

    weights, kept, bias, bias_kept = (
        case.weights.copy(),
        state.copy(),
        case.bias[None].copy(),
        bias_state.copy(),
    )
    columns, kept = np.ascontiguousarray(weights.T), state.swapaxes(1, 2).copy()
    deltas = case.random.standard_normal((case.examples, case.nodes)).astype(np.float32)
    ref = naive_layers.update_by_input(case.x, deltas, name, columns, kept, LR, MOMENTUM)
    own = case.in_grouped, case.by_input, rule, columns, kept
    assert update.update_by_input(case.inputs.data, deltas, *own) == ref[2]
    for comp, wanted in zip((columns, kept), ref, strict=False):
        close(comp, wanted)

    kept = state.copy()
    ref = naive_layers.update_rows(case.x, *pairs, name, weights, kept, LR, MOMENTUM)
    ref_bias = naive_layers.step_bias(*pairs, name, bias, bias_kept, LR, MOMENTUM)
    own = rule, weights, bias, kept, bias_kept
    assert update.update_rows(case.x, case.pairs.data, case.grouped, case.by_node, *own) == ref[2]
    for comp, wanted in zip((weights, kept, bias, bias_kept), (*ref[:2], *ref_bias), strict=True):
        close(comp, wanted)

    weights, kept, bias, bias_kept = (
        case.weights.copy(),
        state.copy(),
        case.bias[None].copy(),
        bias_state.copy(),
    )
    ref = naive_layers.update_csr(case.x, *pairs, name, weights, kept, LR, MOMENTUM)
    own = case.pairs.data, case.grouped, case.by_node, rule
    assert update.update_csr(*case.inputs.arrays, *own, weights, kept) == ref[2]
    update.step_bias(*own, bias, bias_kept)
    for comp, wanted in zip((weights, kept, bias, bias_kept), (*ref[:2], *ref_bias), strict=True):
        close(comp, wanted)

    weights, kept, gradient = case.weights.copy(), state.copy(), -2 * case.weights
    ref = naive_layers.step_dense(name, weights, gradient, kept, LR, MOMENTUM)
    step.step_dense(rule, weights, gradient, kept, parallel.even_bounds(case.nodes, 2))
    close(weights, ref[0])
    close(kept, ref[1])
    weights, kept = case.weights.copy(), state.copy()
    ref = naive_layers.step_row(name, weights[0], gradient[0], kept[:, 0], *more[1:])
    step.step_row(rule, weights[0], gradient[0], kept, 0)
    close(weights[0], ref[0])
    close(kept[:, 0], ref[1])
    kept = state.copy()
    ref = naive_layers.step_weight(
        name, case.weights[0, 0], gradient[0, 0], kept[:, 0, 0].copy(), LR, MOMENTUM
    )
    close(step.step_weight(rule, case.weights[0, 0], gradient[0, 0], kept, 0, 0), ref[0])
    close(kept[:, 0, 0], ref[1])


def test_projections(case):
    matrix = case.random.standard_normal((case.fan_in, 3)).astype(np.float32)
    out = np.full((case.examples, 3), np.nan, np.float32)
    project.project_csr(*case.inputs.arrays, matrix, case.by_example, out)
    close(out, naive_layers.project_csr(*case.inputs.arrays, matrix))
    spread = np.zeros_like(matrix)
    project.spread_csr(*case.inputs.arrays, out, spread)
    close(spread, naive_layers.spread_csr(*case.inputs.arrays, out, case.fan_in))
    coordinates = case.random.standard_normal((case.nodes, 3)).astype(np.float32)
    comp = np.empty(case.pairs.nnz, np.float32)
    buckets.score_by_coordinates(out, coordinates, *case.where, case.by_example, comp)
    close(comp, naive_layers.score_by_coordinates(out, coordinates, *case.where))


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (12, 5)])
def test_orthonormalise(shape):
    directions = np.random.default_rng(9).standard_normal(shape).astype(np.float32)
    directions[:, shape[1] // 2] = 2 * directions[:, 0]  # dependent, unless it is the first itself
    ref = naive_layers.orthonormalise(directions)
    project.orthonormalise(directions)
    close(directions, ref)


@pytest.mark.parametrize("k", [1, 3, 7])
def test_top_k(k):
    scores = np.round(np.random.default_rng(3).standard_normal((4, 7)), 1).astype(np.float32)
    scores[1], scores[2, 3] = 0, np.nan
    nodes, values = np.empty(4 * k, np.int32), np.empty(4 * k, np.float32)
    top_k.top_k_rows(scores, k, np.array([0, 1, 4]), nodes, values)
    ref = naive_layers.top_k_rows(scores, k)
    assert nodes.tolist() == [node for node, _ in ref]
    np.testing.assert_array_equal(values, [value for _, value in ref])
    indptr, ids = np.array([0, 0, 5, 28]), np.arange(28, dtype=np.int32)[::-1].copy()
    out = np.concatenate(([0], np.cumsum(np.minimum(np.diff(indptr), k))))
    nodes, values = np.empty(out[-1], np.int32), np.empty(out[-1], np.float32)
    top_k.top_k_csr(indptr, ids, scores.ravel(), k, np.array([0, 2, 3]), out, nodes, values)
    ref = naive_layers.top_k_csr(indptr, ids, scores.ravel(), k)
    assert nodes.tolist() == [node for node, _ in ref]
    np.testing.assert_array_equal(values, [value for _, value in ref])


@pytest.mark.parametrize("examples", [0, 1, 3])
def test_thresholds(examples):
    scores = np.array([[1, 2, np.nan], [0, 0, 0], [3, 1, 5]], np.float32)[:examples]
    thresholds, bounds = np.array([1, 2, 4], np.float32), parallel.even_bounds(examples, 2)
    counts = np.empty(examples, np.int64)
    select.count_above(scores, thresholds, bounds, counts)
    assert counts.tolist() == naive_layers.count_above(scores, thresholds)
    indptr = np.concatenate(([0], np.cumsum(counts)))
    nodes, values = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.float32)
    select.take_above(scores, thresholds, bounds, indptr, nodes, values)
    assert list(zip(nodes, values, strict=True)) == naive_layers.take_above(scores, thresholds)


@pytest.mark.parametrize("classes", [1, 4])
def test_softmax_row(classes):
    logits = np.random.default_rng(5).standard_normal(classes).astype(np.float32)
    deltas = np.empty_like(logits)
    comp = loss.softmax_row(logits, classes - 1, np.float32(0.25), deltas)
    ref = naive_layers.softmax_row(logits, classes - 1, 0.25)
    close(comp[0], ref[0])
    assert comp[1] == ref[1]
    close(deltas, ref[2])


@pytest.mark.parametrize("probes", [1, 4, 16])
@pytest.mark.parametrize("bits", [1, 4])
def test_probe_sequence(bits, probes):
    margins = np.random.default_rng(bits).random(bits).astype(np.float32)
    out = np.empty(probes, np.uint32)
    found, _ = buckets.probe_sequence(np.uint32(1), margins, probes, out)
    assert out[:found].tolist() == naive_layers.probe_sequence(1, margins, probes)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("widths", [[7, 5, 3], [7, 5, 6, 3]], ids=str)
def test_hogwild_round(widths, name):
    random, examples, slots = np.random.default_rng(6), 5, OPTIMIZERS[name].slots
    shapes = list(zip(widths[1:], widths[:-1], strict=True))
    layers = hogwild.Parameters(
        tuple(random.standard_normal(shape).astype(np.float32) for shape in shapes),
        tuple(random.standard_normal((1, n)).astype(np.float32) for n, _ in shapes),
        tuple(np.ones((slots, *shape), np.float32) for shape in shapes),
        tuple(np.ones((slots, 1, n), np.float32) for n, _ in shapes),
    )
    inputs, labels = random_csr(random, examples, widths[0], 4), np.arange(examples, dtype=np.int32) % 3
    pairs = [random_csr(random, examples, n, 3, empty_first=False) for n in widths[1:-1]]
    lists = [np.split(one.indices, one.indptr[1:-1]) for one in pairs]
    plain = [[array.astype(np.float64) for array in part] for part in layers]
    weights, bias, state, bias_state = plain
    bias, bias_state = [b[0] for b in bias], [s[:, 0] for s in bias_state]
    scales = [2.0] * len(pairs)
    own = inputs.to_dense().astype(np.float64), labels, lists, scales, weights, bias
    losses, _ = naive_layers.hogwild_round(*own, name, state, bias_state, LR, MOMENTUM)
    outcomes = hogwild.Outcomes(
        np.empty(examples, np.float32), np.empty(examples, np.bool_), np.zeros((1, len(shapes), 3), np.int64)
    )
    chosen = tuple(one.indptr for one in pairs), tuple(one.indices for one in pairs)
    deltas = tuple(np.empty_like(one.data) for one in pairs)
    own = inputs.arrays, labels, chosen, np.array(scales, np.float32), layers, rule_of(name)
    hogwild.hogwild_round(*own, 1, deltas, outcomes)
    np.testing.assert_allclose(outcomes.losses, losses, rtol=1e-3)
    for comp, ref in zip((*layers.weights, *layers.bias), (*weights, *(b[None] for b in bias)), strict=True):
        np.testing.assert_allclose(comp, ref, rtol=1e-3, atol=1e-4)


def draw(random, rows, columns, most):
    lists = [random.permutation(columns)[: random.integers(0, most + 1)].tolist() for _ in range(rows)]
    out = CSR.from_lengths([len(row) for row in lists], columns)
    out.indices[:] = [column for row in lists for column in row]
    out.data[:] = random.normal(size=out.nnz)
    return lists, out


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize(("rows", "columns", "most"), [(0, 4, 2), (1, 1, 1), (6, 9, 9), (7, 30, 5)])
def test_sums(rows, columns, most, chunks):
    random = np.random.default_rng(rows)
    (a, left), (b, right) = draw(random, rows, columns, most), draw(random, rows, columns, most)
    bounds, places = even_bounds(rows, chunks), np.full((chunks, columns), -1, dtype=np.int32)
    counts = np.empty(rows, dtype=np.int64)
    count_union(left.indptr, left.indices, right.indptr, right.indices, bounds, places, counts)
    assert counts.tolist() == naive_layers.count_union(a, b)
    comp = CSR.from_lengths(counts, columns)
    positions = np.empty(left.nnz, np.int64), np.empty(right.nnz, np.int64)
    add_csr(*left.arrays, *right.arrays, bounds, places, *comp.arrays, *positions)
    assert (places == -1).all()
    values = [m.data[m.indptr[i] : m.indptr[i + 1]] for m in (left, right) for i in range(rows)]
    ref = naive_layers.add_csr(a, b, values[:rows], values[rows:])
    for i, row in enumerate(ref):
        span = slice(comp.indptr[i], comp.indptr[i + 1])
        assert comp.indices[span].tolist() == [column for column, _ in row]
        assert comp.data[span].tolist() == [value for _, value in row]
    np.testing.assert_array_equal(comp.indices[positions[0]], left.indices)
    np.testing.assert_array_equal(comp.indices[positions[1]], right.indices)
    np.testing.assert_allclose(comp.to_dense(), left.to_dense() + right.to_dense(), rtol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_stored_values_of_rows(share):
    random = np.random.default_rng(5)
    rows = (random.standard_normal((9, 13)) * (random.random((9, 13)) < share)).astype(np.float32)
    rows[2], rows[3, :2] = 0, [-0.0, np.nan]
    bounds, counts = np.array([0, 4, 4, 9]), np.empty(9, np.int64)
    csr.count_stored(rows, bounds, counts)
    assert counts.tolist() == naive_layers.count_stored(rows)
    stored = CSR.from_lengths(counts, 13)
    csr.take_stored(rows, bounds, *stored.arrays)
    columns, values = zip(*naive_layers.take_stored(rows), strict=True)
    np.testing.assert_array_equal(stored.indices, columns)
    np.testing.assert_array_equal(stored.data, values)
    for ours, theirs in zip(stored.arrays, CSR.from_dense(rows).arrays, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@njit(parallel=False, cache=False, fastmath=False)
def stepped_run(rule, w, g, state, slot, at, lanes):
    """The run that `step_run` returns, as an array."""
    out = np.empty(len(lanes), dtype=np.float32)
    store(out, 0, step.step_run(rule, load(w, 0, lanes), load(g, 0, lanes), state, slot, at, lanes))
    return out


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_step_run(name):
    """Four neighbours of a row of ten, one of them without a gradient."""
    random, slot, at, slots = np.random.default_rng(9), 10, 3, OPTIMIZERS[name].slots
    w, g = random.standard_normal((2, 4)).astype(np.float32)
    g[2] = 0
    state = random.random(slots * slot).astype(np.float32)
    new, kept = naive_layers.step_run(name, w.astype(float), g.astype(float), state, slot, at, 0.1, 0.9)
    found = stepped_run(step.rule_of(name, 0.1, 0.9), w, g, state, slot, at, (0,) * 4)
    np.testing.assert_allclose(found, new, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state, kept, rtol=1e-5, atol=1e-6)

"""The cost formula of every kernel against a meter that counts each element its source loads or stores."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from kernel_cases import SHAPES, grouped_by_column, grouped_by_filled_column, random_csr
from metered import check, whole

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
    project,
    sampled_softmax,
    select,
    step,
    top_k,
    update,
    winners,
)
from lshexp.kernels.step import OPTIMIZERS


@pytest.fixture(params=[(shape, kind) for shape in SHAPES for kind in ("all", "listed")], ids=str)
def case(request):
    (examples, fan_in, nodes, active), kind = request.param
    group_of = grouped_by_column if kind == "all" else grouped_by_filled_column
    random = np.random.default_rng(2)
    pairs = random_csr(random, examples, nodes, active)
    inputs = random_csr(random, examples, fan_in, (fan_in + 1) // 2)
    grouped, in_grouped = group_of(pairs, nodes), group_of(inputs, fan_in)
    return SimpleNamespace(
        random=random, pairs=pairs, inputs=inputs, x=inputs.to_dense(),
        examples=examples, fan_in=fan_in, nodes=nodes,
        grouped=grouped, in_grouped=in_grouped,
        weights=random.standard_normal((nodes, fan_in)).astype(np.float32),
        bias=random.standard_normal(nodes).astype(np.float32),
        by_node=whole(len(grouped.indptr) - 1), by_input=whole(len(in_grouped.indptr) - 1),
        every_node=whole(nodes), by_example=whole(examples),
        products=int(np.diff(pairs.indptr) @ np.diff(inputs.indptr)),
    )  # fmt: skip


def test_sums(case):
    other = random_csr(case.random, case.examples, case.nodes, (case.nodes + 1) // 2)
    places, counts = np.full((1, case.nodes), -1, np.int32), np.empty(case.examples, np.int64)
    a, b = case.pairs, other
    check(csr.count_union, a.indptr, a.indices, b.indptr, b.indices, case.by_example, places, counts)
    both = CSR.from_lengths(counts, case.nodes)
    positions = np.empty(a.nnz, np.int64), np.empty(b.nnz, np.int64)
    work = check(csr.add_csr, *a.arrays, *b.arrays, case.by_example, places, *both.arrays, *positions)
    assert work[:2] == (0, a.nnz + b.nnz - both.nnz)


def test_forward(case):
    values = np.empty(case.pairs.nnz, np.float32)
    rest = case.weights, case.bias, case.grouped, case.by_node, values
    work = check(forward.forward_rows, case.x, *rest)
    assert work[:2] == (len(values) * case.fan_in,) * 2
    work = check(forward.forward_csr, *case.inputs.arrays, *rest)
    assert work[:2] == (case.products,) * 2


def test_dot_sparse(case):
    _, indices, data = case.inputs.arrays
    check(forward.dot_sparse, case.weights[0], indices, data, 0, min(7, len(data)))


def test_input_gradients(case):
    pairs, inputs = case.pairs, case.inputs
    rows = np.empty((case.examples, case.fan_in), np.float32)
    check(backward.input_gradient_rows, *pairs.arrays, case.weights, case.by_example, rows)
    stored = np.empty(inputs.nnz, np.float32)
    own = *pairs.arrays, case.weights, inputs.indptr, inputs.indices
    check(backward.input_gradient_csr, *own, case.by_example, stored)
    offsets = np.concatenate(([0], np.cumsum(np.diff(pairs.indptr) * np.diff(inputs.indptr))))
    terms = np.empty(offsets[-1], np.float32)
    own = pairs.indptr, case.grouped, pairs.data, case.weights, inputs.indptr, inputs.indices
    check(backward.input_products, *own, offsets, case.by_node, terms)
    check(backward.sum_products, pairs.indptr, inputs.indptr, offsets, terms, case.by_example, stored)


def test_by_input(case):
    columns, inputs, pairs = np.ascontiguousarray(case.weights.T), case.inputs, case.pairs
    scores = np.empty((case.examples, case.nodes), np.float32)
    check(by_input.scan_csr, *inputs.arrays, columns, case.bias, case.by_example, scores)
    gradient, bounds = np.empty(inputs.nnz, np.float32), case.by_input
    check(by_input.input_gradient_by_input, case.in_grouped, *pairs.arrays, columns, bounds, gradient)
    own = case.in_grouped, inputs.data, *pairs.arrays, np.float32(0.1)
    work = check(by_input.descend_by_input, *own, columns, bounds)
    assert work[:2] == (case.products + inputs.nnz, case.products)
    work = check(by_input.pass_back_by_input, *own, columns, bounds, gradient)
    assert work[:2] == (2 * case.products + inputs.nnz, 2 * case.products)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps(case, name):
    slots = OPTIMIZERS[name].slots
    rule = step.rule_of(name, 0.1, 0.9)
    state = np.ones((slots, *case.weights.shape), np.float32)
    bias, bias_state = case.bias[None], np.ones((slots, 1, case.nodes), np.float32)
    deltas, grouped = case.pairs.data, case.grouped
    check(step.step_row, rule, case.weights[0], case.weights[0].copy(), state, 0)
    check(step.step_dense, rule, case.weights, case.weights.copy(), state, case.every_node)
    check(step.step_weight, rule, case.bias[0], case.bias[0], state, 0, 0)
    more = rule, case.weights, bias, state, bias_state
    check(update.update_rows, case.x, deltas, grouped, case.by_node, *more)
    check(update.update_csr, *case.inputs.arrays, deltas, grouped, case.by_node, rule, case.weights, state)
    columns, by_columns = np.ascontiguousarray(case.weights.T), state.swapaxes(1, 2).copy()
    rows, bounds = np.ones((case.examples, case.nodes), np.float32), case.by_input
    own = case.inputs.data, rows, case.in_grouped, bounds, rule, columns, by_columns
    work = check(update.update_by_input, *own)
    assert work.mults >= case.inputs.nnz * case.nodes
    check(update.step_bias, deltas, grouped, case.by_node, rule, bias, bias_state)


def test_descend_rows(case):
    own = case.x, case.pairs.data, case.grouped, case.by_node
    check(update.descend_rows, *own, np.float32(0.5), case.weights)


def test_sparse_and_dense(case):
    pairs, nodes = case.pairs, case.nodes
    scratch, every = np.empty((1, nodes), np.int32), grouped_by_column(pairs, nodes)
    own = pairs.indptr, pairs.indices, case.by_example, scratch
    check(group.group_by_column, *own, *(np.empty_like(array) for array in every[:3]))
    rows = np.empty((case.examples, nodes), np.float32)
    check(csr.scatter_rows, *pairs.arrays, case.by_example, rows)
    check(csr.gather_rows, rows, pairs.indptr, pairs.indices, case.by_example, np.empty_like(pairs.data))
    for scale in (1, 4):
        out = (np.empty_like(array) for array in pairs.arrays)
        work = check(csr.keep_positive, *pairs.arrays, np.float32(scale), *out)
        assert work.mults == (np.count_nonzero(pairs.data > 0) if scale != 1 else 0)


def test_thresholds_and_draws(case):
    scores, bounds = case.random.random((case.examples, case.nodes)).astype(np.float32), case.by_example
    thresholds = np.full(case.nodes, 0.6, np.float32)
    counts = np.empty(case.examples, np.int64)
    check(select.count_above, scores, thresholds, bounds, counts)
    assert counts.tolist() == (scores >= 0.6).sum(axis=1).tolist()
    indptr = np.concatenate(([0], np.cumsum(counts)))
    out = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.float32)
    check(select.take_above, scores, thresholds, bounds, indptr, *out)
    ids = np.arange(case.examples)
    check(select.draw_gated, np.uint64(5), ids, scores, bounds, np.empty_like(scores), counts)
    drawn = np.empty(case.examples * case.nodes, np.int32)
    check(select.draw_bernoulli, np.uint64(5), ids, case.nodes, np.log1p(-0.4), indptr, drawn)


@pytest.mark.parametrize("values", [1, 7, 300])
def test_top_k(values):
    random = np.random.default_rng(3)
    scores = np.round(random.standard_normal((3, values)), 1).astype(np.float32)
    scores[1] = np.nan
    for k in {1, (values + 3) // 4, values}:
        check(top_k.kth_largest, scores[0].copy(), k)
        columns, found = scores[[0, 2]].T.copy(), np.empty(2, np.float32)
        check(top_k.kth_largest_of_columns, columns, k, whole(2), np.empty((1, values), np.float32), found)
        out = np.empty(3 * k, np.int32), np.empty(3 * k, np.float32)
        check(top_k.top_k_rows, scores, k, whole(3), *out)
        indptr, ids = np.array([0, 0, values, 3 * values]), np.arange(3 * values, dtype=np.int32)
        out_indptr = np.concatenate(([0], np.cumsum(np.minimum(np.diff(indptr), k))))
        own = indptr, ids, scores.ravel(), k, whole(3), out_indptr
        check(top_k.top_k_csr, *own, np.empty(out_indptr[-1], np.int32), np.empty(out_indptr[-1], np.float32))


def test_projections(case):
    matrix = case.random.standard_normal((case.fan_in, 6)).astype(np.float32)
    out = np.empty((case.examples, 6), np.float32)
    work = check(project.project_csr, *case.inputs.arrays, matrix, case.by_example, out)
    assert work.mults == work.adds == 6 * case.inputs.nnz
    check(project.spread_csr, *case.inputs.arrays, out, np.zeros_like(matrix))
    check(project.sign_codes, out, 3, case.by_example, np.empty((case.examples, 2), np.uint32))
    check(project.orthonormalise, matrix)
    coordinates = case.random.standard_normal((case.nodes, 6)).astype(np.float32)
    own = out, coordinates, case.pairs.indptr, case.pairs.indices
    check(buckets.score_by_coordinates, *own, case.by_example, np.empty_like(case.pairs.data))


@pytest.mark.parametrize("probes", [1, 5, 8])
@pytest.mark.parametrize("most", [1, 6, 30])
@pytest.mark.parametrize("collect", [buckets.collect_first, buckets.collect_ranked])
def test_tables(collect, most, probes):
    random = np.random.default_rng(11)
    nodes, tables, bits, examples = 30, 4, 3, 5
    codes = random.integers(0, 8, (nodes, tables)).astype(np.uint32)
    starts, ids = np.empty((tables, 9), np.int32), np.empty((tables, nodes), np.int32)
    check(buckets.fill_buckets, codes, random.integers(0, nodes, tables), whole(tables), starts, ids)
    queries = random.integers(0, 8, (examples, tables)).astype(np.uint32)
    margins = random.random((examples, tables, bits)).astype(np.float32)
    check(buckets.probe_sequence, queries[0, 0], margins[0, 0], probes, np.empty(probes, np.uint32))
    found, counts = np.empty((examples, most), np.int32), np.empty(examples, np.int64)
    entries, scratch = np.empty((examples, 4), np.int64), np.zeros((1, nodes), np.int32)
    own = queries, margins, probes, (starts[:, :-1], starts[:, 1:], ids), most, 6, whole(examples), scratch
    check(collect, *own, found, counts, entries)
    indptr = np.concatenate(([0], np.cumsum(counts)))
    check(buckets.pack_rows, found, indptr, whole(examples), np.empty(indptr[-1], np.int32))


@pytest.mark.parametrize("window", [2, 4])
def test_winner_codes(case, window):
    per_order = max(1, case.fan_in // window)
    orders = np.array([case.random.permutation(case.fan_in) for _ in range(3)], np.int32)
    codes = np.empty((case.examples, 2 * per_order + 1), np.int32)
    own = *case.inputs.arrays, orders.reshape(3, case.fan_in), window, np.uint64(5)
    check(winners.winner_codes, *own, case.by_example, codes)


@pytest.mark.parametrize("classes", [1, 4])
def test_softmax(classes):
    logits = np.random.default_rng(5).standard_normal((6, classes)).astype(np.float32)
    labels, deltas = np.zeros(6, np.int32), np.empty_like(logits)
    check(loss.softmax_row, logits[0], 0, np.float32(1), deltas[0])
    own = whole(6), deltas, np.empty(6, np.float32), np.empty(6, np.bool_)
    check(loss.softmax_cross_entropy, logits, labels, *own)


@pytest.mark.parametrize(("classes", "tail"), [(1, 0), (9, 4), (40, 5)])
def test_outputs(classes, tail):
    """Listing active classes, and the losses over them; examples without labels among them."""
    random, examples = np.random.default_rng(8), 7
    found = random_csr(random, examples, classes, min(classes, 4))
    labels = random_csr(random, examples, classes, min(classes, 2))
    room = found.nnz + labels.nnz + examples * tail
    out = np.empty(room, np.int32), np.empty(room, np.int64), np.empty((examples, 3), np.int64)
    own = *found.arrays[:2], *labels.arrays[:2], tail, classes, whole(examples)
    stamps = np.zeros((1, classes), np.int32)
    check(sampled_softmax.complete_active, np.uint64(5), np.arange(examples), *own, stamps, *out)
    counts = out[2]
    active = CSR.from_lengths(counts.sum(axis=1), classes)
    scores = random.standard_normal(active.nnz).astype(np.float32)
    log_q, deltas = np.full_like(scores, -1.0), np.empty_like(scores)
    outcome = np.empty(examples, np.float32), np.empty(examples, np.bool_)
    rest = scores, log_q, counts[:, 0].copy(), whole(examples), deltas, *outcome
    check(sampled_softmax.sampled_softmax, active.indptr, *rest)
    check(sampled_softmax.sampled_binary, active.indptr, *rest)
    rows = random.standard_normal((examples, classes)).astype(np.float32)
    rest = *labels.arrays[:2], whole(examples), np.empty_like(rows), *outcome
    check(loss.softmax_of_labels, rows, *rest)
    check(loss.binary_of_labels, rows, *rest)


@pytest.mark.parametrize("scale", [1, 4])
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("widths", [[7, 3], [7, 5, 3], [7, 5, 6, 3]], ids=str)
def test_hogwild(widths, name, scale):
    random, examples = np.random.default_rng(6), 5
    rule = step.rule_of(name, 1e-4, 0.9)
    slots, shapes = OPTIMIZERS[name].slots, list(zip(widths[1:], widths[:-1], strict=True))
    layers = hogwild.Parameters(
        tuple(0.1 * random.standard_normal(shape).astype(np.float32) for shape in shapes),
        # all that are chosen are live: a step whose gradient is exactly zero is counted, and not taken
        tuple(np.full((1, n), 2, np.float32) for n, _ in shapes),
        tuple(np.full((slots, *shape), 1e-3, np.float32) for shape in shapes),
        tuple(np.full((slots, 1, n), 1e-3, np.float32) for n, _ in shapes),
    )
    inputs = random_csr(random, examples, widths[0], 4)
    pairs = [random_csr(random, examples, n, 3, empty_first=False) for n in widths[1:-1]]
    chosen = tuple(one.indptr for one in pairs), tuple(one.indices for one in pairs)
    outcomes = hogwild.Outcomes(
        np.empty(examples, np.float32), np.empty(examples, np.bool_), np.zeros((1, len(shapes), 3), np.int64)
    )
    scales, deltas = np.full(len(pairs), scale, np.float32), tuple(np.empty_like(one.data) for one in pairs)
    own = inputs.arrays, np.zeros(examples, np.int32), chosen, scales, layers
    check(hogwild.hogwild_round, *own, rule, 1, deltas, outcomes)

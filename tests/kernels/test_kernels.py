"""Every kernel against its plain twin, on awkward sizes too."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import CHUNKS, SHAPES, close, grouped_by_column, random_csr

from lshexp.arrays import CSR
from lshexp.kernels import (
    backward,
    buckets,
    csr,
    forward,
    loss,
    parallel,
    project,
    rng,
    select,
    step,
    top_k,
    update,
    winners,
)
from lshexp.kernels.step import OPTIMIZERS


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**63 - 1))
def test_mix_and_uniform(key, counter):
    bits = rng.mix(np.uint64(key), np.uint64(counter))
    assert int(bits) == naive.mix(key, counter)
    unit = rng.uniform(np.uint64(bits))
    assert unit == naive.uniform(int(bits))
    assert 0 <= unit < 1


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("shape", SHAPES)
def test_group_by_column(shape, chunks):
    examples, _, nodes, active = shape
    pairs = random_csr(np.random.default_rng(1), examples, nodes, active)
    grouped = grouped_by_column(pairs, nodes, chunks)
    for comp, ref in zip(grouped[:3], naive.group_by_column(pairs.indptr, pairs.indices, nodes), strict=True):
        assert comp.tolist() == list(ref)


def test_keep_positive_drops_zeros_and_keeps_nan():
    starts = np.array([0, 0, 4, 6])
    nodes = np.arange(6, dtype=np.int32)
    values = np.array([1, 0, -1, np.nan, -0.0, 2], dtype=np.float32)
    out = (np.empty(4, np.int64), np.empty(6, np.int32), np.empty(6, np.float32))
    csr.keep_positive(starts, nodes, values, np.float32(0.5), *out)
    ref = naive.keep_positive(starts, nodes, values, 0.5)
    n = out[0][-1]
    assert out[0].tolist() == ref[0]
    assert out[1][:n].tolist() == ref[1]
    np.testing.assert_array_equal(out[2][:n], ref[2])


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("shape", SHAPES)
def test_forward_and_backward(shape, chunks):
    examples, fan_in, nodes, active = shape
    random = np.random.default_rng(2)
    pairs = random_csr(random, examples, nodes, active)
    grouped = grouped_by_column(pairs, nodes)
    inputs = random_csr(random, examples, fan_in, (fan_in + 1) // 2)
    x = naive.rows_of(*inputs.arrays, fan_in).astype(np.float32)
    weights = random.standard_normal((nodes, fan_in)).astype(np.float32)
    bias = random.standard_normal(nodes).astype(np.float32)
    by_node = parallel.balanced_bounds(grouped.indptr, chunks)
    by_example = parallel.balanced_bounds(pairs.indptr, chunks)

    ref = naive.forward(x, weights, bias, pairs.indptr, pairs.indices)
    comp = np.empty(len(pairs.indices), np.float32)
    forward.forward_rows(x, weights, bias, grouped, by_node, comp)
    close(comp, ref)
    forward.forward_csr(*inputs.arrays, weights, bias, grouped, by_node, comp)
    close(comp, ref)

    ref = naive.input_gradient(pairs.indptr, pairs.indices, pairs.data, weights)
    rows = np.full((examples, fan_in), np.nan, np.float32)
    backward.input_gradient_rows(*pairs.arrays, weights, by_example, rows)
    close(rows, ref)
    listed = np.full(len(inputs.indices), np.nan, np.float32)
    backward.input_gradient_csr(*pairs.arrays, weights, inputs.indptr, inputs.indices, by_example, listed)
    owner = np.repeat(np.arange(examples), np.diff(inputs.indptr))
    close(listed, ref[owner, inputs.indices])
    offsets = np.concatenate(([0], np.cumsum(np.diff(pairs.indptr) * np.diff(inputs.indptr))))
    terms = np.full(offsets[-1] + 1, np.nan, np.float32)
    own = pairs.indptr, grouped, pairs.data, weights, inputs.indptr, inputs.indices
    backward.input_products(*own, offsets, by_node, terms)
    by_terms = np.full(len(inputs.indices), np.nan, np.float32)
    backward.sum_products(pairs.indptr, inputs.indptr, offsets, terms, by_example, by_terms)
    np.testing.assert_array_equal(by_terms, listed)

    rows = np.full((examples, nodes), np.nan, np.float32)
    csr.scatter_rows(*pairs.arrays, by_example, rows)
    np.testing.assert_array_equal(rows, naive.rows_of(*pairs.arrays, nodes).astype(np.float32))
    back = np.empty_like(pairs.data)
    csr.gather_rows(rows, pairs.indptr, pairs.indices, by_example, back)
    np.testing.assert_array_equal(back, pairs.data)


@pytest.mark.parametrize("chunks", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_descend_rows(shape, chunks):
    examples, width, nodes, active = shape
    random = np.random.default_rng(8)
    pairs = random_csr(random, examples, nodes, active)
    grouped = grouped_by_column(pairs, nodes)
    x = random.standard_normal((examples, width)).astype(np.float32)
    rows = random.standard_normal((nodes, width)).astype(np.float32)
    ref = naive.descend_rows(x, pairs.data, *grouped[:3], 0.5, rows)
    bounds = parallel.balanced_bounds(grouped.indptr, chunks)
    update.descend_rows(x, pairs.data, grouped, bounds, np.float32(0.5), rows)
    close(rows, ref)


@pytest.mark.parametrize("window", [2, 4, 8])
@pytest.mark.parametrize("shape", SHAPES)
def test_winner_codes(shape, window):
    examples, fan_in, _, _ = shape
    random = np.random.default_rng(9)
    pairs = random_csr(random, examples, fan_in, (fan_in + 2) // 3)
    pairs.data[:] = np.round(pairs.data)  # zeros and ties
    if len(pairs.data) > 1:
        pairs.data[1] = np.nan
    per_order = max(1, fan_in // window)
    positions = np.array([random.permutation(fan_in) for _ in range(3)], dtype=np.int32).reshape(3, fan_in)
    for n_hashes in (1, 2 * per_order + 1):
        codes = np.empty((examples, n_hashes), np.int32)
        winners.winner_codes(
            *pairs.arrays, positions, window, np.uint64(5), parallel.even_bounds(examples, 2), codes
        )
        np.testing.assert_array_equal(
            codes, naive.winner_codes(*pairs.arrays, positions, window, 5, n_hashes)
        )


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("rule", OPTIMIZERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_update_steps_touched_weights_only(shape, rule, listed):
    examples, fan_in, nodes, active = shape
    random = np.random.default_rng(3)
    pairs = random_csr(random, examples, nodes, active)
    grouped = grouped_by_column(pairs, nodes)
    inputs = random_csr(random, examples, fan_in, max(1, fan_in // 4))
    x = naive.rows_of(*inputs.arrays, fan_in).astype(np.float32)
    slots = OPTIMIZERS[rule].slots
    weights = random.standard_normal((nodes, fan_in)).astype(np.float32)
    bias = random.standard_normal((1, nodes)).astype(np.float32)
    state = random.random((slots, nodes, fan_in)).astype(np.float32)
    bias_state = random.random((slots, 1, nodes)).astype(np.float32)
    before = weights.copy(), bias.copy(), state.copy(), bias_state.copy()
    constants = step.rule_of(rule, 0.1, 0.9)
    bounds = parallel.balanced_bounds(grouped.indptr, 2)
    parameters = (constants, weights, bias, state, bias_state)
    if listed:
        stepped = update.update_csr(*inputs.arrays, pairs.data, grouped, bounds, constants, weights, state)
        update.step_bias(pairs.data, grouped, bounds, constants, bias, bias_state)
    else:
        stepped = update.update_rows(x, pairs.data, grouped, bounds, *parameters)

    gradient, bias_gradient = naive.weight_gradient(x, pairs.indptr, pairs.indices, pairs.data, nodes)
    touched = np.zeros((nodes, fan_in), bool)
    for b in range(examples):
        for node in pairs.indices[pairs.indptr[b] : pairs.indptr[b + 1]]:
            touched[node] |= (
                np.isin(np.arange(fan_in), inputs.indices[inputs.indptr[b] : inputs.indptr[b + 1]])
                if listed
                else True
            )
    served = np.isin(np.arange(nodes), pairs.indices)
    assert stepped == touched.sum()
    for j in range(nodes):
        ref, ref_state = before[1][0, j], list(before[3][:, 0, j])
        if served[j]:
            ref, ref_state = naive.step(rule, ref, bias_gradient[j], ref_state, 0.1, 0.9)
        close(bias[0, j], ref)
        close(bias_state[:, 0, j], ref_state)
        for i in range(fan_in):
            ref, ref_state = before[0][j, i], list(before[2][:, j, i])
            if touched[j, i]:
                ref, ref_state = naive.step(rule, ref, gradient[j, i], ref_state, 0.1, 0.9)
            close(weights[j, i], ref)
            close(state[:, j, i], ref_state)


@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_step_dense(rule):
    random = np.random.default_rng(4)
    slots = OPTIMIZERS[rule].slots
    weights = random.standard_normal((3, 5)).astype(np.float32)
    gradient = random.standard_normal((3, 5)).astype(np.float32)
    gradient[1] = 0
    state = random.random((slots, 3, 5)).astype(np.float32)
    ref = [
        naive.step(rule, weights[j, i], gradient[j, i], list(state[:, j, i]), 0.1, 0.9)[0]
        for j in range(3)
        for i in range(5)
    ]
    constants = step.rule_of(rule, 0.1, 0.9)
    step.step_dense(constants, weights, gradient, state, np.array([0, 2, 3]))
    close(weights.ravel(), ref)


@pytest.mark.parametrize("classes", [1, 2, 10])
def test_softmax_cross_entropy(classes):
    random = np.random.default_rng(5)
    logits = (5 * random.standard_normal((9, classes))).astype(np.float32)
    logits[0] = 0  # ties go to the lowest class
    labels = random.integers(0, classes, 9).astype(np.int32)
    deltas, losses, hits = np.empty_like(logits), np.empty(9, np.float32), np.empty(9, np.bool_)
    loss.softmax_cross_entropy(logits, labels, np.array([0, 4, 9]), deltas, losses, hits)
    ref = naive.softmax_cross_entropy(logits, labels)
    close(deltas, ref[0])
    close(losses, ref[1])
    assert hits.tolist() == ref[2].tolist()


def test_softmax_cross_entropy_shows_divergence_and_flushes_the_tiny():
    logits = np.array([[np.nan, 0], [np.inf, 0], [60, -60]], np.float32)
    labels = np.array([0, 0, 0], np.int32)
    deltas, losses, hits = np.empty_like(logits), np.empty(3, np.float32), np.empty(3, np.bool_)
    loss.softmax_cross_entropy(logits, labels, np.array([0, 3]), deltas, losses, hits)
    assert not np.isfinite(losses[:2]).any()
    assert hits.tolist() == [False, False, True]
    assert deltas[2, 1] == 0


@given(st.lists(st.floats(-3, 3, width=16), min_size=1, max_size=40), st.data())
def test_kth_largest(values, data):
    k = data.draw(st.integers(1, len(values)))
    assert top_k.kth_largest(np.array(values, np.float32), k)[0] == naive.kth_largest(values, k)


def test_kth_largest_of_columns():
    values = np.round(np.random.default_rng(4).standard_normal((7, 12)), 1).astype(np.float32)
    for k in (1, 3, 7):
        found, scratch = np.empty(12, np.float32), np.empty((3, 7), np.float32)
        top_k.kth_largest_of_columns(values, k, np.array([0, 5, 5, 12]), scratch, found)
        np.testing.assert_array_equal(found, naive.kth_largest_of_columns(values, k))


@given(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0, float("nan")]), min_size=1, max_size=12), st.data())
def test_top_k_with_ties_and_nan(values, data):
    k = data.draw(st.integers(1, len(values)))
    scores = np.array([values, values[::-1]], np.float32)
    nodes, kept = np.empty(2 * k, np.int32), np.empty(2 * k, np.float32)
    top_k.top_k_rows(scores, k, np.array([0, 1, 2]), nodes, kept)
    for b in range(2):
        ref = naive.top_k(scores[b], k)
        assert nodes[b * k : (b + 1) * k].tolist() == ref
        np.testing.assert_array_equal(kept[b * k : (b + 1) * k], scores[b][ref])
    starts = np.array([0, 0, len(values)])  # an empty list first
    ids = np.arange(len(values), dtype=np.int32)[::-1].copy()
    out_starts = np.array([0, 0, min(k, len(values))])
    top_k.top_k_csr(starts, ids, scores[0], k, np.array([0, 2]), out_starts, nodes, kept)
    ref = naive.top_k(scores[0], k)
    assert nodes[: len(ref)].tolist() == [ids[i] for i in ref]


@pytest.mark.parametrize("kind", ["distinct", "ties", "sorted", "peak in what is sampled", "nan"])
@pytest.mark.parametrize("k", [1, 20, 150, 399])
def test_top_k_of_many_that_are_sampled_first(kind, k):
    random = np.random.default_rng(6)
    values = random.standard_normal(400).astype(np.float32)
    if kind == "ties":
        values = np.round(values)
    elif kind == "sorted":
        values.sort()
    elif kind == "peak in what is sampled":  # misleads the guess: too few reach it
        values[:: top_k.SAMPLED] += 100
    elif kind == "nan":
        values[random.random(400) < 0.9] = np.nan
    nodes, kept = np.empty(k, np.int32), np.empty(k, np.float32)
    top_k.top_k_rows(values[None], k, np.array([0, 1]), nodes, kept)
    assert nodes.tolist() == naive.top_k(values, k)


def test_thresholds():
    scores = np.array([[1, 2, np.nan], [0, 0, 0], [3, 1, 5]], np.float32)
    thresholds = np.array([1, 2, 4], np.float32)
    counts = np.empty(3, np.int64)
    select.count_above(scores, thresholds, np.array([0, 2, 3]), counts)
    assert counts.tolist() == [2, 0, 2]
    pairs = CSR.from_lengths(counts, 3)
    select.take_above(scores, thresholds, np.array([0, 2, 3]), *pairs.arrays)
    assert pairs.indices.tolist() == [0, 1, 0, 2]
    assert pairs.data.tolist() == [1, 2, 3, 5]


@pytest.mark.parametrize("keep", [0.05, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("nodes", [1, 7, 200])
def test_draw_bernoulli(keep, nodes):
    with np.errstate(divide="ignore"):
        log_drop = float(np.log1p(-keep))
    examples = np.array([5, 0, 123456789], np.int64)
    starts, drawn = np.empty(4, np.int64), np.empty(3 * nodes, np.int32)
    pairs = select.draw_bernoulli(np.uint64(99), examples, nodes, log_drop, starts, drawn)
    ref = naive.draw_bernoulli(99, examples, nodes, log_drop)
    assert starts.tolist() == ref[0]
    assert drawn[:pairs].tolist() == ref[1]
    if pairs > 1:
        assert select.draw_bernoulli(np.uint64(99), examples, nodes, log_drop, starts, drawn[:1].copy()) == -1


def test_draw_bernoulli_keeps_the_wanted_share_at_every_node():
    examples = np.arange(4000, dtype=np.int64)
    starts, drawn = np.empty(4001, np.int64), np.empty(4000 * 20, np.int32)
    pairs = select.draw_bernoulli(np.uint64(7), examples, 20, float(np.log1p(-0.3)), starts, drawn)
    share = np.bincount(drawn[:pairs], minlength=20) / 4000
    assert np.abs(share - 0.3).max() < 5 * np.sqrt(0.21 / 4000)


def test_draw_gated():
    probabilities = np.random.default_rng(6).random((3, 9)).astype(np.float32)
    probabilities[1] = [0, 1, 0, 1, 0, 1, 0, 1, 0]
    examples = np.array([3, 1, 2], np.int64)
    chosen, counts = np.empty_like(probabilities), np.empty(3, np.int64)
    select.draw_gated(np.uint64(11), examples, probabilities, parallel.even_bounds(3, 2), chosen, counts)
    ref = naive.draw_gated(11, examples, probabilities)
    np.testing.assert_array_equal(chosen, ref)
    assert counts.tolist() == ref.sum(axis=1).tolist()


@pytest.mark.parametrize("bits", [1, 6, 32])
def test_sign_codes(bits):
    projections = np.random.default_rng(7).standard_normal((5, 3 * bits)).astype(np.float32)
    projections[0] = 0
    codes = np.empty((5, 3), np.uint32)
    project.sign_codes(projections, bits, np.array([0, 2, 5]), codes)
    np.testing.assert_array_equal(codes, naive.sign_codes(projections, bits))


def test_projections_of_lists():
    random = np.random.default_rng(8)
    pairs = random_csr(random, 6, 10, 4)
    rows = naive.rows_of(*pairs.arrays, 10)
    matrix = random.standard_normal((10, 3)).astype(np.float32)
    out = np.empty((6, 3), np.float32)
    project.project_csr(*pairs.arrays, matrix, np.array([0, 2, 6]), out)
    close(out, rows @ matrix)
    spread = np.zeros((10, 3), np.float32)
    project.spread_csr(*pairs.arrays, out, spread)
    close(spread, rows.T @ out)


def test_orthonormalise():
    directions = np.random.default_rng(9).standard_normal((12, 4)).astype(np.float32)
    directions[:, 2] = 2 * directions[:, 0]  # dependent: nothing is left of it
    before = directions.copy()
    project.orthonormalise(directions)
    product = directions.T @ directions
    close(product, np.diag([1, 1, 0, 1]))
    close(directions @ (directions.T @ before), before)  # the same span


@pytest.mark.parametrize("nodes", [1, 5, 64])
def test_fill_buckets(nodes):
    random = np.random.default_rng(10)
    codes = random.integers(0, 8, (nodes, 3)).astype(np.uint32)
    offsets = random.integers(0, nodes, 3)
    starts, ids = np.empty((3, 9), np.int32), np.empty((3, nodes), np.int32)
    buckets.fill_buckets(codes, offsets, np.array([0, 1, 3]), starts, ids)
    for table, ref in enumerate(naive.fill_buckets(codes, offsets, 8)):
        assert [ids[table, starts[table, h] : starts[table, h + 1]].tolist() for h in range(8)] == ref
        assert sorted(ids[table].tolist()) == list(range(nodes))


@given(st.integers(1, 6), st.integers(1, 80), st.randoms(use_true_random=False))
def test_probe_sequence_is_by_total_margin(bits, probes, random):
    margins = np.array([random.choice([0.0, 0.5, random.random()]) for _ in range(bits)], np.float32)
    code = random.randrange(2**bits)
    out = np.empty(probes, np.uint32)
    found, _ = buckets.probe_sequence(np.uint32(code), margins, probes, out)
    totals = naive.probe_totals(code, margins)
    sequence = out[:found].tolist()
    assert found == min(probes, 2**bits)
    assert len(set(sequence)) == found
    assert sequence[0] == code
    close([totals[bucket] for bucket in sequence], sorted(totals.values())[:found])


@pytest.mark.parametrize("cap", [2, 1000])
@pytest.mark.parametrize("probes", [1, 3])
@pytest.mark.parametrize("most", [1, 6, 30])
@pytest.mark.parametrize("kind", ["first", "ranked"])
def test_collect(kind, most, probes, cap):
    random = np.random.default_rng(11)
    n_nodes, n_tables, bits, examples = 30, 4, 3, 9
    codes = random.integers(0, 8, (n_nodes, n_tables)).astype(np.uint32)
    offsets = random.integers(0, n_nodes, n_tables)
    starts, ids = np.empty((n_tables, 9), np.int32), np.empty((n_tables, n_nodes), np.int32)
    buckets.fill_buckets(codes, offsets, np.array([0, n_tables]), starts, ids)
    queries = random.integers(0, 8, (examples, n_tables)).astype(np.uint32)
    margins = random.random((examples, n_tables, bits)).astype(np.float32)
    found = np.empty((examples, most), np.int32)
    counts, entries = np.empty(examples, np.int64), np.empty((examples, 4), np.int64)
    scratch = np.zeros((2, n_nodes), np.int32)
    collect = buckets.collect_first if kind == "first" else buckets.collect_ranked
    bounds = np.array([0, 4, examples])
    tables = starts[:, :-1], starts[:, 1:], ids
    collect(queries, margins, probes, tables, most, cap, bounds, scratch, found, counts, entries)
    assert not scratch.any()
    tables = naive.fill_buckets(codes, offsets, 8)
    sequence = np.empty(probes, np.uint32)
    for b in range(examples):
        sequences = []
        for table in range(n_tables):
            buckets.probe_sequence(queries[b, table], margins[b, table], probes, sequence)
            sequences.append(sequence.tolist())
        twin = naive.collect_first if kind == "first" else naive.collect_ranked
        ref, read = twin(sequences, tables, most, cap)
        assert found[b, : counts[b]].tolist() == ref
        assert entries[b, 0] == read


def test_score_by_coordinates():
    random = np.random.default_rng(12)
    pairs = random_csr(random, 5, 8, 3)
    queries = random.standard_normal((5, 4)).astype(np.float32)
    coordinates = random.standard_normal((8, 4)).astype(np.float32)
    out = np.empty_like(pairs.data)
    buckets.score_by_coordinates(queries, coordinates, pairs.indptr, pairs.indices, np.array([0, 5]), out)
    owner = np.repeat(np.arange(5), np.diff(pairs.indptr))
    close(out, (queries.astype(np.float64) @ coordinates.T)[owner, pairs.indices])


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 7))
def test_balanced_bounds_cover_everything_in_order(lengths, chunks):
    starts = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    bounds = parallel.balanced_bounds(starts, chunks)
    assert len(bounds) == chunks + 1
    assert bounds[0] == 0
    assert bounds[-1] == len(lengths)
    assert (np.diff(bounds) >= 0).all()

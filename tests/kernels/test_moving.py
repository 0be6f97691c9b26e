"""Tables whose nodes move one by one, and grouping by the columns that have entries."""

from __future__ import annotations

import itertools

import naive
import numpy as np
import pytest
from kernel_cases import CHUNKS, SHAPES, grouped_by_column, grouped_by_filled_column, random_csr
from metered import Meter, call

from lshexp.hashing.tables import MovingTables, SortedTables
from lshexp.kernels import moving, parallel
from lshexp.kernels.group import column_of, group_filled_columns, group_filled_columns_cost
from lshexp.work import LayerWork

BUCKETS, TABLES = 8, 5


def empty_tables(nodes):
    room = moving.places_for(nodes, BUCKETS)
    return (
        np.empty((TABLES, BUCKETS, 3), np.int32),
        np.empty(TABLES, np.int32),
        np.empty((TABLES, room), np.int32),
        np.empty((nodes, TABLES), np.int32),
    )


def buckets_of(spans, nodes):
    return [
        [nodes[t, first:end].tolist() for first, end, _ in table] for t, table in enumerate(spans.tolist())
    ]


def check_places(spans, tails, nodes, places):
    """Every node stands where it is said to stand, and no two buckets share room."""
    for t in range(TABLES):
        held = sorted((first, limit) for first, _, limit in spans[t].tolist())
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(held))
        assert held[-1][1] <= tails[t] <= nodes.shape[1]
        np.testing.assert_array_equal(nodes[t, places[:, t]], np.arange(len(places)))


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("nodes", [1, 7, 60])
def test_fill_and_move(nodes, chunks):
    random = np.random.default_rng(nodes)
    codes = random.integers(0, BUCKETS, (nodes, TABLES)).astype(np.uint32)
    offsets = random.integers(0, nodes, TABLES).astype(np.int32)
    bounds, state = parallel.even_bounds(TABLES, chunks), empty_tables(nodes)
    moving.fill_with_room(codes, offsets, bounds, *state)
    ref = naive.fill_with_room(codes, offsets, BUCKETS)
    assert buckets_of(state[0], state[2]) == ref
    check_places(*state)
    sets, twin, refilled = [[set(bucket) for bucket in table] for table in ref], codes.copy(), 0
    for turn in range(40):
        ids = random.permutation(nodes)[: 1 + nodes // 3].astype(np.int32)
        to = random.integers(0, BUCKETS, (len(ids), TABLES)).astype(np.uint32)
        if turn % 3 == 0:
            to[:] = turn % BUCKETS  # one bucket gets them all
        refilled += moving.move_nodes(ids, to, offsets, bounds, codes, *state)[1]
        naive.move_nodes(ids, to, twin, sets)
        np.testing.assert_array_equal(codes, twin)
        assert [[set(bucket) for bucket in table] for table in buckets_of(state[0], state[2])] == sets
        check_places(*state)
    assert refilled > 0 or nodes < 60


def test_bytes_of_filling_and_moving():
    random, nodes = np.random.default_rng(3), 30
    codes = random.integers(0, BUCKETS, (nodes, TABLES)).astype(np.uint32)
    offsets, bounds = random.integers(0, nodes, TABLES).astype(np.int32), np.array([0, TABLES])
    state = empty_tables(nodes)
    meter = Meter()
    touched = call(moving.fill_with_room, codes, offsets, bounds, *state, meter=meter)
    assert moving.fill_with_room_cost(touched).bytes == meter.nbytes
    refilled = 0
    for turn in range(30):
        ids = random.permutation(nodes)[:9].astype(np.int32)
        to = np.full((9, TABLES), turn % 3, np.uint32) if turn % 2 else codes[ids][::-1].copy()
        meter = Meter()
        returned = call(moving.move_nodes, ids, to, offsets, bounds, codes, *state, meter=meter)
        refilled += returned[1]
        assert moving.move_nodes_cost(returned).bytes == meter.nbytes
    assert refilled


def test_moving_takes_work_for_the_nodes_moved_and_not_for_all():
    bytes_a_move = []
    for nodes in (500, 20_000):
        random, work = np.random.default_rng(1), LayerWork()
        tables = MovingTables(4, 6, nodes, 1, 7)
        tables.put(np.arange(nodes, dtype=np.int32), random.integers(0, 16, (nodes, 6), np.uint32), work)
        before = work.tally("rebuild").bytes
        for _ in range(200):
            ids = np.sort(random.permutation(nodes)[:50]).astype(np.int32)
            tables.put(ids, random.integers(0, 16, (50, 6), np.uint32), work)
        bytes_a_move.append((work.tally("rebuild").bytes - before) / (200 * 50 * 6))
    assert bytes_a_move[1] <= 1.2 * bytes_a_move[0] < 200


def test_both_kinds_of_tables_hold_the_same_nodes():
    random, work, nodes = np.random.default_rng(2), LayerWork(), 40
    kinds = [kind(3, 4, nodes, 2, 5) for kind in (SortedTables, MovingTables)]
    every = np.arange(nodes, dtype=np.int32)
    for ids in (every, every[:7], every[3:30]):
        codes = random.integers(0, 8, (len(ids), 4), np.uint32)
        for tables in kinds:
            tables.put(ids, codes, work)
        np.testing.assert_array_equal(*(tables.codes for tables in kinds))
        np.testing.assert_array_equal(*(tables.occupancy() for tables in kinds))
    with pytest.raises(ValueError, match="larger than the number of buckets"):
        kinds[1].restore(np.full((nodes, 4), 8, np.uint32), work)


@pytest.mark.parametrize("shape", SHAPES)
def test_group_filled_columns(shape):
    examples, _, nodes, active = shape
    pairs = random_csr(np.random.default_rng(1), examples, nodes, active)
    comp, ref = grouped_by_filled_column(pairs, nodes), naive.group_filled_columns(*pairs.arrays[:2])
    assert comp.columns.tolist() == ref[0]
    for part, grouped in ((comp.indices, ref[1]), (comp.positions, ref[2])):
        assert [part[a:b].tolist() for a, b in zip(comp.indptr, comp.indptr[1:], strict=False)] == grouped
    every = grouped_by_column(pairs, nodes)
    np.testing.assert_array_equal(comp.filled_columns(), every.filled_columns())
    for columns in (comp.columns, np.empty(0, np.int32)):
        for group in range(len(comp.columns)):
            assert column_of(columns, group) == naive.column_of(columns, group)
    meter, entries = Meter(), pairs.nnz
    out = np.empty(entries + 1, np.int32), np.empty(entries + 1, np.int64), *np.empty((2, entries), np.int32)
    own = pairs.indptr, pairs.indices, np.zeros(nodes, np.int32), *out
    filled = call(group_filled_columns, *own, meter=meter)
    assert group_filled_columns_cost(pairs.indptr, pairs.indices, filled).bytes == meter.nbytes

"""Hash tables whose nodes move from bucket to bucket one by one, at a cost that no number of nodes enters.

A bucket is a run of `nodes[table]` with room to spare. A node leaves by giving its place to the last of its
bucket; a bucket that is full moves to the free end of the table, to twice its size; a table whose end is
reached is filled anew, which happens once in so many moves that its cost is a few operations a move.
"""

from __future__ import annotations

from numba import njit, prange

from lshexp.kernels._cost import ID
from lshexp.work import Work

FIRST, END, LIMIT = 0, 1, 2  # of a bucket's span: its entries, and how far there is room


@njit(parallel=False, cache=True, fastmath=False)
def _fill_table(codes, table, offset, spans, tails, nodes, places):
    """Sort all nodes into the buckets of one table, each with half as much room again and four."""
    n_nodes = len(codes)
    n_buckets = spans.shape[1]
    for bucket in range(n_buckets):
        spans[table, bucket, END] = 0
    for node in range(n_nodes):
        spans[table, codes[node, table], END] += 1
    at = 0
    for bucket in range(n_buckets):
        size = spans[table, bucket, END]
        spans[table, bucket, FIRST] = at
        spans[table, bucket, END] = at
        at += size + size // 2 + 4
        spans[table, bucket, LIMIT] = at
    tails[table] = at
    for i in range(n_nodes):
        node = (i + offset) % n_nodes
        code = codes[node, table]
        place = spans[table, code, END]
        nodes[table, place] = node
        places[node, table] = place
        spans[table, code, END] = place + 1
    return 8 * n_nodes + 5 * n_buckets + 1


@njit(parallel=True, cache=True, fastmath=False)
def fill_with_room(codes, offsets, bounds, spans, tails, nodes, places):
    """Sort node ids into buckets that have room for more.

    Symbols: N nodes, L tables, H = 2**K buckets, C chunks, R >= 5 N / 2 + 8 H places a table.

    Parameters
    ----------
    codes : uint32[N, L]            bucket of each node in each table, < H
    offsets : int32[L]              0..N-1: the node a table is filled from, so that no id is always first
    bounds : int64[C + 1]           chunks of tables
    spans : int32[L, H, 3], out     first entry of a bucket, end of its entries, end of its room
    tails : int32[L], out           first place after all buckets
    nodes : int32[L, R], out        ids; what lies between a bucket's entries and its limit means nothing
    places : int32[N, L], out       where each node stands in `nodes`

    Returns the elements of four bytes loaded and stored. Cost: O(L * (N + H)) integer operations.
    """
    touched = 0
    for c in prange(len(bounds) - 1):
        for table in range(bounds[c], bounds[c + 1]):
            touched += 1 + _fill_table(codes, table, offsets[table], spans, tails, nodes, places)
    return touched


def fill_with_room_cost(returned: int) -> Work:
    """What was loaded and stored."""
    return Work(0, 0, ID * returned)


@njit(parallel=False, cache=True, fastmath=False)
def _widen(table, code, spans, tails, nodes, places):
    """Move a full bucket to the end of its table, to twice its room; return elements touched, 0 = no room."""
    first = spans[table, code, FIRST]
    size = spans[table, code, END] - first
    tail = tails[table]
    room = 2 * size + 4
    if tail + room > nodes.shape[1]:
        return 0
    for k in range(size):
        node = nodes[table, first + k]
        nodes[table, tail + k] = node
        places[node, table] = tail + k
    spans[table, code, FIRST] = tail
    spans[table, code, END] = tail + size
    spans[table, code, LIMIT] = tail + room
    tails[table] = tail + room
    return 7 + 3 * size


@njit(parallel=True, cache=True, fastmath=False)
def move_nodes(ids, moved_to, offsets, bounds, codes, spans, tails, nodes, places):
    """Move nodes to the buckets of their new codes.

    Symbols and parameters as in `fill_with_room`, all of them but `offsets` and `bounds` updated, and
    ----------
    ids : int32[M]                  nodes, each once
    moved_to : uint32[M, L]         their new codes

    Returns the elements of four bytes loaded and stored, and how many tables were filled anew.
    Cost: O(L * M) integer operations, on average over many calls.
    """
    touched = 0
    refilled = 0
    for c in prange(len(bounds) - 1):
        for i in range(len(ids)):
            node = ids[i]
            touched += 1
            for table in range(bounds[c], bounds[c + 1]):
                old, code = codes[node, table], moved_to[i, table]
                touched += 2
                if old == code:
                    continue
                end = spans[table, old, END] - 1
                place = places[node, table]
                last = nodes[table, end]
                nodes[table, place] = last
                places[last, table] = place
                spans[table, old, END] = end
                codes[node, table] = code
                touched += 9
                if spans[table, code, END] == spans[table, code, LIMIT]:
                    widened = _widen(table, code, spans, tails, nodes, places)
                    touched += widened
                    if widened == 0:
                        touched += 4 + _fill_table(codes, table, offsets[table], spans, tails, nodes, places)
                        refilled += 1
                        continue
                place = spans[table, code, END]
                nodes[table, place] = node
                places[node, table] = place
                spans[table, code, END] = place + 1
                touched += 4
    return touched, refilled


def move_nodes_cost(returned: tuple[int, int]) -> Work:
    """What was loaded and stored."""
    return Work(0, 0, ID * returned[0])


def places_for(nodes: int, buckets: int) -> int:
    """Places that a table of `move_nodes` needs: after it is filled, two fifths are free."""
    return 5 * nodes // 2 + 8 * buckets

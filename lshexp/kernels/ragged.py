"""Ragged lists: the nodes each example uses, and the same pairs grouped by node.

`Lists` is example-major: example b uses nodes[starts[b]:starts[b+1]], each at most once, with one value
a pair. `Groups` is node-major: node j is used by examples[starts[j]:starts[j+1]], in ascending order, and
`slots` says where each pair stands in the Lists. Going through a batch by node means that a weight row is
fetched once for all its examples, and that every row has one owner: no locks, no order-dependent sums.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

Array = NDArray[Any]


class Lists(NamedTuple):
    """Ragged rows. starts: int64[B + 1]; nodes: int32[P]; values: float32[P]."""

    starts: NDArray[np.int64]
    nodes: NDArray[np.int32]
    values: NDArray[np.float32]


class Groups(NamedTuple):
    """The pairs of a Lists by node. starts: int64[N + 1]; examples: int32[P]; slots: int32[P]."""

    starts: NDArray[np.int64]
    examples: NDArray[np.int32]
    slots: NDArray[np.int32]


def lengths(starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs of each item, from where they start; `np.diff` takes several times as long."""
    return starts[1:] - starts[:-1]


def served(groups: Groups) -> int:
    """Nodes that have a pair."""
    return int(np.count_nonzero(lengths(groups.starts)))


def even_bounds(items: int, chunks: int) -> NDArray[np.int64]:
    """Split `items` equal pieces of work into `chunks` runs, as int64[chunks + 1]."""
    return np.arange(chunks + 1, dtype=np.int64) * items // chunks


def listed(rows: NDArray[np.float32]) -> Lists:
    """List the entries of float32[B, D] that are not zero."""
    examples, nodes = np.nonzero(rows)
    starts = np.searchsorted(examples, np.arange(len(rows) + 1)).astype(np.int64)
    return Lists(starts, nodes.astype(np.int32), np.ascontiguousarray(rows[examples, nodes]))


def balanced_bounds(starts: NDArray[np.int64], chunks: int) -> NDArray[np.int64]:
    """Split len(starts) - 1 items into `chunks` runs of about equal work.

    `starts` holds the running total of work before each item. Returns int64[chunks + 1]. Results never
    depend on the bounds: every item is computed by itself.
    """
    items = len(starts) - 1
    if chunks == 1:
        return np.array([0, items])
    # one unit more an item, so that items without work are spread out too
    progress = starts + np.arange(items + 1)
    targets = np.linspace(0, progress[-1], chunks + 1)[1:-1]
    inner = np.searchsorted(progress, targets)
    return np.concatenate(([0], inner, [items])).astype(np.int64)


@njit(parallel=True, cache=True, fastmath=False)
def group_by_node(lists_starts, lists_nodes, bounds, cursors, starts, examples, slots):
    """Group the pairs of a Lists by node with a counting sort.

    Symbols: B examples, C chunks, N nodes, P pairs = lists_starts[B].

    Parameters
    ----------
    lists_starts : int64[B + 1]
    lists_nodes : int32[>= P]           ids in 0..N-1
    bounds : int64[C + 1]               chunks of examples
    cursors : int32[C, N], scratch      where each chunk writes its next pair of each node
    starts : int64[N + 1], out
    examples : int32[>= P], out         ascending within a node
    slots : int32[>= P], out            position of the pair in the Lists

    Cost: O(P + C * N) integer operations a batch.
    """
    n_chunks, n_nodes = cursors.shape
    for c in prange(n_chunks):
        cursor = cursors[c]
        cursor[:] = 0
        for slot in range(lists_starts[bounds[c]], lists_starts[bounds[c + 1]]):
            cursor[np.uint32(lists_nodes[slot])] += 1
    total = 0
    for node in range(n_nodes):
        starts[node] = total
        for c in range(n_chunks):
            count = cursors[c, node]
            cursors[c, node] = total
            total += count
    starts[n_nodes] = total
    for c in prange(n_chunks):
        cursor = cursors[c]
        for b in range(bounds[c], bounds[c + 1]):
            for slot in range(lists_starts[b], lists_starts[b + 1]):
                node = np.uint32(lists_nodes[slot])
                at = np.uint32(cursor[node])
                examples[at] = b
                slots[at] = slot
                cursor[node] = at + 1


@njit(parallel=False, cache=True, fastmath=False)
def keep_positive(starts, nodes, values, scale, out_starts, out_nodes, out_values):
    """Apply ReLU to the pairs of a Lists, drop those that are zero, and multiply the rest by `scale`.

    A node whose activation is zero adds nothing to the next layer and has no gradient, so the rest of the
    step need not know that it was selected. NaN is kept: a diverged network must not look healthy.

    Parameters
    ----------
    starts : int64[B + 1]; nodes : int32[P]; values : float32[P]       pre-activations
    scale : float32
    out_starts : int64[B + 1], out
    out_nodes, out_values : int32[>= P], float32[>= P], out
    """
    kept = 0
    out_starts[0] = 0
    for b in range(len(starts) - 1):
        for slot in range(starts[b], starts[b + 1]):
            value = values[slot]
            if not value <= 0:
                out_nodes[kept] = nodes[slot]
                out_values[kept] = value * scale
                kept += 1
        out_starts[b + 1] = kept


@njit(parallel=True, cache=True, fastmath=False)
def scatter_rows(starts, nodes, values, bounds, rows):
    """Write a Lists as rows, zero elsewhere.

    Parameters
    ----------
    starts : int64[B + 1]; nodes : int32[P]; values : float32[P]
    bounds : int64[C + 1]           chunk c handles examples bounds[c]:bounds[c+1]
    rows : float32[B, N], out
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            rows[b, :] = 0
            for slot in range(starts[b], starts[b + 1]):
                rows[b, nodes[slot]] = values[slot]


@njit(parallel=True, cache=True, fastmath=False)
def gather_rows(rows, starts, nodes, bounds, values):
    """Read the pairs of a Lists out of rows: values[slot] = rows[b, nodes[slot]].

    Parameters
    ----------
    rows : float32[B, N]
    starts : int64[B + 1]; nodes : int32[P]
    bounds : int64[C + 1]           chunks of examples
    values : float32[P], out
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            for slot in range(starts[b], starts[b + 1]):
                values[slot] = rows[b, nodes[slot]]

"""The bucket tables of one layer: kept in step with its weights, asked for candidates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from lshexp.arrays import CSR, IntArray, OffsetArray
from lshexp.buffers import empty
from lshexp.hashing.base import Codes, Query
from lshexp.kernels.buckets import (
    collect_first,
    collect_first_cost,
    collect_ranked,
    collect_ranked_cost,
    fill_buckets,
    fill_buckets_cost,
    pack_rows,
    pack_rows_cost,
)
from lshexp.kernels.moving import (
    fill_with_room,
    fill_with_room_cost,
    move_nodes,
    move_nodes_cost,
    places_for,
)
from lshexp.kernels.parallel import even_bounds
from lshexp.streams import stream
from lshexp.work import LayerWork, indexed


class Collected(NamedTuple):
    """Candidates of a batch; `capped` counts the buckets that were read only in part."""

    candidates: CSR
    capped: int


class Buckets(NamedTuple):
    """Where nodes lie: those of bucket h of table l are nodes[l, firsts[l, h]:lasts[l, h]]."""

    firsts: IntArray  # int32[L, H]
    lasts: IntArray  # int32[L, H]
    nodes: IntArray  # int32[L, R]


class Tables(ABC):
    """L tables of 2**K buckets that hold node ids and nothing else."""

    def __init__(self, K: int, L: int, nodes: int, threads: int, key: int) -> None:
        self.codes: Codes = np.zeros((nodes, L), dtype=np.uint32)  # the bucket of each node in each table
        self._buckets = 2**K
        self._offsets = stream(key, "tables").integers(0, nodes, L)
        self._threads = threads
        self._scratch = np.zeros((threads, nodes), dtype=np.int32)

    @abstractmethod
    def put(self, ids: IntArray, codes: Codes, work: LayerWork) -> None:
        """Move nodes to the buckets of their new codes, uint32[len(ids), L], counted under `rebuild`."""

    @abstractmethod
    def buckets(self) -> Buckets:
        """Where nodes lie now."""

    def restore(self, codes: Codes, work: LayerWork) -> None:
        """Fill the tables from `codes`. Raises ValueError when there are no such buckets."""
        if codes.max(initial=0) >= self._buckets:
            raise ValueError("a code is larger than the number of buckets")
        self.put(np.arange(len(codes), dtype=np.int32), codes, work)

    def collect(
        self, query: Query, probes: int, most: int, cap: int | None, ranked: bool, work: LayerWork
    ) -> Collected:
        """Up to `most` distinct nodes for each example: those met first, or those met most often."""
        examples, nodes = len(query.codes), len(self.codes)
        bounds = even_bounds(examples, self._threads)
        found = empty((examples, most), dtype=np.int32)
        counts = empty(examples, dtype=np.int64)
        entries = empty((examples, 4), dtype=np.int64)
        collect = collect_ranked if ranked else collect_first
        tables, limit = tuple(self.buckets()), nodes if cap is None else cap
        collect(*query[:2], probes, tables, most, limit, bounds, self._scratch, found, counts, entries)
        candidates = CSR.from_lengths(counts, nodes)
        pack_rows(found, candidates.indptr, bounds, candidates.indices)
        if ranked:
            work.count("select", collect_ranked_cost(query.codes, probes, counts, entries))
        else:
            work.count("select", collect_first_cost(counts, entries))
        work.count("select", pack_rows_cost(candidates.indptr, candidates.indices))
        return Collected(candidates, int(entries[:, 1].sum()))

    def occupancy(self) -> OffsetArray:
        """Nodes in each bucket of each table, int64[L, 2**K]."""
        firsts, lasts, _ = self.buckets()
        return (lasts - firsts).astype(np.int64)


class SortedTables(Tables):
    """Buckets side by side, sorted anew whenever nodes move: the best where all of them do so at once."""

    def __init__(self, K: int, L: int, nodes: int, threads: int, key: int) -> None:
        super().__init__(K, L, nodes, threads, key)
        self._starts = np.zeros((L, 2**K + 1), dtype=np.int32)
        self._nodes = np.zeros((L, nodes), dtype=np.int32)

    def put(self, ids: IntArray, codes: Codes, work: LayerWork) -> None:
        """Move nodes to the buckets of their new codes; buckets are sorted anew, in integers only."""
        self.codes[ids] = codes
        bounds = even_bounds(len(self._starts), self._threads)
        fill_buckets(self.codes, self._offsets, bounds, self._starts, self._nodes)
        work.count("rebuild", indexed(codes.size, ids.nbytes) + fill_buckets_cost(self.codes, self._starts))

    def buckets(self) -> Buckets:
        """Where nodes lie now."""
        return Buckets(self._starts[:, :-1], self._starts[:, 1:], self._nodes)


class MovingTables(Tables):
    """Buckets with room for more, between which nodes move one by one, at the cost of those that move."""

    def __init__(self, K: int, L: int, nodes: int, threads: int, key: int) -> None:
        super().__init__(K, L, nodes, threads, key)
        self._order = self._offsets.astype(np.int32)
        self._spans = np.zeros((L, 2**K, 3), dtype=np.int32)
        self._tails = np.zeros(L, dtype=np.int32)
        self._nodes = np.zeros((L, places_for(nodes, 2**K)), dtype=np.int32)
        self._places = np.zeros((nodes, L), dtype=np.int32)
        self._filled = False

    def put(self, ids: IntArray, codes: Codes, work: LayerWork) -> None:
        """Move nodes to the buckets of their new codes; all nodes at once, and the first ones, are sorted."""
        bounds = even_bounds(len(self._order), self._threads)
        tables = self._spans, self._tails, self._nodes, self._places
        if self._filled and len(ids) < len(self.codes):
            moved = move_nodes(ids, codes, self._order, bounds, self.codes, *tables)
            work.count("rebuild", move_nodes_cost(moved))
            return
        self.codes[ids] = codes
        touched = fill_with_room(self.codes, self._order, bounds, *tables)
        self._filled = True
        work.count("rebuild", indexed(codes.size, ids.nbytes) + fill_with_room_cost(touched))

    def buckets(self) -> Buckets:
        """Where nodes lie now."""
        return Buckets(self._spans[:, :, 0], self._spans[:, :, 1], self._nodes)


def tables_bytes(K: int, L: int, nodes: int, threads: int, moving: bool) -> int:
    """Memory that tables hold, in bytes: codes, buckets, and the scratch of collecting."""
    buckets = int(2**K)
    table = 3 * buckets + 1 + places_for(nodes, buckets) + nodes if moving else buckets + 1 + nodes
    return 4 * (L * (nodes + table) + threads * nodes)

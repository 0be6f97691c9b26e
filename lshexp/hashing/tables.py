"""The bucket tables of one layer: kept in step with its weights, asked for candidates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lshexp.arrays import CSR, IntArray, OffsetArray
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
from lshexp.kernels.parallel import even_bounds
from lshexp.streams import stream
from lshexp.work import LayerWork, elementwise


class Collected(NamedTuple):
    """Candidates of a batch; `capped` counts the buckets that were read only in part."""

    candidates: CSR
    capped: int


class BucketTables:
    """L tables of 2**K buckets that hold node ids and nothing else."""

    def __init__(self, K: int, L: int, nodes: int, threads: int, key: int) -> None:
        self._codes = np.zeros((nodes, L), dtype=np.uint32)
        self._starts = np.zeros((L, 2**K + 1), dtype=np.int32)
        self._nodes = np.zeros((L, nodes), dtype=np.int32)
        self._offsets = stream(key, "tables").integers(0, nodes, L)
        self._scratch = np.zeros((threads, nodes), dtype=np.int32)

    def put(self, ids: IntArray, codes: Codes, work: LayerWork) -> None:
        """Move nodes to the buckets of their new codes; buckets are sorted anew, in integers only."""
        self._codes[ids] = codes
        fill_buckets(self._codes, self._offsets, self._starts, self._nodes)
        work.count("rebuild", elementwise(codes.size) + fill_buckets_cost(self._codes, self._starts))

    @property
    def codes(self) -> Codes:
        """The bucket of each node in each table, uint32[nodes, L]."""
        return self._codes

    def restore(self, codes: Codes, work: LayerWork) -> None:
        """Fill the tables from `codes`. Raises ValueError when there are no such buckets."""
        if codes.max(initial=0) >= self._starts.shape[1] - 1:
            raise ValueError("a code is larger than the number of buckets")
        self.put(np.arange(len(codes), dtype=np.int32), codes, work)

    def collect(
        self, query: Query, probes: int, most: int, cap: int | None, ranked: bool, work: LayerWork
    ) -> Collected:
        """Up to `most` distinct nodes for each example: those met first, or those met most often."""
        examples = len(query.codes)
        nodes = self._nodes.shape[1]
        bounds = even_bounds(examples, len(self._scratch))
        found = np.empty((examples, most), dtype=np.int32)
        counts = np.empty(examples, dtype=np.int64)
        entries = np.empty((examples, 4), dtype=np.int64)
        collect = collect_ranked if ranked else collect_first
        tables = (self._starts, self._nodes)
        limit = nodes if cap is None else cap
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
        return np.diff(self._starts, axis=1).astype(np.int64)

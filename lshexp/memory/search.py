"""How a memory finds the key nearest to a query: by looking at all of them, or at those in a few buckets."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from lshexp.arrays import CSR, FloatArray, IntArray
from lshexp.hashing.base import Query, project, sign_query, signs
from lshexp.hashing.srp import gaussian_planes
from lshexp.hashing.tables import MovingTables
from lshexp.kernels.buckets import score_by_coordinates, score_by_coordinates_cost
from lshexp.kernels.parallel import all_threads, even_bounds
from lshexp.work import LayerWork, Work, matrix_product

NONE = -1  # in place of a slot or a value: there is none
MOST_SCORES = 1 << 22  # of an exact search, in memory together


class Nearest(NamedTuple):
    """The nearest key found of each query.

    slots: int32[B], `NONE` where no key was looked at. similarities: float32[B], cosines, -inf without a key.
    looked_at: int64[B], keys whose cosine was computed.
    """

    slots: IntArray
    similarities: FloatArray
    looked_at: np.ndarray


class Search(ABC):
    """Finds nearest keys among those that are in use, and is told of every key that is written.

    Searching is counted under `select`, upkeep under `rebuild`, in `work` where one is given.
    """

    def __init__(self, work: LayerWork | None = None) -> None:
        self.work = work or LayerWork()

    @abstractmethod
    def nearest(self, queries: FloatArray, keys: FloatArray, used: int) -> Nearest:
        """Find, for each query float32[B, D], its nearest among the first `used` of keys float32[M, D].

        Queries and keys have length 1, so the nearest has the largest inner product.
        """

    @abstractmethod
    def written(self, slots: IntArray, keys: FloatArray) -> None:
        """Take note of the new keys in these slots, each slot once."""


class ExactSearch(Search):
    """Looks at every key, by one matrix product."""

    def nearest(self, queries: FloatArray, keys: FloatArray, used: int) -> Nearest:
        """Find the nearest of all keys in use."""
        slots = np.full(len(queries), NONE, dtype=np.int32)
        similarities = np.full(len(queries), -np.inf, dtype=np.float32)
        looked_at = np.full(len(queries), used, dtype=np.int64)
        if used == 0:
            return Nearest(slots, similarities, looked_at)
        most = max(1, MOST_SCORES // used)
        for first in range(0, len(queries), most):
            part = slice(first, min(first + most, len(queries)))
            scores = queries[part] @ keys[:used].T
            self.work.count("select", matrix_product(len(scores), queries.shape[1], used))
            self.work.count("select", Work(0, 0, 4 * scores.size))
            slots[part] = scores.argmax(axis=1)
            similarities[part] = np.take_along_axis(scores, slots[part, None], axis=1)[:, 0]
        return Nearest(slots, similarities, looked_at)

    def written(self, slots: IntArray, keys: FloatArray) -> None:
        """Nothing is kept beside the keys."""


class HashSearch(Search):
    """Looks at the keys that share buckets with the query, in L tables of K sign bits (Charikar, 2002).

    Buckets are probed in the order of their likelihood, `probes` in each table, and of the keys found there
    the `most` that are met most often have their cosines computed. A written key moves from its old buckets
    to its new ones, at a cost that no number of keys enters. Slots that were never written wait in a bucket
    that no query can hash to.
    """

    def __init__(
        self, slots: int, dimensions: int, K: int, L: int, probes: int, most: int, key: int,
        work: LayerWork | None = None,
    ) -> None:  # fmt: skip
        super().__init__(work)
        self.K, self.L, self.probes = K, L, min(probes, 2**K)
        self._most = min(most, slots)
        self._planes = gaussian_planes(key, dimensions, K * L)
        # one bit more than queries have: codes from 2**K on are those of slots that are not in use
        self._tables = MovingTables(K + 1, L, slots, all_threads(), key)
        self._tables.put(
            np.arange(slots, dtype=np.int32), np.full((slots, L), 2**K, dtype=np.uint32), LayerWork()
        )

    def nearest(self, queries: FloatArray, keys: FloatArray, used: int) -> Nearest:
        """Find the nearest of the keys in the buckets of each query."""
        query = self._hashed(queries)
        found = self._tables.collect(query, self.probes, self._most, None, True, self.work).candidates
        bounds = even_bounds(len(queries), all_threads())
        score_by_coordinates(queries, keys, found.indptr, found.indices, bounds, found.data)
        self.work.count("select", score_by_coordinates_cost(queries, found.indptr, found.indices))
        self.work.count("select", Work(0, 0, 4 * found.nnz))
        return _best(found)

    def written(self, slots: IntArray, keys: FloatArray) -> None:
        """Move the slots to the buckets of their new keys."""
        codes = signs(project(keys, self._planes, self.work, "rebuild"), self.K, self.work)
        self._tables.put(slots, codes, self.work)

    def _hashed(self, queries: FloatArray) -> Query:
        return sign_query(project(queries, self._planes, self.work, "select"), self.K, self.work)


def looks_for(slots: int) -> int:
    """Return how many keys a query of a memory of this size looks at: a hundredth, 64 to 512."""
    return min(512, max(64, round(slots / 100)))


def bits_for(slots: int) -> int:
    """Return how many bits leave about 8 of so many keys in a bucket; 4 to 20."""
    return min(20, max(4, round(math.log2(max(1, slots) / 8))))


def _best(found: CSR) -> Nearest:
    """The candidate of the largest score in each row."""
    lengths = found.row_lengths()
    slots = np.full(len(found), NONE, dtype=np.int32)
    similarities = np.full(len(found), -np.inf, dtype=np.float32)
    some = np.flatnonzero(lengths)
    if len(some):
        similarities[some] = np.maximum.reduceat(found.data, found.indptr[some])
        rows = np.repeat(np.arange(len(found)), lengths)
        best = np.flatnonzero(found.data == similarities[rows])
        slots[rows[best[::-1]]] = found.indices[best[::-1]]  # the first of several that are alike
    return Nearest(slots, similarities, lengths)

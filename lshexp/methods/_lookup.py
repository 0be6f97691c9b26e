"""Hash tables at work on one layer, for the method `lsh`."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lshexp.arrays import CSR, FloatArray, Inputs, IntArray, joined, like
from lshexp.hashing.base import Query, Scored, project
from lshexp.hashing.tables import MovingTables, SortedTables, Tables
from lshexp.kernels.buckets import score_by_coordinates, score_by_coordinates_cost
from lshexp.kernels.parallel import balanced_bounds
from lshexp.methods._exact import best_of_pairs, best_of_rows
from lshexp.methods.base import Batch, LayerView, Selection, Selector, Step
from lshexp.streams import stream_key
from lshexp.work import Work, elementwise, indexed

if TYPE_CHECKING:
    from lshexp.methods.lsh import Lsh

SAMPLE = 128  # examples to learn the inputs from, where batches are single examples
LOOKED_AT = 10  # one node in so many is hashed to see whether codes have moved, with rehash: moved
WINDOW = 8  # nodes that are looked at for each that may be hashed again, with rehash: rolling


class _Token(NamedTuple):
    """What a selection wants back with the step it ends in."""

    steps: FloatArray | None  # for `Hasher.follow`
    learned: int  # times that the family had learned the inputs


class LshSelector(Selector):
    """Hash tables at work on one layer."""

    def __init__(self, options: Lsh, layer: LayerView, bits: int, tables: int, budget: int, key: int) -> None:
        self._options = options
        self._layer = layer
        self._at_test = budget  # active nodes where a batch has no share of its own
        self._resize(budget)
        self.hasher = options.family().draw(bits, tables, layer.nodes, layer.fan_in, stream_key(key, "hash"))
        order = stream_key(key, "order")
        self._rolls = options.rehash == "rolling"
        kind = MovingTables if self._rolls else SortedTables
        self.tables: Tables | None = kind(bits, tables, layer.nodes, layer.threads, order) if tables else None
        self._follows = options.follow and layer.rule.linear and options.family().can_follow
        self._learned = 0  # times that the family has learned the inputs
        self._seen = 0  # examples in training
        self._singles: deque[Inputs] = deque(maxlen=SAMPLE)  # the last inputs, while batches are of one
        self._learn_at = self._rehash_at = 0.0  # at so many
        self._interval = float(options.rehash_every)
        self._changed = np.zeros(layer.nodes, dtype=np.bool_)  # since hashed, with rehash: changed, rolling
        self._next = 0  # node that the next look at nodes begins at, with rehash: rolling or moved
        self._notes = {"rebuilds": 0, "rehashed_nodes": 0, "short_selections": 0, "capped_buckets": 0}

    def select(self, inputs: Inputs, batch: Batch) -> Selection:
        self._resize(batch.wanted(self._at_test, self._layer.nodes))
        if batch.training:
            self._keep_fresh(inputs, len(batch.examples))
        elif not self._notes["rebuilds"]:  # a network tested before any training
            self._hash_all(inputs)
        layer, options = self._layer, self._options
        query = self.hasher.hash_inputs(inputs, layer.work, self._follows and batch.training)
        refine = options.refined(isinstance(inputs, CSR))
        candidates, capped = self._ranked(query, max(self._budget, round(refine * self._budget)))
        if refine:
            candidates = candidates.with_data(layer.scores_of_pairs(inputs, candidates, "select"))
        candidates = best_of_pairs(candidates, self._budget, layer) if refine else self._head(candidates)
        if batch.training:
            short = np.count_nonzero(candidates.row_lengths() < self._budget)
            self._notes["short_selections"] += int(short)
            self._notes["capped_buckets"] += capped
        return Selection(candidates, scored=refine > 0, token=_Token(query.steps, self._learned))

    def _ranked(self, query: Query, keep: int) -> tuple[CSR, int]:
        """Candidates in number as `rank` says, at most `keep` by `sketch`; and the buckets cut short."""
        options, work = self._options, self._layer.work
        if self.tables is None:
            return self._best_of_all(query.coordinates, min(keep, self._layer.nodes)), 0
        ranked = options.rank != "first"
        candidates, capped = self.tables.collect(
            query, options.probes, self._most, options.bucket_cap, ranked, work
        )
        if options.rank == "sketch":
            candidates = self._scored_by_sketch(candidates, query.coordinates)
            candidates = best_of_pairs(candidates, keep, self._layer)
        return candidates, capped

    def after_update(self, step: Step) -> None:
        layer = self._layer
        if self._follows:
            token = step.token
            assert isinstance(token, _Token) and token.steps is not None
            if token.learned == self._learned:
                bounds = balanced_bounds(step.by_node.indptr, layer.threads)
                self.hasher.follow(token.steps, step.by_node, step.deltas, layer.rule.lr, bounds, layer.work)
            elif len(step.deltas):  # a step that comes late: its numbers are those of other directions
                self._hash(step.touched)
        if self._options.rehash in ("changed", "rolling"):
            self._changed[step.touched] = True
        if self._options.rehash == "touched" and len(step.deltas):
            self._hash(step.touched, self._follows)

    def refresh(self) -> None:
        self._hash(np.arange(self._layer.nodes, dtype=np.int32))

    def state(self) -> dict[str, NDArray[Any]]:
        """What the hash family has learned, and the bucket of each node."""
        tables = {"codes": self.tables.codes} if self.tables else {}
        return {**self.hasher.state(), **tables}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.hasher.restore(state)
        if self.tables:
            self.tables.restore(like(state, "codes", self.tables.codes), self._layer.work)
        self._notes["rebuilds"] = 1  # the tables are filled

    def diagnostics(self) -> Mapping[str, float]:
        """Nodes in a bucket, over all tables: mean of buckets not empty, maximum, share of empty ones."""
        if self.tables is None:
            return {}
        sizes = self.tables.occupancy()
        filled = sizes[sizes > 0]
        measures = {"bucket_max": int(sizes.max()), "bucket_empty_pct": 100 * float(np.mean(sizes == 0))}
        return measures | ({"bucket_mean": float(filled.mean())} if len(filled) else {})

    def notes(self) -> dict[str, int]:
        return dict(self._notes)

    def _resize(self, budget: int) -> None:
        """Choose so many nodes of each example."""
        self._budget = budget
        self._most = min(self._layer.nodes, max(budget, round(self._options.candidates * budget)))

    def _keep_fresh(self, inputs: Inputs, examples: int) -> None:
        options, seen = self._options, self._seen
        if examples == 1:
            self._singles.append(inputs)
        else:
            self._singles.clear()
        scheduled = options.rehash in ("schedule", "changed", "moved") and seen >= self._rehash_at
        if seen == 0 and self._singles and self.hasher.learns:
            # one example has no directions, and what is learned from too few is lost; until then, those drawn
            self._hash_every_node()
            self._learn_at = SAMPLE - 1
        elif seen >= self._learn_at:
            self._hash_all(self._joined_singles() if len(self._singles) > 1 else inputs)
            often = max(2 * options.rehash_every, seen // 4)  # while little has been seen
            least = (options.learn_growth - 1) * seen
            self._learn_at = seen + max(least, min(options.learn_every, often))
            if not self.hasher.learns:
                self._learn_at = math.inf
        elif scheduled and options.rehash == "moved":
            self._hash_if_moved()
        elif scheduled:
            every = np.arange(self._layer.nodes, dtype=np.int32)
            self._hash(every[self._changed] if options.rehash == "changed" else every, self._follows)
            self._notes["rebuilds"] += 1
        elif self._rolls:
            self._hash_some(options.rehash_nodes * examples)
        if scheduled:
            self._rehash_at = seen + self._interval
            self._interval *= options.rehash_growth
        self._seen += examples

    def _joined_singles(self) -> Inputs:
        """The last inputs, of batches of one."""
        inputs = joined(self._singles)
        values = inputs.nnz if isinstance(inputs, CSR) else inputs.size
        self._layer.work.count("rebuild", elementwise(values))
        return inputs

    def _hash_all(self, inputs: Inputs) -> None:
        layer = self._layer
        self.hasher.learn(inputs, layer.work)
        if self.hasher.to_score:
            some = inputs[: self.hasher.to_score]
            scores = layer.scores_of_all(some, "rebuild")
            scored = Scored(some, layer.weights, layer.bias, scores, self._budget)
            self.hasher.learn_scored(scored, layer.work)
        self._learned += 1
        self._hash_every_node()

    def _hash_every_node(self) -> None:
        self._hash(np.arange(self._layer.nodes, dtype=np.int32))
        self._notes["rebuilds"] += 1

    def _hash_if_moved(self) -> None:
        """Hash some of the nodes, others each time, and then all if those have moved to other buckets."""
        assert self.tables is not None  # checked when the options were read
        some = np.arange(self._next % LOOKED_AT, self._layer.nodes, LOOKED_AT, dtype=np.int32)
        self._next += 1
        before = self.tables.codes[some]
        self._hash(some, self._follows)
        after = self.tables.codes[some]
        # both are taken, and compared by a mask of one byte a code
        self._layer.work.count("rebuild", indexed(2 * before.size, 2 * some.nbytes))
        self._layer.work.count("rebuild", Work(0, 0, (2 * 4 + 1) * before.size))
        if 100 * np.mean(before != after) > self._options.moved_pct:
            self._hash(np.arange(self._layer.nodes, dtype=np.int32), self._follows)
            self._notes["rebuilds"] += 1

    def _hash_some(self, most: int) -> None:
        """Hash some of the nodes that have changed since they were hashed, in turn.

        It looks at `WINDOW` times as many nodes, so that its cost is the same however many there are.
        """
        looked = min(self._layer.nodes, WINDOW * most)
        ids = (self._next + np.arange(looked, dtype=np.int32)) % np.int32(self._layer.nodes)
        changed = ids[self._changed[ids]][:most]
        self._next = int(changed[-1]) + 1 if len(changed) == most else self._next + looked
        self._next %= self._layer.nodes
        if len(changed):
            self._hash(np.sort(changed), self._follows)

    def _hash(self, ids: IntArray, from_coordinates: bool = False) -> None:
        layer = self._layer
        if from_coordinates:
            codes = self.hasher.hash_again(ids, layer.work)
        else:
            codes = self.hasher.hash_nodes(layer.weights, layer.bias, ids, layer.work)
        if self.tables:
            self.tables.put(ids, codes, layer.work)
        self._changed[ids] = False
        self._notes["rehashed_nodes"] += len(ids)

    def _scored_by_sketch(self, candidates: CSR, queries: FloatArray | None) -> CSR:
        coordinates = self.hasher.coordinates
        assert queries is not None and coordinates is not None  # checked when the options were read
        bounds = balanced_bounds(candidates.indptr, self._layer.threads)
        score_by_coordinates(
            queries, coordinates, candidates.indptr, candidates.indices, bounds, candidates.data
        )
        cost = score_by_coordinates_cost(queries, candidates.indptr, candidates.indices)
        self._layer.work.count("select", cost)
        return candidates

    def _best_of_all(self, queries: FloatArray | None, k: int) -> CSR:
        """The k nodes of each example that score best by the sketch."""
        coordinates = self.hasher.coordinates
        assert queries is not None and coordinates is not None  # as above
        scores = project(queries, coordinates.T, self._layer.work, "select")
        return best_of_rows(scores, k, self._layer)

    def _head(self, candidates: CSR) -> CSR:
        """Candidates that are active as they are; collection stopped at the budget or was cut to it."""
        return (
            candidates
            if self._most == self._budget or self._options.rank == "sketch"
            else self._cut(candidates)
        )

    def _cut(self, candidates: CSR) -> CSR:
        """The first `budget` candidates in the order met."""
        rank = np.arange(candidates.nnz) - np.repeat(candidates.indptr[:-1], candidates.row_lengths())
        kept = candidates.where(rank < self._budget)
        self._layer.work.count("select", indexed(kept.nnz, candidates.nnz))
        return kept

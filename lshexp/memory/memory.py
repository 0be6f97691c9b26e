"""A memory of keys, values and ages that learns each example as it comes.

Kaiser, Nachum, Roy and Bengio, "Learning to remember rare events", ICLR 2017: when the value of the nearest
key is right, that key becomes the mean of itself and the query, renormalised; when it is wrong, the query and
its value take the place of the oldest entry. Either makes the entry the youngest. Ages are kept as a list in
the order of their last change, so finding the oldest costs the same in a memory of any size. The paper draws
the oldest with some noise, for the sake of workers that write at once; here one writes at a time.
"""

from __future__ import annotations

import numpy as np

from lshexp.arrays import FloatArray, IntArray
from lshexp.memory.search import NONE, Nearest, Search
from lshexp.work import LayerWork, Work


class KeyValueMemory:
    """Keys float32[M, D] of length 1, each with a value; slots that were never written have the value `NONE`.

    Changing keys is counted under `update` in `work`; searching and the upkeep of tables in `search.work`.
    """

    def __init__(self, slots: int, dimensions: int, search: Search) -> None:
        self.keys: FloatArray = np.zeros((slots, dimensions), dtype=np.float32)
        self.values: IntArray = np.full(slots, NONE, dtype=np.int32)
        self.search = search
        self.work = LayerWork()
        self.used = 0  # slots are taken in order, so these are the first ones
        self._ages = _Ages(slots)

    def nearest(self, queries: FloatArray) -> Nearest:
        """Find the nearest key of each query, float32[B, D] of length 1."""
        return self.search.nearest(queries, self.keys, self.used)

    def answer(self, queries: FloatArray) -> IntArray:
        """Return the value of the nearest key of each query, int32[B]; `NONE` where none is found."""
        return self._values(self.nearest(queries))

    def observe(self, query: FloatArray, value: int) -> int:
        """Answer a query, float32[D] of length 1, then learn its true value; return the answer."""
        nearest = self.nearest(query[None])
        answer = int(self._values(nearest)[0])
        if answer == value:
            slot = int(nearest.slots[0])
            self._write(slot, unit(self.keys[slot] + query), value)
            dimensions = len(query)
            self.work.count("update", Work(2 * dimensions + 1, 2 * dimensions, 24 * dimensions))
        else:
            slot = self._ages.oldest
            self._write(slot, query, value)
            self.work.count("update", Work(0, 0, 8 * len(query)))
        return answer

    def store(self, keys: FloatArray, values: IntArray) -> None:
        """Write keys, float32[n, D] of length 1, into the oldest slots, at most as many as there are."""
        if len(keys) > len(self.keys):
            raise ValueError(f"{len(keys)} keys for {len(self.keys)} slots")
        slots = np.array([self._touch(self._ages.oldest) for _ in range(len(keys))], dtype=np.int32)
        self.keys[slots], self.values[slots] = keys, values
        self.work.count("update", Work(0, 0, 8 * keys.size))
        self.search.written(slots, keys)

    def _values(self, nearest: Nearest) -> IntArray:
        values: IntArray = np.where(nearest.slots == NONE, NONE, self.values[nearest.slots])
        return values

    def _write(self, slot: int, key: FloatArray, value: int) -> None:
        self.keys[slot], self.values[slot] = key, value
        self._touch(slot)
        self.search.written(np.array([slot], dtype=np.int32), self.keys[slot][None])

    def _touch(self, slot: int) -> int:
        self._ages.renew(slot)
        self.used = max(self.used, slot + 1)
        return slot


class _Ages:
    """Slots in the order of their last change: a doubly linked ring, whose head is no slot."""

    def __init__(self, slots: int) -> None:
        self._head = slots
        self._older = [(slot - 1) % (slots + 1) for slot in range(slots + 1)]
        self._younger = [(slot + 1) % (slots + 1) for slot in range(slots + 1)]

    @property
    def oldest(self) -> int:
        """The slot that was changed longest ago; before any was, slot 0."""
        return self._younger[self._head]

    def renew(self, slot: int) -> None:
        """Make a slot the youngest."""
        older, younger = self._older[slot], self._younger[slot]
        self._younger[older], self._older[younger] = younger, older
        last = self._older[self._head]
        self._younger[last], self._older[slot] = slot, last
        self._younger[slot], self._older[self._head] = self._head, slot


def unit(vectors: FloatArray) -> FloatArray:
    """Scale vectors, float32[..., D], to length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)

"""What a query takes as a memory grows: made-up keys with the spread of embeddings, from 1k to 1M of them."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from lshexp.arrays import FloatArray, IntArray
from lshexp.memory.episodes import Accuracy, Embedded, share
from lshexp.memory.memory import KeyValueMemory, unit
from lshexp.memory.search import NONE
from lshexp.streams import stream

BATCH = 256  # queries asked together
REPEATS, SECONDS = 5, 4.0  # of a measurement, at most; the median counts
CHUNK = 1 << 16  # keys drawn together


class Spread(NamedTuple):
    """How embeddings lie: the square roots of their covariances between classes and within them, [D, D]."""

    between: FloatArray
    within: FloatArray


class MadeUp(NamedTuple):
    """Keys of length 1, float32[n, D], their classes, and queries that are further members of the classes."""

    keys: FloatArray
    classes: IntArray
    queries: FloatArray
    query_classes: IntArray


class Asked(NamedTuple):
    """What was measured of the queries of one memory."""

    accuracy: Accuracy  # whose nearest key has their class
    slots: IntArray  # the nearest key found of each query
    mults: float  # a query
    bytes: float
    looked_at: float  # keys
    us: float  # microseconds a query, BATCH at a time
    us_1: float  # one at a time


def spread_of(examples: Embedded) -> Spread:
    """Measure the spread of embedded examples."""
    means = examples.vectors.mean(axis=1)
    inside = (examples.vectors - means[:, None]).reshape(-1, means.shape[1])
    corrected = examples.each / (examples.each - 1)  # the class means are estimates
    within = inside.T @ inside / len(inside) * corrected
    between = np.cov(means.T) - within / examples.each
    return Spread(_root(between), _root(within))


def _root(covariance: np.ndarray) -> FloatArray:
    """A square root of the nearest matrix that is a covariance."""
    values, vectors = np.linalg.eigh(covariance.astype(np.float64))
    root: FloatArray = (vectors * np.sqrt(np.maximum(values, 0))).astype(np.float32)
    return root


def made_up(spread: Spread, keys: int, each: int, queries: int, key: int) -> MadeUp:
    """Draw `keys` keys in classes of `each`, and queries from random ones of these classes.

    A class is a normal draw with the covariance between classes, its members are normal draws about it with
    the covariance within; all are scaled to length 1.
    """
    dimensions = len(spread.between)
    classes = np.repeat(np.arange(-(-keys // each), dtype=np.int32), each)[:keys]
    drawn = np.empty((keys, dimensions), dtype=np.float32)
    centres = _normal(key, "centres", classes[-1] + 1, dimensions) @ spread.between.T
    for number, first in enumerate(range(0, keys, CHUNK)):
        part = slice(first, min(first + CHUNK, keys))
        moved = _normal(key, "members", part.stop - first, dimensions, number) @ spread.within.T
        drawn[part] = unit(centres[classes[part]] + moved)
    asked = stream(key, "asked").integers(0, len(centres), queries).astype(np.int32)
    moved = _normal(key, "queries", queries, dimensions) @ spread.within.T
    return MadeUp(drawn, classes, unit(centres[asked] + moved), asked)


def _normal(key: int, purpose: str, rows: int, columns: int, *indices: int) -> FloatArray:
    return stream(key, purpose, *indices).standard_normal((rows, columns), dtype=np.float32)


def ask(memory: KeyValueMemory, queries: FloatArray, classes: IntArray, singles: int) -> Asked:
    """Ask all queries, BATCH at a time, several times; then at most `singles` of them one at a time.

    The work is that of the queries alone, and the same each time; kernels have been compiled before.
    """
    batches = np.array_split(queries, max(1, len(queries) // BATCH))
    memory.nearest(batches[0]), memory.nearest(batches[0][:1])  # compile and warm up
    before = memory.search.work.tally("select")
    times: list[float] = []
    while len(times) < REPEATS and sum(times) < SECONDS:
        started = time.perf_counter()
        found = [memory.nearest(batch) for batch in batches]
        times.append(time.perf_counter() - started)
    work = memory.search.work.tally("select").less(before)
    each: list[float] = []
    for query in queries[:singles, None]:
        if sum(each) > SECONDS:
            break
        started = time.perf_counter()
        memory.nearest(query)
        each.append(time.perf_counter() - started)
    slots = np.concatenate([one.slots for one in found])
    asked = len(times) * len(queries)
    return Asked(
        accuracy=share((slots != NONE) & (memory.values[slots] == classes)),
        slots=slots,
        mults=work.mults / asked,
        bytes=work.bytes / asked,
        looked_at=float(np.mean(np.concatenate([one.looked_at for one in found]))),
        us=1e6 * float(np.median(times)) / len(queries),
        us_1=1e6 * float(np.median(each)),
    )

"""How well a memory learns: in episodes of a few classes, and over a life in which classes keep coming."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from lshexp.arrays import FloatArray, IntArray
from lshexp.memory.memory import KeyValueMemory
from lshexp.streams import stream

MakeMemory = Callable[[], KeyValueMemory]  # an empty one


class Embedded(NamedTuple):
    """Embedded examples by class, float32[classes, examples, D] of length 1."""

    vectors: FloatArray

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.vectors)

    @property
    def each(self) -> int:
        """Examples of each class."""
        return int(self.vectors.shape[1])


class Accuracy(NamedTuple):
    """A share in per cent, half its 95 % interval, and over how many episodes or questions."""

    pct: float
    half_interval: float
    samples: int


def by_classes(vectors: FloatArray, classes: IntArray) -> Embedded:
    """Group examples, float32[n, D], whose classes stand together, each with as many examples.

    Raises ValueError when they do not.
    """
    found, counts = np.unique(classes, return_counts=True)
    if len(set(counts.tolist())) != 1 or (np.diff(classes) < 0).any():
        raise ValueError("classes must stand together, each with as many examples")
    return Embedded(vectors.reshape(len(found), int(counts[0]), -1))


def episodes(examples: Embedded, ways: int, shots: int, count: int, make: MakeMemory, key: int) -> Accuracy:
    """Ask an empty memory about one new example of each of `ways` classes after `shots` examples of each.

    Classes and examples are drawn anew in every episode, the same ones whatever the memory; a memory
    made by `make` is shown the first example of each class, then the second, and so on.
    The interval is that of the mean over episodes.

    Raises ValueError where there are not so many classes or examples.
    """
    if examples.classes < ways or examples.each <= shots:
        raise ValueError(
            f"{ways} classes with {shots} + 1 examples each are asked for; there are {examples.classes} with "
            f"{examples.each}"
        )
    shares = np.empty(count)
    for episode in range(count):
        draws = stream(key, "episode", ways, shots, episode)
        classes = draws.permutation(examples.classes)[:ways]
        chosen = np.array([draws.permutation(examples.each)[: shots + 1] for _ in classes])
        memory = make()
        for shot in range(shots):
            for value, (one, example) in enumerate(zip(classes, chosen[:, shot], strict=True)):
                memory.observe(examples.vectors[one, example], value)
        answers = memory.answer(examples.vectors[classes, chosen[:, shots]])
        shares[episode] = np.mean(answers == np.arange(ways))
    return share(shares)


def share(right: np.ndarray) -> Accuracy:
    """The mean of bool[n] or of shares float[n], with its normal interval."""
    values = right.astype(float)
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return Accuracy(100 * float(values.mean()), 100 * float(half), len(values))


class Life(NamedTuple):
    """What a memory answered as examples came."""

    seen_before: IntArray  # int32[n], examples of its class that came before it
    right: np.ndarray  # bool[n]

    def after(self, shots: int) -> Accuracy:
        """Accuracy on examples whose class had been seen exactly so often; the interval is over examples."""
        return share(self.right[self.seen_before == shots])


def live(examples: Embedded, memory: KeyValueMemory, key: int) -> Life:
    """Show a memory every example once, in random order, each a question first; nothing is ever reset."""
    order = stream(key, "life").permutation(examples.classes * examples.each)
    seen = np.zeros(examples.classes, dtype=np.int32)
    before = np.empty(len(order), dtype=np.int32)
    right = np.empty(len(order), dtype=np.bool_)
    for turn, (one, example) in enumerate(_places(order, examples.each)):
        before[turn] = seen[one]
        right[turn] = memory.observe(examples.vectors[one, example], one) == one
        seen[one] += 1
    return Life(before, right)


def _places(order: np.ndarray, each: int) -> Iterator[tuple[int, int]]:
    for number in order:
        yield int(number) // each, int(number) % each

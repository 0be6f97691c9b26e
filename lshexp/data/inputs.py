"""Features as a run sees them: raw, centred, or standardised by statistics of the examples trained on.

Statistics are taken once, before training, from the training examples that are left after the validation
examples are held out, and are applied to training, validation and test examples alike. Of examples that are
made or read while they are trained on, `MOST_STREAMED` evenly spaced ones are looked at: a mean is then known
to 1/256 of its feature's standard deviation, and a pass over millions of examples is saved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lshexp.arrays import FloatArray
from lshexp.data.base import Examples, InputTransform, Part, freeze
from lshexp.data.reading import require_memory
from lshexp.spec import Scaling

MOST_STREAMED = 1 << 16
_CELLS = 1 << 20  # of examples looked at together


@dataclass(frozen=True)
class FeatureStatistics:
    """Statistics of each feature, float64[features]; the deviation is that of the population (divisor n)."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]  # exactly 0 where all examples have the same value
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True)
class TransformedExamples:
    """Examples of another split, transformed as they are asked for."""

    source: Examples
    transform: InputTransform

    @property
    def size(self) -> int:
        """Number of examples."""
        return self.source.size

    @property
    def features(self) -> int:
        """Numbers an example has."""
        return self.source.features

    def cut(self, start: int, stop: int) -> TransformedExamples:
        """Return examples start..stop-1, numbered from 0."""
        return TransformedExamples(self.source.cut(start, stop), self.transform)

    def batch(self, ids: NDArray[np.int64]) -> Part:
        """Return the transformed examples with these ids, 0 <= id < size."""
        x, y = self.source.batch(ids)
        return Part(self.transform(x), y)


def scaled(scaling: Scaling, train: Examples, *others: Examples) -> tuple[Examples, ...]:
    """Return the training examples and the others, scaled by statistics of the training examples.

    Examples in memory are transformed at once, into dense rows: a sparse dataset loses its zeros. Streamed
    ones are transformed a batch at a time.

    Raises DataError when the dense rows do not fit the memory.
    """
    return transformed(transform_of(scaling, train, *others), train, *others)


def transform_of(scaling: Scaling, train: Examples, *others: Examples) -> InputTransform | None:
    """Return what `scaling` does to examples, measured on the training examples; None for `raw`.

    Raises DataError when the dense rows of all splits do not fit the memory.
    """
    if scaling == "raw":
        return None
    splits = (train, *others)
    held = [split for split in splits if isinstance(split, Part)]
    cells = sum(split.size * split.features for split in held)
    require_memory(f"inputs: {scaling}", 4 * cells, f"{cells:,} numbers (no example keeps its zeros)")
    return fit_transform(scaling, train)


def transformed(transform: InputTransform | None, *splits: Examples) -> tuple[Examples, ...]:
    """Return the splits with their features transformed; themselves where there is nothing to do."""
    return splits if transform is None else tuple(_transformed(split, transform) for split in splits)


def fit_transform(scaling: Scaling, train: Examples) -> InputTransform:
    """Return what `scaling` does to a feature; a feature that is constant in training is divided by 1."""
    statistics = feature_statistics(train)
    offset = np.zeros(train.features) if scaling == "raw" else statistics.mean
    divisor = statistics.deviation.astype(np.float32)
    if scaling != "standard":
        divisor[:] = 1
    divisor[divisor == 0] = 1
    return InputTransform(offset.astype(np.float32), divisor)


def feature_statistics(train: Examples) -> FeatureStatistics:
    """Return mean, deviation and range of each feature, in float64.

    Blocks are merged by the update of Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm
    for computing sample variances", 1979, so that one pass is enough and nothing cancels.
    """
    count = 0
    mean, squares = np.zeros(train.features), np.zeros(train.features)
    low, high = np.full(train.features, np.inf), np.full(train.features, -np.inf)
    for rows in _blocks(train):
        block = rows.astype(np.float64)
        own = block.mean(axis=0)
        block -= own
        apart, total = own - mean, count + len(block)
        squares += np.einsum("ij,ij->j", block, block) + apart**2 * (count * len(block) / total)
        mean += apart * (len(block) / total)
        np.minimum(low, rows.min(axis=0), out=low)
        np.maximum(high, rows.max(axis=0), out=high)
        count = total
    deviation = np.sqrt(squares / count)
    constant = low == high  # rounding would leave them a tiny deviation
    return FeatureStatistics(np.where(constant, low, mean), np.where(constant, 0.0, deviation), low, high)


def _blocks(train: Examples) -> Iterator[FloatArray]:
    """The examples to be looked at, as dense rows, a block at a time."""
    size = train.size if isinstance(train, Part) else min(train.size, MOST_STREAMED)
    ids = np.arange(size) * train.size // size  # evenly spaced
    step = max(1, _CELLS // train.features)
    for first in range(0, size, step):
        yield train.batch(ids[first : first + step]).rows


def _transformed(split: Examples, transform: InputTransform) -> Examples:
    if isinstance(split, Part):
        return freeze(Part(transform(split.x), split.y))
    return TransformedExamples(split, transform)

"""Examples of up to a million labels with a planted structure, so that the best possible P@1 is known."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from pydantic import Field, model_validator

from lshexp.arrays import CSR, IntArray
from lshexp.data._cells import GrowingArray
from lshexp.data._drawing import MOST_EXAMPLES, Generated, example_key, integer
from lshexp.data._rows import MOST_FEATURES
from lshexp.data.base import DatasetInfo, Part
from lshexp.data.reading import require_memory
from lshexp.kernels.rng import mix, uniform
from lshexp.registry import register
from lshexp.streams import stream_key

MOST_LABELS = 1_000_000
MOST_CONFUSED = 1e-3  # expected labels that match an example by accident
CHUNK = 1 << 13  # examples drawn together
_STEP = 2.0**-40  # of the label distribution; powers differ between machines in their last bits only


@register("dataset", "xc_synthetic")
class PlantedLabels(Generated):
    """Sparse examples with several of up to a million labels, drawn so that the best P@1 is known.

    Every label has a pattern: `pattern` features drawn uniformly with `seed`. An example draws its labels,
    1 to 2 x `labels_each` - 1 of them, with frequencies that fall as 1 / (label + 1)**`exponent`, so that
    label 0 is the most frequent; equal draws count once. Its features are the patterns of its labels and
    `extra` features drawn uniformly, all with one value that makes the example's length 1. Then `noise_pct`
    of the examples have their labels exchanged for as many others, drawn alike, none of them planted.

    An oracle that knows the patterns answers a label whose pattern is in the example, and nothing can expect
    more: its P@1 is 100 - `noise_pct`, up to the chance of the examples drawn. That takes patterns that do
    not occur by accident; options with which more than 0.001 labels an example are expected to are refused.

    The plan is chosen here, after the sizes of the extreme-classification repository: Amazon-670K has 490,449
    + 153,025 rows, 135,909 features, 670,091 labels, 5.5 labels a row.
    """

    train: int = Field(default=20_000, ge=1, le=MOST_EXAMPLES, description="training examples")
    test: int = Field(default=5_000, ge=1, le=MOST_EXAMPLES, description="test examples")
    features: int = Field(default=10_000, ge=16, le=MOST_FEATURES, description="features")
    labels: int = Field(default=10_000, ge=8, le=MOST_LABELS, description="labels")
    labels_each: int = Field(default=2, ge=1, le=16, description="labels of an example, on average")
    exponent: float = Field(
        default=1.0,
        ge=0,
        le=1.5,
        description="how label frequencies fall with the rank; 0: not at all",
    )
    pattern: int = Field(default=8, ge=2, le=32, description="features that tell a label")
    extra: int = Field(default=10, ge=0, le=256, description="features of an example that tell nothing")
    noise_pct: float = Field(
        default=10.0, ge=0, le=50, description="examples whose labels have nothing to do with their features"
    )

    @model_validator(mode="after")
    def _patterns_tell_labels_apart(self) -> PlantedLabels:
        if self.labels < 4 * self.labels_each:
            raise ValueError(
                f"labels: at least {4 * self.labels_each} where an example has {self.labels_each}"
            )
        share = self._most_features / self.features
        if share >= 1 or self.labels * share**self.pattern > MOST_CONFUSED:
            raise ValueError(
                f"features: {self.features:,} are too few to tell {self.labels:,} labels apart by "
                f"{self.pattern} of up to {self._most_features} in an example; give more, or a longer pattern"
            )
        return self

    @property
    def oracle_p1_pct(self) -> float:
        """Expected P@1 of a classifier that knows the patterns, per cent; none can expect more."""
        return 100 - self.noise_pct

    def patterns(self) -> IntArray:
        """Return the features of each label, int32[labels, pattern], each row without repeats."""
        patterns = np.empty((self.labels, self.pattern), dtype=np.int32)
        planted_patterns(np.uint64(stream_key(self.seed, f"{self.name} patterns")), self.features, patterns)
        return patterns

    def frequencies(self) -> NDArray[np.float64]:
        """Return the chance that one draw gives label 0..l, float64[labels], ascending to 1."""
        weights = np.arange(1, self.labels + 1, dtype=np.float64) ** -self.exponent
        cumulated = np.cumsum(weights)
        shares: NDArray[np.float64] = np.rint(cumulated / (cumulated[-1] * _STEP)) * _STEP
        return shares

    def info(self) -> DatasetInfo:
        """Return the sizes asked for, and what an oracle reaches."""
        return DatasetInfo(
            features=self.features,
            classes=self.labels,
            train_examples=self.train,
            test_examples=self.test,
            origin=f"generated: planted patterns, an oracle's P@1 is {self.oracle_p1_pct:g} %",
            sparse=True,
            multilabel=True,
            licence="none needed, drawn here",
        )

    def memory_bytes(self) -> int:
        """Return the memory of patterns, label frequencies, and both splits as they are expected to be."""
        each = self.labels_each * (self.pattern + 1) + self.extra
        drawn = CHUNK * (2 * self.labels_each + self._most_features) * 8
        return self.labels * (4 * self.pattern + 3 * 8) + (self.train + self.test) * (8 * each + 16) + drawn

    def drawn(self, key: np.uint64, start: int, stop: int) -> Part:
        """Draw examples start..stop-1, some thousands at a time."""
        require_memory(self.name, self.memory_bytes(), f"{self.train + self.test:,} examples")
        patterns, frequencies = self.patterns(), self.frequencies()
        x, y = _Rows(self.features), _Rows(self.labels)
        for first in range(start, stop, CHUNK):
            size = min(CHUNK, stop - first)
            sets = np.empty((size, 2 * self.labels_each - 1), dtype=np.int32)
            columns = np.empty((size, self._most_features), dtype=np.int32)
            counts = np.empty((size, 2), dtype=np.int64)
            noise = self.noise_pct / 100
            planted_examples(
                key, first, patterns, frequencies, self.features, self.extra, noise, sets, columns, counts
            )
            y.append(sets, counts[:, 0], np.ones(size, np.float32))
            x.append(columns, counts[:, 1], (1 / np.sqrt(counts[:, 1])).astype(np.float32))
        return Part(x.take(), y.take())

    @property
    def _most_features(self) -> int:
        return (2 * self.labels_each - 1) * self.pattern + self.extra


class _Rows:
    """A CSR whose rows come in chunks, each row with one value throughout."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._lengths: list[NDArray[np.int64]] = [np.zeros(1, np.int64)]
        self._indices, self._data = GrowingArray(np.int32), GrowingArray(np.float32)

    def append(self, padded: IntArray, lengths: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        """Add rows of which the first lengths[i] columns are meant."""
        self._indices.append(padded[np.arange(padded.shape[1]) < lengths[:, None]])
        self._data.append(np.repeat(values, lengths))
        self._lengths.append(lengths)

    def take(self) -> CSR:
        """The whole matrix."""
        indptr = np.cumsum(np.concatenate(self._lengths))
        return CSR(indptr, self._indices.take(), self._data.take(), (len(indptr) - 1, self._columns))


@njit(parallel=True, cache=True, fastmath=False)
def planted_patterns(key, features, patterns):
    """Draw for each label features that are all different.

    Symbols: Y labels, M features of a pattern.

    Parameters
    ----------
    key : uint64
    features : int                      features are 0..features-1, features >= M
    patterns : int32[Y, M], out         row y depends on key and y alone
    """
    for label in prange(len(patterns)):
        own = mix(key, label)
        pattern = patterns[label]
        counter = count = 0
        while count < len(pattern):
            pattern[count] = integer(mix(own, counter), 0, features - 1)
            counter += 1
            count += not _holds(pattern, count, pattern[count])


@njit(parallel=True, cache=True, fastmath=False)
def planted_examples(key, start, patterns, frequencies, features, extra, noise, labels, columns, counts):
    """Draw examples: labels by their frequencies, the features of their patterns, and others.

    Symbols: n examples, Y labels, M features of a pattern, T most labels of an example, an odd number,
    C = T M + extra.

    Parameters
    ----------
    key : uint64
    start : int                         number of the first example; each depends on key and number alone
    patterns : int32[Y, M]              Y > 2 T
    frequencies : float64[Y]            chance that a draw gives a label up to this one, ascending to 1
    features, extra : int               features there are; features drawn beside the patterns
    noise : float                       share of examples whose labels are exchanged for others
    labels : int32[n, T], out           ascending, the first counts[i, 0] of each row
    columns : int32[n, C], out          ascending, the first counts[i, 1] of each row
    counts : int64[n, 2], out           different labels and features of each example
    """
    for n in prange(len(labels)):
        own = example_key(key, start + n)
        row, most = labels[n], labels.shape[1]
        counter = 2
        drawn = count = 0
        wanted = integer(mix(own, 0), 1, most)
        while drawn < wanted:
            label = _drawn_label(frequencies, uniform(mix(own, counter)))
            counter += 1
            drawn += 1
            if not _holds(row, count, label):
                row[count] = label
                count += 1
        features_of = np.empty(columns.shape[1], dtype=np.int32)
        used = 0
        for k in range(count):
            for m in range(patterns.shape[1]):
                features_of[used] = patterns[row[k], m]
                used += 1
        for _ in range(extra):
            features_of[used] = integer(mix(own, counter), 0, features - 1)
            counter += 1
            used += 1
        counts[n, 1] = _sorted_once(features_of[:used], columns[n])
        if uniform(mix(own, 1)) < noise:
            planted = row[:count].copy()
            for k in range(count):
                label = _drawn_label(frequencies, uniform(mix(own, counter)))
                counter += 1
                while _holds(planted, count, label) or _holds(row, k, label):
                    label = (label + 1) % len(frequencies)
                row[k] = label
        counts[n, 0] = _sorted_once(row[:count].copy(), row)


@njit(parallel=False, cache=True, fastmath=False)
def _drawn_label(frequencies, point):
    """The first label whose cumulated frequency is above a point of [0, 1)."""
    return np.int32(min(np.searchsorted(frequencies, point, side="right"), len(frequencies) - 1))


@njit(parallel=False, cache=True, fastmath=False)
def _holds(values, count, value):
    """Whether a value is among the first `count`."""
    for k in range(count):  # noqa: SIM110
        if values[k] == value:
            return True
    return False


@njit(parallel=False, cache=True, fastmath=False)
def _sorted_once(values, out):
    """Write the different values in ascending order and return how many there are."""
    count = 0
    for value in np.sort(values):
        if count == 0 or out[count - 1] != value:
            out[count] = value
            count += 1
    return count

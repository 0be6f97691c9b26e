"""What generated datasets share: options, sizes, both splits, and the random numbers of an example.

Example i of a kernel depends on its key and i alone, never on the range it was asked for or on call order.
Only additions, multiplications and divisions are used, so every IEEE machine draws the same bits.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from numba import njit
from pydantic import Field

from lshexp.arrays import FloatArray, IntArray
from lshexp.data.base import Dataset, DatasetInfo, Part, Splits, freeze
from lshexp.kernels.rng import mix, uniform
from lshexp.streams import stream_key

SPLITS = ("train", "test")
MOST_EXAMPLES = 1_000_000  # 3 GB of 784 features each


class Generated(Dataset):
    """Base of the generators: example i of a split is a pure function of (seed, split, i).

    A shorter dataset is therefore the beginning of a longer one with the same seed.
    """

    revision: ClassVar[int] = 1  # raised by hand when the same options would give other numbers

    seed: int = Field(default=0, ge=0, description="seed of the examples")
    train: int = Field(default=10_000, ge=1, le=MOST_EXAMPLES, description="training examples")
    test: int = Field(default=50_000, ge=1, le=MOST_EXAMPLES, description="test examples")

    @abstractmethod
    def drawn(self, key: np.uint64, start: int, stop: int) -> Part:
        """Draw examples start..stop-1 of the split with this key."""

    def examples(self, split: str, start: int, stop: int) -> Part:
        """Return examples start..stop-1 of "train" or "test"; any numbers, also beyond `train` and `test`."""
        if split not in SPLITS or not 0 <= start <= stop:
            raise ValueError(f"no examples {start}:{stop} of '{split}'")
        key = np.uint64(stream_key(self.seed, self.name, SPLITS.index(split)))
        return freeze(self.drawn(key, start, stop))

    def fingerprint(self) -> str:
        """Return the generator, its revision and its options."""
        return f"{self.name}:{self.revision}:{self.options_text()}"

    def sample(self, examples: int) -> Part:
        """Draw only the examples asked for."""
        return self.examples("train", 0, min(examples, self.train))

    def load(self) -> Splits:
        """Draw `train` and `test` examples."""
        return Splits(self.examples("train", 0, self.train), self.examples("test", 0, self.test))


class Pictures(Generated):
    """Base of the generators of 28x28 pixels in two classes."""

    side: ClassVar[int] = 28
    origin: ClassVar[str]  # one line: how pictures are made, and after whom

    def info(self) -> DatasetInfo:
        """Return the sizes asked for."""
        return DatasetInfo(
            features=self.side**2,
            classes=2,
            train_examples=self.train,
            test_examples=self.test,
            origin=self.origin,
            picture=(1, self.side, self.side),
            licence="none needed, drawn here",
        )

    @abstractmethod
    def fill(self, key: np.uint64, start: int, images: FloatArray, labels: IntArray) -> None:
        """Draw examples start, start + 1, ... of the split with this key.

        images float32[n, side, side] and labels int32[n] are written.
        """

    def drawn(self, key: np.uint64, start: int, stop: int) -> Part:
        """Draw examples start..stop-1 of the split with this key."""
        images = np.empty((stop - start, self.side, self.side), dtype=np.float32)
        labels = np.empty(stop - start, dtype=np.int32)
        self.fill(key, start, images, labels)
        return Part(images.reshape(len(images), -1), labels)


@njit(parallel=False, cache=True, fastmath=False)
def integer(bits, low, high):
    """Map 64 random bits to an integer in low..high, both included."""
    return low + int(uniform(bits) * (high - low + 1))


@njit(parallel=False, cache=True, fastmath=False)
def balanced_label(key, i):
    """Label 0 or 1 of example i: examples 2k and 2k + 1 hold one of each, in random order."""
    first = mix(key, i >> 1) & np.uint64(1)
    return np.int32((np.uint64(i) & np.uint64(1)) ^ first)


@njit(parallel=False, cache=True, fastmath=False)
def example_key(key, i):
    """Key of the random numbers of example i, apart from those of its label."""
    return mix(mix(key, 0x5348415045), i)

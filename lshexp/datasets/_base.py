"""What a dataset is to the rest of the project."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lshexp.datasets._remote import Remote
from lshexp.registry import Plugin


class Part(NamedTuple):
    """Examples and their labels: x float32[n, features] in C order, y int32[n] in 0..classes-1."""

    x: NDArray[np.float32]
    y: NDArray[np.int32]


class Splits(NamedTuple):
    """A loaded dataset; its arrays are read-only."""

    train: Part
    test: Part


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a dataset without loading it."""

    features: int
    classes: int
    train_examples: int
    test_examples: int
    origin: str  # one line: where it comes from, or how it is made
    picture: tuple[int, int, int] | None = None  # (views, height, width) where features are pixels
    licence: str = "not stated"  # of the data, as its publisher or its mirrors state it


class Dataset(Plugin):
    """Base of every registered dataset."""

    pinned: ClassVar[bool] = False  # whether `load` compares every file with a published checksum

    @abstractmethod
    def info(self) -> DatasetInfo:
        """Return sizes and origin without touching the data."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a text that changes whenever the loaded numbers would: checksum, or generator + options."""

    @abstractmethod
    def load(self) -> Splits:
        """Return train and test, pixel values scaled to 0..1.

        Raises DataError, in one line that says what to do, when files are absent or damaged.
        """

    def locate(self) -> list[Path]:
        """Return the files that `load` would read; none where the dataset is generated.

        Raises DataError, saying what to do, when one is absent.
        """
        return []

    def remotes(self) -> tuple[Remote, ...]:
        """Return what `lshexp data fetch` downloads; nothing where the dataset is not published as files."""
        return ()

    def sample(self, examples: int) -> Part:
        """Return training examples to look at: at least the first `examples` of them, as far as there are.

        Raises DataError as `load` does.
        """
        return self.load().train


def freeze(part: Part) -> Part:
    """Check shape, type and finiteness of a part and make it read-only."""
    x = np.ascontiguousarray(part.x, dtype=np.float32)
    y = np.ascontiguousarray(part.y, dtype=np.int32)
    if x.ndim != 2 or y.shape != (len(x),):
        raise ValueError(f"a part needs x[n, features] and y[n], got {x.shape} and {y.shape}")
    x.flags.writeable = False
    y.flags.writeable = False
    return Part(x, y)

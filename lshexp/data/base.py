"""What a dataset is to the rest of the project."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lshexp.arrays import CSR, FloatArray, Inputs, IntArray, Targets
from lshexp.data.reading import require_readable
from lshexp.errors import DataError
from lshexp.registry import Plugin


class Part(NamedTuple):
    """Examples and labels.

    x is float32[n, features], dense in C order or a CSR. y is int32[n], the class of each example,
    0..classes-1; in a multi-label set it is a CSR[n, classes] of ones, each example's labels ascending, and
    some examples may have none.
    """

    x: Inputs
    y: Targets

    @property
    def size(self) -> int:
        """Number of examples."""
        return len(self.y)

    @property
    def features(self) -> int:
        """Numbers an example has."""
        return int(self.x.shape[1])

    @property
    def rows(self) -> FloatArray:
        """Examples as dense rows, float32[n, features]: `x` itself unless it is sparse."""
        return self.x.to_dense() if isinstance(self.x, CSR) else self.x

    @property
    def classes(self) -> IntArray:
        """The class of each example, int32[n]: `y` itself. Raises TypeError for a multi-label set."""
        if isinstance(self.y, CSR):
            raise TypeError("a multi-label example has no one class")
        return self.y

    def batch(self, ids: NDArray[np.int64]) -> Part:
        """Return copies of the examples with these ids, in this order."""
        return Part(self.x[ids], self.y[ids])

    def cut(self, start: int, stop: int) -> Part:
        """Return examples start..stop-1 as a part of their own, without copying them."""
        return Part(self.x[start:stop], self.y[start:stop])


class Examples(Protocol):
    """What training asks of a split: a `Part` that is held in memory, or examples made as they are asked for.

    Example i is the same whenever it is asked for, in whatever company.
    """

    @property
    def size(self) -> int:
        """Number of examples."""

    @property
    def features(self) -> int:
        """Numbers an example has."""

    def batch(self, ids: NDArray[np.int64]) -> Part:
        """Return the examples with these ids, 0 <= id < size, in this order; the arrays are the caller's."""

    def cut(self, start: int, stop: int) -> Examples:
        """Return examples start..stop-1, numbered from 0."""


@dataclass(frozen=True, kw_only=True)
class Streamed(ABC):
    """Base of `Examples` that are made or read as they are asked for: those with `numbers` of a whole set."""

    numbers: range

    @property
    def size(self) -> int:
        """Number of examples."""
        return len(self.numbers)

    @property
    @abstractmethod
    def features(self) -> int:
        """Numbers an example has."""

    @abstractmethod
    def batch(self, ids: NDArray[np.int64]) -> Part:
        """Return the examples `numbers[id]`, 0 <= id < size, in this order."""

    def cut(self, start: int, stop: int) -> Self:
        """Return examples start..stop-1, numbered from 0."""
        return replace(self, numbers=self.numbers[start:stop])


class Splits(NamedTuple):
    """A loaded dataset; its arrays are read-only."""

    train: Examples
    test: Examples


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a dataset without loading it."""

    features: int
    classes: int
    train_examples: int
    test_examples: int
    origin: str  # one line: where it comes from, or how it is made
    picture: tuple[int, int, int] | None = None  # (views, height, width) where features are pixels
    streamed: bool = False  # whether training examples are made or read as they are trained on
    sparse: bool = False  # whether examples come as a CSR
    multilabel: bool = False  # whether an example has any number of labels, which then come as a CSR
    licence: str = "not stated"  # of the data, as its publisher or its mirrors state it
    unseen_classes: int = 0  # classes that are in neither split, and examples of them: see `unseen`
    unseen_examples: int = 0


@dataclass(frozen=True)
class Remote:
    """One published file, or an archive of which some files are kept: where it is, and how it is checked."""

    name: str
    urls: tuple[str, ...]  # mirrors, in the order in which they are tried
    known_hash: str | None  # "md5:...", "sha1:..." or "sha256:...", as published; None where none is
    most_bytes: int  # a longer download is refused
    members: tuple[str, ...] = ()  # files to take out of a zip archive, by the last part of their names
    most_unpacked: int = 0  # bytes of each of them


@dataclass(frozen=True)
class InputTransform:
    """Takes features x to (x - offset) / divisor; both are float32[features]."""

    offset: FloatArray
    divisor: FloatArray

    def __call__(self, x: Inputs) -> FloatArray:
        """Return float32[n, features], dense whatever `x` is; `x` is not changed."""
        rows = x.to_dense() if isinstance(x, CSR) else x
        moved = rows - self.offset
        moved /= self.divisor
        return moved


class Dataset(Plugin):
    """Base of every registered dataset."""

    pinned: ClassVar[bool] = False  # whether `load` compares every file with a published checksum
    location_options: ClassVar[tuple[str, ...]] = ()  # options that say where data lies, not what it holds
    generated_instead: ClassVar[str | None] = "convex"  # a similar dataset that needs no file

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

    def unseen(self) -> Part | None:
        """Return examples of classes that are in neither split, for learning from few examples; None without.

        Their classes are numbered from 0, and those of a class stand together. Raises DataError as `load`.
        """
        return None

    def locate(self) -> list[Path]:
        """Return the files that `load` would read; none where the dataset is generated.

        Raises DataError, saying what to do, when one is absent.
        """
        return []

    def options_text(self) -> str:
        """Return all options as `name=value` by name, for a fingerprint."""
        return ",".join(f"{key}={value}" for key, value in sorted(self.model_dump().items()))

    def remotes(self) -> tuple[Remote, ...]:
        """Return what `lshexp data fetch` downloads; nothing where the dataset is not published as files."""
        return ()

    def memory_bytes(self) -> int:
        """Return the memory that `load` needs at its peak, in bytes; what it returns is part of it.

        Examples that are made or read as they are trained on do not count.
        """
        info = self.info()
        return 4 * info.features * (info.test_examples + (0 if info.streamed else info.train_examples))

    def fetch_command(self) -> str | None:
        """Return the command that downloads the files of this dataset, None where there is none."""
        return f"lshexp data fetch {self.name}" if self.remotes() else None

    def check_files(self) -> None:
        """Look at every file that `load` would read: it is there, can be opened, and is not empty.

        Cheap: nothing is read but the beginning of a file. Readers of a known format also check its header
        and size. Raises DataError.
        """
        for path in self.locate():
            require_readable(path)

    def check(self) -> None:
        """Check the files of this dataset before any run is started; no examples are loaded.

        Raises DataError: what is wrong, the command that mends it, and a generated dataset to try instead.
        """
        try:
            self.check_files()
        except DataError as error:
            message, command = str(error), self.fetch_command()
            if command and command not in message:
                message += f"; remove that file and run `{command}`"
            if self.generated_instead:
                message += f"; `dataset: {self.generated_instead}` is generated and needs no file"
            raise DataError(message) from None

    def class_names(self) -> tuple[str, ...] | None:
        """Return the labels by class number, as a user's file spells them; None without names."""
        return None

    def own_scale(self) -> InputTransform | None:
        """Return what `load` has done to the numbers of a user's file; None where it leaves them alone."""
        return None

    def sample(self, examples: int) -> Part:
        """Return the first `examples` training examples, as far as there are, to be looked at.

        Raises DataError as `load` does.
        """
        train = self.load().train
        return train.batch(np.arange(min(examples, train.size)))


def freeze(part: Part) -> Part:
    """Check shapes and types of a part and make it read-only; what is sparse stays so.

    Raises ValueError when examples and labels do not match.
    """
    x = part.x if isinstance(part.x, CSR) else np.ascontiguousarray(part.x, dtype=np.float32)
    y = part.y if isinstance(part.y, CSR) else np.ascontiguousarray(part.y, dtype=np.int32)
    if len(x.shape) != 2 or len(y.shape) != (2 if isinstance(y, CSR) else 1) or len(x) != len(y):
        raise ValueError(
            f"a part needs x[n, features] and y[n] or y[n, classes], got {x.shape} and {y.shape}"
        )
    for values in (x, y):
        for array in values.arrays if isinstance(values, CSR) else (values,):
            array.flags.writeable = False
    return Part(x, y)

"""A user's own data: one file or two, split, labelled and scaled by options instead of code."""

from __future__ import annotations

import functools
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from lshexp.arrays import CSR, Inputs
from lshexp.data._labels import Labels, class_numbers
from lshexp.data._scaling import Scale, scale_parts
from lshexp.data.base import Dataset, DatasetInfo, Part, Splits, freeze
from lshexp.data.files import Stamp, find_own_file, sha256, stamp
from lshexp.errors import DataError
from lshexp.streams import stream

Split = Literal["train", "test"]


class Head(NamedTuple):
    """What a first look at a file tells: the width of its rows, and every row's label."""

    features: int
    labels: Labels
    picture: tuple[int, int, int] | None = None


class Table(NamedTuple):
    """A file read in full: x float32[n, features], dense or sparse, finite, and every row's label."""

    x: Inputs
    labels: Labels


class OwnData(Dataset):
    """Base of the readers of a user's files.

    Examples come in a random order given by `seed`, so that the first thousand of a sorted file hold all its
    classes.
    """

    location_options: ClassVar[tuple[str, ...]] = ("path", "test_path")
    generated_instead: ClassVar[str | None] = None

    path: str = Field(description="file; a relative path is below $LSHEXP_DATA or the current folder")
    test_path: str | None = Field(
        default=None, description="file of the test examples; left out: some of `path` are for testing"
    )
    test_fraction: float = Field(
        default=0.2, gt=0, lt=1, description="share of examples kept for testing where there is no test_path"
    )
    seed: int = Field(default=0, ge=0, description="seed of the order of examples and of the split")
    scale: Scale = Field(
        default="none",
        description="how features are scaled, as measured on the training examples; none: not at all, unit: "
        "all divided by the largest magnitude, minmax: each to 0..1, standard: each to mean 0, deviation 1",
    )

    @model_validator(mode="after")
    def _paths_are_plain(self) -> OwnData:
        for text in (self.path, self.test_path):
            if text is not None and (not text.strip() or "\0" in text):
                raise ValueError("the path of a file is wanted")
            if text is not None and not Path(text).is_absolute() and ".." in Path(text).parts:
                raise ValueError("'..' in a path leads out of the data folder; write an absolute path")
        return self

    @abstractmethod
    def head(self, path: Path, split: Split) -> Head:
        """Look at a file without holding its features in memory. Raises DataError when it is damaged."""

    @abstractmethod
    def table(self, path: Path, split: Split, features: int) -> Table:
        """Read a file in full; `features` is the width that all files come to. Raises DataError."""

    def splits_itself(self, path: Path) -> bool:
        """Tell whether the file at `path` holds both training and test examples under their names."""
        return False

    def locate(self) -> list[Path]:
        """Return the one or two files."""
        return [find_own_file(self.name, text) for text in (self.path, self.test_path) if text is not None]

    def info(self) -> DatasetInfo:
        """Look at the files; the answer is remembered for as long as they do not change."""
        return _info(self, tuple(stamp(path) for path in self.locate()))

    def fingerprint(self) -> str:
        """Return the checksum of each file and the options that change what is read from it."""
        options = self.model_dump(exclude=set(self.location_options))
        digests = [sha256(stamp(path)) for path in self.locate()]
        return f"{self.name}:{','.join(digests)}:{sorted(options.items())}"

    def load(self) -> Splits:
        """Return both parts in the order that `seed` gives.

        Raises DataError when a file is absent, damaged, too large for the memory, or no table of numbers.
        """
        sources = self._sources()
        features = self.info().features
        tables = [(path, self.table(path, split, features)) for path, split in sources]
        labels, _ = class_numbers([(path, table.labels) for path, table in tables])
        parts = [Part(table.x, y) for (_, table), y in zip(tables, labels, strict=True)]
        order = self._order(len(parts[0].y))
        if len(parts) == 1:
            kept = _kept(len(order), self.test_fraction)
            train, test = _taken(parts[0], order[kept:]), _taken(parts[0], order[:kept])
        else:
            train = _taken(parts[0], order)
            test = _taken(parts[1], self._order(len(parts[1].y)))
        train, test = scale_parts(self.scale, train, test)
        return Splits(_frozen(train), _frozen(test))

    def sample(self, examples: int) -> Part:
        """Return the first training examples with all their features."""
        part = super().sample(examples)
        return Part(part.rows, part.y)

    def look(self) -> DatasetInfo:
        """Scan the files for what `info` tells. Raises DataError."""
        sources = self._sources()
        heads = [(path, self.head(path, split)) for path, split in sources]
        labels, classes = class_numbers([(path, head.labels) for path, head in heads])
        counts = [len(column) for column in labels]
        if len(counts) == 1:
            kept = _kept(counts[0], self.test_fraction)
            counts = [counts[0] - kept, kept]
        return DatasetInfo(
            features=self.width([(path, head.features) for path, head in heads]),
            classes=classes,
            train_examples=counts[0],
            test_examples=counts[1],
            origin=", ".join(dict.fromkeys(str(path) for path, _ in sources)),
            picture=heads[0][1].picture,
            licence="yours",
        )

    def width(self, widths: list[tuple[Path, int]]) -> int:
        """Return the number of features all files agree on. Raises DataError where they do not."""
        (first, features), *others = widths
        for path, other in others:
            if other != features:
                raise DataError(f"{path}: has {other} features where {first} has {features}")
        if features < 1:
            raise DataError(f"{first}: has no features beside the labels")
        return features

    def _sources(self) -> list[tuple[Path, Split]]:
        paths = self.locate()
        splits: tuple[Split, ...] = ("train", "test")
        if len(paths) == 1 and not self.splits_itself(paths[0]):
            return [(paths[0], "train")]
        return list(zip(paths * 2 if len(paths) == 1 else paths, splits, strict=True))

    def _order(self, examples: int) -> NDArray[np.int64]:
        return stream(self.seed, "order of examples").permutation(examples)


def _kept(examples: int, fraction: float) -> int:
    """How many examples are for testing: the share asked for, but one at least, and one to train."""
    return max(1, min(examples - 1, round(examples * fraction)))


def _taken(part: Part, ids: NDArray[np.int64]) -> Part:
    return Part(part.x[ids], part.y[ids])


def _frozen(part: Part) -> Part:
    return part if isinstance(part.x, CSR) else freeze(part)


@functools.lru_cache(maxsize=64)
def _info(dataset: OwnData, stamps: tuple[Stamp, ...]) -> DatasetInfo:
    return dataset.look()

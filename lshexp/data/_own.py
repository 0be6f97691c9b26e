"""A user's own data: one file or two, split, labelled and scaled by options instead of code."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from lshexp.arrays import CSR, FloatArray, Inputs, OffsetArray, Targets
from lshexp.data._cells import Labels, class_numbers, label_sets
from lshexp.data.base import Dataset, DatasetInfo, InputTransform, Part, Splits, freeze
from lshexp.data.files import Stamp, find_own_file, sha256, stamp
from lshexp.data.inputs import feature_statistics
from lshexp.errors import DataError
from lshexp.streams import stream
from lshexp.validation import suggest

SplitName = Literal["train", "test"]
Scale = Literal["none", "unit", "minmax", "standard"]
_MOST_REMEMBERED = 64  # datasets
_MOVED = 64 << 20  # bytes moved at a time when rows change places


class Head(NamedTuple):
    """What a first look at a file tells: the width of its rows, and every row's label or labels."""

    features: int
    labels: Labels | CSR
    picture: tuple[int, int, int] | None = None
    stored: int | None = None  # numbers kept of a sparse file; None where all are


class OwnTable(NamedTuple):
    """A file read in full: x float32[n, features], dense or sparse, finite, and every row's labels."""

    x: Inputs
    labels: Labels | CSR
    picture: tuple[int, int, int] | None = None

    @property
    def head(self) -> Head:
        """What a first look at the file would have told."""
        stored = self.x.nnz if isinstance(self.x, CSR) else None
        return Head(self.x.shape[1], self.labels, self.picture, stored)


class _Known(NamedTuple):
    """What has been found out about files; it holds for as long as they do not change."""

    info: DatasetInfo
    stored: int | None  # as in Head, of all files
    class_names: tuple[str, ...]
    scale: InputTransform | None = None  # once the files have been loaded


_known: dict[tuple[OwnData, tuple[Stamp, ...]], _Known] = {}


class OwnData(Dataset):
    """Base of the readers of a user's files.

    A relative path is looked for below the folder that $LSHEXP_DATA names, then below the current one. With
    `test_path` the test examples are that file's; without it `test_fraction` of the rows, drawn with `seed`,
    are kept for testing. Either way examples come in a random order given by `seed`, so that the first
    thousand of a sorted file hold all its classes. `scale` is measured on the training examples: `unit`
    divides all features by the largest magnitude, `minmax` moves each feature to 0..1, `standard` to mean 0
    and deviation 1.

    `load` reads each file once and holds its numbers once.
    """

    location_options: ClassVar[tuple[str, ...]] = ("path", "test_path")
    generated_instead: ClassVar[str | None] = None
    suffixes: ClassVar[tuple[str, ...]] = ()  # endings of the names of files that it reads

    path: str = Field(description="your file; training examples where there is a test_path")
    test_path: str | None = Field(
        default=None, description="your file of test examples; left out: some of path's rows"
    )
    test_fraction: float = Field(
        default=0.2, gt=0, lt=1, description="share of the rows kept for testing where there is no test_path"
    )
    seed: int = Field(default=0, ge=0, description="seed of the order of the rows, and of the choice to test")
    scale: Scale = Field(
        default="none",
        description="none, unit: all features divided by the largest magnitude, minmax: each feature moved "
        "to 0..1, standard: to mean 0 and deviation 1",
    )

    @model_validator(mode="after")
    def _paths_are_plain(self) -> OwnData:
        for text in (self.path, self.test_path):
            require_plain_path(text)
        return self

    @abstractmethod
    def head(self, path: Path, split: SplitName) -> Head:
        """Look at a file without holding its features in memory. Raises DataError when it is damaged."""

    @abstractmethod
    def table(self, path: Path, split: SplitName) -> OwnTable:
        """Read a file in full, in the order of its rows; the arrays are the caller's. Raises DataError."""

    def unlabelled(self, path: Path, features: int) -> Inputs | None:
        """Read a file of examples with this many features and no labels; None where it may have labels."""
        return None

    def splits_itself(self, path: Path) -> bool:
        """Tell whether the file at `path` holds both training and test examples under their names."""
        return False

    def widened(self, path: Path, x: Inputs, features: int) -> Inputs:
        """Return the examples that `table` has read from one file at the width common to all files."""
        return x

    def locate(self) -> list[Path]:
        """Return the one or two files."""
        return [find_own_file(self.name, text) for text in (self.path, self.test_path) if text is not None]

    def check_files(self) -> None:
        """Look at the files as `info` does. Raises DataError."""
        self.info()

    def info(self) -> DatasetInfo:
        """Look at the files; the answer is remembered for as long as they do not change."""
        return self._look().info

    def memory_bytes(self) -> int:
        """Return the memory that `load` needs at its peak: the numbers once, sparse ones twice, and slack."""
        info, stored = self._look()[:2]
        dense = 4 * info.features * (info.train_examples + info.test_examples)
        held = dense if stored is None else 2 * 8 * stored
        return held + min(held, _MOVED)

    def fingerprint(self) -> str:
        """Return the checksum of each file and the options that change what is read from it."""
        options = self.model_dump(exclude=set(self.location_options))
        digests = [sha256(stamp(path)) for path in self.locate()]
        return f"{self.name}:{','.join(digests)}:{sorted(options.items())}"

    def load(self) -> Splits:
        """Return both splits in the order that `seed` gives.

        Raises DataError when a file is absent, damaged, too large for the memory, or no table of numbers.
        """
        sources, stamps = self._sources(), self._stamps()
        tables = [self.table(path, split) for path, split in sources]
        labels, known = self._found(sources, [table.head for table in tables])
        parts = []
        for (path, _), y in zip(sources, labels, strict=True):
            x = self.widened(path, tables.pop(0).x, known.info.features)
            order = stream(self.seed, "order of examples").permutation(len(y))
            parts.append(Part(_reordered(x, order), y[order]))
        if len(parts) == 1:
            size, kept = parts[0].size, known.info.test_examples
            parts = [parts[0].cut(kept, size), parts[0].cut(0, kept)]
        scale = rescale(self.scale, parts[0], *parts)
        _remember(self, stamps, known._replace(scale=scale))
        return Splits(freeze(parts[0]), freeze(parts[1]))

    def class_names(self) -> tuple[str, ...]:
        """Return the labels as the files spell them, by class number."""
        return self._look().class_names

    def own_scale(self) -> InputTransform | None:
        """Return what `scale` has done to the examples loaded last."""
        return self._look().scale

    def width(self, widths: list[tuple[Path, int]]) -> int:
        """Return the number of features all files agree on. Raises DataError where they do not."""
        (first, features), *others = widths
        for path, other in others:
            if other != features:
                raise DataError(f"{path}: has {other} features where {first} has {features}")
        if features < 1:
            raise DataError(f"{first}: has no features beside the labels")
        return features

    def _look(self) -> _Known:
        """What is known of the files, which are scanned if that has not been done."""
        stamps = self._stamps()
        if (self, stamps) not in _known:
            sources = self._sources()
            heads = [self.head(path, split) for path, split in sources]
            _remember(self, stamps, self._found(sources, heads)[1])
        return _known[self, stamps]

    def _found(
        self, sources: Sequence[tuple[Path, SplitName]], heads: Sequence[Head]
    ) -> tuple[Sequence[Targets], _Known]:
        """Class numbers of each file's rows, and what is known of the files by them."""
        paths = [path for path, _ in sources]
        labels, names = _numbered([(path, head.labels) for path, head in zip(paths, heads, strict=True)])
        counts = [len(column) for column in labels]
        if len(counts) == 1:
            kept = max(1, min(counts[0] - 1, round(counts[0] * self.test_fraction)))
            counts = [counts[0] - kept, kept]
        info = DatasetInfo(
            features=self.width(list(zip(paths, (head.features for head in heads), strict=True))),
            classes=len(names),
            train_examples=counts[0],
            test_examples=counts[1],
            origin=", ".join(dict.fromkeys(map(str, paths))),
            picture=heads[0].picture,
            multilabel=isinstance(labels[0], CSR),
            licence="yours",
        )
        stored = [head.stored for head in heads if head.stored is not None]
        return labels, _Known(info, sum(stored) if stored else None, names)

    def _stamps(self) -> tuple[Stamp, ...]:
        return tuple(stamp(path) for path in self.locate())

    def _sources(self) -> list[tuple[Path, SplitName]]:
        paths = self.locate()
        splits: tuple[SplitName, ...] = ("train", "test")
        if len(paths) == 1 and not self.splits_itself(paths[0]):
            return [(paths[0], "train")]
        return list(zip(paths * 2 if len(paths) == 1 else paths, splits, strict=True))


def require_plain_path(text: str | None) -> None:
    """Raise ValueError where an option that names a file holds no path, or one out of the data folder."""
    if text is not None and (not text.strip() or "\0" in text):
        raise ValueError("the path of a file is wanted")
    if text is not None and not Path(text).is_absolute() and ".." in Path(text).parts:
        raise ValueError("'..' in a path leads out of the data folder; write an absolute path")


class Columns(OwnData):
    """Base of the readers of tables with columns.

    `label` is the name of the label's column, or its place: from 0, or from -1 at the end.
    """

    label: str | int = Field(default=-1, description="name or place of the column of labels")

    def label_place(self, path: Path, names: Sequence[str]) -> int:
        """Return the place of the label's column among `names`. Raises DataError when there is none."""
        if isinstance(self.label, str):
            places = [place for place, name in enumerate(names) if name == self.label]
            if len(places) == 1:
                return places[0]
            if places:
                raise DataError(
                    f"{path}: {len(places)} columns are named '{self.label}'; give the label's place"
                )
            raise DataError(f"{path}: no column is named '{self.label}'{suggest(self.label, names[:50])}")
        if not -len(names) <= self.label < len(names):
            raise DataError(f"{path}: label {self.label}: there are only {len(names)} columns, from 0")
        return self.label % len(names)


def rescale(scale: Scale, train: Part, *parts: Part) -> InputTransform | None:
    """Scale the parts in place by what is measured on `train`; a feature that never varies becomes 0.

    Returns what has been done to them, None for nothing.

    Sparse examples take `none` and `unit`, which keep zeros.
    """
    if scale == "none":
        return None
    if scale == "unit":
        values = _stored(train)
        largest = np.float32(max(values.max(initial=0), -values.min(initial=0))) or np.float32(1)
        for part in parts:
            _stored(part)[...] /= largest
        return InputTransform(
            np.zeros(train.features, np.float32), np.full(train.features, largest, np.float32)
        )
    found = feature_statistics(train)
    offset, spread = (
        (found.low, found.high - found.low) if scale == "minmax" else (found.mean, found.deviation)
    )
    divisor = np.where(spread > 0, spread, 1).astype(np.float32)
    for part in parts:
        rows = _stored(part)
        rows -= offset.astype(np.float32)
        rows /= divisor
    return InputTransform(offset.astype(np.float32), divisor)


def _stored(part: Part) -> FloatArray:
    """The numbers themselves, to be changed in place: of sparse examples those that are stored."""
    return part.x.data if isinstance(part.x, CSR) else part.x


def _reordered(x: Inputs, order: OffsetArray) -> Inputs:
    """The rows in another order; those of an array change places within it, some columns at a time."""
    if isinstance(x, CSR):
        return x[order]
    columns = max(16, _MOVED // (x.itemsize * max(1, len(x))))
    for first in range(0, x.shape[1], columns):
        x[:, first : first + columns] = x[order, first : first + columns]
    return x


def _numbered(columns: Sequence[tuple[Path, Labels | CSR]]) -> tuple[Sequence[Targets], tuple[str, ...]]:
    """Labels of each file as classes, and the names of all classes."""
    sets = [(path, labels) for path, labels in columns if isinstance(labels, CSR)]
    if sets:
        return label_sets(sets)
    return class_numbers([(path, labels) for path, labels in columns if not isinstance(labels, CSR)])


def _remember(dataset: OwnData, stamps: tuple[Stamp, ...], known: _Known) -> None:
    if len(_known) >= _MOST_REMEMBERED:
        _known.clear()
    _known[dataset, stamps] = known

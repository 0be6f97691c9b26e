"""A user's LIBSVM file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field, model_validator

from lshexp.arrays import CSR, Inputs
from lshexp.data._cells import GrowingArray, Labels
from lshexp.data._own import Head, OwnData, OwnTable, SplitName
from lshexp.data._rows import MOST_FEATURES, stacked
from lshexp.data.base import DatasetInfo
from lshexp.data.formats import MOST_LABEL, SvmChunk, svm_chunks
from lshexp.data.reading import require_memory, require_table
from lshexp.errors import DataError
from lshexp.registry import register


@register("dataset", "libsvm")
class Libsvm(OwnData):
    """Your own sparse data in LIBSVM or SVMlight text, plain or packed (.gz, .bz2, .xz).

    A line is a label and `index:value` for each feature that is not zero. With `multilabel: true` a line has
    any number of labels, whole numbers with commas between; one without labels begins with a feature.

    Examples stay sparse: whatever `input` says, the first layer reads only the features that are not zero,
    and each costs a multiplication a node, for the method `dense` too.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".libsvm", ".svm", ".svmlight", ".txt")

    features: int | None = Field(
        default=None,
        ge=1,
        le=MOST_FEATURES,
        description="number of features; left out: the largest index of both files",
    )
    zero_based: bool = Field(default=False, description="whether features count from 0, not from 1")
    dense: bool = Field(
        default=False,
        description="whether examples are kept in memory as whole rows, which the scales minmax and standard "
        "need",
    )

    multilabel: bool = Field(
        default=False, description="whether an example has any number of labels, as in 1,5,7"
    )

    @model_validator(mode="after")
    def _scale_keeps_zeros(self) -> Libsvm:
        if self.scale not in ("none", "unit") and not self.dense:
            raise ValueError(f"scale '{self.scale}' makes zeros something else; use unit, or set dense: true")
        return self

    def head(self, path: Path, split: SplitName) -> Head:
        """Stream through the file for labels and the largest index."""
        largest, stored, labels = -1, 0, []
        for block in self._chunks(path):
            labels.append(block.labels if block.sets is None else block.sets)
            largest, stored = max(largest, int(block.indices.max(initial=-1))), stored + len(block.indices)
        return Head(largest + 1, self._joined(labels), stored=None if self.dense else stored)

    def table(self, path: Path, split: SplitName) -> OwnTable:
        """Read the file once, a block at a time; the width is that of its largest index."""
        indices, data = GrowingArray(np.int32), GrowingArray(np.float32)
        counts, labels = [np.array([0], dtype=np.int64)], []
        for block in self._chunks(path):
            indices.append(block.indices)
            data.append(block.data)
            counts.append(block.counts)
            labels.append(block.labels if block.sets is None else block.sets)
            require_memory(path, 16 * len(data), f"{len(data):,} and more values")
        indptr, columns = np.cumsum(np.concatenate(counts)), indices.take()
        shape = len(indptr) - 1, int(columns.max(initial=-1)) + 1
        return OwnTable(CSR(indptr, columns, data.take(), shape), self._joined(labels))

    def _chunks(self, path: Path) -> Iterator[SvmChunk]:
        return svm_chunks(path, int(not self.zero_based), self.multilabel)

    def _joined(self, blocks: Sequence[Labels | CSR]) -> Labels | CSR:
        if self.multilabel:
            return stacked([block for block in blocks if isinstance(block, CSR)], MOST_LABEL)
        return np.concatenate([np.array([], np.str_), *(b for b in blocks if not isinstance(b, CSR))])

    def widened(self, path: Path, x: Inputs, features: int) -> Inputs:
        """Return the examples with this many features, as dense rows where `dense` asks for them."""
        assert isinstance(x, CSR)  # as `table` gives it
        if self.dense:
            require_table(path, len(x), features)
        wide = CSR(*x.arrays, (len(x), features))
        return wide.to_dense() if self.dense else wide

    def info(self) -> DatasetInfo:
        """Look at the files; examples stay sparse unless `dense` says otherwise."""
        return replace(super().info(), sparse=not self.dense)

    def width(self, widths: list[tuple[Path, int]]) -> int:
        """Return `features`, or the largest index of all files."""
        path, largest = max(widths, key=lambda item: item[1])
        if self.features is not None and largest > self.features:
            raise DataError(f"{path}: its largest feature is number {largest}, `features` is {self.features}")
        return super().width([(path, self.features or largest)])

"""A user's LIBSVM file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field, model_validator

from lshexp.arrays import CSR
from lshexp.data._own import Head, OwnData, Split, Table
from lshexp.data.formats import MOST_FEATURES, svm_chunks
from lshexp.data.reading import require_memory, require_table
from lshexp.errors import DataError
from lshexp.registry import register


@register("dataset", "libsvm")
class Libsvm(OwnData):
    """Your own sparse data in LIBSVM or SVMlight text, plain or packed (.gz, .bz2, .xz).

    A line is a label and `index:value` for each feature that is not zero.

    Examples stay sparse: whatever `input` says, the first layer reads only the features that are not zero,
    and each costs a multiplication a node. (The method `dense` computes with whole rows, a batch at a time.)
    """

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

    @model_validator(mode="after")
    def _scale_keeps_zeros(self) -> Libsvm:
        if self.scale not in ("none", "unit") and not self.dense:
            raise ValueError(f"scale '{self.scale}' makes zeros something else; use unit, or set dense: true")
        return self

    def head(self, path: Path, split: Split) -> Head:
        """Stream through the file for labels and the largest index."""
        largest, labels = -1, [np.array([], dtype=np.str_)]
        for block in svm_chunks(path, int(not self.zero_based)):
            labels.append(block.labels)
            largest = max(largest, int(block.indices.max(initial=-1)))
        return Head(largest + 1, np.concatenate(labels))

    def table(self, path: Path, split: Split, features: int) -> Table:
        """Read the file a block at a time."""
        blocks = []
        pairs = 0
        for block in svm_chunks(path, int(not self.zero_based)):
            blocks.append(block)
            pairs += len(block.indices)
            require_memory(path, 16 * pairs, f"{pairs:,} and more values")
        counts, ids, values = (np.concatenate([block[at] for block in blocks]) for at in (1, 2, 3))
        indptr = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        labels = np.concatenate([block.labels for block in blocks])
        rows = CSR(indptr, ids, values, (len(counts), features))
        if self.dense:
            require_table(path, len(rows), features)
        return Table(rows.to_dense() if self.dense else rows, labels)

    def width(self, widths: list[tuple[Path, int]]) -> int:
        """Return `features`, or the largest index of all files."""
        path, largest = max(widths, key=lambda item: item[1])
        if self.features is not None and largest > self.features:
            raise DataError(f"{path}: its largest feature is number {largest}, `features` is {self.features}")
        return super().width([(path, self.features or largest)])

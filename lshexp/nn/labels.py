"""Labels as networks read them: one class of each example, or a CSR of any number."""

from __future__ import annotations

import numpy as np

from lshexp.arrays import CSR, OffsetArray, Targets
from lshexp.data.base import Examples

COUNTED_AT_ONCE = 65_536  # examples


def label_counts(part: Examples, classes: int) -> OffsetArray:
    """Training examples of each class, int64[classes]; examples that are made as asked for are made once."""
    counts = np.zeros(classes, dtype=np.int64)
    for first in range(0, part.size, COUNTED_AT_ONCE):
        labels = part.batch(np.arange(first, min(first + COUNTED_AT_ONCE, part.size))).y
        counts += np.bincount(labels.indices if isinstance(labels, CSR) else labels, minlength=classes)
    return counts


def folded(labels: Targets, classes: int) -> Targets:
    """Labels modulo a smaller number of classes, each at most once an example."""
    if not isinstance(labels, CSR):
        return (labels % classes).astype(np.int32)
    mask = np.zeros((len(labels), classes), dtype=np.float32)
    mask[np.repeat(np.arange(len(labels)), labels.row_lengths()), labels.indices % classes] = 1
    return CSR.from_dense(mask)

"""Sizes and sums that the cost formulas of kernels share.

A formula stands beside its kernel, is called `<kernel>_cost`, and takes the kernel's own arguments by their
names, of which it needs but a few; `returned` is what the kernel returned. It says exactly what
`lshexp.work` defines, as one thread goes through the whole batch.
"""

from __future__ import annotations

import numpy as np

from lshexp.arrays import CSC, IntArray, OffsetArray

VALUE = ID = 4  # bytes of a float32, and of an int32 or uint32
OFFSET = 8  # bytes of an int64


def passes(counts: OffsetArray, together: int) -> OffsetArray:
    """Passes over a row that is used `counts` times: so many at a time, then the rest one by one."""
    rest = counts % together
    return (counts - rest) // together + rest


def fours(indptr: OffsetArray) -> int:
    """Sum of `passes`, four at a time, over items that begin at `indptr`."""
    counts = indptr[1:] - indptr[:-1]
    return int(counts.sum() + 3 * (counts & 3).sum()) // 4


def filled(indptr: OffsetArray) -> int:
    """Items with at least one entry."""
    return int(np.count_nonzero(indptr[1:] != indptr[:-1]))


def groups_bytes(grouped: CSC) -> int:
    """Where each group of entries begins and ends and, where columns are listed, which column it is."""
    return 2 * OFFSET * (len(grouped.indptr) - 1) + ID * len(grouped.columns)


def products(indptr: OffsetArray, in_indptr: OffsetArray) -> int:
    """Sum over examples of entries x inputs."""
    return int((indptr[1:] - indptr[:-1]) @ (in_indptr[1:] - in_indptr[:-1]))


def grouped_products(examples: IntArray, in_indptr: OffsetArray) -> int:
    """The same sum, from the example of each entry."""
    return int((in_indptr[1:] - in_indptr[:-1])[examples].sum())

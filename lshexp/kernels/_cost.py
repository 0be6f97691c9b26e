"""Sizes and sums that the cost formulas of kernels share.

A formula stands beside its kernel, is called `<kernel>_cost`, and takes the kernel's own arguments by their
names, of which it needs but a few; `returned` is what the kernel returned. It says exactly what
`lshexp.work` defines, as one thread goes through the whole batch. Formulas run at every step, so what they
sum up over examples or nodes is compiled, and what a kernel knows anyway is among what it returns.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from lshexp.arrays import CSC, IntArray, OffsetArray

VALUE = ID = 4  # bytes of a float32, and of an int32 or uint32
OFFSET = 8  # bytes of an int64


@njit(parallel=False, cache=True, fastmath=False)
def _passed(indptr, in_indptr, shift):
    """Sum over items of passes x inputs, for entries that are taken 2**shift at a time."""
    total = 0
    for i in range(len(indptr) - 1):
        count = indptr[i + 1] - indptr[i]
        passed = (count >> shift) + (count & ((1 << shift) - 1))
        total += passed * (in_indptr[i + 1] - in_indptr[i])
    return total


@njit(parallel=False, cache=True, fastmath=False)
def _passes(indptr, shift):
    """Sum over items of passes, for entries that are taken 2**shift at a time; and items with any entry."""
    total, used = 0, 0
    for i in range(len(indptr) - 1):
        count = indptr[i + 1] - indptr[i]
        total += (count >> shift) + (count & ((1 << shift) - 1))
        used += count > 0
    return total, used


@njit(parallel=False, cache=True, fastmath=False)
def _grouped(examples, in_indptr):
    """Sum of the inputs of examples int32[P], from their offsets int64[B + 1]."""
    total = 0
    for b in examples:
        total += in_indptr[np.uint32(b) + np.uint32(1)] - in_indptr[np.uint32(b)]
    return total


def passes(indptr: OffsetArray, together: int) -> int:
    """Sum of the passes over items that begin at `indptr`: so many entries at a time, the rest one by one.

    `together` is a power of two.
    """
    return int(_passes(indptr, together.bit_length() - 1)[0])


def passes_of_one(entries: int, together: int) -> int:
    """The passes over one item."""
    return entries // together + entries % together


def passed_products(indptr: OffsetArray, in_indptr: OffsetArray, together: int) -> int:
    """Sum over examples of the passes that their entries take, as in `passes`, x inputs."""
    return int(_passed(indptr, in_indptr, together.bit_length() - 1))


def fours(indptr: OffsetArray) -> int:
    """`passes`, four at a time."""
    return passes(indptr, 4)


def filled(indptr: OffsetArray) -> int:
    """Items with at least one entry."""
    return int(_passes(indptr, 0)[1])


def groups_bytes(grouped: CSC) -> int:
    """Where each group of entries begins and ends and, where columns are listed, which column it is."""
    return 2 * OFFSET * (len(grouped.indptr) - 1) + ID * len(grouped.columns)


def products(indptr: OffsetArray, in_indptr: OffsetArray) -> int:
    """Sum over examples of entries x inputs."""
    return int(_passed(indptr, in_indptr, 0))


def grouped_products(examples: IntArray, in_indptr: OffsetArray) -> int:
    """The same sum, from the example of each entry."""
    return int(_grouped(examples, in_indptr))

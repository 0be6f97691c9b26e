"""How kernels are compiled, and how a batch is divided among threads.

A kernel that runs in parallel takes `bounds`, int64[C + 1]: chunk c handles the items bounds[c]:bounds[c + 1]
(examples, nodes or inputs) and writes only what belongs to them. Every item is computed by itself, so results
never depend on the bounds or on the number of threads.
"""

from __future__ import annotations

import functools
from typing import Any

import numba
import numpy as np
from numba import njit

from lshexp.arrays import OffsetArray

# A fastmath setting. It lets LLVM reorder the terms of a sum, so that it runs in vector registers, and fuse
# multiply with add. It never assumes that NaN or infinity are absent: they are how a diverged run is noticed.
REASSOCIATE = {"reassoc", "contract", "nsz"}


def all_threads() -> int:
    """Threads that kernels called from here run on: chunks to cut work into that no layer cuts."""
    return int(numba.get_num_threads())


def alone(kernel: Any) -> Any:
    """The same kernel for other kernels to call on their own thread, as to wake threads takes a microsecond.

    It is compiled from the same source with the same settings, so what it computes has the same bits.
    """
    if not hasattr(kernel, "py_func"):  # compilation is switched off
        return kernel
    return njit(parallel=False, fastmath=kernel.targetoptions["fastmath"])(kernel.py_func)


@functools.lru_cache(maxsize=256)
def even_bounds(items: int, chunks: int) -> OffsetArray:
    """Split `items` equal pieces of work into `chunks` runs, int64[chunks + 1]; not to be written to.

    They are asked for several times a step, and remembered.
    """
    return np.arange(chunks + 1, dtype=np.int64) * items // chunks


def balanced_bounds(indptr: OffsetArray, chunks: int) -> OffsetArray:
    """Split len(indptr) - 1 items into `chunks` runs of about equal work, int64[chunks + 1].

    The work of an item is its number of entries, indptr[i + 1] - indptr[i].
    """
    if chunks == 1:
        return even_bounds(len(indptr) - 1, 1)
    bounds: OffsetArray = _balanced(indptr, chunks)
    return bounds


@njit(parallel=False, cache=True, fastmath=False)
def _balanced(indptr, chunks):
    """Bounds at which the entries before an item, and one more an item, reach each chunk's share of all."""
    items = len(indptr) - 1
    bounds = np.empty(chunks + 1, dtype=np.int64)
    bounds[0], bounds[chunks] = 0, items
    for c in range(1, chunks):
        # one unit more an item, so that items without work are spread out too
        low, high, target = 0, items, (indptr[items] + items) * c // chunks
        while low < high:
            middle = (low + high) // 2
            if indptr[middle] + middle < target:
                low = middle + 1
            else:
                high = middle
        bounds[c] = low
    return bounds

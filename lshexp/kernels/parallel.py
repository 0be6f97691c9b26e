"""How kernels are compiled, and how a batch is divided among threads.

A kernel that runs in parallel takes `bounds`, int64[C + 1]: chunk c handles the items bounds[c]:bounds[c + 1]
(examples, nodes or inputs) and writes only what belongs to them. Every item is computed by itself, so results
never depend on the bounds or on the number of threads.
"""

from __future__ import annotations

import numpy as np

from lshexp.arrays import OffsetArray

# A fastmath setting. It lets LLVM reorder the terms of a sum, so that it runs in vector registers, and fuse
# multiply with add. It never assumes that NaN or infinity are absent: they are how a diverged run is noticed.
REASSOCIATE = {"reassoc", "contract", "nsz"}


def even_bounds(items: int, chunks: int) -> OffsetArray:
    """Split `items` equal pieces of work into `chunks` runs, int64[chunks + 1]."""
    return np.arange(chunks + 1, dtype=np.int64) * items // chunks


def balanced_bounds(indptr: OffsetArray, chunks: int) -> OffsetArray:
    """Split len(indptr) - 1 items into `chunks` runs of about equal work, int64[chunks + 1].

    The work of an item is its number of entries, indptr[i + 1] - indptr[i].
    """
    items = len(indptr) - 1
    if chunks == 1:
        return np.array([0, items])
    # one unit more an item, so that items without work are spread out too
    progress = indptr + np.arange(items + 1)
    targets = np.linspace(0, progress[-1], chunks + 1)[1:-1]
    inner = np.searchsorted(progress, targets)
    return np.concatenate(([0], inner, [items])).astype(np.int64)

"""Memory for arrays that a step makes anew each time: that of former ones, once nothing refers to them.

A large array that is dropped goes back to the system, which hands out the next one page by page and zeroed.
Steps of training need the same sizes again and again, so what one has dropped the next one takes. Whether an
array is still in use is what Python counts anyway, so nobody has to hand one back, and an array that somebody
keeps stays as it is.
"""

from __future__ import annotations

import math
import sys
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALL = 2**14  # bytes; below, NumPy's own allocation is as fast
SWEEP = 4_096  # arrays handed out between two looks for memory that is no longer needed


class _Block:
    """A piece of memory, uint8[size], and whether it has been of use since the last look."""

    __slots__ = ("memory", "used")

    def __init__(self, size: int) -> None:
        self.memory: NDArray[np.uint8] = np.empty(size, dtype=np.uint8)
        self.used = True

    def references(self) -> int:
        """How many refer to the memory, arrays in it among them, by Python's own way of counting."""
        return sys.getrefcount(self.memory)


IDLE = _Block(1).references()  # of memory in which there is no array


class _Pool(threading.local):
    """Blocks of one thread, by their size."""

    def __init__(self) -> None:
        self.blocks: dict[int, list[_Block]] = {}
        self.taken = 0

    def take(self, nbytes: int) -> NDArray[np.uint8]:
        """Memory of at least so many bytes in which there is no array."""
        self.taken += 1
        if self.taken % SWEEP == 0:
            self.sweep()
        size = _rounded(nbytes)
        blocks = self.blocks.setdefault(size, [])
        for block in blocks:
            if block.references() == IDLE:
                break
        else:
            block = _Block(size)
            blocks.append(block)
        block.used = True
        return block.memory

    def sweep(self) -> None:
        """Let go of the blocks that have not been of use since the last time."""
        kept: dict[int, list[_Block]] = {}
        for size, blocks in self.blocks.items():
            if left := [block for block in blocks if block.used]:
                kept[size] = left
        for block in (block for blocks in kept.values() for block in blocks):
            block.used = False
        self.blocks = kept


_POOL = _Pool()


def _rounded(nbytes: int) -> int:
    """The next of the sizes that blocks have: eight between a power of two and the next one."""
    step = 1 << max(0, nbytes.bit_length() - 4)
    return -(-nbytes // step) * step


def empty(shape: int | tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """An array whose values are not set, as `numpy.empty`, in memory that may have been used before."""
    kind = np.dtype(dtype)
    length = math.prod(shape) if isinstance(shape, tuple) else shape
    nbytes = int(length) * kind.itemsize
    if nbytes < SMALL:
        return np.empty(shape, dtype=kind)
    array: NDArray[Any] = np.ndarray(shape, dtype=kind, buffer=_POOL.take(nbytes))
    return array


def empty_like(array: NDArray[Any]) -> NDArray[Any]:
    """An array of the same shape and type, whose values are not set."""
    return empty(array.shape, array.dtype)


def release() -> None:
    """Let go of all memory of this thread that is kept for later; arrays in use keep theirs."""
    _POOL.blocks.clear()

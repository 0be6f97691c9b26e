"""Counters of the work a run does: multiplications, additions and bytes, by layer and phase.

What counts, the same for every method:

- a product of a weight, a projection or a gradient with an activation is one multiplication, and each
  product added to a sum is one addition (a bias is the sum's start, so it adds none of its own);
- a division or a square root counts as one multiplication;
- an optimiser's step counts for each weight of the nodes and inputs that a batch used, also where a gradient
  is exactly zero and no step is taken;
- comparisons, random draws, integer and table operations count no arithmetic, but the bytes that kernels read
  and write for them do count;
- the arithmetic of element-wise maps of a few operations a *node* (ReLU, softmax and the loss, the sigmoid
  itself) is left out for every method alike;
- so is the arithmetic of single scalars a call, such as the norm of a whole batch or a moving threshold of a
  layer;
- bytes of kernels: each element of an array that a kernel loads or stores counts with its size, each time
  that its source does so, whatever it holds: weights, values, ids, offsets, sums, hash tables, buffers of its
  own. What a kernel keeps in a variable is free;
- bytes between kernels: a product that BLAS forms, and an expression of NumPy in which values (float32, or
  hash codes) take part, loads each operand once, an index or a mask among them, and stores its result once.
  Views are free. What NumPy does with ids, offsets and flags alone is left out, such as where lists begin;
- no cache is modelled, and counts are those of one thread that goes through the whole batch, so they do not
  depend on the threads;
- left out for every method alike: how a batch is shared out, the form in which examples are handed over, sums
  of the losses, what is made once before training or for a size of batch, the search for the first offset of
  adaptive dropout, and the mean of weights over epochs.

Training counts under the first five phases, and prediction, with whatever it takes to choose the nodes, under
`predict`. Nothing else that a network is asked, such as by the probe, is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

PHASES = ("select", "forward", "backward", "update", "rebuild")  # of training
PREDICT = "predict"  # the phase of all work of a network that predicts


class Work(NamedTuple):
    """An amount of work."""

    mults: int
    adds: int
    bytes: int

    def __add__(self, other: object) -> Work:
        """Add amounts, not tuples."""
        if not isinstance(other, Work):
            return NotImplemented
        return Work(self.mults + other.mults, self.adds + other.adds, self.bytes + other.bytes)

    def less(self, other: Work) -> Work:
        """This amount without another one that is part of it."""
        return Work(self.mults - other.mults, self.adds - other.adds, self.bytes - other.bytes)


def elementwise(size: int, operands: int = 1, mults: int = 0, adds: int = 0) -> Work:
    """An expression of NumPy on float32 arrays of `size` elements, so many of them, and its result."""
    return Work(mults, adds, 4 * size * (operands + 1))


def indexed(values: int, index: int) -> Work:
    """So many values taken from an array, or put into one, by an index or a mask of so many bytes."""
    return Work(0, 0, 8 * values + index)


def matrix_product(rows: int, inner: int, columns: int) -> Work:
    """A float32 product by BLAS: both operands loaded once, the result stored once."""
    products = rows * inner * columns
    return Work(products, products, 4 * (rows * inner + inner * columns + rows * columns))


class LayerWork:
    """The counters of one layer.

    Nothing is counted while `paused`, and everything under the phase `predict` while `predicting`.
    """

    def __init__(self) -> None:
        self._counts = {phase: [0, 0, 0] for phase in (*PHASES, PREDICT)}
        self._sums: dict[tuple[Callable[..., Work], tuple[Any, ...]], list[int]] = {}
        self.paused = False
        self.predicting = False

    def count(self, phase: str, work: Work) -> None:
        """Add work to a phase."""
        if not self.paused:
            counts = self._counts[PREDICT if self.predicting else phase]
            counts[0] += work.mults
            counts[1] += work.adds
            counts[2] += work.bytes

    def count_sums(self, formula: Callable[..., Work], constants: tuple[Any, ...], *sizes: int) -> None:
        """Add what formula(*constants, *sizes) says to `predict`; it is linear in the sizes.

        Sizes are summed up, and the formula is worked out when somebody asks: a prediction of one example
        takes little more time than to work out its formulas would.
        """
        if self.paused:
            return
        sums = self._sums.setdefault((formula, constants), [0] * len(sizes))
        for place, size in enumerate(sizes):
            sums[place] += size

    def tally(self, phase: str) -> Work:
        """Work of one phase so far."""
        counted = Work(*map(int, self._counts[phase]))
        if phase != PREDICT:
            return counted
        return sum((formula(*own, *sums) for (formula, own), sums in self._sums.items()), counted)

    def mults(self) -> int:
        """Multiplications of training so far, all phases."""
        return sum(self.tally(phase).mults for phase in PHASES)

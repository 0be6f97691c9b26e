"""Counters of the work a run does: multiplications, additions and bytes, by layer and phase.

What counts, the same for every method:

- a product of a weight, a projection or a gradient with an activation is one multiplication, and each
  product added to a sum is one addition (a bias is the sum's start, so it adds none of its own);
- a division or a square root counts as one multiplication;
- comparisons, random draws, integer and table operations count no arithmetic, but the bytes they read
  and write do count;
- element-wise maps whose cost is a few operations a *node* (ReLU, softmax and the loss, the sigmoid
  itself) are left out for every method alike;
- so are single scalars a call, such as the norm of a whole batch or a moving threshold of a layer;
- bytes are those of the operands a kernel loads and stores; an operand that a kernel keeps in registers
  or first-level cache by construction (a node's weight row while it serves its batch) counts once. No
  cache is modelled.

Training counts under the first five phases, and prediction, with whatever it takes to choose the nodes, under
`predict`. Nothing else that a network is asked, such as by the probe, is counted.
"""

from __future__ import annotations

from typing import NamedTuple

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


class LayerWork:
    """The counters of one layer.

    Nothing is counted while `paused`, and everything under the phase `predict` while `predicting`.
    """

    def __init__(self) -> None:
        self._counts = {phase: [0, 0, 0] for phase in (*PHASES, PREDICT)}
        self.paused = False
        self.predicting = False

    def add(self, phase: str, mults: int, adds: int, nbytes: int) -> None:
        """Add work to a phase."""
        if not self.paused:
            counts = self._counts[PREDICT if self.predicting else phase]
            counts[0] += mults
            counts[1] += adds
            counts[2] += nbytes

    def count(self, phase: str, work: Work) -> None:
        """Add work to a phase."""
        self.add(phase, *work)

    def tally(self, phase: str) -> Work:
        """Work of one phase so far."""
        return Work(*map(int, self._counts[phase]))

    def mults(self) -> int:
        """Multiplications of training so far, all phases."""
        return sum(self.tally(phase).mults for phase in PHASES)

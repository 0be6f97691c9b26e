"""Energy of the arithmetic, were it done in few bits, at the prices of a 45 nm chip."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lshexp.energy.base import JOULES_PER_PICOJOULE, EnergyModel
from lshexp.registry import register
from lshexp.work import Work

MULT_PJ = {"int8": 0.2, "shift8": 0.024, "shift32": 0.13}
ADD_PJ = 0.1  # of 32-bit integers, in which products of 8 bits are summed


@register("energy", "narrow45")
class Narrow45(EnergyModel):
    """Multiplications in 8 bits, or as shifts, at 45 nm (Horowitz, 2014; You et al., 2020); memory is free.

    An 8-bit multiplication (0.2 pJ) and a 32-bit addition (0.1 pJ) are from figure 1.1.9 of M. Horowitz,
    "Computing's energy problem (and what we can do about it)", ISSCC 2014; shifts, by which weights that are
    powers of two multiply an input of 8 or 32 bits, from table 1 of H. You et al., "ShiftAddNet", NeurIPS
    2020. All of a run's work is priced alike, that of weight gradients and optimisers too, which runs here do
    in float32: a floor of what a network of so few bits takes, not what it took.
    """

    mult: Literal["int8", "shift8", "shift32"] = Field(
        default="int8",
        description="what stands for a multiplication; int8: that of 8-bit integers, shift8 and shift32: a "
        "shift of an integer of so many bits",
    )

    def joules(self, work: Work) -> float:
        """Return the energy of the multiplications and additions, in joules."""
        return (work.mults * MULT_PJ[self.mult] + work.adds * ADD_PJ) * JOULES_PER_PICOJOULE

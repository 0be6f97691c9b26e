"""Energy of the arithmetic alone, at the prices of a 45 nm chip."""

from __future__ import annotations

from pydantic import Field

from lshexp.energy.base import JOULES_PER_PICOJOULE, EnergyModel
from lshexp.registry import register
from lshexp.work import Work


@register("energy", "horowitz45")
class Horowitz45(EnergyModel):
    """fp32 multiplications and additions at 45 nm, 0.9 V (Horowitz, ISSCC 2014); memory is free.

    M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, figure 1.1.9. The
    kernels are fp32, and so are the prices. A division or a square root is counted, and so priced, as one
    multiplication. Instruction overhead and idle power are left out: this is a proxy for comparing methods,
    not a forecast of a meter's reading.
    """

    mult_pj: float = Field(default=3.7, ge=0, description="picojoules of an fp32 multiplication")
    add_pj: float = Field(default=0.9, ge=0, description="picojoules of an fp32 addition")

    def joules(self, work: Work) -> float:
        """Return the energy of the multiplications and additions, in joules."""
        return (work.mults * self.mult_pj + work.adds * self.add_pj) * JOULES_PER_PICOJOULE

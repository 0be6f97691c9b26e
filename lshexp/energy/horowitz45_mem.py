"""Energy of the arithmetic and of the memory traffic, at the prices of a 45 nm chip."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lshexp.energy.base import JOULES_PER_PICOJOULE
from lshexp.energy.horowitz45 import Horowitz45
from lshexp.registry import register
from lshexp.work import Work

BYTES_PER_ACCESS = 8
ACCESS_PJ = {"sram_8kb": 10.0, "sram_32kb": 20.0, "sram_1mb": 100.0, "dram": 1300.0}


@register("energy", "horowitz45_mem")
class Horowitz45Mem(Horowitz45):
    """horowitz45, and every counted byte fetched from one stated level of memory.

    The same source gives picojoules for a 64-bit access: 10, 20 and 100 for a cache of 8 KB, 32 KB and 1 MB,
    and 1300 to 2600 for DRAM, of which the lower figure is used. The counters say how many bytes kernels
    load and store, not which cache served them. So the whole traffic is priced at one level, `memory`:
    `sram_8kb` is a floor and `dram`, the default, a ceiling; the truth lies between them.
    """

    memory: Literal["sram_8kb", "sram_32kb", "sram_1mb", "dram"] = Field(
        default="dram", description="where every counted byte is fetched from"
    )

    def joules(self, work: Work) -> float:
        """Return the energy of the arithmetic and of the bytes touched, in joules."""
        traffic_pj = work.bytes / BYTES_PER_ACCESS * ACCESS_PJ[self.memory]
        return super().joules(work) + traffic_pj * JOULES_PER_PICOJOULE

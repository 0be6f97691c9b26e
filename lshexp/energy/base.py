"""What an energy model is to the rest of the project; and a table of prices that a user wrote, as one."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from lshexp.registry import Plugin
from lshexp.work import Work

JOULES_PER_PICOJOULE = 1e-12


class EnergyModel(Plugin):
    """Base of every registered energy model.

    A pure function of counted work, so that finished runs can be priced again without running them.
    """

    @abstractmethod
    def joules(self, work: Work) -> float:
        """Return the energy of an amount of work, in joules."""


Price = Annotated[float, Field(ge=0)]


class Picojoules(BaseModel):
    """Prices of one operation each, in picojoules."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    mult: Price = Field(description="of a multiplication")
    add: Price = Field(description="of an addition")
    access: Price = Field(default=0.0, description="of `access_bytes` bytes, loaded or stored")


class PriceTable(EnergyModel):
    """Prices of a multiplication, an addition and a memory access, from a file.

    A division or a square root counts, and so costs, as one multiplication. All traffic is priced alike: the
    counters know no caches.
    """

    title: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$",
        description="name of the model in tables; letters, digits, '.', '_' and '-'",
    )
    source: str = Field(default="", description="where the prices are from")
    picojoules: Picojoules = Field(description="prices of one operation each, picojoules")
    access_bytes: int = Field(default=8, ge=1, le=4096, description="bytes of one memory access")

    def joules(self, work: Work) -> float:
        """Return the energy of the arithmetic and of the bytes touched, in joules."""
        price = self.picojoules
        traffic = work.bytes / self.access_bytes * price.access
        return (work.mults * price.mult + work.adds * price.add + traffic) * JOULES_PER_PICOJOULE

"""What an energy model is to the rest of the project."""

from __future__ import annotations

from abc import abstractmethod

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

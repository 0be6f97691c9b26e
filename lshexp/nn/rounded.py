"""A layer that computes with rounded weights and trains those that they are rounded from."""

from __future__ import annotations

import numpy as np

from lshexp.arrays import FloatArray, Inputs
from lshexp.kernels.parallel import even_bounds
from lshexp.kernels.rounded import round_to_int8, round_to_int8_cost, round_to_pow2, round_to_pow2_cost
from lshexp.methods.base import Rounded
from lshexp.nn.layer import Layer, Pairs
from lshexp.work import Work


class RoundedLayer(Layer):
    """As `Layer`, with `weights` that are those `stored`, rounded after each step.

    The gradient at the rounded weights is taken for that at the stored ones (straight-through). Products are
    computed, and counted, as float32: what they would cost in few bits is for an energy model to say.
    """

    @property
    def stored(self) -> FloatArray:
        """float32[nodes, fan_in], what steps change."""
        return self._stored

    @stored.setter
    def stored(self, stored: FloatArray) -> None:
        self._stored = stored
        self.weights = np.empty_like(stored)
        self._round()

    def update(self, inputs: Inputs, pairs: Pairs | None, deltas: FloatArray) -> None:
        """Take one step of the stored weights, and round them anew, counted as update."""
        super().update(inputs, pairs, deltas)
        self.work.count("update", self._round())

    def _round(self) -> Work:
        """Round all weights; returns what it takes."""
        assert isinstance(self.plan.storage, Rounded)  # the plan has this layer stored so
        bounds = even_bounds(self.nodes, self.threads)
        if self.plan.storage.to == "int8":
            round_to_int8(self._stored, bounds, self.weights)
            return round_to_int8_cost(self._stored)
        round_to_pow2(self._stored, bounds, self.weights)
        return round_to_pow2_cost(self._stored)

"""Mean and leading directions of what a layer is given, followed from batch to batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lshexp.arrays import CSR, FloatArray, Inputs, like
from lshexp.hashing.base import project, spread
from lshexp.kernels.project import orthonormalise, orthonormalise_cost
from lshexp.work import LayerWork, Work, elementwise, matrix_product

FIRST_ITERATIONS = 6


class Directions:
    """M directions v float32[D, M] and the mean input float32[D]; `learn` moves both towards a batch.

    With `turning`, the directions follow the leading principal ones by a step of orthogonal iteration each
    time, mixed with the past by `memory`; otherwise they stay as they were drawn. With `centring`, inputs are
    seen from their running mean; otherwise from zero.
    """

    def __init__(self, v: FloatArray, turning: bool, centring: bool, memory: float) -> None:
        self.v = v
        self.mean = np.zeros(len(v), dtype=np.float32)
        self._center = np.zeros(v.shape[1], dtype=np.float32)  # mean @ v
        self._product = np.zeros_like(v)  # covariance @ v, remembered
        self._turning, self._centring, self._memory = turning, centring, memory
        self._learned = False
        self.learns = turning or centring

    def state(self) -> dict[str, FloatArray]:
        """What a sketch is made with."""
        return {"directions": self.v, "mean": self.mean, "center": self._center}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over a state. Raises ValueError or KeyError when it is none of these directions."""
        self.v = like(state, "directions", self.v)
        self.mean, self._center = like(state, "mean", self.mean), like(state, "center", self._center)
        self._learned = True

    def learn(self, inputs: Inputs, work: LayerWork) -> None:
        """Update mean and directions from a batch of at least one example."""
        examples = len(inputs)
        keep = np.float32(self._memory if self._learned else 0)
        if self._centring:
            self.mean = keep * self.mean + (1 - keep) * _mean_input(inputs, examples, len(self.mean))
            size = self.mean.size
            work.count("rebuild", _mean_input_cost(inputs, size))
            work.count("rebuild", elementwise(2 * size, mults=2 * size) + elementwise(size, 2, adds=size))
        if self._turning:
            # the first time there is no past to lean on, so the iteration is repeated until it has settled
            for _ in range(1 if self._learned else FIRST_ITERATIONS):
                self._turn(inputs, examples, keep, work)
        self._find_center(work)
        self._learned = True

    def centred(self, projections: FloatArray, work: LayerWork, phase: str) -> FloatArray:
        """Turn inputs @ v into (inputs - mean) @ v, in place where there is anything to do; float32[B, M]."""
        if self._centring:
            projections -= self._center
            centre = Work(0, projections.size, 4 * (2 * projections.size + self._center.size))
            work.count(phase, centre)
        return projections

    def sketch(self, inputs: Inputs, work: LayerWork, phase: str) -> FloatArray:
        """(inputs - mean) @ v, float32[B, M]."""
        return self.centred(project(inputs, self.v, work, phase), work, phase)

    def _find_center(self, work: LayerWork) -> None:
        if self._centring:
            work.count("rebuild", matrix_product(1, *self.v.shape))
            self._center = self.mean @ self.v

    def _turn(self, inputs: Inputs, examples: int, keep: np.float32, work: LayerWork) -> None:
        """One step of orthogonal iteration: multiply v by the (remembered) covariance, orthonormalise."""
        self._find_center(work)
        product = self._covariance_times_v(inputs, examples, work)
        self._product = keep * self._product + (1 - keep) * product
        self.v = self._product.copy()
        orthonormalise(self.v)
        size = self.v.size  # two products with a number, their sum, and a copy of it
        mixed = elementwise(3 * size, mults=2 * size) + elementwise(size, 2, adds=size)
        work.count("rebuild", mixed + orthonormalise_cost(self.v))

    def _covariance_times_v(self, inputs: Inputs, examples: int, work: LayerWork) -> FloatArray:
        """(X - mean)^T (X - mean) v / B, never forming the covariance: float32[D, M]."""
        coordinates = self.sketch(inputs, work, "rebuild")
        out = spread(inputs, coordinates, work, "rebuild")
        if self._centring:
            out -= np.outer(self.mean, coordinates.sum(axis=0))
            size, entries = out.size, coordinates.size
            summed = Work(0, entries, 4 * (entries + out.shape[1]))
            outer = Work(size, 0, 4 * (sum(out.shape) + size))
            work.count("rebuild", summed + outer + elementwise(size, 2, adds=size))
        out /= np.float32(examples)
        work.count("rebuild", elementwise(out.size, mults=out.size))
        return out


def _mean_input(inputs: Inputs, examples: int, fan_in: int) -> FloatArray:
    if isinstance(inputs, CSR):
        total = np.bincount(inputs.indices, weights=inputs.data, minlength=fan_in)
        return (total / examples).astype(np.float32)
    mean: FloatArray = inputs.mean(axis=0, dtype=np.float32)
    return mean


def _mean_input_cost(inputs: Inputs, fan_in: int) -> Work:
    """Of stored inputs ids and values, and sums in float64 that are divided and rounded; or rows."""
    if isinstance(inputs, CSR):
        return Work(fan_in, inputs.nnz, 8 * inputs.nnz + 36 * fan_in)
    return Work(fan_in, inputs.size, 4 * (inputs.size + fan_in))

"""Signed projections of a low-dimensional, centred sketch of the input."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lshexp.hashing._base import (
    Codes,
    Hasher,
    HashFamily,
    Query,
    Rows,
    Signal,
    count_products,
    project,
    sign_query,
    signs,
)
from lshexp.hashing.srp import gaussian_planes
from lshexp.kernels.project import orthonormalise, spread_lists
from lshexp.kernels.ragged import Lists
from lshexp.registry import register
from lshexp.streams import stream
from lshexp.work import LayerWork

FIRST_ITERATIONS = 6


@register("hash", "sketch")
class Sketch(HashFamily):
    """Signs of projections of a short sketch of the input, along directions the input really varies in.

    With directions V and the layer's mean input mu, a pre-activation is w.x + b = (Vw).(V(x - mu)) + (w.mu +
    b) plus what V misses. Both sides of that sum are a few coordinates: they are what is hashed, and their
    inner product ranks candidates for a few multiplications each.

    `directions`: `principal` follows the leading principal directions of the layer's inputs by one step of
    orthogonal iteration each time the tables are rebuilt, mixed with the past by `memory`; `pooled` takes
    means over `dims` runs of consecutive inputs, as the code of Spring & Shrivastava does (which pools by
    about 100); `random` draws Gaussian directions once. `dims` 0 means one for each 100 inputs. `center`
    subtracts the running mean input. `offset` weighs the coordinate that carries w.mu + b when hashing; 0
    leaves it out, and then it is not used for ranking either.
    """

    has_coordinates: ClassVar[bool] = True

    directions: Literal["principal", "pooled", "random"] = "principal"
    dims: int = Field(default=16, ge=0, le=4096)
    center: bool = True
    offset: float = Field(default=0.5, ge=0)
    memory: float = Field(default=0.8, ge=0, lt=1)

    def draw(self, K: int, L: int, nodes: int, fan_in: int, key: int) -> Hasher:
        """Draw K * L planes over the sketch's coordinates."""
        dims = min(self.dims or max(1, round(fan_in / 100)), fan_in)
        return _Sketched(self, K, L, dims, nodes, fan_in, key)


class _Sketched(Hasher):
    def __init__(self, options: Sketch, K: int, L: int, dims: int, nodes: int, fan_in: int, key: int) -> None:
        self._options = options
        self._bits = K
        self._planes = gaussian_planes(key, dims + 1, K * L)
        self._v = _first_directions(options.directions, dims, fan_in, key)  # float32[D, M]
        self._memory = np.zeros_like(self._v)
        self._mean = np.zeros(fan_in, dtype=np.float32)
        self._center = np.zeros(dims, dtype=np.float32)  # mean @ V
        self._offset_scale = np.float32(1)  # length of a query's offset coordinate
        self._learned = 0
        self.coordinates = np.zeros((nodes, dims + 1), dtype=np.float32)

    def learn(self, inputs: Signal, work: LayerWork) -> None:
        """Update mean and directions from one batch."""
        examples = len(inputs.starts) - 1 if isinstance(inputs, Lists) else len(inputs)
        if not examples:
            return
        keep = np.float32(self._options.memory if self._learned else 0)
        if self._options.center:
            self._mean = keep * self._mean + (1 - keep) * _mean_input(inputs, examples, len(self._mean))
            entries = len(inputs.values) if isinstance(inputs, Lists) else inputs.size
            size = self._mean.size
            work.add("rebuild", 3 * size, entries + size, 4 * (entries + 3 * size))
        if self._options.directions == "principal":
            # the first time there is no past to lean on, so the iteration is repeated until it has settled
            for _ in range(1 if self._learned else FIRST_ITERATIONS):
                self._turn(inputs, examples, keep, work)
        self._center = self._sketch_of_mean(work)
        coordinates = self._centred(inputs, work, "rebuild")
        spread = float(np.sqrt(np.mean(np.einsum("ij,ij->i", coordinates, coordinates))))
        count_products(work, "rebuild", coordinates.size, 0)
        self._offset_scale = np.float32(self._options.offset * spread) if spread > 0 else np.float32(1)
        self._learned += 1

    def hash_nodes(
        self, weights: Rows, bias: NDArray[np.float32], ids: NDArray[np.int32], work: LayerWork
    ) -> Codes:
        rows = weights if len(ids) == len(weights) else weights[ids]
        assert self.coordinates is not None  # set in the constructor
        coordinates = np.zeros((len(ids), self.coordinates.shape[1]), dtype=np.float32)
        coordinates[:, :-1] = project(rows, self._v, work, "rebuild")
        if self._options.offset > 0:
            coordinates[:, -1] = (rows @ self._mean + bias[ids]) / self._offset_scale
            n = len(rows)
            work.add("rebuild", rows.size + n, rows.size + n, 4 * (rows.size + 2 * n + self._mean.size))
        self.coordinates[ids] = coordinates
        return signs(project(coordinates, self._planes, work, "rebuild"), self._bits)

    def hash_inputs(self, inputs: Signal, work: LayerWork) -> Query:
        sketch = self._centred(inputs, work, "select")
        coordinates = np.empty((len(sketch), sketch.shape[1] + 1), dtype=np.float32)
        coordinates[:, :-1] = sketch
        coordinates[:, -1] = self._offset_scale if self._options.offset > 0 else 0
        return sign_query(project(coordinates, self._planes, work, "select"), self._bits, coordinates)

    def _centred(self, inputs: Signal, work: LayerWork, phase: str) -> Rows:
        """(inputs - mean) @ V, float32[B, M]."""
        sketch = project(inputs, self._v, work, phase)
        if self._options.center:
            sketch -= self._center
            work.add(phase, 0, sketch.size, 8 * sketch.size)
        return sketch

    def _sketch_of_mean(self, work: LayerWork) -> NDArray[np.float32]:
        if not self._options.center:
            return self._center
        count_products(work, "rebuild", self._v.size, 4 * self._mean.size)
        return self._mean @ self._v

    def _turn(self, inputs: Signal, examples: int, keep: np.float32, work: LayerWork) -> None:
        """One step of orthogonal iteration: multiply V by the (remembered) covariance, orthonormalise."""
        self._center = self._sketch_of_mean(work)
        product = self._covariance_times_v(inputs, examples, work)
        self._memory = keep * self._memory + (1 - keep) * product
        self._v = self._memory.copy()
        orthonormalise(self._v)
        d, m = self._v.shape
        work.add("rebuild", d * m * (m + 4), d * m * (m + 2), 8 * d * m * (m + 4))

    def _covariance_times_v(self, inputs: Signal, examples: int, work: LayerWork) -> Rows:
        """(X - mean)^T (X - mean) V / B, never forming the covariance: float32[D, M]."""
        coordinates = self._centred(inputs, work, "rebuild")
        if isinstance(inputs, Lists):
            out = np.zeros_like(self._v)
            spread_lists(*inputs, coordinates, out)
            products = len(inputs.nodes) * self._v.shape[1]
        else:
            out = inputs.T @ coordinates
            products = inputs.size * self._v.shape[1]
        count_products(work, "rebuild", products, 8 * self._v.size)
        if self._options.center:
            out -= np.outer(self._mean, coordinates.sum(axis=0))
            work.add("rebuild", out.size, out.size + coordinates.size, 8 * out.size)
        out /= np.float32(examples)
        work.add("rebuild", out.size, 0, 8 * out.size)
        return out


def _first_directions(kind: str, dims: int, fan_in: int, key: int) -> Rows:
    if kind == "pooled":
        pool = np.arange(fan_in) * dims // fan_in
        rows = np.zeros((fan_in, dims), dtype=np.float32)
        rows[np.arange(fan_in), pool] = 1.0 / np.bincount(pool, minlength=dims)[pool]
        return rows
    rows = stream(key, "directions").standard_normal((fan_in, dims), dtype=np.float32)
    return rows / np.float32(np.sqrt(fan_in))


def _mean_input(inputs: Signal, examples: int, fan_in: int) -> NDArray[np.float32]:
    if isinstance(inputs, Lists):
        total = np.bincount(inputs.nodes, weights=inputs.values, minlength=fan_in)
        return (total / examples).astype(np.float32)
    mean: NDArray[np.float32] = inputs.mean(axis=0, dtype=np.float32)
    return mean

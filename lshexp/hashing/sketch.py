"""Signed projections of a low-dimensional, centred sketch of the input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from lshexp.arrays import CSC, FloatArray, Inputs, IntArray, OffsetArray, like
from lshexp.buffers import empty
from lshexp.hashing._directions import Directions
from lshexp.hashing.base import (
    Codes,
    Hasher,
    HashFamily,
    Query,
    in_blocks,
    project,
    sign_query,
    signs,
    squared_norms,
)
from lshexp.hashing.srp import gaussian_planes
from lshexp.kernels.update import descend_rows, descend_rows_cost
from lshexp.registry import register
from lshexp.streams import stream
from lshexp.work import LayerWork, Work, elementwise, indexed


@register("hash", "sketch")
class Sketch(HashFamily):
    """Signs of projections of a short sketch of the input, along directions the input really varies in.

    With directions V and the layer's mean input mu, a pre-activation is w.x + b = (Vw).(V(x - mu)) + (w.mu +
    b) plus what V misses. Both sides of that sum are a few coordinates: they are what is hashed, and their
    inner product ranks candidates for a few multiplications each.

    Principal directions are learnt by one step of orthogonal iteration at a time.
    """

    has_coordinates: ClassVar[bool] = True
    can_follow: ClassVar[bool] = True

    directions: Literal["principal", "pooled", "random"] = Field(
        default="principal",
        description="what inputs are projected on; principal: leading principal directions of the layer's "
        "inputs, pooled: means of consecutive inputs, as in the code of Spring & Shrivastava, random: "
        "Gaussian directions",
    )
    dims: int = Field(
        default=16, ge=0, le=4096, description="directions that are hashed; 0: one for each 100 inputs"
    )
    rank_dims: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="directions that rank candidates; left out: twice dims if principal, else dims",
    )
    center: bool = Field(default=True, description="whether the running mean input is subtracted")
    offset: float = Field(
        default=0.5,
        ge=0,
        description="weight, in hashing, of the coordinate that carries bias and mean; 0: it is not used",
    )
    memory: float = Field(
        default=0.8, ge=0, lt=1, description="weight of the past when principal directions are learnt"
    )

    @model_validator(mode="after")
    def _ranks_by_what_is_hashed(self) -> Sketch:
        if self.rank_dims is not None and self.rank_dims < self.dims:
            raise ValueError(f"rank_dims: {self.rank_dims} is less than the {self.dims} dims hashed")
        if self.rank_dims is not None and self.directions == "pooled" and self.rank_dims != self.dims:
            raise ValueError("rank_dims: pooled directions rank by the dims that are hashed; leave it out")
        return self

    def memory_bytes(self, K: int, L: int, nodes: int, fan_in: int) -> int:
        """Planes over the coordinates, directions with their past, and the coordinates of each node."""
        dims, rank_dims = self._sizes(fan_in)
        return 4 * ((dims + 1) * K * L + 3 * fan_in * (rank_dims + 1) + nodes * (rank_dims + 1))

    def draw(self, K: int, L: int, nodes: int, fan_in: int, key: int) -> Hasher:
        """Draw K * L planes over the sketch's coordinates."""
        dims, rank_dims = self._sizes(fan_in)
        return _Sketched(self, K, L, dims, rank_dims, nodes, fan_in, key)

    def _sizes(self, fan_in: int) -> tuple[int, int]:
        """Directions that are hashed, and those that rank."""
        dims = min(self.dims or max(1, round(fan_in / 100)), fan_in)
        more = 2 * dims if self.directions == "principal" else dims
        return dims, min(self.rank_dims or more, fan_in)


class _Sketched(Hasher):
    """Coordinates of a node or an input: M along the directions, the first of them hashed, and an offset."""

    coordinates: FloatArray

    def __init__(
        self, options: Sketch, K: int, L: int, dims: int, rank_dims: int, nodes: int, fan_in: int, key: int
    ) -> None:
        self._bits = K
        self._offset = options.offset
        self._hashed = [*range(dims), rank_dims]  # columns of coordinates
        self._planes = gaussian_planes(key, dims + 1, K * L)
        v = _first_directions(options.directions, rank_dims, fan_in, key)
        self._directions = Directions(v, options.directions == "principal", options.center, options.memory)
        self._offset_scale = np.float32(1)  # length of a query's offset coordinate
        self._basis = self._find_basis()
        self.learns = self._directions.learns
        self.coordinates = np.zeros((nodes, rank_dims + 1), dtype=np.float32)

    def learn(self, inputs: Inputs, work: LayerWork) -> None:
        """Update mean and directions from one batch, and the offset's share in a query's length."""
        if not (len(inputs)):
            return
        self._directions.learn(inputs, work)
        self._basis = self._find_basis()
        if self._offset > 0:
            work.count("rebuild", elementwise(self._basis.size))
        if self._offset > 0:
            hashed = self._directions.sketch(inputs, work, "rebuild")[:, : len(self._hashed) - 1]
            spread = float(np.sqrt(np.mean(squared_norms(hashed, work))))
            work.count("rebuild", Work(0, 0, 4 * len(hashed)))
            self._offset_scale = np.float32(self._offset * spread) if spread > 0 else np.float32(1)

    def state(self) -> dict[str, NDArray[Any]]:
        """Directions, stand-ins of the nodes, and the length of a query's offset coordinate."""
        return {
            **self._directions.state(),
            "coordinates": self.coordinates,
            "offset_scale": np.array([self._offset_scale], dtype=np.float32),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self._directions.restore(state)
        self.coordinates = like(state, "coordinates", self.coordinates)
        self._offset_scale = np.float32(like(state, "offset_scale", np.zeros(1, dtype=np.float32))[0])
        self._basis = self._find_basis()

    def hash_nodes(self, weights: FloatArray, bias: FloatArray, ids: IntArray, work: LayerWork) -> Codes:
        return in_blocks(lambda some: self._hash_block(weights, bias, some, work), ids, work)

    def _hash_block(self, weights: FloatArray, bias: FloatArray, ids: IntArray, work: LayerWork) -> Codes:
        rows = weights if len(ids) == len(weights) else weights[ids]
        if rows is not weights:
            work.count("rebuild", indexed(rows.size, ids.nbytes))
        projections = project(rows, self._basis, work, "rebuild")
        coordinates = self._with_offset(projections, bias[ids], work, "rebuild")
        self.coordinates[ids] = coordinates
        # biases are taken, and coordinates put, by their ids
        work.count("rebuild", indexed(len(ids), ids.nbytes) + indexed(coordinates.size, ids.nbytes))
        return self._hash_coordinates(ids, work)

    def hash_again(self, ids: IntArray, work: LayerWork) -> Codes:
        return in_blocks(lambda some: self._hash_coordinates(some, work), ids, work)

    def _hash_coordinates(self, ids: IntArray, work: LayerWork) -> Codes:
        hashed = self.coordinates[np.ix_(ids, self._hashed)]
        work.count("rebuild", indexed(hashed.size, ids.nbytes + 8 * len(self._hashed)))
        return signs(project(hashed, self._planes, work, "rebuild"), self._bits, work)

    def hash_inputs(self, inputs: Inputs, work: LayerWork, follow: bool = False) -> Query:
        basis = self._basis if follow else self._directions.v
        projections = project(inputs, basis, work, "select")
        size = self.coordinates.shape[1]
        steps = None
        if follow:
            steps = self._with_offset(projections, np.float32(1), work, "select")
        coordinates = empty((len(projections), size), dtype=np.float32)
        coordinates[:, :-1] = self._directions.centred(projections[:, : size - 1], work, "select")
        coordinates[:, -1] = self._offset_scale if self._offset > 0 else 0
        hashed = coordinates[:, self._hashed]
        copied = coordinates.size - len(coordinates)  # and a number is stored for each example
        work.count("select", elementwise(copied) + Work(0, 0, 4 * len(coordinates)))
        work.count("select", indexed(hashed.size, 8 * len(self._hashed)))
        bits = project(hashed, self._planes, work, "select")
        return sign_query(bits, self._bits, work, coordinates, steps)

    def follow(
        self,
        steps: FloatArray,
        groups: CSC,
        deltas: FloatArray,
        rate: np.float32,
        bounds: OffsetArray,
        work: LayerWork,
    ) -> None:
        descend_rows(steps, deltas, groups, bounds, rate, self.coordinates)
        work.count("rebuild", descend_rows_cost(groups, self.coordinates))

    def _find_basis(self) -> FloatArray:
        """What a weight row is multiplied by for its coordinates: directions, and the mean if it counts."""
        v = self._directions.v
        return np.column_stack([v, self._directions.mean]) if self._offset > 0 else v

    def _with_offset(
        self, projections: FloatArray, bias: FloatArray | np.float32, work: LayerWork, phase: str
    ) -> FloatArray:
        """Coordinates from projections on the basis: the last is (w.mu + b) / scale, or zero; a copy."""
        size = self.coordinates.shape[1]
        coordinates = empty((len(projections), size), dtype=np.float32)
        coordinates[:] = 0
        coordinates[:, : projections.shape[1]] = projections
        work.count(phase, Work(0, 0, 4 * coordinates.size) + elementwise(projections.size))
        if self._offset > 0:
            coordinates[:, -1] = (projections[:, -1] + bias) / self._offset_scale
            n = len(coordinates)
            operands = 1 + isinstance(bias, np.ndarray)
            work.count(phase, elementwise(n, operands, adds=n) + elementwise(2 * n, mults=n))
        return coordinates


def _first_directions(kind: str, dims: int, fan_in: int, key: int) -> FloatArray:
    if kind == "pooled":
        pool = np.arange(fan_in) * dims // fan_in
        rows = np.zeros((fan_in, dims), dtype=np.float32)
        rows[np.arange(fan_in), pool] = 1.0 / np.bincount(pool, minlength=dims)[pool]
        return rows
    rows = stream(key, "directions").standard_normal((fan_in, dims), dtype=np.float32)
    return rows / np.float32(np.sqrt(fan_in))

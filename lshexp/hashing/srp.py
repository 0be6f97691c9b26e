"""Signed random projections."""

from __future__ import annotations

import numpy as np

from lshexp.arrays import FloatArray, Inputs, IntArray
from lshexp.hashing.base import Codes, Hasher, HashFamily, Query, project, sign_query, signs
from lshexp.registry import register
from lshexp.streams import stream
from lshexp.work import LayerWork, indexed


@register("hash", "srp")
class Srp(HashFamily):
    """Signs of Gaussian projections: vectors agree on a bit with probability 1 - angle/pi (Charikar, 2002).

    Weight rows and inputs are hashed as they are; biases are left out.
    """

    def draw(self, K: int, L: int, nodes: int, fan_in: int, key: int) -> Hasher:
        """Draw K * L planes."""
        return _Planes(gaussian_planes(key, fan_in, K * L), K)


class _Planes(Hasher):
    def __init__(self, planes: FloatArray, bits: int) -> None:
        self._planes = planes
        self._bits = bits

    def hash_nodes(self, weights: FloatArray, bias: FloatArray, ids: IntArray, work: LayerWork) -> Codes:
        rows = weights[ids]
        work.count("rebuild", indexed(rows.size, ids.nbytes))
        return signs(project(rows, self._planes, work, "rebuild"), self._bits, work)

    def hash_inputs(self, inputs: Inputs, work: LayerWork, follow: bool = False) -> Query:
        return sign_query(project(inputs, self._planes, work, "select"), self._bits, work)


def gaussian_planes(key: int, dimensions: int, planes: int) -> FloatArray:
    """Draw float32[dimensions, planes] of independent standard normals."""
    return stream(key, "planes").standard_normal((dimensions, planes), dtype=np.float32)

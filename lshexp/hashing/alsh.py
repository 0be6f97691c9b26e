"""Asymmetric LSH for maximum inner product search."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from lshexp.arrays import FloatArray, Inputs, IntArray
from lshexp.hashing.base import Codes, Hasher, HashFamily, Query, project, sign_query, signs, squared_norms
from lshexp.hashing.srp import gaussian_planes
from lshexp.registry import register
from lshexp.work import LayerWork, Work, elementwise, indexed


@register("hash", "alsh")
class Alsh(HashFamily):
    """Sign-ALSH: weight rows gain coordinates that even out their norms (Shrivastava & Li, UAI 2015).

    Rows are scaled so that the longest has norm U; then P(w) = [w, 1/2 - |w|^2, 1/2 - |w|^4, ...] with m
    added coordinates meets Q(x) = [x, 0, ..., 0], so that the angle between them grows as the inner product
    falls. m = 2 and U = 0.75 are the source's. Biases are left out.
    """

    m: int = Field(default=2, ge=1, le=8, description="coordinates added to each weight row")
    U: float = Field(default=0.75, gt=0, lt=1, description="norm that the longest weight row is scaled to")

    def draw(self, K: int, L: int, nodes: int, fan_in: int, key: int) -> Hasher:
        """Draw K * L planes over fan_in + m coordinates."""
        return _Asymmetric(gaussian_planes(key, fan_in + self.m, K * L), K, self.m, self.U)


class _Asymmetric(Hasher):
    def __init__(self, planes: FloatArray, bits: int, m: int, limit: float) -> None:
        self._planes = np.ascontiguousarray(planes[:-m])
        self._norm_planes = planes[-m:]
        self._bits = bits
        self._limit = limit
        self._longest = 0.0  # norm that is mapped to `limit`; set when all nodes are hashed

    def hash_nodes(self, weights: FloatArray, bias: FloatArray, ids: IntArray, work: LayerWork) -> Codes:
        rows = weights[ids]
        work.count("rebuild", indexed(rows.size, ids.nbytes))
        squared = squared_norms(rows, work)
        if len(ids) == len(weights):
            self._longest = float(np.sqrt(squared.max(initial=0)))
        # a row that outgrew the longest since all were hashed is held at the limit until the next time
        scale = np.float32(self._limit / self._longest) if self._longest > 0 else np.float32(1)
        power = np.minimum(squared * scale * scale, np.float32(self._limit**2))
        projections = scale * project(rows, self._planes, work, "rebuild")
        for plane in self._norm_planes:
            projections += (np.float32(0.5) - power)[:, None] * plane
            power = power * power
        m, n = len(self._norm_planes), len(rows)
        size, planes = projections.size, projections.shape[1]
        work.count("rebuild", elementwise(3 * n, mults=2 * n))  # norms scaled twice and bounded
        if n == len(weights):
            work.count("rebuild", Work(0, 0, 4 * n))  # the longest is looked for
        work.count("rebuild", elementwise(size, mults=size))  # projections scaled
        work.count("rebuild", elementwise(2 * n * m, mults=n * m, adds=n * m))  # powers, differences
        lifted = Work(m * size, m * size, 4 * m * (n + planes + 4 * size))  # outer products, added in place
        work.count("rebuild", lifted)
        return signs(projections, self._bits, work)

    def hash_inputs(self, inputs: Inputs, work: LayerWork, follow: bool = False) -> Query:
        return sign_query(project(inputs, self._planes, work, "select"), self._bits, work)

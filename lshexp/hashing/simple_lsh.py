"""Simple-LSH: the symmetric-looking transform for maximum inner product search."""

from __future__ import annotations

import numpy as np

from lshexp.arrays import FloatArray, Inputs, IntArray
from lshexp.hashing.base import Codes, Hasher, HashFamily, Query, project, sign_query, signs, squared_norms
from lshexp.hashing.srp import gaussian_planes
from lshexp.registry import register
from lshexp.work import LayerWork, Work, elementwise, indexed


@register("hash", "simple_lsh")
class SimpleLsh(HashFamily):
    """One added coordinate makes all weight rows equally long (Neyshabur & Srebro, ICML 2015).

    A row w becomes [w, sqrt(M^2 - |w|^2)], M the longest row's norm when all rows were last hashed. An
    input gains a zero, so that the angle falls exactly as the inner product grows. Biases are left out.
    """

    def draw(self, K: int, L: int, nodes: int, fan_in: int, key: int) -> Hasher:
        """Draw K * L planes over fan_in + 1 coordinates."""
        return _Lifted(gaussian_planes(key, fan_in + 1, K * L), K)


class _Lifted(Hasher):
    def __init__(self, planes: FloatArray, bits: int) -> None:
        self._planes = np.ascontiguousarray(planes[:-1])
        self._lift = planes[-1]
        self._bits = bits
        self._longest_squared = np.float32(0)

    def hash_nodes(self, weights: FloatArray, bias: FloatArray, ids: IntArray, work: LayerWork) -> Codes:
        rows = weights[ids]
        work.count("rebuild", indexed(rows.size, ids.nbytes))
        squared = squared_norms(rows, work)
        if len(ids) == len(weights):
            self._longest_squared = squared.max(initial=0)
        missing = np.sqrt(np.maximum(self._longest_squared - squared, 0))
        projections = project(rows, self._planes, work, "rebuild")
        projections += missing[:, None] * self._lift
        n = len(rows)
        work.count("rebuild", elementwise(3 * n, mults=n, adds=n))  # a difference, a bound and a root a node
        if n == len(weights):
            work.count("rebuild", Work(0, 0, 4 * n))  # the longest is looked for
        size = projections.size
        lifted = Work(size, size, 4 * (n + len(self._lift) + 4 * size))  # an outer product, added in place
        work.count("rebuild", lifted)
        return signs(projections, self._bits, work)

    def hash_inputs(self, inputs: Inputs, work: LayerWork, follow: bool = False) -> Query:
        return sign_query(project(inputs, self._planes, work, "select"), self._bits, work)

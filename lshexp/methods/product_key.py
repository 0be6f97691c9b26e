"""Product keys: a node is a pair of sub-keys, and the best pairs are found from two short lists."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from lshexp.arrays import CSR, FloatArray, Inputs, IntArray, like
from lshexp.hashing.base import project, spread
from lshexp.hashing.learned import Learned, learned_bytes, sigmoid
from lshexp.kernels.parallel import even_bounds
from lshexp.kernels.product import leading_sums, leading_sums_cost, pairs_to_form
from lshexp.methods._exact import best_of_pairs
from lshexp.methods.base import Batch, LayerView, Method, Selection, Selector, Step, wanted_nodes
from lshexp.registry import register
from lshexp.streams import stream
from lshexp.work import LayerWork, Work, elementwise, indexed, matrix_product

MEMORY = np.float32(0.9)  # weight of the past in the running mean and variance of the queries
SMALL = np.float32(1e-5)  # added to the variance


@register("method", "product_key")
class ProductKey(Method):
    """Address nodes by pairs of learned sub-keys (Lample et al., NeurIPS 2019; PEER: He, 2024).

    A layer of M x N nodes has M + N sub-keys, M and N the factors of its width that are nearest to each
    other: a width that is a square is best, a prime one leaves nothing to save. The input is projected to a
    query; node (m, n) scores the product of one half of it with key m plus that of the other half with key n,
    and the nodes of largest score are found exactly from the M + N products. Their activations are multiplied
    by a gate, the sigmoid of the score, at test too. Through the gates the loss reaches keys and query, which
    learn by Adam: PEER with one head, whose experts are the nodes of this layer and what the next makes of
    them.

    Queries are standardised by their running mean and variance, as the sources do with those of the batch.
    Unlike there, no gradient goes through the query to the layer below.
    """

    for_output: ClassVar[bool] = False
    gated: ClassVar[bool] = True

    dims: int = Field(
        default=16, ge=2, le=4096, description="numbers of a query, half of them for each set of sub-keys"
    )
    lr: float = Field(default=0.002, gt=0, description="rate at which keys and query learn")

    @field_validator("dims")
    @classmethod
    def _has_halves(cls, value: int) -> int:
        if value % 2:
            raise ValueError("must be even: each set of sub-keys has half of a query")
        return value

    @property
    def fixed_share(self) -> str:
        """Empty: it finds any number of pairs."""
        return ""

    def memory_bytes(self, nodes: int, fan_in: int, share: float, threads: int) -> int:
        """Query matrix and sub-keys, with their optimiser's state."""
        first, second = factors(nodes)
        return learned_bytes(self.dims * fan_in + (first + second) * self.dims // 2) + 8 * self.dims

    def selector(self, layer: LayerView, share: float, key: int) -> Selector:
        """Look up a share of `share` of the nodes."""
        return _Keys(self, layer, wanted_nodes(share, layer.nodes), key)


def factors(nodes: int) -> tuple[int, int]:
    """The two whole numbers nearest to each other whose product this is, the smaller one first."""
    first = next(m for m in range(math.isqrt(nodes), 0, -1) if nodes % m == 0)
    return first, nodes // first


class _Asked(NamedTuple):
    """What a selection wants back with the gradients at its gates."""

    inputs: Inputs
    queries: FloatArray  # float32[B, dims], standardised
    scale: FloatArray  # float32[dims], what the standardised queries have been multiplied by


class _Keys(Selector):
    def __init__(self, options: ProductKey, layer: LayerView, budget: int, key: int) -> None:
        self._layer = layer
        self._budget = budget
        self._half = options.dims // 2
        self._sizes = factors(layer.nodes)
        random = stream(key, "product_key")
        shapes = [(layer.fan_in, options.dims), *((size, self._half) for size in self._sizes)]
        # of a standardised query, the score of a pair has a variance of one at first
        spreads = [math.sqrt(layer.fan_in), math.sqrt(options.dims), math.sqrt(options.dims)]
        self._matrix, *self._keys = (
            Learned(
                random.standard_normal(shape, dtype=np.float32) / np.float32(by), options.lr, layer.threads
            )
            for shape, by in zip(shapes, spreads, strict=True)
        )
        self._mean = np.zeros(options.dims, dtype=np.float32)
        self._variance = np.ones(options.dims, dtype=np.float32)

    def select(self, inputs: Inputs, batch: Batch) -> Selection:
        layer, work = self._layer, self._layer.work
        budget = batch.wanted(self._budget, layer.nodes)
        queries, scale = self._queries(inputs, batch.training)
        first, second = (
            project(half, own.values.T, work, "select")
            for half, own in zip(self._halves(queries), self._keys, strict=True)
        )
        sums = CSR.from_lengths(np.full(len(queries), pairs_to_form(budget, *self._sizes)), layer.nodes)
        bounds = even_bounds(len(queries), layer.threads)
        leading_sums(first, second, budget, bounds, sums.indices, sums.data)
        work.count("select", leading_sums_cost(first, second, budget, sums.indices))
        active = best_of_pairs(sums, budget, layer)
        work.count("select", elementwise(4 * active.nnz))
        token = _Asked(inputs, queries, scale) if batch.training else None
        return Selection(active, multiplier=sigmoid(active.data), token=token)

    def after_update(self, step: Step) -> None:
        asked, gates, grouped = step.token, step.gates, step.by_node
        assert isinstance(asked, _Asked) and gates is not None  # this method is gated
        work, pairs = self._layer.work, len(grouped.indices)
        # a sigmoid's logarithm has the slope 1 - sigmoid
        slopes = (gates.gradients * (1 - gates.values))[grouped.positions]
        work.count("rebuild", elementwise(pairs, adds=pairs) + elementwise(pairs, 2, mults=pairs))
        work.count("rebuild", indexed(pairs, grouped.positions.nbytes))
        nodes = grouped.entry_columns()
        members = nodes // self._sizes[1], nodes % self._sizes[1]
        at_queries = np.empty_like(asked.queries)
        for own, places, query, out in zip(
            self._keys, members, self._halves(asked.queries), self._halves(at_queries), strict=True
        ):
            at_scores = _summed(grouped.indices, places, slopes, (len(query), len(own.values)), work)
            out[:] = at_scores @ own.values
            work.count("rebuild", matrix_product(len(query), len(own.values), self._half))
            work.count("rebuild", elementwise(out.size))
            own.step(spread(at_scores, query, work, "rebuild"), work)
        at_queries *= asked.scale
        work.count("rebuild", elementwise(at_queries.size, mults=at_queries.size))
        work.count("rebuild", Work(0, 0, asked.scale.nbytes))
        self._matrix.step(spread(asked.inputs, at_queries, work, "rebuild"), work)

    def state(self) -> dict[str, NDArray[Any]]:
        """Query matrix, sub-keys, and what queries are standardised by."""
        first, second = self._keys
        return {
            "matrix": self._matrix.values,
            "first": first.values,
            "second": second.values,
            "mean": self._mean,
            "variance": self._variance,
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        for name, own in zip(("matrix", "first", "second"), (self._matrix, *self._keys), strict=True):
            own.values = like(state, name, own.values)
        self._mean, self._variance = like(state, "mean", self._mean), like(state, "variance", self._variance)

    def _halves(self, queries: FloatArray) -> tuple[FloatArray, FloatArray]:
        return queries[:, : self._half], queries[:, self._half :]

    def _queries(self, inputs: Inputs, training: bool) -> tuple[FloatArray, FloatArray]:
        """Standardised queries, float32[B, dims], and what they were multiplied by for it."""
        work, dims = self._layer.work, 2 * self._half
        queries = project(inputs, self._matrix.values, work, "select")
        if training:
            self._mean = self._followed(self._mean, queries)
        queries -= self._mean
        size = queries.size
        work.count("select", elementwise(size, adds=size) + Work(0, 0, 4 * dims))
        if training:
            self._variance = self._followed(self._variance, queries * queries)
            work.count("select", elementwise(size, mults=size))
        scale = 1 / np.sqrt(self._variance + SMALL)
        queries *= scale
        work.count("select", elementwise(3 * dims, mults=2 * dims, adds=dims))
        work.count("select", elementwise(size, mults=size) + Work(0, 0, 4 * dims))
        return queries, scale

    def _followed(self, past: FloatArray, values: FloatArray) -> FloatArray:
        """A running mean that has taken in that of a batch, float32[dims]."""
        dims = len(past)
        summed = Work(dims, values.size, 4 * (values.size + dims))
        mixed = elementwise(2 * dims, mults=2 * dims) + elementwise(dims, 2, adds=dims)
        self._layer.work.count("select", summed + mixed)
        followed: FloatArray = MEMORY * past + (1 - MEMORY) * values.mean(axis=0)
        return followed


def _summed(
    rows: IntArray, columns: IntArray, values: FloatArray, shape: tuple[int, int], work: LayerWork
) -> FloatArray:
    """Values added up at their places, float32[shape]; counted as `rebuild`."""
    places = rows.astype(np.int64) * shape[1] + columns
    summed = np.bincount(places, weights=values, minlength=shape[0] * shape[1])
    # places and values are read; sums in float64 are rounded
    work.count("rebuild", Work(0, len(values), 12 * len(values) + 20 * summed.size))
    return summed.reshape(shape).astype(np.float32)

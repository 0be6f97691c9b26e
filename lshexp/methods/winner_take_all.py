"""Winner-take-all: the largest activations, after computing all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from lshexp.arrays import CSR, FloatArray, Inputs, like
from lshexp.kernels.parallel import even_bounds
from lshexp.kernels.select import count_above, count_above_cost, take_above, take_above_cost
from lshexp.kernels.top_k import (
    kth_largest,
    kth_largest_cost,
    kth_largest_of_columns,
    kth_largest_of_columns_cost,
)
from lshexp.methods._exact import Exact
from lshexp.methods.base import Batch, LayerView, Method, Selection, Selector, wanted_nodes
from lshexp.registry import register
from lshexp.work import Work, elementwise


@register("method", "winner_take_all")
class WinnerTakeAll(Method):
    """Keep the active_pct % largest activations, which takes computing all (Makhzani & Frey, 2015).

    Over a mini-batch, one hard threshold a layer comes from its statistics, as in Spring & Shrivastava; over
    each node, the sparsity is the lifetime sparsity of the source; over each example, it is the exact
    selection that LSH approximates.

    Selection is the same at test, except that an example must not depend on those tested beside it: the
    thresholds are then averages over training batches.
    """

    over: Literal["batch", "node", "example"] = Field(
        default="batch",
        description="among which activations the largest are kept; batch: all of a mini-batch, node: each "
        "node's over the mini-batch, example: each example's",
    )
    smoothing: float = Field(
        default=0.9,
        ge=0,
        lt=1,
        description="weight of the past in the thresholds averaged for testing, with over: batch and node",
    )
    where_sparse: Literal["gather", "scan"] = Field(
        default="gather",
        description="how a layer computes whose input is always sparse, with over: example; gather: from "
        "weights stored by node, scan: from weights stored by input, which rounds sums otherwise",
    )

    @model_validator(mode="after")
    def _scans_for_examples_only(self) -> WinnerTakeAll:
        if self.where_sparse == "scan" and self.over != "example":
            raise ValueError(f"where_sparse: scan goes with over: example, not with over: {self.over}")
        return self

    def recorded(self) -> dict[str, Any]:
        """All options; runs of before `where_sparse` keep their ids."""
        options = super().recorded()
        if self.where_sparse == "gather":
            del options["where_sparse"]
        return options

    @property
    def scans_sparse_inputs(self) -> bool:
        """With `where_sparse: scan`."""
        return self.where_sparse == "scan"

    @property
    def fixed_share(self) -> str:
        """Empty with `over: example`."""
        if self.over == "example":
            return ""
        return f"over: {self.over} tests by the thresholds of earlier batches; over: example can"

    def selector(self, layer: LayerView, share: float, key: int) -> Selector:
        """Keep the `share` largest."""
        if self.over == "example":
            return Exact(layer, wanted_nodes(share, layer.nodes))
        return _Threshold(layer, share, self.over == "node", np.float32(self.smoothing))


class _Threshold(Selector):
    def __init__(self, layer: LayerView, share: float, per_node: bool, smoothing: np.float32) -> None:
        self._layer = layer
        self._share = share
        self._per_node = per_node
        self._smoothing = smoothing
        self._average: FloatArray | None = None

    def select(self, inputs: Inputs, batch: Batch) -> Selection:
        scores = self._layer.scores_of_all(inputs, "select")
        if batch.training:
            thresholds = self._thresholds(scores)
            self._remember(thresholds)
        elif self._average is not None:
            thresholds = self._average
        else:  # a network tested before any training has only the batch at hand
            thresholds = self._thresholds(scores)
        active = take(scores, thresholds, self._layer.threads)
        self._layer.work.count("select", count_above_cost(scores))
        self._layer.work.count("select", take_above_cost(scores, active.indices))
        return Selection(active, scored=True)

    def state(self) -> dict[str, NDArray[Any]]:
        """The averaged thresholds, once there are any."""
        return {} if self._average is None else {"average": self._average}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        if "average" in state:
            self._average = like(state, "average", np.zeros(self._layer.nodes, dtype=np.float32))

    def _thresholds(self, scores: FloatArray) -> FloatArray:
        finite = np.where(np.isnan(scores), np.float32(-np.inf), scores)
        self._layer.work.count("select", Work(0, 0, 14 * scores.size))  # by a mask of one byte a score
        if self._per_node:
            k = wanted_nodes(self._share, len(scores))
            return self._kth_largest_of_columns(finite, k)
        k = wanted_nodes(self._share, scores.size)
        self._layer.work.count("select", Work(0, 0, 4 * self._layer.nodes))
        return np.full(self._layer.nodes, self._kth_largest(finite.ravel(), k), dtype=np.float32)

    def _kth_largest_of_columns(self, values: FloatArray, k: int) -> FloatArray:
        examples, nodes = values.shape
        threads = self._layer.threads
        found = np.empty(nodes, dtype=np.float32)
        scratch = np.empty((threads, examples), dtype=np.float32)
        passes = kth_largest_of_columns(values, k, even_bounds(nodes, threads), scratch, found)
        self._layer.work.count("select", kth_largest_of_columns_cost(values, passes))
        return found

    def _kth_largest(self, values: FloatArray, k: int) -> float:
        found = kth_largest(values, k)
        self._layer.work.count("select", kth_largest_cost(values, found))
        return float(found[0])

    def _remember(self, thresholds: FloatArray) -> None:
        if self._average is None:
            self._average = thresholds
            return
        self._average = self._smoothing * self._average + (1 - self._smoothing) * thresholds
        n = len(thresholds)
        own = n if self._per_node else 0  # one threshold a layer is a single scalar
        mixed = elementwise(2 * n, mults=2 * own) + elementwise(n, 2, adds=own)
        self._layer.work.count("select", mixed)


def take(scores: FloatArray, thresholds: FloatArray, threads: int) -> CSR:
    """List, for each example, the nodes whose score reaches their threshold."""
    bounds = even_bounds(len(scores), threads)
    counts = np.empty(len(scores), dtype=np.int64)
    count_above(scores, thresholds, bounds, counts)
    active = CSR.from_lengths(counts, scores.shape[1])
    take_above(scores, thresholds, bounds, *active.arrays)
    return active

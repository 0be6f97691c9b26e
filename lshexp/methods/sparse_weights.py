"""All nodes, with few weights each: not a way of choosing nodes but the rival of all of them."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from lshexp.methods._exact import Everything
from lshexp.methods.base import Kept, LayerView, Method, Selector
from lshexp.registry import register


@register("method", "sparse_weights")
class SparseWeights(Method):
    """Compute every node from few of its inputs; which ones is learned as in RigL (Evci et al., ICML 2020).

    Every node of a hidden layer has the same number of weights (constant fan-in: Lasby et al., ICLR 2024), at
    first for inputs drawn at random. Now and then those of smallest size give way to those whose gradient is
    largest, for which the gradient of all is formed, counted as `rebuild`. Without exchanges it is a static
    sparse network.
    """

    uses_active_pct: ClassVar[bool] = False
    for_output: ClassVar[bool] = False

    keep_pct: float = Field(default=5.0, gt=0, le=100, description="weights that each node has, per cent")
    exchange_every: int = Field(
        default=100, ge=0, description="optimiser steps from one exchange of weights to the next; 0: none"
    )
    exchange_pct: float = Field(
        default=30.0,
        ge=0,
        le=100,
        description="weights of a node that are exchanged at first, per cent; fewer and fewer, as a cosine",
    )
    exchange_until: int = Field(
        default=1000, ge=1, description="optimiser steps after which no weights are exchanged any more"
    )

    @property
    def storage(self) -> Kept:
        """Few weights, as the options say."""
        return Kept(self.keep_pct / 100, self.exchange_every, self.exchange_pct / 100, self.exchange_until)

    def selector(self, layer: LayerView, share: float, key: int) -> Selector:
        """Every node, whatever the share."""
        return Everything()

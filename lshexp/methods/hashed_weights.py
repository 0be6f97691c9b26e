"""All nodes, with weights that share their values: not a way of choosing nodes, but of saving memory."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from lshexp.methods._exact import Everything
from lshexp.methods.base import Hashed, LayerView, Method, Selector
from lshexp.registry import register


@register("method", "hashed_weights")
class HashedWeights(Method):
    """Compute every node with weights that share few values by hashing (HashedNets: Chen et al., ICML 2015).

    Weight (i, j) is the number at place h(i, j), with the sign s(i, j); its gradient goes to that number. It
    saves memory, of weights and of the optimiser's state, and the optimiser's work. It saves no product of a
    weight with an activation: every weight is looked up and multiplied, and all of that is counted. Summing
    the inputs that meet at a place before multiplying would be exact too; but they hardly ever do, unless the
    layer has no more places than a node has inputs, a share of 1 / nodes.
    """

    uses_active_pct: ClassVar[bool] = False
    for_output: ClassVar[bool] = False

    keep_pct: float = Field(
        default=5.0, gt=0, le=100, description="numbers that a layer's weights share, per cent of the weights"
    )

    @property
    def storage(self) -> Hashed:
        """Shared numbers, as the options say."""
        return Hashed(self.keep_pct / 100)

    def selector(self, layer: LayerView, share: float, key: int) -> Selector:
        """Every node, whatever the share."""
        return Everything()

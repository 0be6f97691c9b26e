"""All nodes, with weights of low rank: not a way of choosing nodes but a rival of all of them."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from lshexp.methods._exact import Everything
from lshexp.methods.base import Factors, LayerView, Method, Selector
from lshexp.registry import register


@register("method", "low_rank")
class LowRank(Method):
    """Compute every node with weights that are a product of two thin matrices (Sainath et al., ICASSP 2013).

    W = U V with U [nodes, rank] and V [rank, inputs], both trained from the start; W is never formed. An
    example takes rank * (nodes + inputs) multiplications instead of nodes * inputs.
    """

    uses_active_pct: ClassVar[bool] = False
    for_output: ClassVar[bool] = False

    keep_pct: float = Field(
        default=5.0,
        gt=0,
        le=100,
        description="numbers in both matrices, and multiplications, per cent of the full matrix's",
    )
    rank: int | None = Field(
        default=None,
        ge=1,
        description="rank of every hidden layer, at most its narrower side; left out: what keep_pct gives",
    )

    @property
    def storage(self) -> Factors:
        """Two factors, as the options say."""
        return Factors(self.keep_pct / 100, self.rank)

    def selector(self, layer: LayerView, share: float, key: int) -> Selector:
        """Every node, whatever the share."""
        return Everything()

"""All nodes, with weights of few bits: not a way of choosing nodes, but of making multiplications cheap."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from lshexp.methods._exact import Everything
from lshexp.methods.base import LayerView, Method, Rounded, Selector
from lshexp.registry import register


@register("method", "quantized_weights")
class QuantizedWeights(Method):
    """Compute every node with weights of 8 bits, or powers of two (DeepShift: Elhoushi et al., CVPRW 2021).

    Weights are rounded after each step, and every product of the forward pass and of the input gradients
    takes the rounded ones. Steps change the float32 weights that they are rounded from, by the gradient at
    the rounded ones (straight-through: Bengio et al., 2013). `int8`: multiples of a step, 127 to either side,
    with a step for each node (Krishnamoorthi, 2018). `pow2`: zero, or plus or minus one of seven neighbouring
    powers of two, so that a multiplication is a shift. It saves no multiplication, but makes each cheaper.
    """

    uses_active_pct: ClassVar[bool] = False
    for_output: ClassVar[bool] = False
    variant: ClassVar[str] = "to"

    to: Literal["int8", "pow2"] = Field(
        default="int8", description="what weights are; int8: 8-bit integers, pow2: powers of two in 4 bits"
    )

    @property
    def storage(self) -> Rounded:
        """Rounded weights, as the option says."""
        return Rounded(self.to)

    def selector(self, layer: LayerView, share: float, key: int) -> Selector:
        """Every node, whatever the share."""
        return Everything()

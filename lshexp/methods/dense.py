"""The dense network: every node, every time."""

from __future__ import annotations

from typing import ClassVar

from lshexp.methods._exact import Everything
from lshexp.methods.base import LayerView, Method, Selector
from lshexp.registry import register


@register("method", "dense")
class Dense(Method):
    """Compute every node through BLAS in mini-batches; the baseline the others are measured against."""

    uses_active_pct: ClassVar[bool] = False

    def selector(self, layer: LayerView, share: float, key: int) -> Selector:
        """Every node, whatever the share."""
        return Everything()

"""Layers for one's own PyTorch code: only some nodes, or classes, of each example are computed.

    from lshexp.torch import LSHLinear, LSHSoftmaxLoss

    body = torch.nn.Sequential(LSHLinear(784, 4000, active_pct=5), torch.nn.ReLU())
    head = LSHSoftmaxLoss(4000, 50_000, active_pct=2)

They run on the processor, in float32, and are differentiated by autograd. Nodes are chosen by the methods of
`lshexp list methods`, and products are computed by the kernels of a sweep, in the memory of the parameters
themselves. Needs PyTorch, which `pip install lshexp[torch]` brings.
"""

from __future__ import annotations

try:
    import torch as _torch  # noqa: F401 - whether it is there
except ImportError as error:
    raise ImportError(f"lshexp.torch needs PyTorch ({error}): pip install 'lshexp[torch]'") from None

from lshexp.torch.linear import LSHLinear
from lshexp.torch.softmax import LSHSoftmaxLoss

__all__ = ["LSHLinear", "LSHSoftmaxLoss"]

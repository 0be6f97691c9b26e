"""A linear layer of which some nodes are computed for each example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lshexp.arrays import FloatArray, Inputs
from lshexp.kernels.csr import scatter_rows, scatter_rows_cost
from lshexp.kernels.parallel import balanced_bounds
from lshexp.methods.base import Selection, Selector
from lshexp.streams import stream_key
from lshexp.torch.layer import as_read
from lshexp.torch.module import SelectingModule


class LSHLinear(SelectingModule):
    """`torch.nn.Linear` that computes, for each example, the nodes that a method selects; others are 0.

    Parameters
    ----------
    in_features, out_features, bias
        As of `torch.nn.Linear`.
    active_pct : float
        Nodes to be computed for each example, per cent.
    method, method_options
        Way of choosing them and its options, as in a sweep (`lshexp list methods`).
    sparse_grad : bool
        Whether weight and bias have sparse gradients, of the rows of active nodes alone, as those of
        `torch.nn.Embedding(sparse=True)`; for `torch.optim.SGD`, `Adagrad` and `SparseAdam`.
    seed : int or None
        Seed of hash functions and draws; None: drawn from PyTorch's generator.
    threads : int or None
        Processor threads; None: those of PyTorch when the layer is made. They change no numbers.

    The gradient is that of the layer in which the selected nodes alone exist. Follow it with ReLU: a node
    that is not selected is one whose pre-activation would have been small. Input of which at most an eighth
    is not zero, such as that from another such layer, is read sparsely. Methods that are meant so, such as
    dropout, compute every node in evaluation.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        active_pct: float,
        method: str = "lsh",
        method_options: Mapping[str, Any] | None = None,
        sparse_grad: bool = False,
        seed: int | None = None,
        threads: int | None = None,
    ) -> None:
        self.in_features, self.out_features, self.active_pct = in_features, out_features, active_pct
        if not 0 < active_pct <= 100:
            raise ValueError(f"active_pct is {active_pct}; more than 0 and at most 100 is wanted")
        super().__init__(in_features, out_features, bias, method, method_options, sparse_grad, seed, threads)

    def _build(self, seed: int) -> None:
        if not self.method.for_hidden:
            raise ValueError(f"'{self.method.name}' chooses classes of an output; LSHSoftmaxLoss takes it")
        if self.method.gated:
            raise ValueError(
                f"'{self.method.name}' has gates that learn; PyTorch knows nothing of their gradients"
            )
        self._chooser = self.method.selector(self.layer, self.active_pct / 100, stream_key(seed, "method", 0))

    def _selector(self) -> Selector:
        return self._chooser

    def extra_repr(self) -> str:
        """What `repr` shows."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}, active_pct={self.active_pct:g}, method={self.method.name}"
        )

    def forward(self, input: Tensor) -> Tensor:
        """Return the nodes' pre-activations [..., out_features], 0 where they were not selected.

        Input [..., in_features], float32, on the processor. Raises RuntimeError or TypeError for another.
        """
        rows = self._rows(input)
        if not len(rows):
            return self._scores_of_all(rows).reshape(*input.shape[:-1], self.out_features)
        with self._ready():
            inputs = as_read(rows.numpy(force=True))
            selection = self._chooser.select(inputs, self._next_batch(len(inputs), self.training))
        if selection.active is None:
            out = self._scores_of_all(rows)
            if isinstance(selection.multiplier, np.ndarray):
                out = out * torch.from_numpy(selection.multiplier)
            elif selection.multiplier != 1:
                out = out * selection.multiplier
        else:
            out = _SelectedNodes.apply(rows, self.weight, self.bias, self, inputs, selection)
        return out.reshape(*input.shape[:-1], self.out_features)

    def _outputs(self, inputs: Inputs, selection: Selection) -> FloatArray:
        """Pre-activations as rows, float32[B, N], zero where not selected."""
        active, layer = selection.active, self.layer
        assert active is not None and not isinstance(selection.multiplier, np.ndarray)
        values = active.data if selection.scored else layer.scores_of_pairs(inputs, active)
        if selection.multiplier != 1:
            values = values * np.float32(selection.multiplier)
        out = np.empty(active.shape, dtype=np.float32)
        bounds = balanced_bounds(active.indptr, self.threads)
        scatter_rows(active.indptr, active.indices, values, bounds, out)
        layer.work.count("forward", scatter_rows_cost(active.indices, out))
        return out


class _SelectedNodes(torch.autograd.Function):  # type: ignore[misc]
    """Products of the selected nodes, and their gradients."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None, module: LSHLinear, inputs: Inputs,
        selection: Selection,
    ) -> Tensor:  # fmt: skip
        ctx.save_for_backward(rows, weight, bias)
        ctx.chosen = module, inputs, selection
        with module._ready():
            return torch.from_numpy(module._outputs(inputs, selection))

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        rows, weight, bias = ctx.saved_tensors  # raises where weights have changed since
        module, inputs, selection = ctx.chosen
        with module._ready(weight, bias):
            deltas = module.layer.deltas(
                gradient.contiguous().numpy(), selection.active, selection.multiplier
            )
            found = module._gradients(
                rows.numpy(), inputs, selection.active, deltas, selection.token, ctx.needs_input_grad
            )
        return (*found, None, None, None)

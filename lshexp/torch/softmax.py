"""A softmax over many classes of which some are computed for each example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lshexp import registry
from lshexp.arrays import CSR, Inputs
from lshexp.methods.base import Batch, Selector
from lshexp.nn.output import OutputStep, SelectedOutput
from lshexp.nn.plan import plan_layers, tail_method
from lshexp.spec import UNIFORM, RunSpec
from lshexp.torch.layer import as_read
from lshexp.torch.module import SelectingModule
from lshexp.validation import validate


class SoftmaxOutcome(NamedTuple):
    """What `LSHSoftmaxLoss` returns, as `torch.nn.AdaptiveLogSoftmaxWithLoss` does."""

    output: Tensor  # float32[B], log-probability of each example's target
    loss: Tensor  # mean of their negatives, nats


class LSHSoftmaxLoss(SelectingModule):
    """Softmax cross-entropy over `n_classes`, of which few are computed for each example in training.

    Called as `torch.nn.AdaptiveLogSoftmaxWithLoss` is: `output, loss = module(input, target)`.

    Parameters
    ----------
    in_features, n_classes, bias
        Features of the input, classes, and whether each class has a bias.
    active_pct : float
        Classes that the method selects for each example, per cent; its target is added to them.
    tail_pct, tail
        Classes drawn beside these, per cent, and how: `uniform`, from all others, or by a method that draws,
        such as `popularity`. Their scores are corrected by their chance of being drawn, so that sums over the
        computed classes estimate those over all. Without a tail the loss is that among the selected classes.
    correction : {"log_q", "none"}
        Whether scores are corrected so.
    class_counts : sequence of int or None
        Training examples of each class, for methods that draw by them (`popularity`).
    method, method_options, sparse_grad, seed, threads
        As of `LSHLinear`.

    In evaluation all classes are computed, and `loss` is exact. `log_prob` always does so; `predict` looks
    classes up as training does.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        *,
        active_pct: float,
        tail_pct: float = 0.0,
        tail: str = UNIFORM,
        correction: str = "log_q",
        bias: bool = True,
        class_counts: Any = None,
        method: str = "lsh",
        method_options: Mapping[str, Any] | None = None,
        sparse_grad: bool = False,
        seed: int | None = None,
        threads: int | None = None,
    ) -> None:
        self.in_features, self.n_classes = in_features, n_classes
        self.active_pct, self.tail_pct, self.tail = active_pct, tail_pct, tail
        self.correction = correction
        self._counts = None if class_counts is None else np.asarray(class_counts, dtype=np.int64)
        super().__init__(in_features, n_classes, bias, method, method_options, sparse_grad, seed, threads)

    def _build(self, seed: int) -> None:
        if self._counts is not None and self._counts.shape != (self.n_classes,):
            raise ValueError(f"class_counts has shape {self._counts.shape}, not ({self.n_classes},)")
        settings: dict[str, Any] = {
            "dataset": "none",
            "hidden": [],
            "method": "dense",
            "output_method": self.method.name,
            "output_options": self.method.recorded(),
            "output_active_pct": float(self.active_pct),
            "tail_pct": float(self.tail_pct),
            "tail": self.tail,
            "correction": self.correction,
            "threads": self.threads,
            "seed": seed,
        }
        spec = validate(RunSpec, settings)
        # for what it refuses
        plan_layers(spec, registry.methods.build("dense", {}), [self.in_features, self.n_classes])
        drawer = tail_method(spec)
        for method in (self.method, drawer):
            if method and method.counts_labels and self._counts is None:
                raise ValueError(f"'{method.name}' draws by class_counts; give them")
        self.layer.label_counts = self._counts
        self._head = SelectedOutput(self.layer, spec, self.method, drawer)

    def _selector(self) -> Selector:
        assert self._head.selector is not None  # a selected output has one
        return self._head.selector

    def extra_repr(self) -> str:
        """What `repr` shows."""
        return (
            f"in_features={self.in_features}, n_classes={self.n_classes}, bias={self.bias is not None}, "
            f"active_pct={self.active_pct:g}, tail_pct={self.tail_pct:g}, method={self.method.name}"
        )

    def forward(self, input: Tensor, target: Tensor) -> SoftmaxOutcome:
        """Return the targets' log-probabilities and the mean loss.

        Input float32[B, in_features] and target, integers [B]; or one example, [in_features] and a number.
        Raises RuntimeError, TypeError or ValueError for others.
        """
        rows, target = self._rows(input), self._targets(input, target)
        if not self.training or not len(rows):
            output = self.log_prob(rows).gather(1, target[:, None]).squeeze(1)
            loss = -output.mean()
        else:
            output, loss = _SampledSoftmax.apply(rows, self.weight, self.bias, self, target)
        return SoftmaxOutcome(output.reshape(input.shape[:-1]), loss)

    def log_prob(self, input: Tensor) -> Tensor:
        """Return the log-probability of every class, float32[B, n_classes]; all classes are computed."""
        return self._scores_of_all(self._rows(input)).log_softmax(dim=1)

    def predict(self, input: Tensor) -> Tensor:
        """Return the best class of each example, int64[B], among those that the method selects for it.

        Where it selects none for an example, all are computed for it; `log_prob(input).argmax(1)` is exact.
        """
        rows = self._rows(input)
        if not len(rows):
            return torch.empty(0, dtype=torch.int64)
        with self._ready():
            inputs = as_read(rows.numpy(force=True))
            found = self._head.retrieve(inputs, self._next_batch(len(inputs), training=False))
        if found is None:
            return self.log_prob(rows).argmax(dim=1)
        best = _best_of_rows(found)
        (empty,) = np.nonzero(found.row_lengths() == 0)
        if len(empty):
            best[empty] = self.log_prob(rows[torch.from_numpy(empty)]).argmax(dim=1).numpy()
        return torch.from_numpy(best)

    def _targets(self, input: Tensor, target: Tensor) -> Tensor:
        if target.device.type != "cpu":
            raise RuntimeError(f"the target is on '{target.device}'; move it with .cpu()")
        if target.shape != input.shape[:-1] or input.dim() > 2:
            raise RuntimeError(
                f"input and target have shapes {tuple(input.shape)} and {tuple(target.shape)}; "
                f"[B, {self.in_features}] and [B] are wanted"
            )
        if target.is_floating_point() or target.is_complex():
            raise TypeError(f"the target is {target.dtype}; numbers of classes are wanted")
        target = target.reshape(-1).long()
        if len(target) and (int(target.min()) < 0 or int(target.max()) >= self.n_classes):
            raise ValueError(f"the target has classes outside of 0 to {self.n_classes - 1}")
        return target

    def _step(self, inputs: Inputs, target: Tensor) -> OutputStep:
        """Losses and their gradients over the classes computed; use within `_ready`."""
        batch: Batch = self._next_batch(len(inputs), training=True)
        return self._head.step(inputs, target.numpy().astype(np.int32), batch)


class _SampledSoftmax(torch.autograd.Function):  # type: ignore[misc]
    """The loss over the classes computed, and its gradients."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None, module: LSHSoftmaxLoss, target: Tensor
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(rows, weight, bias)
        with module._ready():
            inputs = as_read(rows.numpy())
            step = module._step(inputs, target)
        ctx.done = module, inputs, step
        output = torch.from_numpy(-step.losses.losses)
        return output, -output.mean()

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, at_output: Tensor, at_loss: Tensor) -> tuple[Any, ...]:
        rows, weight, bias = ctx.saved_tensors  # raises where weights have changed since
        module, inputs, step = ctx.done
        active = step.pairs.by_example
        # deltas are of the mean loss, which is -output / B for each example
        factors = at_loss.numpy() - len(active) * at_output.numpy()
        with module._ready(weight, bias):
            deltas = step.deltas * np.repeat(factors.astype(np.float32), active.row_lengths())
            found = module._gradients(rows.numpy(), inputs, active, deltas, step.token, ctx.needs_input_grad)
        return (*found, None, None)


def _best_of_rows(found: CSR) -> Any:
    """Column of the largest value of each row, int64[B]; 0 for a row without entries."""
    best = np.zeros(len(found), dtype=np.int64)
    lengths = found.row_lengths()
    (filled,) = np.nonzero(lengths)
    if len(filled):
        tops = np.maximum.reduceat(found.data, found.indptr[filled])
        at_top = found.data == np.repeat(tops, lengths[filled])
        row_of = np.repeat(np.arange(len(found)), lengths)
        best[row_of[at_top][::-1]] = found.indices[at_top][::-1]
    return best

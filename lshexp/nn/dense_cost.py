"""Closed-form cost of the dense network, the yardstick of every percentage."""

from __future__ import annotations

from collections.abc import Sequence

from lshexp.kernels.step import OPTIMIZERS


class DenseCost:
    """Multiplications of a dense network with these widths, from input to classes."""

    def __init__(self, widths: Sequence[int]) -> None:
        self.widths = list(widths)
        products = [a * b for a, b in zip(self.widths, self.widths[1:], strict=False)]
        self.first = products[0]
        self.products = sum(products)
        self.hidden_products = self.products - products[-1]
        self.parameters = self.products + sum(self.widths[1:])

    def forward_backward(self, examples: int) -> int:
        """Forward, weight gradients and input gradients; the first layer has no input gradient."""
        return examples * (3 * self.products - self.first)

    def forward(self, examples: int) -> int:
        """The forward pass alone, which is all that predicting takes."""
        return examples * self.products

    def prediction(self, examples: int, stored: int | None) -> int:
        """Predicting all examples; sparse ones `stored` so many inputs in all, and the others are left out.

        None means that they are not sparse.
        """
        return self.forward(examples) - (0 if stored is None else self._saved(examples, stored))

    def training_of(self, examples: int, steps: int, optimizer: str, stored: int, touched: int) -> int:
        """All of training on sparse examples; `touched` inputs are stored in a batch, summed over batches.

        A step of the first layer is one of the weights of those inputs.
        """
        left = (self.widths[0] * steps - touched) * self.widths[1] * OPTIMIZERS[optimizer].mults
        return self.training(examples, steps, optimizer) - 2 * self._saved(examples, stored) - left

    def _saved(self, examples: int, stored: int) -> int:
        return (examples * self.widths[0] - stored) * self.widths[1]

    def training(self, examples: int, steps: int, optimizer: str) -> int:
        """All of training: forward, backward, and `steps` optimiser steps on every parameter."""
        return self.forward_backward(examples) + steps * self.parameters * OPTIMIZERS[optimizer].mults

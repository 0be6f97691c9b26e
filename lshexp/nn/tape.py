"""What the backward pass needs of the forward pass."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lshexp.arrays import CSR, FloatArray, Inputs, OffsetArray
from lshexp.nn.layer import Pairs


class Skip(NamedTuple):
    """Where a hidden layer's input and what it computed have gone in their sum, its output.

    `total` None means that rows were added, place by place.
    """

    total: CSR | None
    of_input: OffsetArray  # int64[entries of the input], their places in `total`
    of_own: OffsetArray  # int64[active pairs], likewise


class Tape(NamedTuple):
    """What the backward pass of a hidden layer needs of its forward pass."""

    inputs: Inputs
    pairs: Pairs | None  # those with a positive activation; None = every node
    rows: FloatArray | None  # activations of every node, where pairs is None
    multiplier: np.float32 | FloatArray  # of the activations
    token: object  # what the selection wants back with its step
    skip: Skip | None = None  # where the layer's input was added to what it computed

    @property
    def scaled(self) -> bool:
        """Whether the activations have been multiplied at all."""
        return isinstance(self.multiplier, np.ndarray) or self.multiplier != 1

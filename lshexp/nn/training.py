"""Training: a network goes over its examples, epoch by epoch, whoever asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lshexp.arrays import CSR, FloatArray, OffsetArray
from lshexp.data.base import Examples
from lshexp.methods.base import Batch
from lshexp.nn.asynchronous import workers_of
from lshexp.nn.dense_cost import DenseCost
from lshexp.nn.network import Network
from lshexp.nn.plan import dense_reads_stored
from lshexp.spec import RunSpec
from lshexp.streams import stream


class DivergedError(Exception):
    """The loss is no longer a finite number."""


class EpochSums(NamedTuple):
    """Sums over the examples of an epoch so far."""

    loss: float  # nats
    hits: int
    examples: int


class Training:
    """A network in training, and sums over all of its epochs."""

    def __init__(self, spec: RunSpec, network: Network) -> None:
        self.spec = spec
        self.network = network
        self.workers = workers_of(spec, network)
        self.selected = np.zeros(len(network.hidden), dtype=np.int64)  # pairs of example and node, by layer
        self.active_classes = 0  # pairs of example and class that were active in the output
        self.examples_seen = 0
        self.steps = 0
        # of sparse examples: the inputs they store, and the different ones of each batch, which alone a dense
        # network would read and step
        self.stored: int | None = None
        self.touched = 0

    def order(self, epoch: int, examples: int) -> OffsetArray:
        """Return the order of the examples in an epoch, counted from 0: a draw of the run's seed."""
        return stream(self.spec.key(), "order", epoch).permutation(examples)

    def epoch(
        self,
        examples: Examples,
        order: OffsetArray,
        epoch: int,
        weights: FloatArray | None = None,
        after_batch: Callable[[EpochSums], object] = lambda sums: None,
    ) -> EpochSums:
        """Train on all examples in an order, batch by batch, and return their loss as it was on the way.

        `weights`, float32[n], say how much each example counts; their mean is best 1. `after_batch` is called
        after each batch. Raises DivergedError once the loss is not finite.
        """
        trained = self.workers or self.network
        sums = EpochSums(0.0, 0, 0)
        for first in range(0, len(order), self.spec.batch):
            ids = order[first : first + self.spec.batch]
            batch = Batch(ids, epoch, True, None if weights is None else weights[ids])
            x, y = examples.batch(ids)
            outcome = trained.train_batch(x, y, batch)
            if isinstance(x, CSR) and dense_reads_stored(self.spec, True):
                self.stored = (self.stored or 0) + x.nnz
                self.touched += len(np.unique(x.indices))
            sums = EpochSums(sums.loss + outcome.loss, sums.hits + outcome.hits, sums.examples + len(ids))
            self.selected += np.array(outcome.selected, dtype=np.int64)  # of no hidden layer, an empty list
            self.active_classes += outcome.active_classes
            self.examples_seen += len(ids)
            self.steps += 1
            if not np.isfinite(sums.loss):
                raise DivergedError(
                    f"loss is not finite in epoch {epoch + 1}, step {self.steps}; try a lower lr"
                )
            after_batch(sums)
        if self.workers:
            self.workers.drain()
        return sums

    @property
    def mults(self) -> int:
        """Multiplications so far, all layers and phases."""
        return sum(layer.work.mults() for layer in self.network.layers)

    def mults_dense(self, features: int) -> int:
        """Multiplications that the dense network would take: one step a batch or, lock-free, an example."""
        dense = DenseCost([features, *(layer.nodes for layer in self.network.layers)])
        steps = self.examples_seen if self.spec.update == "hogwild" else self.steps
        if self.stored is not None:
            sparse = self.stored, self.touched
            return dense.training_of(self.examples_seen, steps, self.spec.optimizer, *sparse)
        return dense.training(self.examples_seen, steps, self.spec.optimizer)

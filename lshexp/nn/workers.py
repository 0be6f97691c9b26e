"""Asynchronous training by workers that are not there: a replay on one core.

Each of N virtual workers takes a batch (one example where `batch` is 1), reads the weights as they are then,
and writes its step when it is done, by which time others have written theirs. This is lock-free asynchronous
SGD (Recht et al., "Hogwild!", NIPS 2011) in virtual time, with writes that are never torn. How long a batch
takes is drawn from a seeded stream, between half and one and a half times the mean; between a read and its
write there are hence N - 1 other writes on average and fewer than 4 N. One worker is plain training.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np

from lshexp.arrays import CSR, Inputs, IntArray
from lshexp.kernels.conflicts import count_conflicts
from lshexp.methods.base import Batch
from lshexp.nn.network import LayerStep, Network, Outcome, Pending
from lshexp.streams import stream

SPREAD = 0.5  # of the time a batch takes, about its mean of one


class _InFlight(NamedTuple):
    """A batch that a worker is busy with, ordered by when it will be done."""

    done_at: float
    number: int  # of its start; no two are the same, so that no comparison goes further
    seen: int  # steps that had been written when it read the weights
    pending: Pending


class SimulatedWorkers:
    """Trains a network as `workers` asynchronous workers would, and counts their conflicts."""

    def __init__(self, network: Network, workers: int, key: int) -> None:
        self._network = network
        self._workers = workers
        self._durations = stream(key, "workers")
        self._busy: list[_InFlight] = []
        self._now = 0.0
        self._started = self._written = 0
        self._stamps = [np.zeros(layer.weights.shape, dtype=np.int32) for layer in network.layers]
        self._notes = dict.fromkeys(
            ("writes_hidden", "conflicts_hidden", "writes_output", "conflicts_output", "staleness_max"), 0
        )
        self._notes["staleness_sum"] = 0

    def train_batch(self, x: Inputs, y: IntArray, batch: Batch) -> Outcome:
        """Give a batch to the first worker that is free; its step is written later."""
        if len(self._busy) == self._workers:
            self._finish_one()
        pending = self._network.start(x, y, batch)
        duration = 1 + SPREAD * (2 * self._durations.random() - 1)
        flight = _InFlight(self._now + duration, self._started, self._written, pending)
        heapq.heappush(self._busy, flight)
        self._started += 1
        return pending.outcome

    def drain(self) -> None:
        """Let all workers finish, as at the end of an epoch, before the network is tested."""
        while self._busy:
            self._finish_one()

    def notes(self) -> dict[str, int]:
        """Weights written, and of them those that others wrote between the step's read and its write.

        Also the greatest, and the sum over all steps, of the writes that came in between.
        """
        return {f"async_{name}": count for name, count in self._notes.items()}

    def _finish_one(self) -> None:
        flight = heapq.heappop(self._busy)
        self._now = flight.done_at
        stale = self._written - flight.seen
        self._notes["staleness_sum"] += stale
        self._notes["staleness_max"] = max(self._notes["staleness_max"], stale)
        self._written += 1
        for step in flight.pending.steps:
            self._count(step, flight.seen)
        self._network.finish(flight.pending)

    def _count(self, step: LayerStep, seen: int) -> None:
        nodes, inputs = _changed(step)
        counts = count_conflicts(
            *nodes.arrays[:2], *inputs.arrays[:2], seen, self._written, self._stamps[step.layer]
        )
        where = "hidden" if step.layer < len(self._network.hidden) else "output"
        for name, count in zip(("writes", "conflicts"), counts, strict=True):
            self._notes[f"{name}_{where}"] += int(count)


def _changed(step: LayerStep) -> tuple[CSR, CSR]:
    """Nodes with a gradient and inputs that are not zero, by example."""
    inputs = step.inputs if isinstance(step.inputs, CSR) else CSR.from_dense(step.inputs)
    if step.pairs is None:
        return CSR.from_dense(step.deltas), inputs
    return step.pairs.by_example.where(step.deltas != 0), inputs

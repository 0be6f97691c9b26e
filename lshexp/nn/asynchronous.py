"""Asynchronous training: lock-free threads, and simulated workers in virtual time.

`update: hogwild` is lock-free asynchronous SGD (Recht et al., "Hogwild!", NIPS 2011) by real threads. Active
nodes are chosen for a batch at a time; then each thread trains on its share of the batch, example by example,
with an optimiser step for each, on weights that the others are changing (`kernels/hogwild.py`). When all are
done, the methods' tables are brought up to date. So tables are never read while they are written, and the
choice of nodes is at most a batch old. With more than one thread, results differ from run to run. Inputs that
are zero are not read, and their weights not stepped. Coordinates that follow the steps of plain SGD are those
of the inputs at the batch's start: in deeper layers they are off by a little until nodes are hashed again.

`simulate_workers` replays asynchronous training on one core. Each of N virtual workers takes a batch, reads
the weights as they are then, and writes its step when it is done, by which time others have written theirs;
writes are whole. How long a batch takes is drawn from a seeded stream, between half and one and a half times
the mean, so that between a read and its write there are N - 1 other writes on average and fewer than 4 N. One
worker is plain training.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np

from lshexp.arrays import CSR, FloatArray, Inputs, Targets
from lshexp.buffers import empty
from lshexp.kernels.hogwild import Outcomes, Parameters, count_conflicts, hogwild_round, hogwild_round_cost
from lshexp.methods.base import Batch
from lshexp.nn.layer import Pairs
from lshexp.nn.network import LayerStep, Network, Outcome, Pending
from lshexp.nn.output import Losses
from lshexp.nn.signals import Tape, stored
from lshexp.spec import RunSpec
from lshexp.streams import stream
from lshexp.work import Work, indexed

SPREAD = 0.5  # of the time a batch takes, about its mean of one


class Hogwild:
    """Trains a network by lock-free threads, in place of `Network.train_batch`."""

    def __init__(self, network: Network, threads: int) -> None:
        self._network = network
        self._threads = threads
        self._parameters = Parameters(
            tuple(layer.weights for layer in network.layers),
            tuple(layer.bias[None] for layer in network.layers),
            tuple(layer.state for layer in network.layers),
            tuple(layer.bias_state for layer in network.layers),
        )

    def train_batch(self, x: Inputs, y: Targets, batch: Batch) -> Outcome:
        """Choose nodes for the batch, then take a step on each of its examples; one `lr` a step."""
        network, examples = self._network, len(y)
        read = stored(x, self._threads)
        if network.selects:
            tapes, _, selected = network.choose(x, batch)
        else:
            tapes = [Tape(read, None, None, np.float32(1), None)] * len(network.hidden)
            selected = [examples * layer.nodes for layer in network.hidden]
        chosen = tuple(
            (tape.pairs or layer.every_node(examples)).by_example
            for tape, layer in zip(tapes, network.hidden, strict=True)
        )
        scales = _multipliers(tapes)
        deltas = tuple(empty(active.nnz, dtype=np.float32) for active in chosen)
        outcomes = Outcomes(
            empty(examples, dtype=np.float32),
            empty(examples, dtype=np.bool_),
            np.zeros((self._threads, len(network.layers), 3), dtype=np.int64),
        )
        rules = [layer.next_rule(examples) for layer in network.layers]  # all alike
        indices = (tuple(one.indptr for one in chosen), tuple(one.indices for one in chosen))
        parameters, threads = self._parameters, self._threads
        assert not isinstance(y, CSR)  # `require_labels` refuses multi-label data
        hogwild_round(read.arrays, y, indices, scales, parameters, rules[0], threads, deltas, outcomes)
        costs = hogwild_round_cost(y, indices, scales, rules[0], outcomes)
        for layer, of_layer in zip(network.layers, costs, strict=True):
            for phase, cost in zip(("forward", "backward", "update"), of_layer, strict=True):
                layer.work.count(phase, cost)
        for index, (tape, active, own) in enumerate(zip(tapes, chosen, deltas, strict=True)):
            self._report(index, tape, active, own)
        return Outcome(*Losses(outcomes.losses, outcomes.hits).sums(), selected)

    def drain(self) -> None:
        """Nothing is ever in flight between batches."""

    def notes(self) -> dict[str, int]:
        """No counter of its own."""
        return {}

    def _report(self, index: int, tape: Tape, active: CSR, deltas: FloatArray) -> None:
        """Report to a selector which nodes have stepped, and by what."""
        if tape.pairs is None:
            return
        stepped = deltas != 0
        live = active.where(stepped)
        layer = self._network.hidden[index]
        looked = Work(0, 0, 5 * deltas.size)  # which are not zero
        layer.work.count("rebuild", looked + indexed(2 * live.nnz, 2 * deltas.size))
        self._network.report_step(
            index, Pairs(live, layer.group(live, "backward")), deltas[stepped], tape.token
        )


class _InFlight(NamedTuple):
    """A batch that a worker has begun, ordered by when it will be done."""

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
        self._stamps = [np.zeros((layer.nodes, layer.fan_in), dtype=np.int32) for layer in network.layers]
        self._notes = dict.fromkeys(
            ("writes_hidden", "conflicts_hidden", "writes_output", "conflicts_output", "staleness_max"), 0
        )
        self._notes["staleness_sum"] = 0

    def train_batch(self, x: Inputs, y: Targets, batch: Batch) -> Outcome:
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
    inputs = stored(step.inputs, 1)
    if step.pairs is None:
        return CSR.from_dense(step.deltas), inputs
    return step.pairs.by_example.where(step.deltas != 0), inputs


def _multipliers(tapes: list[Tape]) -> FloatArray:
    """One multiplier of activations a layer, float32[layers]."""
    return np.array([tape.multiplier for tape in tapes], dtype=np.float32)


def workers_of(spec: RunSpec, network: Network) -> SimulatedWorkers | Hogwild | None:
    """Return what trains the network in place of `Network.train_batch`; None for plain batches."""
    if spec.simulate_workers:
        return SimulatedWorkers(network, spec.simulate_workers, spec.key())
    return Hogwild(network, spec.threads) if spec.update == "hogwild" else None

"""Lock-free asynchronous training by real threads (`update: hogwild`).

Nodes are chosen for a batch at a time, as ever; then each thread trains on its share of the batch, example by
example, with a step of its own for each, on weights that the others are changing (`kernels/hogwild.py`).
When all are through, the tables learn what has changed. So tables are never read while they are written, and
no node can be lost from them; and the choice of nodes is at most a batch old. With more than one thread,
results differ from run to run. Inputs that are zero are not read, and their weights not
stepped. Numbers that a table is kept up to date with are those of the batch's start: off by a little in
deeper layers, until the next time that its nodes are hashed from their weights.
"""

from __future__ import annotations

import numpy as np

from lshexp.arrays import CSR, FloatArray, Inputs, IntArray
from lshexp.kernels.hogwild import Outcomes, Parameters, hogwild_round
from lshexp.methods.base import Batch
from lshexp.nn.layer import Pairs
from lshexp.nn.network import Network, Outcome, Tape


class Hogwild:
    """Trains a network in place of its own batch steps."""

    def __init__(self, network: Network, threads: int) -> None:
        self._network = network
        self._threads = threads
        self._parameters = Parameters(
            tuple(layer.weights for layer in network.layers),
            tuple(layer.bias[None] for layer in network.layers),
            tuple(layer.state for layer in network.layers),
            tuple(layer.bias_state for layer in network.layers),
        )

    def train_batch(self, x: Inputs, y: IntArray, batch: Batch) -> Outcome:
        """Choose nodes for the batch, then take a step on each of its examples; one `lr` a step."""
        network, examples = self._network, len(y)
        read = x if isinstance(x, CSR) else CSR.from_dense(x)
        if network.selects:
            tapes, _, selected = network.choose(x, batch)
        else:
            tapes = [Tape(read, None, None, np.float32(1), None)] * len(network.hidden)
            selected = [examples * layer.nodes for layer in network.hidden]
        chosen = tuple(
            (tape.pairs or layer.every_node(examples)).by_example
            for tape, layer in zip(tapes, network.hidden, strict=True)
        )
        scales = np.array([tape.scale for tape in tapes], dtype=np.float32)
        deltas = tuple(np.empty(active.nnz, dtype=np.float32) for active in chosen)
        outcomes = Outcomes(
            np.empty(examples, dtype=np.float32),
            np.empty(examples, dtype=np.bool_),
            np.zeros((self._threads, len(network.layers), 3), dtype=np.int64),
        )
        rule = network.output.rule
        indices = (tuple(one.indptr for one in chosen), tuple(one.indices for one in chosen))
        parameters, threads = self._parameters, self._threads
        hogwild_round(read.arrays, y, indices, scales, parameters, rule, threads, deltas, outcomes)
        self._count(outcomes, [active.nnz for active in chosen], examples, scales)
        for index, (tape, active, own) in enumerate(zip(tapes, chosen, deltas, strict=True)):
            self._tell(index, tape, active, own)
        return Outcome(float(outcomes.losses.sum(dtype=np.float64)), int(outcomes.hits.sum()), selected)

    def drain(self) -> None:
        """Nothing is ever in flight between batches."""

    def notes(self) -> dict[str, int]:
        """No counter of its own."""
        return {}

    def _tell(self, index: int, tape: Tape, active: CSR, deltas: FloatArray) -> None:
        """Tell a selector which nodes have stepped, and by what."""
        if tape.pairs is None:
            return
        stepped = deltas != 0
        live = active.where(stepped)
        layer = self._network.hidden[index]
        self._network.tell(index, Pairs(live, layer.group(live)), deltas[stepped], tape.memo)

    def _count(self, outcomes: Outcomes, chosen: list[int], examples: int, scales: FloatArray) -> None:
        """Count the round's work; no weight row is taken to stay in cache from one example to the next."""
        products = outcomes.products.sum(axis=0)
        pairs = [*chosen, examples * self._network.output.nodes]
        for index, layer in enumerate(self._network.layers):
            forward, live, rows = (int(count) for count in products[index])
            layer.work.add("forward", forward, forward, 12 * forward + 8 * pairs[index])
            both = live * (2 if index else 1)  # of weights, and at the input of all but the first layer
            layer.work.add("backward", both, both, 12 * both + 4 * pairs[index])
            layer.count_steps(live + rows)  # one bias a row
            if index < len(scales) and scales[index] != 1:
                layer.work.add("forward", pairs[index], 0, 8 * pairs[index])
                layer.work.add("backward", pairs[index], 0, 8 * pairs[index])

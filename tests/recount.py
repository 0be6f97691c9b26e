"""Counts a run again from the outside: every call of a network is followed by its twin.

The twin of training (`counting.py`) and those of selection (`selection_twin.py`) see the examples, the
weights and the active sets of a real run, do the same work in plain loops, and count it as they do it.
"""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import counting
import counting_storage
import numpy as np
import selection_twin
from counted import Rows, Stored, counted

from lshexp import registry
from lshexp.arrays import CSR
from lshexp.nn.by_input import LayerByInput
from lshexp.streams import stream, stream_key
from lshexp.work import PREDICT


def lists(active):
    """Columns of each row of a CSR."""
    return None if active is None else [own.tolist() for own in np.split(active.indices, active.indptr[1:-1])]


def wanted(spec, nodes, batch):
    """Active share of a batch, and the number of active nodes of a layer."""
    share = spec.active_pct / 100
    if spec.active_from and batch.training and batch.epoch < spec.active_until - 1:
        left = 1 - batch.epoch / (spec.active_until - 1)
        share *= (spec.active_from / spec.active_pct) ** left
    return share, min(nodes, max(1, round(share * nodes)))


class Watched:
    """Stands in for the selector of a hidden layer, and has its twin choose for the same inputs."""

    def __init__(self, selector, layer, own, at):
        self.selector, self.layer, self.own, self.at = selector, layer, own, at
        self.tokens, self.offered, self.choice, self.listed = {}, [], None, False
        self.gates = None  # of the step at hand: gradient at the logarithm of each gate, by the twin
        self.overlap = []  # share of each example's active nodes that the twin would have chosen too
        if getattr(selector, "tables", None):
            collect = selector.tables.collect
            selector.tables.collect = lambda *own: self._offer(collect(*own))

    def __getattr__(self, name):
        return getattr(self.selector, name)

    def _offer(self, collected):
        self.offered = lists(collected.candidates[:])
        return collected

    def _look(self, **more):
        weights = counted(self.layer.weights, self.at.meter)
        return SimpleNamespace(weights=weights, bias=self.layer.bias.astype(np.float64), **more)

    def select(self, inputs, batch):
        selection = self.selector.select(inputs, batch)
        if not batch.training and len(batch.examples) == 1:
            return selection  # to time single examples
        self.at.meter.at = (self.at.index, "select" if batch.training else PREDICT)
        self.at.share, self.at.budget = self.at.wanted(batch)
        self.listed = isinstance(inputs, CSR)
        own = self.own.choose(
            self._look(
                inputs=Stored(*inputs.arrays, inputs.shape[1], self.at.meter)
                if self.listed
                else Rows(inputs, self.at.meter),
                examples=batch.examples,
                epoch=batch.epoch,
                training=batch.training,
                offered=self.offered,
            )
        )
        chosen = lists(selection.active)
        self.choice = SimpleNamespace(nodes=chosen, scored=own.scored, multiplier=own.multiplier)
        assert (chosen is None) == (own.nodes is None)
        for mine, its in zip(own.nodes or (), chosen or (), strict=True):
            either = len(set(mine) | set(its))
            self.overlap.append(len(set(mine) & set(its)) / either if either else 1.0)
        self.tokens[id(selection.token)] = selection.token, getattr(own, "token", None)
        return selection

    def after_update(self, step):
        self.selector.after_update(step)
        self.at.meter.at = (self.at.index, "rebuild")
        ends, pairs = step.by_node.indptr, {}
        for node in step.touched.tolist():
            own = slice(ends[node], ends[node + 1])
            deltas = step.deltas[step.by_node.positions[own]]
            pairs[node] = list(zip(step.by_node.indices[own].tolist(), map(float, deltas), strict=True))
        token = self.tokens[id(step.token)][1]
        rate = float(self.layer.rule.lr)
        self.own.after_step(self._look(pairs=pairs, token=token, rate=rate, gates=self.gates))


class Recount:
    """Follows a network from its first batch on; what it has counted is in `meter`."""

    def __init__(self, net, spec):
        built = registry.methods.build(spec.method, spec.method_options)
        share = spec.active_pct / 100
        options = {**built.model_dump(), **built.derived(share)}
        term_by_term = [
            index
            for index, layer in enumerate(net.layers)
            if isinstance(layer, LayerByInput) and layer.plan.selected and spec.optimizer == "sgd"
        ]
        self.net = net
        weights = [layer.weights for layer in net.layers]
        self.twin = counting.Twin(weights, spec.optimizer, spec.lr, spec.momentum, term_by_term, spec.skip)
        self.meter, self.pending, self.agreed = self.twin.meter, {}, []
        for index, layer in enumerate(net.hidden):
            if spec.method in counting_storage.STORAGE:
                make = counting_storage.STORAGE[spec.method]
                self.twin.own[index] = make(self.meter, index, layer, self.twin.slots)
            elif layer.plan.storage:
                self.twin.few[index] = SimpleNamespace(
                    there=layer.weights != 0, every=options["exchange_every"],
                    share=options["exchange_pct"] / 100, until=options["exchange_until"],
                )  # fmt: skip
            at = SimpleNamespace(
                index=index, meter=self.meter, options=options, nodes=layer.nodes, fan_in=layer.fan_in,
                share=share, budget=min(layer.nodes, max(1, round(share * layer.nodes))),
                key=stream_key(spec.key(), "method", index), stream=stream, stream_key=stream_key,
                linear=spec.optimizer == "sgd", exact=layer.plan.scan, agreed=self.agreed,
                wanted=partial(wanted, spec, layer.nodes),
            )  # fmt: skip
            own = selection_twin.METHODS[spec.method](at)
            net.selectors[index] = Watched(net.selectors[index], layer, own, at)
        self._start, self._finish, self._scores = net.start, net.finish, net.scores
        net.start, net.finish, net.scores, net.train_batch = self.start, self.finish, self.scores, self.train
        self._head_scores = net.head.scores
        net.head.scores = self._read_by_head

    @property
    def overlap(self):
        """Mean share of the active nodes that the twins of selection would have chosen too."""
        return np.mean([share for watched in self.net.selectors for share in watched.overlap] or [1.0])

    def train(self, x, y, batch):
        pending = self.start(x, y, batch)
        self.finish(pending)
        return pending.outcome

    def start(self, x, y, batch):
        pending = self._start(x, y, batch)
        listed = [isinstance(step.inputs, CSR) for step in reversed(pending.steps)]
        own = self.twin.start(
            rows(x), y, self._of("nodes"), listed, self._of("scored"), self._of("multiplier")
        )
        self.pending[id(pending)] = pending, own
        return pending

    def finish(self, pending):
        own = self.pending.pop(id(pending))[1]
        for watched in self.net.selectors:
            watched.gates = own.gates[watched.at.index]
        self._finish(pending)
        self.twin.finish(own)

    def lock_free(self, kernel):
        """The lock-free kernel, followed by the twin's steps on single examples."""

        def follow(inputs, labels, chosen, scales, *rest):
            nodes = [np.split(own, ends[1:-1]) for ends, own in zip(*chosen, strict=True)]
            x = np.zeros((len(labels), self.net.layers[0].fan_in), dtype=np.float32)
            for b, (first, last) in enumerate(zip(inputs[0], inputs[0][1:], strict=False)):
                x[b, inputs[1][first:last]] = inputs[2][first:last]
            if self.net.selects:  # choosing has gone forward through the hidden layers
                listed = [watched.listed for watched in self.net.selectors]
                self.twin.forward(x, self._of("nodes"), listed, self._of("scored"), self._of("multiplier"))
            kernel(inputs, labels, chosen, scales, *rest)
            self.twin.train_alone(x, labels, [[own.tolist() for own in of] for of in nodes], scales.tolist())

        return follow

    def scores(self, x, batch):
        if len(x) == 1:  # to time single examples
            return self._scores(x, batch)
        for counts in (self.meter.mults, self.meter.adds):  # the last time that the test set is predicted
            dict.update(counts, {at: 0 for at in counts if at[1] == PREDICT})
        found = self._scores(x, batch)
        listed = [watched.listed for watched in self.net.selectors]
        choices = self._of("nodes"), listed, self._of("scored"), self._of("multiplier")
        signals = self.twin.forward(rows(x), *choices, PREDICT)[0]
        self.twin.logits(signals[-1], self.head_listed, PREDICT)
        return found

    def _read_by_head(self, signal):
        self.head_listed = isinstance(signal, CSR)
        return self._head_scores(signal)

    def _of(self, name):
        return [getattr(watched.choice, name) for watched in self.net.selectors]


def rows(x):
    """Examples as rows."""
    return x.to_dense() if isinstance(x, CSR) else x

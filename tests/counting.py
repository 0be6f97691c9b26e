"""An instrumented twin of a training run: plain loops in which every multiplication and addition is metered.

It is given the selections a real run made, computes the same steps in float64, and counts each scalar
operation where it happens. Nothing here uses a closed form, and nothing of the project is imported.
"""

from __future__ import annotations

import math
from collections import Counter
from types import SimpleNamespace

import numpy as np

FACTORS = {"sgd": 0, "momentum": 1, "adagrad": 1, "adagrad_momentum": 2, "adam": 2}


class Meter:
    """Counts operations under the current (layer, phase)."""

    def __init__(self):
        self.mults = Counter()
        self.adds = Counter()
        self.at = (0, "forward")

    def mul(self, a, b):
        self.mults[self.at] += 1
        return a * b

    def div(self, a, b):
        self.mults[self.at] += 1
        return a / b

    def sqrt(self, a):
        self.mults[self.at] += 1
        return math.sqrt(a)

    def add(self, a, b):
        self.adds[self.at] += 1
        return a + b

    def dot(self, a, b, start=0.0):
        total = start
        for left, right in zip(a, b, strict=True):
            total = self.add(total, self.mul(left, right))
        return total


class Twin:
    """A network of plain loops. `listed[i]`: layer i reads its input as lists, non-zeros only.

    Layers in `by_term` take plain gradient steps term by term: nothing is summed for a weight first.
    """

    def __init__(self, weights, optimizer, lr, momentum, by_term=(), skip=False):
        self.by_term = by_term
        self.weights = [w.astype(np.float64) for w in weights]
        self.bias = [np.zeros(len(w)) for w in weights]
        self.optimizer, self.lr, self.momentum = optimizer, lr, momentum
        self.slots = slots = FACTORS[optimizer]
        self.state = [np.zeros((slots, *w.shape)) for w in weights]
        self.bias_state = [np.zeros((slots, len(w))) for w in weights]
        self.meter = Meter()
        self.skip, self.steps = skip, 0
        self.few = {}  # layers whose nodes have few weights: which ones, and how they are exchanged
        self.own = {}  # layers without a full matrix of weights, which compute for themselves
        self.alone = False  # whether examples take their steps one by one

    def train(self, x, y, chosen, listed, scored, scales):
        """One batch. chosen[i][b] are the active nodes of hidden layer i, or None for every node."""
        self.finish(self.start(x, y, chosen, listed, scored, scales))

    def start(self, x, y, chosen, listed, scored, scales):
        """Forward and backward pass of a batch; returns its steps, from the output down, for `finish`.

        Also, for each hidden layer with gates, the gradient at the logarithm of each.
        """
        examples = len(x)
        signals, owns, lives, stored = self.forward(x, chosen, listed, scored, scales)
        logits = self.logits(signals[-1], listed[-1])
        last = len(self.weights) - 1
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        deltas = (p / p.sum(axis=1, keepdims=True) - np.eye(p.shape[1])[y]) / examples
        lives.append([list(range(p.shape[1]))] * examples)
        gradient, steps, gates = None, [], {}
        for i in range(last, -1, -1):
            above = gradient if self.skip and 0 < i < last else None  # at the layer's output
            if i in self.own:
                self.meter.at = (i, "backward")
                gradient = self.own[i].input_gradient(signals[i], deltas) if i else None
            else:
                gradient = self._input_gradient(i, deltas, lives, stored[i - 1], listed[i]) if i else None
            if above is not None:
                self._pass_on(i, gradient, above, stored[i - 1], listed[i])
            steps.append((i, signals[i], deltas, lives[i], listed[i]))
            if i:
                deltas, gates[i - 1] = self._through(
                    i - 1, gradient, owns[i - 1], lives[i - 1], scales[i - 1], chosen[i - 1]
                )
        return SimpleNamespace(steps=steps, gates=gates)

    def finish(self, started):
        """Take steps that `start` has formed."""
        self.steps += 1
        for step in started.steps:
            (self._update_by_term if step[0] in self.by_term else self._update)(*step)
            if step[0] in self.own:
                self.weights[step[0]] = self.own[step[0]].weights()
        for i, signal, deltas, *_ in started.steps:
            if i in self.few:
                self._exchange(i, signal, deltas)

    def _exchange(self, i, signal, deltas):
        """The smallest weights of each node for inputs of largest gradient, which is formed for all."""
        few, (nodes, fan_in) = self.few[i], self.weights[i].shape
        k = int(few.there[0].sum())
        if not few.every or self.steps % few.every or self.steps >= few.until:
            return
        dropped = round(few.share / 2 * (1 + math.cos(math.pi * self.steps / few.until)) * k)
        dropped = min(dropped, fan_in - k)
        for counts in (self.meter.mults, self.meter.adds) if dropped else ():
            counts[i, "rebuild"] += nodes * fan_in * len(deltas)
        slopes = np.abs(deltas.T @ signal)
        for j in range(nodes):
            own, others = np.flatnonzero(few.there[j]), np.flatnonzero(~few.there[j])
            small = sorted(own, key=lambda c: (-abs(self.weights[i][j, c]), c))[k - dropped :]
            new = sorted(others, key=lambda c: (-slopes[j, c], c))[:dropped]
            few.there[j, small], few.there[j, new] = False, True
            self.weights[i][j, small] = 0
            self.state[i][:, j, small] = 0

    def train_alone(self, x, y, chosen, scales):
        """Steps of each example by itself on its stored inputs, as lock-free threads take them."""
        first = self.steps + 1
        for b in range(len(x)):
            nodes = [[own[b]] for own in chosen]
            every = [True] * len(self.weights)
            self.alone, self.steps = True, first - 1  # Adam's rate is that of the batch's first step
            self.finish(self.start(x[b : b + 1], y[b : b + 1], nodes, every, [False] * len(nodes), scales))
        self.alone, self.steps = False, first - 1 + len(x)

    def forward(self, x, chosen, listed, scored, scales, phase="forward"):
        """Forward pass of a batch through the hidden layers, its work under `phase`.

        scales[i] multiplies the activations of hidden layer i: a number, or one for each example and node.
        Returns the layers' inputs, their own outputs, live nodes, and places with a value.
        """
        meter, examples = self.meter, len(x)
        signals, lives, owns, stored = [x.astype(np.float64)], [], [], []
        for i in range(len(self.weights) - 1):
            meter.at = (i, phase)
            out = np.zeros((examples, len(self.weights[i])))
            scale = np.broadcast_to(scales[i], out.shape)
            scaled = np.ndim(scales[i]) or scales[i] != 1
            live = []
            scores = self.own[i].scores(signals[i], self.bias[i], phase) if i in self.own else None
            for b in range(examples):
                nodes = range(len(self.weights[i])) if chosen[i] is None else chosen[i][b]
                kept = []
                for j in nodes:
                    if scores is not None:
                        value = scores[b][j]
                    elif scored[i]:  # the selection has computed, and metered, every node
                        value = float(self.weights[i][j] @ signals[i][b] + self.bias[i][j])
                    else:
                        value = self._score(i, j, signals[i][b], listed[i])
                    if value > 0 or chosen[i] is None or self.alone:
                        value = meter.mul(value, scale[b, j]) if scaled else value
                    if value > 0 or chosen[i] is None:
                        kept.append(j)
                        out[b, j] = max(value, 0.0)
                live.append(kept)
            owns.append(out)
            lives.append(live)
            stored.append(live)
            if self.skip and i:
                sparse = listed[i] and chosen[i] is not None
                out = self._add_input(i, out, signals[-1], stored, sparse, phase)
            signals.append(out)
        return signals, owns, lives, stored

    def logits(self, signals, listed, phase="forward"):
        """Scores of all classes, their work under `phase`."""
        last = len(self.weights) - 1
        self.meter.at = (last, phase)
        return np.array(
            [[self._score(last, j, signal, listed) for j in range(len(self.weights[last]))]
             for signal in signals]
        )  # fmt: skip

    def _read(self, i, j, row, listed):
        """Inputs that a node reads: those it has weights for, or all; of lists those that are not zero."""
        if i in self.few:
            return np.flatnonzero(self.few[i].there[j])
        return np.flatnonzero(row) if listed else range(len(row))

    def _score(self, i, j, signal, listed):
        inputs = self._read(i, j, signal, listed)
        return self.meter.dot(self.weights[i][j][list(inputs)], signal[list(inputs)], self.bias[i][j])

    def _add_input(self, i, own, inputs, stored, sparse, phase):
        """Skip: one addition for each place that both have, or for every place of rows."""
        self.meter.at = (i, phase)
        out = own + inputs
        both = []
        for b in range(len(own)):
            mine, below = set(stored[i][b]), set(stored[i - 1][b])
            for _ in mine & below if sparse else range(own.shape[1]):
                self.meter.add(0.0, 0.0)
            both.append(sorted(mine | below) if sparse else list(range(own.shape[1])))
        stored[i] = both
        return out

    def _pass_on(self, i, gradient, above, stored, listed):
        """The gradient at the layer's output reaches its input as it is."""
        self.meter.at = (i, "backward")
        for b in range(len(gradient)):
            for k in stored[b] if listed else range(gradient.shape[1]):
                gradient[b, k] = self.meter.add(gradient[b, k], above[b, k])

    def _input_gradient(self, i, deltas, lives, stored, listed):
        self.meter.at = (i, "backward")
        gradient = np.zeros((len(deltas), self.weights[i].shape[1]))
        for b in range(len(deltas)):
            inputs = stored[b] if listed else range(gradient.shape[1])
            for j in lives[i][b]:
                for k in np.flatnonzero(self.few[i].there[j]) if i in self.few else inputs:
                    product = self.meter.mul(deltas[b, j], self.weights[i][j, k])
                    gradient[b, k] = self.meter.add(gradient[b, k], product)
        return gradient

    def _through(self, i, gradient, out, live, scale, chosen):
        """Back through ReLU and multiplier; where some nodes are chosen, one for each pair is a gate."""
        self.meter.at = (i, "backward")
        deltas, at_gates = np.zeros_like(gradient), np.zeros_like(gradient)
        gated, scaled = np.ndim(scale) > 0 and chosen is not None, np.ndim(scale) or scale != 1
        scale = np.broadcast_to(scale, out.shape)
        for b, nodes in enumerate(live):
            for j in nodes:
                if out[b, j] > 0:
                    at_gates[b, j] = self.meter.mul(gradient[b, j], out[b, j]) if gated else 0.0
                    g = gradient[b, j]
                    deltas[b, j] = self.meter.mul(g, scale[b, j]) if scaled else g
        return deltas, at_gates

    def _update_by_term(self, i, signal, deltas, live, listed):
        meter = self.meter
        bias, touched = np.zeros(len(self.bias[i])), set()
        for b, nodes in enumerate(live):
            meter.at = (i, "backward")
            for j in nodes:
                bias[j] = meter.add(bias[j], deltas[b, j])
                touched.add(j)
            for k in np.flatnonzero(signal[b]):
                meter.at = (i, "update")
                factor = meter.mul(self.lr, signal[b, k])
                for j in nodes:
                    meter.at = (i, "backward")
                    term = meter.mul(factor, deltas[b, j])
                    meter.at = (i, "update")
                    self.weights[i][j, k] = meter.add(self.weights[i][j, k], -term)
        meter.at = (i, "update")
        for j in touched:
            self.bias[i][j] = self._step(self.bias[i][j], bias[j], [])

    def _update(self, i, signal, deltas, live, listed):
        self.meter.at = (i, "backward")
        gradient, bias, touched = np.zeros_like(self.weights[i]), np.zeros(len(self.bias[i])), set()
        for b, nodes in enumerate(live):
            for j in nodes:
                # of a single example there is nothing to sum
                bias[j] = deltas[b, j] if self.alone else self.meter.add(bias[j], deltas[b, j])
                touched.add((j, None))
                for k in self._read(i, j, signal[b], listed) if i not in self.own else ():
                    product = self.meter.mul(deltas[b, j], signal[b, k])
                    gradient[j, k] = self.meter.add(gradient[j, k], product)
                    touched.add((j, int(k)))
        if i in self.own:
            self.own[i].update(signal, deltas, self._step)
        self.meter.at = (i, "update")
        for j, k in touched:
            if k is None:
                self.bias[i][j] = self._step(self.bias[i][j], bias[j], self.bias_state[i][:, j])
            else:
                self.weights[i][j, k] = self._step(
                    self.weights[i][j, k], gradient[j, k], self.state[i][:, j, k]
                )

    def _step(self, w, g, state):
        m = self.meter
        if self.optimizer == "sgd":
            return m.add(w, -m.mul(self.lr, g))
        before = state.copy()
        if self.optimizer == "momentum":
            state[0] = m.add(m.mul(self.momentum, state[0]), g)
            stepped = m.add(w, -m.mul(self.lr, state[0]))
        elif self.optimizer == "adam":
            state[0] = m.add(m.mul(self.momentum, state[0]), m.mul(1 - self.momentum, g))
            state[1] = m.add(m.mul(0.999, state[1]), m.mul(m.mul(0.001, g), g))
            unbiased = math.sqrt(1 - 0.999**self.steps) / (1 - self.momentum**self.steps)  # once a step
            change = m.div(m.mul(self.lr * unbiased, state[0]), m.add(m.sqrt(state[1]), 1e-8))
            stepped = m.add(w, -change)
        else:
            state[0] = m.add(state[0], m.mul(g, g))
            change = m.div(m.mul(self.lr, g), m.add(m.sqrt(state[0]), 1e-8))
            if self.optimizer == "adagrad_momentum":
                change = m.add(m.mul(self.momentum, state[1]), change)
                state[1] = change
            stepped = m.add(w, -change)
        if g == 0:  # lazy: a weight without a gradient is left alone, though its step was computed
            state[:] = before
            return w
        return stepped


def matmul(meter, a, b):
    """a @ b, metered."""
    return np.array([[meter.dot(row, column) for column in b.T] for row in a])

"""The network: hidden ReLU layers whose active nodes a method selects, and a dense softmax output.

One file holds the whole of training and prediction for a batch. What differs between methods is a single
call, `selector.select`; all else is shared.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import numpy as np

from lshexp.arrays import CSR, BoolArray, FloatArray, Inputs, IntArray
from lshexp.kernels.csr import (
    gather_rows,
    gather_rows_cost,
    keep_positive,
    keep_positive_cost,
    scatter_rows,
    scatter_rows_cost,
)
from lshexp.kernels.loss import softmax_cross_entropy, softmax_cross_entropy_cost
from lshexp.kernels.parallel import balanced_bounds, even_bounds
from lshexp.kernels.step import rule_of
from lshexp.methods.base import Batch, Method, Selection, Selector, Step
from lshexp.nn.gemm import Gemm
from lshexp.nn.layer import Layer, Pairs, build_layer
from lshexp.nn.plan import SPARSE_UP_TO, LayerPlan, plan_layers
from lshexp.spec import RunSpec
from lshexp.streams import stream, stream_key
from lshexp.work import LayerWork, Work, elementwise


class Outcome(NamedTuple):
    """Sums over the examples of a batch, and the number of pairs selected in each hidden layer."""

    loss: float  # nats, summed
    hits: int
    selected: list[int]


class View(NamedTuple):
    """Every pre-activation of a hidden layer, float32[B, N], and the active pairs; None means every node."""

    scores: FloatArray
    active: CSR | None


Seen = TypeVar("Seen")


class Tape(NamedTuple):
    """What the backward pass of a hidden layer needs of its forward pass."""

    inputs: Inputs
    pairs: Pairs | None  # those with a positive activation; None = every node
    rows: FloatArray | None  # activations of every node, where pairs is None
    multiplier: np.float32 | FloatArray  # of the activations
    token: object  # what the selection wants back with its step

    @property
    def scaled(self) -> bool:
        """Whether the activations have been multiplied at all."""
        return isinstance(self.multiplier, np.ndarray) or self.multiplier != 1


class LayerStep(NamedTuple):
    """An optimiser step of one layer, formed and not yet taken."""

    layer: int  # 0 = first hidden
    inputs: Inputs
    pairs: Pairs | None  # None = every node
    deltas: FloatArray  # float32[P], or float32[B, N] where pairs is None
    token: object  # of the selection that the step began with


class Pending(NamedTuple):
    """A batch whose gradients have been computed and not yet been written."""

    outcome: Outcome
    steps: list[LayerStep]  # from the output down


class Network:
    """Layers, and the selector of each hidden one. Use within the `Gemm` it is given."""

    def __init__(
        self,
        spec: RunSpec,
        method: Method,
        features: int,
        classes: int,
        gemm: Gemm,
        plans: Sequence[LayerPlan] | None = None,
    ) -> None:
        """Build the layers as `plans` says: those of `plan_layers` for these widths, unless others are given.

        Raises ConfigError as `plan_layers` does.
        """
        self.plans = plans or plan_layers(spec, method, [features, *spec.hidden, classes])
        key = spec.key()
        rule = rule_of(spec.optimizer, spec.lr, spec.momentum)
        self.layers = [
            build_layer(initial_weights(key, index, plan.nodes, plan.fan_in), plan, rule, gemm, spec.threads)
            for index, plan in enumerate(self.plans)
        ]
        self.hidden, self.output = self.layers[:-1], self.layers[-1]
        self.selectors: list[Selector] = [
            method.selector(layer, spec.active_pct / 100, stream_key(key, "method", index))
            for index, layer in enumerate(self.hidden)
        ]
        self.selects = method.uses_active_pct
        self._threads = spec.threads
        self.select_s = 0.0  # seconds spent choosing nodes in training

    def with_parameters(self, parameters: list[tuple[FloatArray, FloatArray]]) -> Network:
        """A network for prediction that has other weights and biases and selectors of its own.

        Its tables are filled for those weights; nothing it does touches this network or its counters.
        """
        twin = copy.copy(self)
        twin.layers = []
        for layer, (weights, bias) in zip(self.layers, parameters, strict=True):
            other = copy.copy(layer)
            other.weights, other.bias, other.work = weights, bias, LayerWork()
            twin.layers.append(other)
        twin.hidden, twin.output = twin.layers[:-1], twin.layers[-1]
        # a selector is copied whole, but for the layer it looks at
        twin.selectors = [
            copy.deepcopy(selector, {id(layer): other})
            for selector, layer, other in zip(self.selectors, self.hidden, twin.hidden, strict=True)
        ]
        for selector in twin.selectors:
            selector.refresh()
        return twin

    def train_batch(self, x: Inputs, y: IntArray, batch: Batch) -> Outcome:
        """One step on a mini-batch: select, forward, backward and update, layer by layer."""
        outcome, steps = self._gradients(x, y, batch)
        for step in steps:
            self._take(step)
        return outcome

    def start(self, x: Inputs, y: IntArray, batch: Batch) -> Pending:
        """All of a step but its writes: select, forward and backward on the weights of the moment."""
        outcome, steps = self._gradients(x, y, batch)
        return Pending(outcome, list(steps))

    def finish(self, pending: Pending) -> None:
        """Write a step that was started, now or before others were written."""
        for step in pending.steps:
            self._take(step)

    def _gradients(self, x: Inputs, y: IntArray, batch: Batch) -> tuple[Outcome, Iterator[LayerStep]]:
        """Select, go forward, and return the layers' steps; each is computed when it is asked for."""
        tapes, signal, selected = self.choose(x, batch)
        logits, pairs = self._logits(signal)
        deltas, losses, hits = self._loss(logits, y)
        self.output.work.count("forward", softmax_cross_entropy_cost(logits))
        outcome = Outcome(float(losses.sum(dtype=np.float64)), int(hits.sum()), selected)
        return outcome, self._backward(tapes, signal, pairs, deltas)

    def choose(self, x: Inputs, batch: Batch) -> tuple[list[Tape], Inputs, list[int]]:
        """Select the nodes of each hidden layer, which takes going forward through them.

        Returns what each layer remembers, the output layer's input, and the pairs selected in each layer.
        """
        tapes: list[Tape] = []
        selected: list[int] = []
        signal = self._input(x)
        for index, (layer, selector) in enumerate(zip(self.hidden, self.selectors, strict=True)):
            started = time.perf_counter()
            selection = selector.select(signal, batch)
            self.select_s += time.perf_counter() - started
            tape = self._activate(layer, signal, selection)
            selected.append(_size(selection, layer, len(x)))
            tapes.append(tape)
            signal = self._signal(tape, index)
        return tapes, signal, selected

    def predict(self, x: Inputs, y: IntArray, batch: Batch) -> Outcome:
        """Loss and hits of a batch, nodes selected as the method does at test; no work is counted."""
        selected: list[int] = []
        signal = self._input(x)
        with self._uncounted():
            for index, (layer, selector) in enumerate(zip(self.hidden, self.selectors, strict=True)):
                selection = selector.select(signal, batch)
                selected.append(_size(selection, layer, len(x)))
                signal = self._signal(self._activate(layer, signal, selection), index)
            logits, _ = self._logits(signal)
        _, losses, hits = self._loss(logits, y)
        return Outcome(float(losses.sum(dtype=np.float64)), int(hits.sum()), selected)

    def watch(self, x: Inputs, batch: Batch, look: Callable[[View], Seen]) -> list[Seen]:
        """Call `look` with the `View` of each hidden layer and return its answers; no work is counted."""
        seen: list[Seen] = []
        signal = self._input(x)
        with self._uncounted():
            for index, (layer, selector) in enumerate(zip(self.hidden, self.selectors, strict=True)):
                selection = selector.select(signal, batch)
                seen.append(look(View(layer.scores_of_all(signal), selection.active)))
                signal = self._signal(self._activate(layer, signal, selection), index)
        return seen

    def _input(self, x: Inputs) -> Inputs:
        """A batch in the form the first layer reads."""
        if self.layers[0].plan.input == "csr":
            return x if isinstance(x, CSR) else CSR.from_dense(x)
        return x.to_dense() if isinstance(x, CSR) else x

    @contextmanager
    def _uncounted(self) -> Iterator[None]:
        for layer in self.layers:
            layer.work.paused = True
        try:
            yield
        finally:
            for layer in self.layers:
                layer.work.paused = False

    def _activate(self, layer: Layer, inputs: Inputs, selection: Selection) -> Tape:
        """Pre-activations where the selection has not computed them, ReLU and multiplier."""
        given = selection.multiplier
        multiplier = given if isinstance(given, np.ndarray) else np.float32(given)
        if selection.active is None:
            rows = selection.scores if selection.scored else layer.scores_of_all(inputs)
            assert rows is not None  # `scored` promises the scores
            # maximum() passes NaN on: a diverged network must not look healthy
            np.maximum(rows, 0, out=rows)
            layer.work.count("forward", elementwise(rows.size))
            tape = Tape(inputs, None, rows, multiplier, selection.token)
            if tape.scaled:
                rows *= multiplier
                layer.work.count("forward", elementwise(rows.size, mults=rows.size))
            return tape
        active = selection.active
        if not selection.scored:
            active = active.with_data(layer.scores_of_pairs(inputs, active))
        indptr, indices = np.empty_like(active.indptr), np.empty_like(active.indices)
        data = np.empty_like(active.data)
        keep_positive(*active.arrays, multiplier, indptr, indices, data)
        kept = int(indptr[-1])
        live = CSR(indptr, indices[:kept], data[:kept], active.shape)
        tape = Tape(inputs, Pairs(live, layer.group(live)), None, multiplier, selection.token)
        layer.work.count("forward", keep_positive_cost(active.data, float(multiplier), indptr))
        return tape

    def _signal(self, tape: Tape, index: int) -> Inputs:
        """The output of hidden layer `index` in the form that the plan of the next one says."""
        if tape.pairs is None:
            assert tape.rows is not None  # without pairs the activations are rows
            return tape.rows
        active = tape.pairs.by_example
        examples = len(active)
        nodes, form = active.shape[1], self.plans[index + 1].input
        if form == "csr" or (form != "rows" and active.nnz <= SPARSE_UP_TO * nodes * examples):
            return active
        rows = np.empty((examples, nodes), dtype=np.float32)
        scatter_rows(*active.arrays, balanced_bounds(active.indptr, self._threads), rows)
        self.hidden[index].work.count("forward", scatter_rows_cost(active.indices, rows))
        return rows

    def _logits(self, signal: Inputs) -> tuple[FloatArray, Pairs | None]:
        """Scores of the output layer, which is always dense, and its pairs where the input is a CSR."""
        logits = self.output.scores_of_all(signal)
        return logits, self.output.every_node(len(logits)) if isinstance(signal, CSR) else None

    def _loss(self, logits: FloatArray, y: IntArray) -> tuple[FloatArray, FloatArray, BoolArray]:
        deltas = np.empty_like(logits)
        losses = np.empty(len(y), dtype=np.float32)
        hits = np.empty(len(y), dtype=np.bool_)
        softmax_cross_entropy(logits, y, even_bounds(len(y), self._threads), deltas, losses, hits)
        return deltas, losses, hits

    def _backward(
        self, tapes: list[Tape], signal: Inputs, pairs: Pairs | None, deltas: FloatArray
    ) -> Iterator[LayerStep]:
        """From the output down: gradient at a layer's input, then the layer's own step.

        A step may be taken as soon as it is there: nothing that follows reads that layer's weights.
        """
        flat: FloatArray = deltas if pairs is None else deltas.ravel()
        gradient = self.output.input_gradient(signal, pairs, flat) if tapes else None
        yield LayerStep(len(tapes), signal, pairs, flat, None)
        for index in range(len(tapes) - 1, -1, -1):
            layer, tape = self.hidden[index], tapes[index]
            assert gradient is not None  # each layer above has left one
            flat = self._through_relu(layer, tape, gradient)
            gradient = layer.input_gradient(tape.inputs, tape.pairs, flat) if index else None
            yield LayerStep(index, tape.inputs, tape.pairs, flat, tape.token)

    def _take(self, step: LayerStep) -> None:
        """Write a layer's step and report it to the layer's selector."""
        self.layers[step.layer].update(step.inputs, step.pairs, step.deltas)
        if step.pairs is not None and step.layer < len(self.selectors):
            self.report_step(step.layer, step.pairs, step.deltas, step.token)

    def report_step(self, layer: int, pairs: Pairs, deltas: FloatArray, token: object) -> None:
        """Report to the selector of a hidden layer the step that its nodes have taken."""
        self.selectors[layer].after_update(Step(pairs.by_node, deltas, token))

    def _through_relu(self, layer: Layer, tape: Tape, gradient: FloatArray) -> FloatArray:
        """Turn the gradient at a layer's output into that at its pre-activations."""
        if tape.pairs is None:
            assert tape.rows is not None
            gradient *= tape.rows > 0
            layer.work.count("backward", Work(0, 0, 14 * gradient.size))  # a mask of one byte an element
            if tape.scaled:
                gradient *= tape.multiplier
                layer.work.count("backward", elementwise(gradient.size, mults=gradient.size))
            return gradient
        if gradient.ndim == 2:  # the layer above read rows
            active = tape.pairs.by_example
            values = np.empty(active.nnz, dtype=np.float32)
            gather_rows(
                gradient, active.indptr, active.indices, balanced_bounds(active.indptr, self._threads), values
            )
            layer.work.count("backward", gather_rows_cost(active.indptr, active.indices))
            gradient = values
        # the pairs kept are live, so the derivative of ReLU is one
        if tape.scaled:
            gradient *= tape.multiplier
            layer.work.count("backward", elementwise(len(gradient), mults=len(gradient)))
        return gradient


def initial_weights(key: int, layer: int, nodes: int, fan_in: int) -> FloatArray:
    """He initialisation (He et al., 2015): normal with variance 2 / fan-in; float32[nodes, fan_in]."""
    draws = stream(key, "init", layer).standard_normal((nodes, fan_in), dtype=np.float32)
    return draws * np.float32(np.sqrt(2 / fan_in))


def _size(selection: Selection, layer: Layer, examples: int) -> int:
    return layer.nodes * examples if selection.active is None else selection.active.nnz

"""The network: hidden ReLU layers whose active nodes a method selects, and an output (`lshexp.nn.output`).

One file holds the whole of training and prediction for a batch. What differs between methods is a single
call, `selector.select`; all else is shared.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from lshexp.arrays import BSR, CSR, FloatArray, Inputs, OffsetArray, Targets
from lshexp.buffers import empty
from lshexp.kernels.step import rule_of
from lshexp.methods.base import Batch, Gates, Method, Selection, Selector
from lshexp.nn.blocks import BlockLayer
from lshexp.nn.build import build_layer
from lshexp.nn.gemm import Gemm
from lshexp.nn.layer import Layer, Pairs
from lshexp.nn.output import OutputStep, build_output
from lshexp.nn.plan import SPARSE_UP_TO, LayerPlan, output_method, plan_layers, tail_method
from lshexp.nn.signals import Tape, add_input, gated_by, gates_of, gathered, rows_of, split, stored
from lshexp.spec import RunSpec
from lshexp.streams import stream_key
from lshexp.work import LayerWork, Work, elementwise


class Outcome(NamedTuple):
    """Sums over the examples of a batch, and the number of pairs selected in each hidden layer."""

    loss: float  # nats, summed
    hits: int
    selected: list[int]
    active_classes: int = 0  # pairs of example and class that were active in the output, in training


class View(NamedTuple):
    """Every pre-activation of a hidden layer, float32[B, N], and the active pairs; None means every node."""

    scores: FloatArray
    active: CSR | None


Seen = TypeVar("Seen")
Steps = Iterator["LayerStep"]


class LayerStep(NamedTuple):
    """An optimiser step of one layer, formed and not yet taken."""

    layer: int  # 0 = first hidden
    inputs: Inputs
    pairs: Pairs | None  # None = every node
    deltas: FloatArray  # float32[P], or float32[B, N] where pairs is None
    token: object  # of the selection that the step began with
    taken: bool = False  # the weights have been stepped as the gradient was passed on
    gates: Gates | None = None  # of a gated selection


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
        label_counts: OffsetArray | None = None,
        parameters: Sequence[tuple[FloatArray, FloatArray]] | None = None,
    ) -> None:
        """Build the layers as `plans` says: those of `plan_layers` for these widths, unless others are given.

        `label_counts`, int64[classes], are the training examples of each class, where a method asks for them;
        `parameters` what is stored of each layer, and its biases, in place of those drawn from the seed.
        Raises ConfigError as `plan_layers` does.
        """
        self.plans = plans or plan_layers(spec, method, [features, *spec.hidden, classes])
        key = spec.key()
        rule = rule_of(spec.optimizer, spec.lr, spec.momentum)
        self.layers = [
            build_layer(
                key, index, parameters[index][0] if parameters else None, plan, rule, gemm, spec.threads
            )
            for index, plan in enumerate(self.plans)
        ]  # fmt: skip
        for layer, (_, bias) in zip(self.layers, parameters or (), strict=False):
            layer.bias = np.array(bias)
        self.hidden, self.output = self.layers[:-1], self.layers[-1]
        self.selectors: list[Selector] = [
            method.selector(layer.units, spec.active_pct / 100, stream_key(key, "method", index))
            for index, layer in enumerate(self.hidden)
        ]
        self.output.label_counts = label_counts
        self.head = build_output(self.output, spec, output_method(spec), tail_method(spec))
        self.selects = method.uses_active_pct
        self._spec = spec
        self._threads = spec.threads
        self._skip = spec.skip
        self._places = np.full((spec.threads, max(spec.hidden, default=1) if spec.skip else 0), -1, np.int32)
        self.select_s = 0.0  # seconds spent choosing nodes in training

    def all_selectors(self) -> list[Selector]:
        """The selectors of the hidden layers and, where it is selected, of the output."""
        return self.selectors + ([self.head.selector] if self.head.selector else [])

    def use(self, gemm: Gemm) -> None:
        """Compute dense products within another context from now on."""
        for layer in self.layers:
            layer.gemm = gemm

    def with_parameters(self, parameters: list[tuple[FloatArray, FloatArray]]) -> Network:
        """A network for prediction that has other parameters and selectors of its own.

        Its tables are filled for those weights; nothing it does touches this network or its counters.
        """
        twin = copy.copy(self)
        twin.layers = []
        for layer, (own, bias) in zip(self.layers, parameters, strict=True):
            other = copy.copy(layer)
            other.stored, other.bias, other.work = own, bias, LayerWork()
            twin.layers.append(other)
        twin.hidden, twin.output = twin.layers[:-1], twin.layers[-1]
        # a selector is copied whole, but for the layer it looks at
        twin.selectors = [
            copy.deepcopy(selector, {id(layer): other})
            for selector, layer, other in zip(self.selectors, self.hidden, twin.hidden, strict=True)
        ]
        twin.head = copy.deepcopy(self.head, {id(self.output): twin.output})
        for selector in twin.all_selectors():
            selector.refresh()
        return twin

    def train_batch(self, x: Inputs, y: Targets, batch: Batch) -> Outcome:
        """One step on a mini-batch: select, forward, backward and update, layer by layer."""
        outcome, steps = self._gradients(x, y, batch, at_once=True)
        for step in steps:
            self._take(step)
        return outcome

    def start(self, x: Inputs, y: Targets, batch: Batch) -> Pending:
        """All of a step but its writes: select, forward and backward on the weights of the moment."""
        outcome, steps = self._gradients(x, y, batch, at_once=False)
        return Pending(outcome, list(steps))

    def finish(self, pending: Pending) -> None:
        """Write a step that was started, now or before others were written."""
        for step in pending.steps:
            self._take(step)

    def _gradients(self, x: Inputs, y: Targets, batch: Batch, at_once: bool) -> tuple[Outcome, Steps]:
        """Select, go forward, and return the layers' steps; each is computed when it is asked for."""
        tapes, signal, selected = self.choose(x, batch)
        step = self.head.step(signal, y, batch)
        self.select_s += step.select_s
        if batch.weights is not None:
            step = self.head.weighted(step, batch.weights)
        outcome = Outcome(*step.losses.sums(), selected, step.active)
        return outcome, self._backward(tapes, signal, step, at_once)

    def choose(self, x: Inputs, batch: Batch) -> tuple[list[Tape], Inputs, list[int]]:
        """Select the nodes of each hidden layer, which takes going forward through them.

        Returns what each layer remembers, the output layer's input, and the pairs selected in each layer.
        """
        tapes: list[Tape] = []
        selected: list[int] = []
        signal = self._input(x)
        if batch.training and self._spec.active_from is not None:
            batch = batch._replace(share=self._spec.active_pct_in(batch.epoch) / 100)
        for layer, selector in zip(self.hidden, self.selectors, strict=True):
            started = time.perf_counter()
            selection = selector.select(signal, batch)
            if batch.training:
                self.select_s += time.perf_counter() - started
            selected.append(layer.selected(selection.active, len(x)))
            tape, signal = self._through(len(tapes), signal, selection)
            tapes.append(tape)
        return tapes, signal, selected

    def predict(self, x: Inputs, y: Targets, batch: Batch) -> Outcome:
        """Loss and hits of a batch, nodes selected as the method does at test; counted as `predict`."""
        logits, selected = self.scores(x, batch)
        return Outcome(*self.head.losses(logits, y).sums(), selected)

    def scores(self, x: Inputs, batch: Batch) -> tuple[FloatArray, list[int]]:
        """Scores of the classes before softmax, float32[B, classes], and the pairs selected in each layer.

        Nodes are selected as the method does at test; all work is counted as `predict`.
        """
        with self.counting("predicting"):
            signal, selected = self._last_hidden(x, batch)
            logits = self.head.scores(signal)
        return logits, selected

    def _last_hidden(self, x: Inputs, batch: Batch) -> tuple[Inputs, list[int]]:
        """The output layer's input, and the pairs selected in each layer, where nothing is learned.

        Layers that can take a single example in one call do so.
        """
        signal, selected = self._input(x), []
        for index, (layer, selector) in enumerate(zip(self.hidden, self.selectors, strict=True)):
            k = selector.winners(batch) if len(x) == 1 and not self._skip else None
            found = layer.winners_of_one(signal, k) if k else None
            if found is None:
                selection = selector.select(signal, batch)
                selected.append(layer.selected(selection.active, len(x)))
                signal = self._through(index, signal, selection)[1]
            else:
                signal = self._in_form(layer, found[0], index + 1)
                selected.append(found[1])
        return signal, selected

    def retrieve(self, x: Inputs, batch: Batch) -> CSR | None:
        """Classes that the output's method selects at test, with their scores; None where it selects all.

        All work is counted as `predict`.
        """
        if not self.head.selector:
            return None
        with self.counting("predicting"):
            _, signal, _ = self.choose(x, batch)
            return self.head.retrieve(signal, batch)

    def watch(self, x: Inputs, batch: Batch, look: Callable[[View], Seen]) -> list[Seen]:
        """Call `look` with the `View` of each hidden layer and return its answers; no work is counted."""
        seen: list[Seen] = []
        signal = self._input(x)
        with self.counting("paused"):
            for index, (layer, selector) in enumerate(zip(self.hidden, self.selectors, strict=True)):
                selection = selector.select(signal, batch)
                active = None if selection.active is None else layer.nodes_of(selection.active)
                seen.append(look(View(layer.scores_of_all(signal), active)))
                _, signal = self._through(index, signal, selection)
        return seen

    def _through(self, index: int, inputs: Inputs, selection: Selection) -> tuple[Tape, Inputs]:
        """Hidden layer `index` with the nodes selected: what it remembers, and the next layer's input."""
        layer = self.hidden[index]
        tape = self._activate(layer, inputs, selection)
        output = tape.rows if tape.pairs is None else tape.pairs.by_example
        assert output is not None  # without pairs the activations are rows
        if self._skip and index:
            tape, output = add_input(layer, tape, output, self._places)
        return tape, self._in_form(layer, output, index + 1)

    def _input(self, x: Inputs) -> Inputs:
        """A batch in the form the first layer reads."""
        first = self.layers[0]
        if isinstance(first, BlockLayer):
            return first.in_blocks_of(x)
        if first.plan.input == "csr":
            return stored(x, self._threads)
        return x.to_dense() if isinstance(x, CSR) else x

    @contextmanager
    def counting(self, state: Literal["paused", "predicting"]) -> Iterator[None]:
        """Within the context no work is counted, or all under `predict`."""
        for layer in self.layers:
            setattr(layer.work, state, True)
        try:
            yield
        finally:
            for layer in self.layers:
                setattr(layer.work, state, False)

    def _activate(self, layer: Layer, inputs: Inputs, selection: Selection) -> Tape:
        """Pre-activations where the selection has not computed them, ReLU and multiplier."""
        given = selection.multiplier
        multiplier = given if isinstance(given, np.ndarray) else np.float32(given)
        if selection.active is None:
            rows, multiplier = layer.all_scores(inputs, selection)
            # maximum() passes NaN on: a diverged network must not look healthy
            np.maximum(rows, 0, out=rows)
            layer.work.count("forward", elementwise(rows.size))
            tape = Tape(inputs, None, rows, multiplier, selection.token)
            if tape.scaled:
                rows *= multiplier
                layer.work.count("forward", _times(rows, multiplier))
            return tape
        if isinstance(multiplier, np.ndarray):
            return gated_by(layer, inputs, selection, multiplier)
        pairs = layer.activate(inputs, selection.active, selection.scored, multiplier)
        return Tape(inputs, pairs, None, multiplier, selection.token)

    def _in_form(self, layer: Layer, output: Inputs, above: int) -> Inputs:
        """A layer's output in the form that the plan of the layer `above` says."""
        to, form = self.layers[above], self.plans[above].input
        if isinstance(to, BlockLayer):
            return to.in_blocks_of(output)
        if not isinstance(output, CSR) or form == "csr":
            return output
        if form != "rows" and output.nnz <= SPARSE_UP_TO * output.shape[0] * output.shape[1]:
            return output
        return rows_of(layer, output)

    def _backward(self, tapes: list[Tape], signal: Inputs, output: OutputStep, at_once: bool) -> Steps:
        """From the output down: gradient at a layer's input, then the layer's own step.

        A step may be taken as soon as it is there: nothing that follows reads that layer's weights. Layers
        that can take it with the gradient do so, if `at_once`.
        """
        pairs, flat = output.pairs, output.deltas
        own = signal, pairs, flat
        gradient, taken = self.output.pass_back(*own, at_once) if tapes else (None, False)
        yield LayerStep(len(tapes), *own, output.token, taken)
        for index in range(len(tapes) - 1, -1, -1):
            layer, tape = self.hidden[index], tapes[index]
            assert gradient is not None  # each layer above has left one
            at_own, passed = split(layer, tape, gradient)
            if tape.pairs is not None and at_own.ndim == 2:  # the layer above read rows
                at_own = gathered(layer, at_own, tape.pairs.by_example)
            gates = gates_of(layer, tape, at_own)
            flat = self._through_relu(layer, tape, at_own)
            own = tape.inputs, tape.pairs, flat
            gradient, taken = layer.pass_back(*own, at_once) if index else (None, False)
            if passed is not None and gradient is not None:
                gradient += passed
                layer.work.count("backward", elementwise(passed.size, operands=2, adds=passed.size))
            yield LayerStep(index, *own, tape.token, taken, gates)

    def _take(self, step: LayerStep) -> None:
        """Write a layer's step and report it to the layer's selector."""
        if not step.taken:
            self.layers[step.layer].update(step.inputs, step.pairs, step.deltas)
        if step.pairs is not None:
            self.report_step(step.layer, step.pairs, step.deltas, step.token, step.gates)

    def report_step(
        self, layer: int, pairs: Pairs, deltas: FloatArray, token: object, gates: Gates | None = None
    ) -> None:
        """Report to the selector of a layer, if it has one, the step that its nodes have taken."""
        selector = self.selectors[layer] if layer < len(self.selectors) else self.head.selector
        if selector:
            step = self.layers[layer].step_of(pairs, deltas, token)
            selector.after_update(step._replace(gates=gates) if gates else step)

    def _through_relu(self, layer: Layer, tape: Tape, gradient: FloatArray) -> FloatArray:
        """Turn the gradient at a layer's output into that at its pre-activations."""
        if tape.pairs is None:
            assert tape.rows is not None
            gradient *= np.greater(tape.rows, 0, out=empty(tape.rows.shape, np.bool_))
            layer.work.count("backward", Work(0, 0, 14 * gradient.size))  # a mask of one byte an element
            if tape.scaled:
                gradient *= tape.multiplier
                layer.work.count("backward", _times(gradient, tape.multiplier))
            return gradient
        if isinstance(tape.pairs.by_example, BSR):
            data = tape.pairs.by_example.data
            gradient *= np.greater(data, 0, out=empty(data.shape, np.bool_))
            layer.work.count("backward", Work(0, 0, 14 * gradient.size))  # a mask of one byte an element
        # other pairs that are kept are live, so the derivative of ReLU is one
        if tape.scaled:
            gradient *= tape.multiplier
            layer.work.count("backward", _times(gradient, tape.multiplier))
        return gradient


def _times(values: FloatArray, multiplier: np.float32 | FloatArray) -> Work:
    """Values multiplied in place, by one number or each by its own."""
    return elementwise(values.size, operands=1 + isinstance(multiplier, np.ndarray), mults=values.size)

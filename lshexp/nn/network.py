"""The network: hidden ReLU layers whose active nodes a method selects, and a dense softmax output.

One file holds the whole of training and prediction for a batch. What differs between methods is a single
call, `selector.select`; all else is shared.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import numpy as np

from lshexp.arrays import CSR, BoolArray, FloatArray, Inputs, IntArray
from lshexp.kernels.csr import gather_rows, keep_positive, scatter_rows
from lshexp.kernels.loss import softmax_cross_entropy
from lshexp.kernels.parallel import balanced_bounds, even_bounds
from lshexp.methods.base import Batch, Method, Selection, Selector, Step, wanted_nodes
from lshexp.nn.by_input import LayerByInput
from lshexp.nn.gemm import Gemm
from lshexp.nn.layer import Layer, Pairs
from lshexp.spec import RunSpec
from lshexp.streams import stream, stream_key
from lshexp.work import LayerWork

# Up to this share of non-zero inputs a layer reads them as a CSR. A stored input costs an index and a
# scattered load where a dense row is read in order, so it saves time only where most of the row is skipped.
SPARSE_UP_TO = 0.125


class Outcome(NamedTuple):
    """What a batch came to: sums over its examples, and the pairs that were selected in each hidden layer."""

    loss: float  # nats, summed
    hits: int
    selected: list[int]


class View(NamedTuple):
    """What an onlooker sees of a hidden layer: every pre-activation float32[B, N], and what was selected.

    `active` None means every node.
    """

    scores: FloatArray
    active: CSR | None


Seen = TypeVar("Seen")


class Tape(NamedTuple):
    """What a hidden layer must remember of a forward pass to go back."""

    inputs: Inputs
    pairs: Pairs | None  # the live pairs; None = every node
    rows: FloatArray | None  # activations of every node, where pairs is None
    scale: np.float32
    memo: object  # what the selection left for its step


class LayerStep(NamedTuple):
    """An optimiser step of one layer, formed and not yet taken."""

    layer: int  # 0 = first hidden
    inputs: Inputs
    pairs: Pairs | None  # None = every node
    deltas: FloatArray  # float32[P], or float32[B, N] where pairs is None
    memo: object


class Pending(NamedTuple):
    """A batch whose gradients have been computed and not yet been written."""

    outcome: Outcome
    steps: list[LayerStep]  # from the output down


class Network:
    """Layers, and the selector of each hidden one. Use within the `Gemm` it is given."""

    def __init__(self, spec: RunSpec, method: Method, features: int, classes: int, gemm: Gemm) -> None:
        widths = [features, *spec.hidden, classes]
        key = spec.key()
        share = spec.active_pct / 100
        self.layers: list[Layer] = []
        for index in range(len(widths) - 1):
            weights = initial_weights(key, index, widths[index + 1], widths[index])
            sparse = index < len(spec.hidden) and _sparse_input(spec, method, widths[index], index)
            # lock-free training reads and writes by node
            by_input = method.scans(sparse) and spec.update == "batch"
            kind = LayerByInput if by_input else Layer
            layer = kind(weights, spec.optimizer, spec.lr, spec.momentum, gemm, spec.threads)
            layer.sparse_input = sparse
            self.layers.append(layer)
        self.hidden, self.output = self.layers[:-1], self.layers[-1]
        self.selectors: list[Selector] = [
            method.selector(layer, share, stream_key(key, "method", index))
            for index, layer in enumerate(self.hidden)
        ]
        self.selects = method.uses_active_pct
        # a method that computes every node has BLAS read every feature
        self._sparse_input_layer = spec.input == "lists" and self.selects
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
        """Select and go forward; going backward is left to whoever takes the steps."""
        tapes, signal, selected = self.choose(x, batch)
        logits, pairs = self._logits(signal)
        deltas, losses, hits = self._loss(logits, y)
        outcome = Outcome(float(losses.sum(dtype=np.float64)), int(hits.sum()), selected)
        return outcome, self._backward(tapes, signal, pairs, deltas)

    def choose(self, x: Inputs, batch: Batch) -> tuple[list[Tape], Inputs, list[int]]:
        """Select the nodes of each hidden layer, which takes going forward through them.

        Returns what each layer remembers, the output layer's input, and the pairs selected in each layer.
        """
        tapes: list[Tape] = []
        selected: list[int] = []
        signal = self._input(x)
        for layer, selector in zip(self.hidden, self.selectors, strict=True):
            started = time.perf_counter()
            selection = selector.select(signal, batch)
            self.select_s += time.perf_counter() - started
            tape = self._activate(layer, signal, selection)
            selected.append(_size(selection, layer, len(x)))
            tapes.append(tape)
            signal = self._signal(tape, layer)
        return tapes, signal, selected

    def predict(self, x: Inputs, y: IntArray, batch: Batch) -> Outcome:
        """Loss and hits of a batch, nodes selected as the method does at test; no work is counted."""
        selected: list[int] = []
        signal = self._input(x)
        with self._uncounted():
            for layer, selector in zip(self.hidden, self.selectors, strict=True):
                selection = selector.select(signal, batch)
                selected.append(_size(selection, layer, len(x)))
                signal = self._signal(self._activate(layer, signal, selection), layer)
            logits, _ = self._logits(signal)
        _, losses, hits = self._loss(logits, y)
        return Outcome(float(losses.sum(dtype=np.float64)), int(hits.sum()), selected)

    def watch(self, x: Inputs, batch: Batch, look: Callable[[View], Seen]) -> list[Seen]:
        """Show each hidden layer, with all its pre-activations, to `look`; no work is counted."""
        seen: list[Seen] = []
        signal = self._input(x)
        with self._uncounted():
            for layer, selector in zip(self.hidden, self.selectors, strict=True):
                selection = selector.select(signal, batch)
                seen.append(look(View(layer.scores_of_all(signal), selection.active)))
                signal = self._signal(self._activate(layer, signal, selection), layer)
        return seen

    def _input(self, x: Inputs) -> Inputs:
        """A batch in the form the first layer reads."""
        if isinstance(x, CSR):
            return x if self.selects else x.to_dense()
        return CSR.from_dense(x) if self._sparse_input_layer else x

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
        """Pre-activations where the selection has not computed them, ReLU, scale and gate."""
        scale = np.float32(selection.scale)
        if selection.active is None:
            rows = selection.scores if selection.scored else layer.scores_of_all(inputs)
            assert rows is not None  # `scored` promises the scores
            # maximum() passes NaN on: a diverged network must not look healthy
            np.maximum(rows, 0, out=rows)
            if selection.gate is not None:
                rows *= selection.gate
            return Tape(inputs, None, rows, scale, selection.memo)
        active = selection.active
        if not selection.scored:
            active = active.with_data(layer.scores_of_pairs(inputs, active))
        indptr, indices = np.empty_like(active.indptr), np.empty_like(active.indices)
        data = np.empty_like(active.data)
        keep_positive(*active.arrays, scale, indptr, indices, data)
        kept = int(indptr[-1])
        live = CSR(indptr, indices[:kept], data[:kept], active.shape)
        if scale != 1:
            layer.work.add("forward", mults=kept, adds=0, nbytes=8 * kept)
        return Tape(inputs, Pairs(live, layer.group(live)), None, scale, selection.memo)

    def _signal(self, tape: Tape, layer: Layer) -> Inputs:
        """A layer's output in the form the next one reads: rows, or a CSR where few nodes are live."""
        if tape.pairs is None:
            assert tape.rows is not None  # without pairs the activations are rows
            return tape.rows
        active = tape.pairs.by_example
        examples = len(active)
        if active.nnz <= SPARSE_UP_TO * layer.nodes * examples:
            return active
        rows = np.empty((examples, layer.nodes), dtype=np.float32)
        scatter_rows(*active.arrays, balanced_bounds(active.indptr, self._threads), rows)
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
            yield LayerStep(index, tape.inputs, tape.pairs, flat, tape.memo)

    def _take(self, step: LayerStep) -> None:
        """Write a layer's step and tell its selector."""
        self.layers[step.layer].update(step.inputs, step.pairs, step.deltas)
        if step.pairs is not None and step.layer < len(self.selectors):
            self.tell(step.layer, step.pairs, step.deltas, step.memo)

    def tell(self, layer: int, pairs: Pairs, deltas: FloatArray, memo: object) -> None:
        """Tell a hidden layer's selector of the step that its nodes have taken."""
        self.selectors[layer].after_update(Step(pairs.by_node, deltas, memo))

    def _through_relu(self, layer: Layer, tape: Tape, gradient: FloatArray) -> FloatArray:
        """Turn the gradient at a layer's output into that at its pre-activations."""
        if tape.pairs is None:
            assert tape.rows is not None
            gradient *= tape.rows > 0
            return gradient
        if gradient.ndim == 2:  # the layer above read rows
            active = tape.pairs.by_example
            values = np.empty(active.nnz, dtype=np.float32)
            gather_rows(
                gradient, active.indptr, active.indices, balanced_bounds(active.indptr, self._threads), values
            )
            gradient = values
        # the pairs kept are live, so the derivative of ReLU is one
        if tape.scale != 1:
            gradient *= tape.scale
            layer.work.add("backward", mults=len(gradient), adds=0, nbytes=8 * len(gradient))
        return gradient


def initial_weights(key: int, layer: int, nodes: int, fan_in: int) -> FloatArray:
    """He initialisation (He et al., 2015): normal with variance 2 / fan-in; float32[nodes, fan_in]."""
    draws = stream(key, "init", layer).standard_normal((nodes, fan_in), dtype=np.float32)
    return draws * np.float32(np.sqrt(2 / fan_in))


def _sparse_input(spec: RunSpec, method: Method, fan_in: int, index: int) -> bool:
    """Whether a hidden layer's inputs are sparse as long as the method selects what it is asked to."""
    if not method.uses_active_pct:
        return False
    if index == 0:
        return spec.input == "lists"
    return wanted_nodes(spec.active_pct / 100, fan_in) <= SPARSE_UP_TO * fan_in


def _size(selection: Selection, layer: Layer, examples: int) -> int:
    return layer.nodes * examples if selection.active is None else selection.active.nnz

"""The output layer: loss over all classes, or over those that a method selects.

A dense output computes every class. A selected one trains on the labels, the classes its method selects and,
where the method looks classes up, a tail drawn from all others: uniformly (`kernels/sampled_softmax.py`), or
by a method that draws. Its loss is corrected by the chance with which each class became active: one for
labels and for what was looked up, that of the draw for all else. From there on the layer is like any other:
gradient and step touch the active pairs alone.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from lshexp.arrays import CSR, BoolArray, FloatArray, Inputs, OffsetArray, Targets, beside
from lshexp.buffers import empty, empty_like
from lshexp.kernels.loss import (
    binary_of_labels,
    binary_of_labels_cost,
    softmax_cross_entropy,
    softmax_cross_entropy_cost,
    softmax_of_labels,
    softmax_of_labels_cost,
)
from lshexp.kernels.parallel import even_bounds
from lshexp.kernels.sampled_softmax import (
    complete_active,
    complete_active_cost,
    sampled_binary,
    sampled_binary_cost,
    sampled_softmax,
    sampled_softmax_cost,
)
from lshexp.methods.base import Batch, Method, Selection, Selector
from lshexp.nn.layer import Layer, Pairs
from lshexp.spec import RunSpec
from lshexp.streams import stream_key
from lshexp.work import LayerWork, Work, elementwise, indexed


class Losses(NamedTuple):
    """Loss of a batch's examples, and whether their best-scored active class is a label."""

    losses: FloatArray  # float32[B], nats
    hits: BoolArray

    def sums(self) -> tuple[float, int]:
        """Both summed over the examples."""
        return float(self.losses.sum(dtype=np.float64)), int(self.hits.sum())


class OutputStep(NamedTuple):
    """A batch's loss and its gradient at the pre-activations of the output layer."""

    pairs: Pairs | None  # active classes; None = every class
    deltas: FloatArray  # float32[P], or float32[B, N] where pairs is None
    losses: Losses
    active: int  # active pairs
    token: object = None  # of the selection
    select_s: float = 0.0  # seconds spent choosing


class Chosen(NamedTuple):
    """Pairs that a method has selected or drawn, and what is known of each."""

    active: (
        CSR  # a class that is drawn and selected is listed twice, drawn first; values: scores, where known
    )
    scored: BoolArray | bool  # bool[P], or one for all
    log_chance: FloatArray | float  # float32[P], of being among them; or one for all

    @classmethod
    def of(cls, selection: Selection, layer: Layer, examples: int) -> Chosen:
        """What a selection of a layer's nodes for so many examples says."""
        found = selection.active
        if found is None:
            found = layer.every_node(examples).by_example
            found = found if selection.scores is None else found.with_data(selection.scores.ravel())
        return cls(found, selection.scored, selection.log_inclusion)

    def with_drawn(self, drawn: Selection, work: LayerWork) -> Chosen:
        """These, and before them in each row those that another method has drawn; counted as select."""
        assert drawn.active is not None  # a method that draws every class is no tail
        active, first = beside(drawn.active, self.active)
        log_chance = empty(active.nnz, dtype=np.float32)
        log_chance[first], log_chance[~first] = drawn.log_inclusion, self.log_chance
        chances = sum(np.size(own) for own in (drawn.log_inclusion, self.log_chance) if np.ndim(own))
        work.count("select", indexed(active.nnz, 2 * active.nnz))  # values, by two masks
        work.count("select", Work(0, 0, 2 * active.nnz + 4 * (chances + active.nnz)))  # and chances
        return Chosen(active, self.scored & ~first, log_chance)


class Output(ABC):
    """The output layer of one network at work."""

    def __init__(self, layer: Layer, spec: RunSpec) -> None:
        self.layer = layer
        self.selector: Selector | None = None  # of a selected output
        self._threads = spec.threads
        self._binary = spec.loss == "binary"
        self.normalised = not self._binary  # whether losses are those of one distribution over the classes

    def scores(self, inputs: Inputs) -> FloatArray:
        """Scores of all classes, float32[B, N]."""
        return self.layer.scores_of_all(inputs)

    def losses(self, scores: FloatArray, labels: Targets) -> Losses:
        """Loss over all classes."""
        return self._exact(scores, labels)[1]

    @abstractmethod
    def step(self, inputs: Inputs, labels: Targets, batch: Batch) -> OutputStep:
        """Loss and gradient of a training batch."""

    def weighted(self, step: OutputStep, weights: FloatArray) -> OutputStep:
        """The step with each example's part in it multiplied by its weight; weights float32[B]."""
        pairs, deltas = step.pairs, step.deltas
        work, size = self.layer.work, deltas.size
        if pairs is None:
            each = weights[:, None]
        else:
            lengths = pairs.by_example.row_lengths()
            each = np.repeat(weights, lengths)
            work.count("backward", Work(0, 0, lengths.nbytes + 4 * (len(weights) + size)))
        work.count("backward", elementwise(size, mults=size) + Work(0, 0, 4 * each.size))
        losses = step.losses._replace(losses=step.losses.losses * weights)
        work.count("backward", elementwise(len(weights), operands=2))
        return step._replace(deltas=deltas * each, losses=losses)

    def retrieve(self, inputs: Inputs, batch: Batch) -> CSR | None:
        """Classes that the method selects at test, with their scores; None where it selects every class."""
        return None

    def _exact(self, scores: FloatArray, labels: Targets) -> tuple[FloatArray, Losses]:
        """Gradient at the scores of all classes, float32[B, N], and the loss over them."""
        deltas = empty_like(scores)
        out = Losses(empty(len(scores), dtype=np.float32), empty(len(scores), dtype=np.bool_))
        bounds = even_bounds(len(scores), self._threads)
        if isinstance(labels, CSR) or self._binary:
            kernel = binary_of_labels if self._binary else softmax_of_labels
            kernel(scores, *as_csr(labels, self.layer.nodes).arrays[:2], bounds, deltas, *out)
        else:
            softmax_cross_entropy(scores, labels, bounds, deltas, *out)
        return deltas, out

    def _exact_cost(self, scores: FloatArray, labels: Targets) -> Work:
        """What `_exact` takes."""
        if not isinstance(labels, CSR) and not self._binary:
            return softmax_cross_entropy_cost(scores)
        indptr = as_csr(labels, self.layer.nodes).indptr
        cost = binary_of_labels_cost if self._binary else softmax_of_labels_cost
        return cost(scores, indptr)


class DenseOutput(Output):
    """Every class, every time."""

    def step(self, inputs: Inputs, labels: Targets, batch: Batch) -> OutputStep:
        """Loss and gradient of a training batch."""
        scores = self.scores(inputs)
        deltas, losses = self._exact(scores, labels)
        self.layer.work.count("forward", self._exact_cost(scores, labels))
        if isinstance(inputs, CSR):
            every = self.layer.every_node(len(scores))
            return OutputStep(every, self.layer.values_of_every_node(deltas), losses, deltas.size)
        return OutputStep(None, deltas, losses, deltas.size)


class SelectedOutput(Output):
    """Labels, the classes that a method selects, and a tail."""

    def __init__(self, layer: Layer, spec: RunSpec, method: Method, tail_method: Method | None) -> None:
        super().__init__(layer, spec)
        key = stream_key(spec.key(), "output")
        self.selector = method.selector(layer, spec.output_active_pct / 100, stream_key(key, "method"))
        self._tail_key = stream_key(key, "tail")
        self._tail = 0  # classes drawn uniformly
        self._drawer: Selector | None = None  # draws the tail where it is not uniform
        if spec.tail_pct and tail_method:
            self._drawer = tail_method.selector(layer, spec.tail_pct / 100, self._tail_key)
        elif spec.tail_pct:
            self._tail = max(1, round(spec.tail_pct / 100 * layer.nodes))
        self._corrected = spec.correction == "log_q"
        self._stamps = np.zeros((spec.threads, layer.nodes), dtype=np.int32)

    def step(self, inputs: Inputs, labels: Targets, batch: Batch) -> OutputStep:
        """Loss and gradient of a training batch."""
        assert self.selector is not None
        started = time.perf_counter()
        selection = self.selector.select(inputs, batch)
        chosen = Chosen.of(selection, self.layer, len(batch.examples))
        if self._drawer:
            chosen = chosen.with_drawn(self._drawer.select(inputs, batch), self.layer.work)
        select_s = time.perf_counter() - started
        given = as_csr(labels, self.layer.nodes)
        active, sources, counts = self._complete(chosen.active, given, batch)
        scores = self._scored(inputs, active, chosen, sources)
        deltas = empty(active.nnz, dtype=np.float32)
        losses = empty(len(active), dtype=np.float32)
        hits = empty(len(active), dtype=np.bool_)
        log_q = self._log_q(active, sources, counts, chosen)
        kernel = sampled_binary if self._binary else sampled_softmax
        bounds, n_labels = even_bounds(len(active), self._threads), counts[:, 0].copy()
        kernel(active.indptr, scores, log_q, n_labels, bounds, deltas, losses, hits)
        indptr = active.indptr
        cost = sampled_binary_cost(indptr) if self._binary else sampled_softmax_cost(indptr, n_labels)
        self.layer.work.count("forward", cost)
        pairs = Pairs(active, self.layer.group(active))
        return OutputStep(pairs, deltas, Losses(losses, hits), active.nnz, selection.token, select_s)

    def retrieve(self, inputs: Inputs, batch: Batch) -> CSR | None:
        """Classes that the method selects at test, with their scores; None where it selects every class."""
        assert self.selector is not None
        selection = self.selector.select(inputs, batch)
        if selection.active is None or selection.scored:
            return selection.active
        return selection.active.with_data(self.layer.scores_of_pairs(inputs, selection.active))

    def _complete(self, found: CSR, labels: CSR, batch: Batch) -> tuple[CSR, OffsetArray, OffsetArray]:
        """Active classes, values not set; the place in `found` of each, or -1; and counts, int64[B, 3].

        Counts and order of an example's classes are labels, classes found that are no label, tail.
        """
        examples, classes = len(labels), self.layer.nodes
        room = found.nnz + labels.nnz + examples * self._tail
        indices, sources = empty(room, dtype=np.int32), empty(room, dtype=np.int64)
        counts = empty((examples, 3), dtype=np.int64)
        key = np.uint64(stream_key(self._tail_key, "epoch", batch.epoch))
        draws = complete_active(
            key, batch.examples, *found.arrays[:2], *labels.arrays[:2], self._tail, classes,
            even_bounds(examples, self._threads), self._stamps, indices, sources, counts,
        )  # fmt: skip
        cost = complete_active_cost(found.indices, labels.indices, counts, draws)
        self.layer.work.count("select", cost)
        active = CSR.from_lengths(counts.sum(axis=1), classes)
        first = found.indptr[:-1] + labels.indptr[:-1] + np.arange(examples) * self._tail
        at = np.arange(active.nnz) + np.repeat(first - active.indptr[:-1], active.row_lengths())
        active.indices[:] = indices[at]
        return active, sources[at], counts

    def _scored(self, inputs: Inputs, active: CSR, chosen: Chosen, sources: OffsetArray) -> FloatArray:
        """Pre-activations of the active classes; those that selecting took are not computed again."""
        known = sources >= 0
        if isinstance(chosen.scored, np.ndarray):
            known &= chosen.scored[sources]
        elif not chosen.scored:
            return self.layer.scores_of_pairs(inputs, active)
        scores, size = empty(active.nnz, dtype=np.float32), active.nnz
        scores[known] = chosen.active.data[sources[known]]
        kept = int(np.count_nonzero(known))
        scores[~known] = self.layer.scores_of_pairs(inputs, active.where(~known))
        # values of those known are taken and put, places and values of the others
        moved = indexed(kept, 8 * kept) + indexed(kept, size)
        self.layer.work.count("forward", moved + indexed(2 * (size - kept), 2 * size))
        return scores

    def _log_q(self, active: CSR, sources: OffsetArray, counts: OffsetArray, chosen: Chosen) -> FloatArray:
        """Logarithm of the chance with which each class became active; zero without correction."""
        log_q, work, size = np.zeros(active.nnz, dtype=np.float32), self.layer.work, active.nnz
        work.count("forward", Work(0, 0, 4 * size))
        if not self._corrected:
            return log_q
        lengths = active.row_lengths()
        place = np.arange(active.nnz) - np.repeat(active.indptr[:-1], lengths)
        labels = np.repeat(counts[:, 0], lengths)
        drawn = place >= labels + np.repeat(counts[:, 1], lengths)
        chance = chosen.log_chance
        found = (place >= labels) & ~drawn
        own, tailed = int(np.count_nonzero(found)), int(np.count_nonzero(drawn))
        if isinstance(chance, np.ndarray):
            log_q[found] = chance[sources[found]]
            work.count("forward", indexed(own, 8 * own) + indexed(own, size))
        else:
            log_q[found] = chance
            work.count("forward", Work(0, 0, size + 4 * own))
        others = self.layer.nodes - counts[:, 0] - counts[:, 1]
        tail = np.log(np.maximum(counts[:, 2], 1) / np.maximum(others, 1))
        log_q[drawn] = np.repeat(tail, lengths)[drawn]
        work.count("forward", Work(0, 0, size + 12 * tailed))  # float64 logarithms
        return log_q


def as_csr(labels: Targets, classes: int) -> CSR:
    """Labels of examples as the rows of a matrix, whatever their form."""
    return labels if isinstance(labels, CSR) else CSR.from_classes(labels, classes)


def build_output(layer: Layer, spec: RunSpec, method: Method, tail_method: Method | None) -> Output:
    """Put the output layer to work as its plan says; a tail without a method is uniform."""
    return (
        SelectedOutput(layer, spec, method, tail_method) if layer.plan.selected else DenseOutput(layer, spec)
    )

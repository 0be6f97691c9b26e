"""A small scorer, trained beside the network, guesses which nodes will win."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from lshexp.arrays import CSR, FloatArray, Inputs, like
from lshexp.hashing.base import project, spread
from lshexp.hashing.learned import Learned, learned_bytes, sigmoid
from lshexp.methods._exact import best_of_pairs, best_of_rows
from lshexp.methods.base import Batch, LayerView, Method, Selection, Selector, wanted_nodes
from lshexp.registry import register
from lshexp.streams import stream
from lshexp.work import Work, elementwise, indexed, matrix_product


@register("method", "predictor")
class LowRankPredictor(Method):
    """Guess the winners by a low-rank scorer B(Ax) that learns from true ones (Liu et al., ICML 2023).

    Deja Vu's predictor: two matrices with nothing between them, trained with binary cross-entropy by Adam.
    Where the source trains it for a network that is finished, here network and scorer learn side by side: of
    each batch some examples have every node computed, and their exact winners are what the scorer is to say.
    All of that is counted as `rebuild`. A node's score starts at the log-odds of the active share.

    The nodes of best score are active as they are or, with `refine`, the best of more of them that are
    computed exactly.
    """

    width: int = Field(default=16, ge=1, le=4096, description="rank of the scorer: rows of A, columns of B")
    share: float = Field(
        default=0.1, gt=0, le=1, description="share of the training examples that the scorer learns from"
    )
    refine: float = Field(
        default=2.5,
        ge=0,
        description="nodes computed exactly, in multiples of the active nodes; 0: none, the best-scored are "
        "active",
    )
    lr: float = Field(default=0.01, gt=0, description="rate at which the scorer learns")

    @field_validator("refine")
    @classmethod
    def _refines_all_that_are_active(cls, value: float) -> float:
        if 0 < value < 1:
            raise ValueError("must be 0 or at least 1")
        return value

    @property
    def fixed_share(self) -> str:
        """Empty: it guesses any number of nodes."""
        return ""

    def memory_bytes(self, nodes: int, fan_in: int, share: float, threads: int) -> int:
        """Both matrices and the starting scores, with their optimiser's state."""
        return learned_bytes(self.width * (nodes + fan_in) + nodes)

    def selector(self, layer: LayerView, share: float, key: int) -> Selector:
        """Guess a share of `share` of the nodes."""
        return _Scorer(self, layer, share, key)


class _Scorer(Selector):
    def __init__(self, options: LowRankPredictor, layer: LayerView, share: float, key: int) -> None:
        self._options = options
        self._layer = layer
        self._budget = wanted_nodes(share, layer.nodes)
        self._seen = 0  # examples in training
        random, width = stream(key, "predictor"), options.width
        drawn = [
            random.standard_normal(shape, dtype=np.float32) / np.float32(math.sqrt(shape[0]))
            for shape in ((layer.fan_in, width), (width, layer.nodes))
        ]
        drawn.append(np.full((1, layer.nodes), _log_odds(self._budget / layer.nodes), dtype=np.float32))
        self._first, self._second, self._start = (
            Learned(values, options.lr, layer.threads) for values in drawn
        )

    def select(self, inputs: Inputs, batch: Batch) -> Selection:
        layer, refine = self._layer, self._options.refine
        budget = batch.wanted(self._budget, layer.nodes)
        if batch.training:
            taught = self._due(len(batch.examples))
            if taught:
                self._learn(inputs[:taught], budget)
        most = min(layer.nodes, max(budget, round(refine * budget)))
        _, scores = self._scores(inputs, "select")
        found = best_of_rows(scores, most, layer)
        if not refine:
            return Selection(found)
        found = found.with_data(layer.scores_of_pairs(inputs, found, "select"))
        return Selection(best_of_pairs(found, budget, layer), scored=True)

    def state(self) -> dict[str, NDArray[Any]]:
        """The scorer."""
        return {
            "first": self._first.values,
            "second": self._second.values,
            "start": self._start.values,
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        for name, own in (("first", self._first), ("second", self._second), ("start", self._start)):
            own.values = like(state, name, own.values)

    def _due(self, examples: int) -> int:
        """How many of the next examples the scorer learns from: in all, the share of those seen."""
        before, self._seen = self._seen, self._seen + examples
        share = self._options.share
        return math.floor(share * self._seen) - math.floor(share * before)

    def _scores(self, inputs: Inputs, phase: str) -> tuple[FloatArray, FloatArray]:
        """Ax and B(Ax), float32[B, width] and float32[B, nodes]."""
        work = self._layer.work
        hidden = project(inputs, self._first.values, work, phase)
        scores = project(hidden, self._second.values, work, phase)
        scores += self._start.values  # where the sums start: no addition of their own
        work.count(phase, Work(0, 0, 4 * (2 * scores.size + self._layer.nodes)))
        return hidden, scores

    def _learn(self, inputs: Inputs, budget: int) -> None:
        """A step of Adam on the cross-entropy between the scores of some examples and their `budget` winners.

        Adam does not mind the scale of a gradient, so losses are summed and not averaged.
        """
        layer, work = self._layer, self._layer.work
        winners = best_of_rows(layer.scores_of_all(inputs, "rebuild"), budget, layer, "rebuild")
        hidden, scores = self._scores(inputs, "rebuild")
        errors = self._errors(scores, winners)
        at_hidden = errors @ self._second.values.T
        work.count("rebuild", matrix_product(len(errors), layer.nodes, self._options.width))
        self._second.step(spread(hidden, errors, work, "rebuild"), work)
        self._first.step(spread(inputs, at_hidden, work, "rebuild"), work)
        work.count("rebuild", Work(0, errors.size, 4 * (errors.size + layer.nodes)))
        self._start.step(errors.sum(axis=0, keepdims=True), work)

    def _errors(self, scores: FloatArray, winners: CSR) -> FloatArray:
        """Gradient of the cross-entropy at the scores, float32[B, nodes]; its bytes are counted."""
        errors = sigmoid(scores)
        errors[np.repeat(np.arange(len(winners)), winners.row_lengths()), winners.indices] -= 1
        pairs = winners.nnz  # taken by row and column, lessened by one, and put back
        self._layer.work.count("rebuild", elementwise(4 * scores.size + pairs))
        self._layer.work.count("rebuild", indexed(2 * pairs, 2 * (8 + 4) * pairs))
        return errors


def _log_odds(share: float) -> float:
    share = min(share, 1 - 1e-6)
    return math.log(share / (1 - share))

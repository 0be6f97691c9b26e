"""Hyperplanes that learn from the nodes that a lookup missed, and from those it should not have met."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lshexp.arrays import BoolArray, FloatArray, Inputs, IntArray, like
from lshexp.hashing.base import (
    Codes,
    Hasher,
    HashFamily,
    Query,
    Scored,
    in_blocks,
    project,
    sign_query,
    signs,
    spread,
)
from lshexp.hashing.learned import Learned, learned_bytes, sigmoid
from lshexp.hashing.srp import gaussian_planes
from lshexp.kernels.parallel import all_threads
from lshexp.registry import register
from lshexp.streams import stream
from lshexp.work import LayerWork, Work, elementwise, indexed, matrix_product


@register("hash", "learned_hash")
class LearnedHash(HashFamily):
    """Signs of projections on planes that learn where winners are (MONGOOSE: Chen et al., ICLR 2021).

    Planes start as random ones and hash [weights, bias] and [input, 1]. Each time they learn, some examples
    have every node computed. A pair of example and node is an attractive one when the node is among the
    winners and shares no bucket with the example, a repulsive one when it shares a bucket and scores below
    the median; of both there are made equally many. In each table the codes of a pair, tanh in place of the
    sign, are multiplied bit by bit and added up, and the cross-entropy of that sum, as log-odds of being
    attractive, is descended by Adam, as in the authors' code; here projections are brought to a mean square
    of one for it, as their inputs may be of any length. All of it is counted as `rebuild`.

    The source's schedule, which builds tables anew when enough codes have changed, is `rehash: moved`.
    """

    examples: int = Field(default=64, ge=1, description="examples that are scored each time planes learn")
    steps: int = Field(default=2, ge=1, le=1000, description="steps that planes take each time they learn")
    lr: float = Field(default=0.005, gt=0, description="rate at which planes learn")

    def memory_bytes(self, K: int, L: int, nodes: int, fan_in: int) -> int:
        """The planes, with their optimiser's state."""
        return learned_bytes((fan_in + 1) * K * L)

    def draw(self, K: int, L: int, nodes: int, fan_in: int, key: int) -> Hasher:
        """Draw K * L planes over fan_in + 1 coordinates."""
        return _LearnedPlanes(self, gaussian_planes(key, fan_in + 1, K * L), K, key)


class _Pairs(NamedTuple):
    """Pairs of example and node, and what they are to become."""

    rows: IntArray  # int32[P], examples
    nodes: IntArray  # int32[P]
    attractive: FloatArray  # float32[P, 1]: 1, or 0 for repulsive


class _LearnedPlanes(Hasher):
    learns = True

    def __init__(self, options: LearnedHash, planes: FloatArray, bits: int, key: int) -> None:
        self._options = options
        self._planes = Learned(planes, options.lr, all_threads())
        self._bits = bits
        self._key = key
        self._steps = 0
        self.to_score = options.examples

    def hash_nodes(self, weights: FloatArray, bias: FloatArray, ids: IntArray, work: LayerWork) -> Codes:
        return in_blocks(
            lambda some: signs(self._of_nodes(weights, bias, some, work), self._bits, work), ids, work
        )

    def hash_inputs(self, inputs: Inputs, work: LayerWork, follow: bool = False) -> Query:
        return sign_query(self._of_inputs(inputs, work, "select"), self._bits, work)

    def state(self) -> dict[str, NDArray[Any]]:
        """The planes."""
        return {"planes": self._planes.values}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self._planes.values = like(state, "planes", self._planes.values)

    def learn_scored(self, scored: Scored, work: LayerWork) -> None:
        """Take some steps, each with the pairs that the planes of the moment get wrong."""
        high, low = _extremes(scored.scores, scored.winners, work)
        every = np.arange(len(scored.bias), dtype=np.int32)
        for _ in range(self._options.steps):
            of_inputs = self._of_inputs(scored.inputs, work, "rebuild")
            of_nodes = self._of_nodes(scored.weights, scored.bias, every, work)
            met = self._met(of_inputs, of_nodes, work)
            pairs = self._balanced(high & ~met, low & met, work)
            if len(pairs.rows):
                self._step(scored, pairs, of_inputs, of_nodes, work)

    def _of_nodes(self, weights: FloatArray, bias: FloatArray, ids: IntArray, work: LayerWork) -> FloatArray:
        """Projections of [weights, bias] of some nodes, float32[n, L * K]."""
        rows = weights[ids]
        projections = project(rows, self._planes.values[:-1], work, "rebuild")
        projections += bias[ids][:, None] * self._planes.values[-1]
        size, planes = projections.size, projections.shape[1]
        lifted = Work(size, size, 4 * (len(rows) + planes + 4 * size))  # an outer product, added in place
        work.count("rebuild", indexed(rows.size, ids.nbytes) + indexed(len(ids), ids.nbytes) + lifted)
        return projections

    def _of_inputs(self, inputs: Inputs, work: LayerWork, phase: str) -> FloatArray:
        """Projections of [input, 1], float32[B, L * K]; the planes' last row is where the sums start."""
        projections = project(inputs, self._planes.values[:-1], work, phase)
        projections += self._planes.values[-1]
        work.count(phase, Work(0, 0, 4 * (2 * projections.size + projections.shape[1])))
        return projections

    def _met(self, of_inputs: FloatArray, of_nodes: FloatArray, work: LayerWork) -> BoolArray:
        """Whether example and node share a bucket in any table, bool[B, N]."""
        codes, others = (signs(each, self._bits, work) for each in (of_inputs, of_nodes))
        # two codes loaded, and a mask of one byte stored
        work.count("rebuild", Work(0, 0, codes.nbytes + 5 * len(codes) * others.size))
        return np.array([(others == own).any(axis=1) for own in codes])

    def _balanced(self, attractive: BoolArray, repulsive: BoolArray, work: LayerWork) -> _Pairs:
        """As many pairs of one kind as of the other; of the larger part some are drawn."""
        self._steps += 1
        random = stream(self._key, "pairs", self._steps)
        places = [np.flatnonzero(mask) for mask in (attractive, repulsive)]
        fewest = min(map(len, places))
        kept = np.concatenate([random.permutation(each)[:fewest] for each in places])
        rows, nodes = np.divmod(kept.astype(np.int32), np.int32(attractive.shape[1]))
        labels = np.zeros((2 * fewest, 1), dtype=np.float32)
        labels[:fewest] = 1
        work.count("rebuild", Work(0, 0, 3 * 4 * fewest))
        return _Pairs(rows, nodes, labels)

    def _step(
        self, scored: Scored, pairs: _Pairs, of_inputs: FloatArray, of_nodes: FloatArray, work: LayerWork
    ) -> None:
        """One step down the summed cross-entropy of the pairs."""
        used, places = np.unique(pairs.nodes, return_inverse=True)
        of_used = of_nodes[used]
        work.count("rebuild", Work(0, 0, 12 * (of_inputs.size + of_nodes.size)))  # for two scalars
        scales = [_over_root_mean_square(each) for each in (of_inputs, of_nodes)]
        soft_inputs, soft_nodes = np.tanh(of_inputs * scales[0]), np.tanh(of_used * scales[1])
        soft = soft_inputs.size + soft_nodes.size
        work.count("rebuild", indexed(of_used.size, used.nbytes) + elementwise(2 * soft, mults=soft))
        at_left, at_right = self._errors(pairs, soft_inputs, soft_nodes, places, work)
        at_inputs = _slope(soft_inputs, scales[0], _added(pairs.rows, at_left, len(soft_inputs), work), work)
        at_nodes = _slope(soft_nodes, scales[1], _added(places, at_right, len(used), work), work)
        rows = scored.weights[used]
        gradient = np.empty_like(self._planes.values)
        gradient[:-1] = spread(scored.inputs, at_inputs, work, "rebuild")
        gradient[:-1] += spread(rows, at_nodes, work, "rebuild")
        gradient[-1] = at_inputs.sum(axis=0) + scored.bias[used] @ at_nodes
        planes = gradient.shape[1]
        size = gradient.size - planes
        work.count("rebuild", indexed(rows.size + len(used), 2 * used.nbytes))
        work.count("rebuild", elementwise(size) + elementwise(size, 2, adds=size))
        of_last = Work(0, at_inputs.size, 4 * (at_inputs.size + planes)) + elementwise(planes)
        of_last += matrix_product(1, len(used), planes) + elementwise(planes, 2, adds=planes)
        work.count("rebuild", of_last)
        self._planes.step(gradient, work)

    def _errors(
        self,
        pairs: _Pairs,
        soft_inputs: FloatArray,
        soft_nodes: FloatArray,
        places: NDArray[np.int64],
        work: LayerWork,
    ) -> tuple[FloatArray, FloatArray]:
        """Gradients at the soft codes of both sides of each pair, float32[P, L * K]."""
        left, right = soft_inputs[pairs.rows], soft_nodes[places]
        agreement = (left * right).reshape(len(left), -1, self._bits).sum(axis=2)  # float32[P, L]
        errors = np.repeat(sigmoid(agreement) - pairs.attractive, self._bits, axis=1)
        size, sums = left.size, agreement.size
        work.count("rebuild", indexed(2 * size, pairs.rows.nbytes + places.nbytes))
        work.count("rebuild", elementwise(size, 2, mults=size) + Work(0, size, 4 * (size + sums)))
        # the sigmoid, whose arithmetic is left out as elsewhere, its target, and a copy for each bit
        erring = elementwise(5 * sums) + Work(0, 0, pairs.attractive.nbytes + 4 * (sums + size))
        work.count("rebuild", erring + elementwise(2 * size, 2, mults=2 * size))
        return errors * right, errors * left


def _extremes(scores: FloatArray, winners: int, work: LayerWork) -> tuple[BoolArray, BoolArray]:
    """Which nodes are among the winners of an example, and which score below its median; bool[B, N]."""
    last, middle = scores.shape[1] - winners, scores.shape[1] // 2
    ordered = np.partition(scores, (middle, last), axis=1)
    compared = 5 * scores.size + 4 * len(scores)  # two numbers loaded, and a mask of one byte stored
    work.count("rebuild", elementwise(scores.size) + Work(0, 0, 2 * compared))
    return scores >= ordered[:, last, None], scores < ordered[:, middle, None]


def _over_root_mean_square(values: FloatArray) -> np.float32:
    """What scales values to a mean square of one; a single scalar, whose arithmetic is not counted."""
    square = float(np.mean(values * values))
    return np.float32(1 / np.sqrt(square)) if square > 0 else np.float32(1)


def _added(places: NDArray[Any], values: FloatArray, count: int, work: LayerWork) -> FloatArray:
    """Rows of values added up at their places, float32[count, M]."""
    out = np.zeros((count, values.shape[1]), dtype=np.float32)
    np.add.at(out, places, values)
    work.count("rebuild", Work(0, values.size, 2 * out.nbytes + places.nbytes + values.nbytes))
    return out


def _slope(soft: FloatArray, scale: np.float32, gradient: FloatArray, work: LayerWork) -> FloatArray:
    """Gradient at z from that at soft = tanh(scale * z)."""
    size = soft.size
    squares = elementwise(size, mults=size) + elementwise(size, adds=size)
    work.count("rebuild", squares + elementwise(size, 2, mults=size) + elementwise(size, mults=size))
    return gradient * (1 - soft * soft) * scale

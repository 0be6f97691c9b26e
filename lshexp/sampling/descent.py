"""Linear and logistic regression by gradient descent on examples that hash tables choose.

Chen, Xu and Shrivastava, "Fast and accurate stochastic gradient estimation", NeurIPS 2019: an example whose
gradient is large is met more often when examples are hashed as [x, y] and the weights ask as [w, -1], as the
residual w x - y is their inner product; its gradient is divided by its chance, so that nothing is biased. Of
logistic regression examples are hashed as -y x, as the loss falls with y w x. Three samplers:

- `uniform`: stochastic gradient descent;
- `collisions`: theirs; the chance is that of a collision over draws of the planes, so the estimate is
  unbiased over such draws where no bucket is empty, and biased for the tables there are;
- `strata`: examples are told apart by how many bits of one table they share with the query, and drawn in
  proportion to the mean length of the gradients seen so far at so many bits: the chance is known exactly,
  whatever the tables, so the estimate is unbiased for the tables there are.

A query is cheap because projections are linear: those of the weights follow each step from those of the
examples (`lshexp.kernels.sampled_descent`), whatever the number of features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lshexp.arrays import FloatArray, IntArray
from lshexp.hashing.srp import gaussian_planes
from lshexp.kernels.buckets import fill_buckets
from lshexp.kernels.parallel import even_bounds
from lshexp.kernels.sampled_descent import (
    COLLISIONS,
    FLOOR,
    STRATA,
    UNIFORM,
    query_codes,
    sampled_steps,
    sampled_steps_mults,
)
from lshexp.streams import stream_key

Sampler = Literal["uniform", "strata", "collisions"]
RegressionLoss = Literal["squared", "logistic"]
SAMPLERS: Mapping[Sampler, int] = {"uniform": UNIFORM, "strata": STRATA, "collisions": COLLISIONS}


class Regression(NamedTuple):
    """Examples float32[n, D] and their labels float32[n], -1 or 1."""

    x: FloatArray
    y: FloatArray
    loss: RegressionLoss

    def losses(self, weights: FloatArray) -> NDArray[np.float64]:
        """Loss of each example: half the squared residual, or the logistic loss in nats."""
        scores = (self.x @ weights).astype(np.float64)
        if self.loss == "squared":
            return 0.5 * (scores - self.y) ** 2
        return np.logaddexp(0, -self.y * scores)

    def slopes(self, weights: FloatArray) -> NDArray[np.float64]:
        """Derivative of each example's loss by its score, float64[n]; times x it is the gradient."""
        scores = (self.x @ weights).astype(np.float64)
        if self.loss == "squared":
            return scores - self.y
        with np.errstate(over="ignore"):
            slopes: NDArray[np.float64] = -self.y / (1 + np.exp(self.y * scores))
        return slopes

    def accuracy_pct(self, weights: FloatArray) -> float:
        """Share of examples whose score has the sign of their label, per cent."""
        return 100 * float(np.mean((self.x @ weights > 0) == (self.y > 0)))


class GradientSpread(NamedTuple):
    """How an estimate of the gradient from one draw spreads, given weights and tables."""

    variance: float  # expected squared distance from the gradient
    bias: float  # length of the mean estimate less the gradient, over the gradient's length
    mults: int  # of a draw and its step


@dataclass
class SampledDescent:
    """Weights that descend on examples drawn by one sampler; step t of a key is always the same draw."""

    task: Regression
    sampler: Sampler
    rate: float
    K: int = 5
    L: int = 3
    key: int = 0

    def __post_init__(self) -> None:
        x, y, loss = self.task
        n, features = x.shape
        self.weights: FloatArray = np.zeros(features, dtype=np.float32)
        self.steps = 0
        self.empty = 0  # buckets that a draw found empty
        planes = gaussian_planes(self.key, features + 1, self.K * self.L)
        self._planes = planes[:features]
        turned = x @ self._planes
        logistic = loss == "logistic"
        offsets = np.zeros(self.K * self.L, np.float32) if logistic else planes[features]
        norms = np.linalg.norm(x, axis=1).astype(np.float32)
        lengths = norms if logistic else np.sqrt(norms**2 + y**2)
        self.means = np.ones(self.K + 2)  # of the gradients' lengths, by stratum; the last one over all
        hashed = -y[:, None] * turned if logistic else turned + y[:, None] * offsets
        self._codes = self._coded(hashed, logistic)
        starts = np.zeros((self.L, 2**self.K + 1), dtype=np.int32)
        members: IntArray = np.zeros((self.L, n), dtype=np.int32)
        fill_buckets(self._codes, np.zeros(self.L, np.int64), even_bounds(self.L, 1), starts, members)
        self._data = (x, y, turned, offsets, norms, lengths)
        self._tables = (self._codes, starts, members)
        self._draw = (
            np.uint64(stream_key(self.key, "draws")), SAMPLERS[self.sampler], logistic, self.K
        )  # fmt: skip

    @property
    def mults_step(self) -> int:
        """Multiplications of a draw and its step."""
        return sampled_steps_mults(SAMPLERS[self.sampler], self.task.x.shape[1], self.L, self.K)

    @property
    def mults_prepare(self) -> int:
        """Multiplications of projecting all examples, once; `uniform` needs none of it."""
        return 0 if self.sampler == "uniform" else self.task.x.size * self.K * self.L

    def run(self, steps: int) -> tuple[IntArray, FloatArray]:
        """Take steps; return the example of each, int32[steps], and what its gradient was multiplied by."""
        chosen, scales = np.empty(steps, dtype=np.int32), np.empty(steps, dtype=np.float32)
        pulled = self.weights @ self._planes  # anew now and then, as rounding errors add up
        self.empty += sampled_steps(
            self._data, self._tables, self._draw, self.weights, pulled, self.means,
            np.float32(self.rate), self.steps, chosen, scales,
        )  # fmt: skip
        self.steps += steps
        return chosen, scales

    def estimate(self) -> GradientSpread:
        """Work out, over all examples, how the estimate of the gradient from one draw spreads by now."""
        x, n = self.task.x, len(self.task.x)
        slopes = self.task.slopes(self.weights)
        gradient = (slopes @ x) / n
        lengths = slopes**2 * (x.astype(np.float64) ** 2).sum(axis=1)
        if self.sampler == "collisions":
            share = self._collision_weights()  # of the mean estimate, each example's gradient
            second, mean = float(share[0] @ lengths), (share[1] * slopes) @ x
        else:
            second, mean = float((lengths / self.chances()).sum()) / n**2, gradient
        bias = float(np.linalg.norm(mean - gradient)) / max(float(np.linalg.norm(gradient)), 1e-300)
        return GradientSpread(max(0.0, second - float(mean @ mean)), bias, self.mults_step)

    def chances(self) -> NDArray[np.float64]:
        """Chance of each example in the next draw, float64[n], where it is known: `uniform` and `strata`."""
        n = len(self.task.x)
        if self.sampler == "uniform":
            return np.full(n, 1 / n)
        query, bits = self._query()[0], np.arange(self.K, dtype=np.uint32)
        apart = ((self._codes[:, :1] ^ query) >> bits & 1).sum(axis=1)
        if self.task.loss == "squared":
            apart = np.minimum(apart, self.K - apart)
        means = np.maximum(self.means[:-1], FLOOR * self.means[-1])[apart]
        chances: NDArray[np.float64] = means / means.sum()
        return chances

    def _query(self) -> NDArray[np.uint32]:
        codes = np.zeros(self.L, dtype=np.uint32)
        query_codes(self.weights @ self._planes, self._data[3], self._draw[2], self.K, codes)
        return codes

    def _collision_weights(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights of squared gradients in the second moment and of gradients in the mean, of `collisions`."""
        n, logistic = len(self.task.x), bool(self._draw[2])
        same = self._codes == self._query()
        sizes = same.sum(axis=0)
        length = float(np.sqrt(float(self.weights @ self.weights) + (0 if logistic else 1)))
        scores = self.task.x @ self.weights
        inner = -self.task.y * scores if logistic else scores - self.task.y
        cosine = np.clip(inner / np.maximum(length * self._data[5], 1e-30), -1, 1).astype(np.float64)
        bit = 1 - np.arccos(cosine) / np.pi
        together = np.maximum(bit**self.K + (0 if logistic else (1 - bit) ** self.K), 1e-30)
        first, second = np.zeros(n), np.zeros(n)
        for table in range(self.L):  # the one that is tried first
            order = [(table + t) % self.L for t in range(self.L)]
            tries = next((t for t, at in enumerate(order) if sizes[at]), None)
            if tries is None:
                first += 1 / n / self.L
                second += 1 / n / self.L
                continue
            at = order[tries]
            chance = together * (1 - together) ** tries / sizes[at]
            scale = same[:, at] / (n * np.maximum(chance, 1e-30))
            first += scale / sizes[at] / self.L
            second += scale**2 / sizes[at] / self.L
        return second, first

    def _coded(self, hashed: FloatArray, logistic: bool) -> NDArray[np.uint32]:
        """Sign bits of the examples' projections as `query_codes` packs them, uint32[n, L]."""
        bits = (hashed > 0).reshape(len(hashed), self.L, self.K)
        codes = (bits << np.arange(self.K)).sum(axis=2)
        if not logistic:
            codes = np.where(bits[:, :, -1], codes ^ (2**self.K - 1), codes)
        packed: NDArray[np.uint32] = codes.astype(np.uint32)
        return packed


def least_variance(task: Regression, weights: FloatArray) -> float:
    """Return the smallest variance that any way of drawing one example can have: chances like lengths."""
    slopes, n = task.slopes(weights), len(task.x)
    lengths = np.abs(slopes) * np.linalg.norm(task.x.astype(np.float64), axis=1)
    gradient = (slopes @ task.x) / n
    return float((lengths.sum() / n) ** 2 - gradient @ gradient)


def two_classes(x: FloatArray, classes: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return examples with a last feature of 1, and labels: 1 for odd classes, -1 for even ones."""
    ones = np.ones((len(x), 1), dtype=np.float32)
    return np.hstack([x, ones]), np.where(classes % 2 == 1, 1, -1).astype(np.float32)

"""A trained network that predicts, with the selection that it was trained with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lshexp.arrays import CSR, FloatArray, Inputs, IntArray
from lshexp.data.base import InputTransform
from lshexp.errors import DataError
from lshexp.methods.base import Batch
from lshexp.nn.dense_cost import DenseCost
from lshexp.nn.gemm import Gemm
from lshexp.nn.network import Network
from lshexp.nn.plan import dense_reads_stored
from lshexp.nn.prediction import EVALUATION_BATCH
from lshexp.nn.threads import using_threads
from lshexp.spec import RunSpec
from lshexp.work import PREDICT, Work


@dataclass(frozen=True)
class About:
    """All that is known of a trained network beside its numbers."""

    spec: RunSpec  # of the run that trained it; options and seeds among it
    features: int
    classes: int
    sparse: bool = False  # whether its training examples came as a CSR
    class_names: tuple[str, ...] | None = None  # the labels of its own data, by class number
    own_scale: InputTransform | None = None  # what the numbers of a user's file go through first
    transform: InputTransform | None = None  # what all examples go through: `inputs` of the run


@dataclass
class TrainedNetwork:
    """A network kept from a run: `predict` and `predict_proba` take examples as rows or sparse.

    `work` is what all predictions so far have taken, `seconds` how long, and `mults_dense` what they would
    have taken the dense network.
    """

    about: About
    network: Network
    seconds: float = field(default=0.0, init=False)
    _examples: int = field(default=0, init=False)
    _stored: int = field(default=0, init=False)  # inputs of them that are not left out as zeros

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The labels by class number, of a network trained on a user's own file; else None."""
        return self.about.class_names

    @property
    def work(self) -> Work:
        """Multiplications, additions and bytes of all predictions so far."""
        return sum((layer.work.tally(PREDICT) for layer in self.network.layers), Work(0, 0, 0))

    @property
    def mults_dense(self) -> int:
        """Multiplications of the dense network for all predictions so far, as a run counts them."""
        about = self.about
        dense = DenseCost([about.features, *about.spec.hidden, about.classes])
        sparse = dense_reads_stored(about.spec, about.sparse)
        return dense.prediction(self._examples, self._stored if sparse else None)

    def warm_up(self) -> None:
        """Compile what predicting takes, so that it is in no measured time; nothing is counted."""
        x = np.zeros((2, self.about.features), dtype=np.float32)
        with self._ready(), self.network.counting("paused"):
            for rows in (x, x[:1]):
                self.network.scores(rows, Batch(np.arange(len(rows)), 0, False))

    def predict(self, x: Any) -> IntArray:
        """Return the class of each example, int32[n].

        `x` holds features as the data has them, [n, features]: anything NumPy makes an array of, a sparse
        matrix of SciPy, or a `CSR`. Raises DataError when it is of another width or not finite.
        """
        classes: IntArray = self.scores(x).argmax(axis=1).astype(np.int32)
        return classes

    def predict_proba(self, x: Any) -> FloatArray:
        """Return the probability of each class, float32[n, classes]; `x` as in `predict`."""
        return self.probabilities(self.scores(x))

    def probabilities(self, scores: FloatArray) -> FloatArray:
        """Turn scores, float32[n, classes], into probabilities: of each class alone with `loss: binary`."""
        return sigmoid(scores) if self.about.spec.loss == "binary" else softmax(scores)

    def scores(self, x: Any) -> FloatArray:
        """Return the scores before softmax, float32[n, classes]; `x` as in `predict`."""
        return self.scores_of_prepared(self._prepared(as_inputs(x, self.about.features)))

    def scores_of_prepared(self, x: Inputs) -> FloatArray:
        """As `scores`, of examples that a dataset has loaded: a user's `scale` is in them already."""
        scores = np.empty((len(x), self.about.classes), dtype=np.float32)
        with self._ready():
            for first in range(0, len(x), EVALUATION_BATCH):
                ids = np.arange(first, min(first + EVALUATION_BATCH, len(x)))
                batch = x[ids]
                if self.about.transform:
                    batch = self.about.transform(batch)
                started = time.perf_counter()
                scores[ids] = self.network.scores(batch, Batch(ids, 0, False))[0]
                self.seconds += time.perf_counter() - started
                self._examples += len(ids)
                self._stored += batch.nnz if isinstance(batch, CSR) else int(np.count_nonzero(batch))
        return scores

    def last_hidden(self, x: Inputs) -> FloatArray:
        """Activations of the last hidden layer, float32[n, nodes], of examples that a dataset has loaded.

        Nodes are selected as the method does at test. Counted and timed as predictions are, but for the
        output, which is not computed. A network without hidden layers gives what it reads.
        """
        rows: list[FloatArray] = []
        with self._ready(), self.network.counting("predicting"):
            for first in range(0, len(x), EVALUATION_BATCH):
                ids = np.arange(first, min(first + EVALUATION_BATCH, len(x)))
                batch = self.about.transform(x[ids]) if self.about.transform else x[ids]
                started = time.perf_counter()
                _, signal, _ = self.network.choose(batch, Batch(ids, 0, False))
                self.seconds += time.perf_counter() - started
                rows.append(signal.to_dense() if isinstance(signal, CSR) else np.array(signal))
        return np.concatenate(rows)

    def _prepared(self, x: Inputs) -> Inputs:
        scale = self.about.own_scale
        if scale is None:
            return x
        if isinstance(x, CSR) and not scale.offset.any():  # zeros stay zeros
            return x.with_data(x.data / scale.divisor[x.indices])
        return scale(x)

    @contextmanager
    def _ready(self) -> Iterator[None]:
        threads = self.about.spec.threads
        with using_threads(threads), Gemm(threads) as gemm:
            self.network.use(gemm)
            yield


def softmax(scores: FloatArray) -> FloatArray:
    """Turn scores float32[n, classes] into probabilities."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: FloatArray = powers / powers.sum(axis=1, keepdims=True)
    return shares


def sigmoid(scores: FloatArray) -> FloatArray:
    """Turn scores into the probability of each class, whatever the others are."""
    with np.errstate(over="ignore"):
        shares: FloatArray = np.float32(1) / (np.float32(1) + np.exp(-scores))
    return shares


def as_inputs(x: Any, features: int | None = None) -> Inputs:
    """Turn what a user has into rows float32[n, features] in C order, or a CSR of sparse examples.

    Raises DataError when `x` has not two axes, not this many features, or numbers that are not finite.
    """
    found = _sparse(x) if hasattr(x, "tocsr") else x if isinstance(x, CSR) else _rows(x)
    if features is not None and found.shape[1] != features:
        raise DataError(f"examples have {found.shape[1]} features; the network was trained on {features}")
    if not np.isfinite(found.data if isinstance(found, CSR) else found).all():
        raise DataError("examples hold numbers that are not finite, or too large for float32")
    return found


def _rows(x: Any) -> FloatArray:
    try:
        with np.errstate(over="ignore"):
            rows: NDArray[np.float32] = np.ascontiguousarray(x, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"examples are not numbers: {error}") from None
    if rows.ndim != 2:
        raise DataError(f"examples have shape {rows.shape}; rows of features, [n, features], are wanted")
    return rows


def _sparse(x: Any) -> CSR:
    matrix = x.tocsr()
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    with np.errstate(over="ignore"):
        data = np.asarray(matrix.data, dtype=np.float32)
    indptr, indices = np.asarray(matrix.indptr, np.int64), np.asarray(matrix.indices, np.int32)
    return CSR(indptr, indices, data, (int(matrix.shape[0]), int(matrix.shape[1])))

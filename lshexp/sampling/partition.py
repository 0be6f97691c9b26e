"""Estimates of a softmax output's partition function, the sum of exp(score) over classes, from few of them.

Spring and Shrivastava, "A new unbiased and efficient class of LSH-based samplers and estimators for partition
function computation in log-linear models", 2017 (arXiv 1703.05160): classes that share a bucket with the
input are summed, each divided by its chance to be there. Beside it stand classes drawn uniformly or by their
frequency, and the largest classes, exact or found in tables, with a uniform sample of all others.

Scores are inner products [w, b] [h, 1]. A constant taken off all scores changes a logarithm by that constant,
so the mean of the weight rows is taken off first: what is left tells classes apart. For hashing, rows get one
more number that makes their lengths equal (Neyshabur and Srebro, 2015), so the angle to the input falls as
the score rises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lshexp.arrays import CSR, FloatArray, OffsetArray
from lshexp.hashing.base import Query, project, sign_query, signs
from lshexp.hashing.srp import gaussian_planes
from lshexp.hashing.tables import SortedTables
from lshexp.kernels.buckets import score_by_coordinates, score_by_coordinates_cost
from lshexp.kernels.parallel import all_threads, even_bounds
from lshexp.streams import stream
from lshexp.work import LayerWork, Work, matrix_product

Sums = NDArray[np.float64]


class Estimated(NamedTuple):
    """Of each input: the logarithm of the estimate (-inf where nothing was summed), and classes scored."""

    log_z: Sums
    scored: NDArray[np.int64]


class CentredOutput:
    """The classes of an output, centred: rows float32[C, D + 1], whose last number is the bias."""

    def __init__(self, weights: FloatArray, bias: FloatArray) -> None:
        whole = np.hstack([weights, bias[:, None]])
        self.mean: FloatArray = whole.mean(axis=0)
        self.rows: FloatArray = np.ascontiguousarray(whole - self.mean)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.rows)

    def inputs(self, hidden: FloatArray) -> FloatArray:
        """Append to activations float32[B, D] the 1 that the bias is multiplied by."""
        return np.hstack([hidden, np.ones((len(hidden), 1), dtype=np.float32)])

    def log_z(self, inputs: FloatArray, work: LayerWork) -> Sums:
        """The exact logarithm of the sum over all classes, less the mean score, float64[B]."""
        work.count("select", matrix_product(len(inputs), inputs.shape[1], self.classes))
        scores = (inputs @ self.rows.T).astype(np.float64)
        return log_sum(scores)

    def offset(self, inputs: FloatArray, work: LayerWork) -> Sums:
        """The mean score of each input, which every estimate goes without, float64[B]."""
        work.count("select", matrix_product(len(inputs), inputs.shape[1], 1))
        return (inputs @ self.mean).astype(np.float64)

    def scores(self, inputs: FloatArray, chosen: CSR, work: LayerWork) -> NDArray[np.float64]:
        """Scores of chosen pairs of input and class, float64[pairs]; they become its data."""
        bounds = even_bounds(len(inputs), all_threads())
        score_by_coordinates(inputs, self.rows, chosen.indptr, chosen.indices, bounds, chosen.data)
        work.count("select", score_by_coordinates_cost(inputs, chosen.indptr, chosen.indices))
        return chosen.data.astype(np.float64)


def log_sum(scores: NDArray[np.float64]) -> Sums:
    """The logarithm of the sum of exp over the last axis."""
    top = scores.max(axis=-1)
    total: Sums = top + np.log(np.exp(scores - top[..., None]).sum(axis=-1))
    return total


def log_sum_of_rows(values: NDArray[np.float64], chosen: CSR) -> Sums:
    """The logarithm of the sum of exp of the entries of each row; -inf for a row without entries."""
    sums = np.full(len(chosen), -np.inf)
    some = np.flatnonzero(chosen.row_lengths())
    if len(some):
        top = np.maximum.reduceat(values, chosen.indptr[some])
        top = np.where(np.isfinite(top), top, 0)
        spread = np.exp(values - np.repeat(top, chosen.row_lengths()[some]))
        with np.errstate(divide="ignore"):
            sums[some] = top + np.log(np.add.reduceat(spread, chosen.indptr[some]))
    return sums


def uniform(output: CentredOutput, inputs: FloatArray, budget: int, key: int, work: LayerWork) -> Estimated:
    """Draw `budget` classes for each input, each as likely every time."""
    drawn = stream(key, "uniform").integers(0, output.classes, (len(inputs), budget))
    chosen = _rows(drawn, output.classes)
    scores = output.scores(inputs, chosen, work) + np.log(output.classes / budget)
    return Estimated(log_sum_of_rows(scores, chosen), chosen.row_lengths())


def popularity(
    output: CentredOutput, inputs: FloatArray, budget: int, key: int, work: LayerWork, counts: OffsetArray
) -> Estimated:
    """Draw `budget` classes for each input, none twice, by frequency: `counts` of examples, plus one."""
    chosen, scores = _by_frequency(output, inputs, budget, key, work, counts)
    return Estimated(log_sum_of_rows(scores, chosen), chosen.row_lengths())


def _by_frequency(
    output: CentredOutput, inputs: FloatArray, budget: int, key: int, work: LayerWork, counts: OffsetArray
) -> tuple[CSR, NDArray[np.float64]]:
    """Classes drawn by frequency, none twice, and the logarithms of what they add to a sum, over chances.

    Chances add up to the budget. Along their running sum a draw takes the classes at distances of 1 from a
    random start (systematic sampling), so each is taken with its chance.
    """
    budget = min(budget, output.classes)
    chances = inclusion(counts + 1, budget)
    starts = stream(key, "popularity").random((len(inputs), 1))
    places = np.searchsorted(np.cumsum(chances), starts + np.arange(budget), side="right")
    chosen = _rows(np.minimum(places, output.classes - 1), output.classes)
    work.count("select", Work(chosen.nnz, 0, 0))
    return chosen, output.scores(inputs, chosen, work) - np.log(chances[chosen.indices])


def inclusion(sizes: NDArray[np.integer], budget: int) -> Sums:
    """Chances in proportion to sizes > 0 that add up to `budget`, but none above 1, float64[C]."""
    chances = np.zeros(len(sizes))
    rest = np.ones(len(sizes), dtype=np.bool_)
    while True:
        left = budget - (len(sizes) - int(rest.sum()))
        chances = np.where(rest, left * sizes / max(1, int(sizes[rest].sum())), 1.0)
        if not (chances > 1).any():
            return chances
        rest &= chances < 1


def top_and_tail(
    output: CentredOutput, inputs: FloatArray, budget: int, key: int, work: LayerWork
) -> Estimated:
    """Sum the `budget` / 2 classes of the largest scores, for which all are scored, and sample the others."""
    work.count("select", matrix_product(len(inputs), inputs.shape[1], output.classes))
    scores = inputs @ output.rows.T
    best = max(1, budget // 2)
    top = np.argpartition(-scores, best - 1, axis=1)[:, :best]
    return _with_tail(output, inputs, _rows(top, output.classes), budget - best, key, work)


class ClassTables:
    """L tables of K sign bits in which an output's classes lie, for inputs to ask."""

    def __init__(self, output: CentredOutput, K: int, L: int, key: int) -> None:
        self.output, self.K, self.L = output, K, L
        squares = (output.rows**2).sum(axis=1)
        self.length = float(np.sqrt(squares.max()))  # of every row, once it has its last number
        lifted = np.hstack([output.rows, np.sqrt(np.maximum(squares.max() - squares, 0))[:, None]])
        self._planes = gaussian_planes(key, lifted.shape[1], K * L)
        self.building = LayerWork()
        codes = signs(project(lifted, self._planes, self.building, "rebuild"), K, self.building)
        self._tables = SortedTables(K, L, output.classes, all_threads(), key)
        self._tables.put(np.arange(output.classes, dtype=np.int32), codes, self.building)

    def collect(self, inputs: FloatArray, probes: int, most: int, work: LayerWork) -> CSR:
        """Classes in the buckets of each input: the `most` met most often."""
        most = min(most, self.output.classes)
        return self._tables.collect(self._query(inputs, work), probes, most, None, True, work).candidates

    def chances(self, scores: NDArray[np.float64], inputs: FloatArray, rows: OffsetArray) -> Sums:
        """Chance over draws of the planes that a class of this score shares a bucket, one probe a table."""
        lengths = self.length * np.linalg.norm(inputs, axis=1).astype(np.float64)
        cosines = np.clip(scores / np.maximum(np.repeat(lengths, rows), 1e-30), -1, 1)
        together = (1 - np.arccos(cosines) / np.pi) ** self.K
        chances: Sums = np.maximum(1 - (1 - together) ** self.L, 1e-300)
        return chances

    def _query(self, inputs: FloatArray, work: LayerWork) -> Query:
        return sign_query(project(inputs, self._planes[:-1], work, "select"), self.K, work)


def in_buckets(tables: ClassTables, inputs: FloatArray, work: LayerWork) -> Estimated:
    """Spring and Shrivastava's estimate: the classes in the input's buckets, each over its chance.

    Unbiased over draws of the planes.
    """
    chosen = tables.collect(inputs, 1, tables.output.classes, work)
    scores = tables.output.scores(inputs, chosen, work)
    chances = tables.chances(scores, inputs, chosen.row_lengths())
    work.count("select", Work(chosen.nnz * (tables.K + tables.L + 1), 0, 0))  # powers and quotients
    return Estimated(log_sum_of_rows(scores - np.log(chances), chosen), chosen.row_lengths())


def found_and_tail(
    tables: ClassTables, inputs: FloatArray, budget: int, probes: int, key: int, work: LayerWork
) -> Estimated:
    """Sum the `budget` / 2 classes met most often in the buckets, and sample the others uniformly.

    Unbiased for any tables.
    """
    chosen = tables.collect(inputs, probes, max(1, budget // 2), work)
    return _with_tail(tables.output, inputs, chosen, budget - max(1, budget // 2), key, work)


def found_and_popular(
    tables: ClassTables,
    inputs: FloatArray,
    budget: int,
    probes: int,
    key: int,
    work: LayerWork,
    counts: OffsetArray,
) -> Estimated:
    """Sum the `budget` / 2 classes met most often in the buckets; draw as many by frequency for the others.

    What is drawn and found too counts nothing, so the estimate is unbiased for any tables.
    """
    head = tables.collect(inputs, probes, max(1, budget // 2), work)
    sums = log_sum_of_rows(tables.output.scores(inputs, head, work), head)
    drawn, scores = _by_frequency(tables.output, inputs, budget - max(1, budget // 2), key, work, counts)
    places = np.repeat(np.arange(len(head)) * tables.output.classes, head.row_lengths()) + head.indices
    asked = np.repeat(np.arange(len(drawn)) * tables.output.classes, drawn.row_lengths()) + drawn.indices
    rest = log_sum_of_rows(np.where(np.isin(asked, places), -np.inf, scores), drawn)
    return Estimated(np.logaddexp(sums, rest), head.row_lengths() + drawn.row_lengths())


def _with_tail(
    output: CentredOutput, inputs: FloatArray, head: CSR, tail: int, key: int, work: LayerWork
) -> Estimated:
    """The head's sum, and the mean of `tail` of the other classes, drawn uniformly, times their number."""
    sums = log_sum_of_rows(output.scores(inputs, head, work), head)
    others = output.classes - head.row_lengths()
    drawn = _others(output.classes, head, tail, stream(key, "tail"))
    scores = output.scores(inputs, drawn, work)
    with np.errstate(divide="ignore"):
        rest = log_sum_of_rows(scores, drawn) + np.log(others / max(1, tail))
    return Estimated(np.logaddexp(sums, rest), head.row_lengths() + drawn.row_lengths())


def _others(classes: int, head: CSR, each: int, draws: np.random.Generator) -> CSR:
    """Draw `each` classes for every row, uniformly and with repeats, of those that its head has not.

    Number r of the others is r plus the classes of the head that come before it, found one by one in order.
    """
    drawn = np.empty((len(head), each), dtype=np.int64)
    for row in range(len(head)):
        taken = np.sort(head.indices[head.indptr[row] : head.indptr[row + 1]])
        number = draws.integers(0, classes - len(taken), each)
        drawn[row] = number + np.searchsorted(taken - np.arange(len(taken)), number, side="right")
    return _rows(drawn, classes)


def _rows(chosen: NDArray[np.integer], classes: int) -> CSR:
    """Chosen classes, [B, n], as a CSR whose values are to be written."""
    rows = CSR.from_lengths(np.full(len(chosen), chosen.shape[1]), classes)
    rows.indices[:] = chosen.ravel()
    return rows


Estimator = Callable[[FloatArray, int, int, LayerWork], Estimated]  # of inputs, a budget, a key and counters


def estimators(
    output: CentredOutput, counts: OffsetArray, tables: ClassTables, probes: int
) -> Mapping[str, Estimator]:
    """The estimators that take a budget of classes, by name."""
    return {
        "uniform": lambda x, n, key, work: uniform(output, x, n, key, work),
        "popularity": lambda x, n, key, work: popularity(output, x, n, key, work, counts),
        "top_and_tail": lambda x, n, key, work: top_and_tail(output, x, n, key, work),
        "found_and_tail": lambda x, n, key, work: found_and_tail(tables, x, n, probes, key, work),
        "found_and_popular": lambda x, n, key, work: found_and_popular(
            tables, x, n, probes, key, work, counts
        ),
    }

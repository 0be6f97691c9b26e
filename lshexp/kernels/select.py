"""Selection by threshold or by chance.

Every kernel here fills a CSR whose row lengths were counted before, so that examples are handled in parallel
and the result does not depend on the thread count. Node ids ascend.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.arrays import FloatArray, IntArray, OffsetArray
from lshexp.kernels._cost import ID, OFFSET, VALUE
from lshexp.kernels.rng import mix, uniform
from lshexp.work import Work


@njit(parallel=True, cache=True, fastmath=False)
def count_above(scores, thresholds, bounds, counts):
    """Count, for each example, the nodes whose score reaches their threshold.

    Parameters
    ----------
    scores : float32[B, N]; thresholds : float32[N]
    bounds : int64[C + 1]               chunks of examples
    counts : int64[B], out
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            count = 0
            for node in range(scores.shape[1]):
                count += scores[b, node] >= thresholds[node]
            counts[b] = count


def count_above_cost(scores: FloatArray) -> Work:
    """Each score and its threshold; a count an example."""
    return Work(0, 0, 2 * VALUE * scores.size + OFFSET * len(scores))


@njit(parallel=True, cache=True, fastmath=False)
def take_above(scores, thresholds, bounds, indptr, indices, data):
    """List the nodes whose score reaches their threshold; `indptr` comes from the counts of `count_above`.

    Parameters
    ----------
    scores : float32[B, N]; thresholds : float32[N]
    bounds : int64[C + 1]               chunks of examples
    indptr : int64[B + 1]
    indices : int32[indptr[B]], out; data : float32[indptr[B]], out
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            at = indptr[b]
            for node in range(scores.shape[1]):
                score = scores[b, node]
                if score >= thresholds[node]:
                    indices[at] = node
                    data[at] = score
                    at += 1


def take_above_cost(scores: FloatArray, indices: IntArray) -> Work:
    """Each score and its threshold; id and score of those taken."""
    return Work(0, 0, 2 * VALUE * scores.size + OFFSET * len(scores) + (ID + VALUE) * len(indices))


@njit(parallel=False, cache=True, fastmath=False)
def draw_bernoulli(key, examples, n_nodes, log_drop, indptr, indices):
    """Draw each node with a fixed probability by leaping from one drawn node to the next.

    The gap between successes of a Bernoulli process is geometric, so the cost follows the nodes drawn, not
    the nodes there are (Devroye, "Non-uniform random variate generation", 1986, ch. X.2). The draws of an
    example depend on `key` and its id alone.

    Parameters
    ----------
    key : uint64                        stream of (run, layer, epoch)
    examples : int64[B]                 ids of the examples in the training set
    n_nodes : int
    log_drop : float64 < 0              log(1 - probability); -inf draws every node
    indptr : int64[B + 1], out
    indices : int32[capacity], out

    Returns the pairs written, or -1 when `nodes` is too small (the caller enlarges it and calls again).
    """
    at = 0
    indptr[0] = 0
    for b in range(len(examples)):
        own = mix(key, examples[b])
        node = -1
        draw = 0
        while True:
            gap = np.floor(np.log(1.0 - uniform(mix(own, draw))) / log_drop)
            draw += 1
            if gap >= n_nodes - 1 - node:
                break
            node += 1 + np.int64(gap)
            if at == len(indices):
                return -1
            indices[at] = node
            at += 1
        indptr[b + 1] = at
    return at


def draw_bernoulli_cost(examples: OffsetArray, returned: int) -> Work:
    """A scaled logarithm for each node drawn and one past the end of each example; an id a node drawn."""
    return Work(returned + len(examples), 0, ID * returned + OFFSET * (1 + 2 * len(examples)))


@njit(parallel=True, cache=True, fastmath=False)
def draw_gated(key, examples, probabilities, bounds, chosen, counts):
    """Draw each node with a probability of its own.

    Parameters
    ----------
    key : uint64                        stream of (run, layer, epoch)
    examples : int64[B]                 ids of the examples in the training set
    probabilities : float32[B, N]
    bounds : int64[C + 1]               chunks of examples
    chosen : float32[B, N], out         1 where drawn, 0 elsewhere
    counts : int64[B], out              nodes drawn
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            own = mix(key, examples[b])
            count = 0
            for node in range(probabilities.shape[1]):
                drawn = uniform(mix(own, node)) < probabilities[b, node]
                chosen[b, node] = drawn
                count += drawn
            counts[b] = count


def draw_gated_cost(probabilities: FloatArray) -> Work:
    """Each probability, and whether its node was drawn."""
    return Work(0, 0, 2 * VALUE * probabilities.size + 2 * OFFSET * len(probabilities))

"""A layer of which each node has few of its weights: the same number of each, and any inputs.

Examples are columns here: a weight meets the values of one input in all examples, which lie side by side.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.arrays import FloatArray, IntArray
from lshexp.kernels._cost import ID, VALUE
from lshexp.kernels.parallel import REASSOCIATE
from lshexp.work import Work


@njit(parallel=True, cache=True, fastmath=REASSOCIATE)
def forward_kept(x, inputs, weights, bias, bounds, scores):
    """Scores of every node: scores[n] = bias[n] + sum of weights[n, i] * x[inputs[n, i]].

    Symbols: B examples, D fan-in, N nodes, K weights a node, C chunks.

    Parameters
    ----------
    x : float32[D, B]
    inputs : int32[N, K]                which inputs a node reads
    weights : float32[N, K]
    bias : float32[N]
    bounds : int64[C + 1]               chunks of nodes
    scores : float32[N, B], out

    Cost: B * N * K multiplications.
    """
    for c in prange(len(bounds) - 1):
        for n in range(bounds[c], bounds[c + 1]):
            total = scores[n]
            total[:] = bias[n]
            for i in range(inputs.shape[1]):
                values = x[inputs[n, i]]
                weight = weights[n, i]
                for b in range(len(total)):
                    total[b] += weight * values[b]


def forward_kept_cost(inputs: IntArray, scores: FloatArray) -> Work:
    """Input and weight; of each example a value, and a sum loaded and stored."""
    products = inputs.size * scores.shape[1]
    sums = VALUE * (len(scores) + scores.size)
    return Work(products, products, sums + (ID + VALUE) * inputs.size + 3 * VALUE * products)


@njit(parallel=True, cache=True, fastmath=REASSOCIATE)
def input_gradient_kept(deltas, inputs, weights, bounds, gradient):
    """Gradient at every input: gradient[d] = sum of weights[n, i] * deltas[n] over inputs[n, i] = d.

    Parameters
    ----------
    deltas : float32[N, B]
    inputs : int32[N, K]; weights : float32[N, K]
    bounds : int64[C + 1]               chunks of examples
    gradient : float32[D, B], out

    Cost: B * N * K multiplications. Each chunk reads all weights.
    """
    for c in prange(len(bounds) - 1):
        first, last = bounds[c], bounds[c + 1]
        gradient[:, first:last] = 0
        for n in range(len(inputs)):
            own = deltas[n]
            for i in range(inputs.shape[1]):
                total = gradient[inputs[n, i]]
                weight = weights[n, i]
                for b in range(first, last):
                    total[b] += weight * own[b]


def input_gradient_kept_cost(inputs: IntArray, gradient: FloatArray) -> Work:
    """Zeros; input and weight; of each example a delta, and a sum loaded and stored."""
    products = inputs.size * gradient.shape[1]
    nbytes = VALUE * gradient.size + (ID + VALUE) * inputs.size + 3 * VALUE * products
    return Work(products, products, nbytes)


@njit(parallel=True, cache=True, fastmath=REASSOCIATE)
def weight_gradient_kept(deltas, x, inputs, bounds, gradient):
    """Gradient of every weight there is: gradient[n, i] = deltas[n] . x[inputs[n, i]].

    Parameters
    ----------
    deltas : float32[N, B]; x : float32[D, B]
    inputs : int32[N, K]
    bounds : int64[C + 1]               chunks of nodes
    gradient : float32[N, K], out

    Cost: B * N * K multiplications.
    """
    for c in prange(len(bounds) - 1):
        for n in range(bounds[c], bounds[c + 1]):
            own = deltas[n]
            for i in range(inputs.shape[1]):
                values = x[inputs[n, i]]
                total = np.float32(0)
                for b in range(len(own)):
                    total += own[b] * values[b]
                gradient[n, i] = total


def weight_gradient_kept_cost(deltas: FloatArray, inputs: IntArray) -> Work:
    """Input and gradient; of each example a delta and a value."""
    products = inputs.size * deltas.shape[1]
    return Work(products, products, (ID + VALUE) * inputs.size + 2 * VALUE * products)

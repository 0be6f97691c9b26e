"""The optimisers' arithmetic on one weight row, and the dense step built from it.

The rules are listed, with their counted cost, in `lshexp.work.RULES`; their code is the position there:
0 sgd, 1 momentum, 2 adagrad (Duchi, Hazan and Singer, 2011), 3 Adagrad with momentum on the scaled step, as
in the code of Spring and Shrivastava. State is lazy: a weight that had no gradient in a batch is left alone,
velocity included, in every method, so that the cost of a step follows the active nodes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange

from lshexp.arrays import FloatArray
from lshexp.kernels._cost import VALUE
from lshexp.work import RULES, STEP_COSTS, Work


class Rule(NamedTuple):
    """An optimiser and its constants."""

    code: int
    lr: np.float32
    momentum: np.float32
    epsilon: np.float32


@njit(parallel=False, cache=True, fastmath={"contract"}, error_model="numpy")
def step_weight(rule, w, g, state, node, i):
    """Return the new value of one weight; state[:, node, i] is updated in place."""
    code, lr, momentum, epsilon = rule
    if code == 0:
        return w - lr * g
    if code == 1:
        velocity = momentum * state[0, node, i] + g
        state[0, node, i] = velocity
        return w - lr * velocity
    total = state[0, node, i] + g * g
    state[0, node, i] = total
    change = lr * g / (np.sqrt(total) + epsilon)
    if code == 3:
        change += momentum * state[1, node, i]
        state[1, node, i] = change
    return w - change


@njit(parallel=False, cache=True, fastmath={"contract"}, error_model="numpy")
def step_row(rule, w, gradient, state, node):
    """Step one run of weights. w, gradient: float32[D]; state: float32[S, N, D], of which row `node` is used.

    `error_model="numpy"`: Python's check for a zero divisor would keep the loops out of vector registers.
    """
    code, lr, momentum, epsilon = rule
    # the branch stands outside the loops so that each of them can be vectorised
    if code == 0:
        for i in range(len(w)):
            w[i] -= lr * gradient[i]
    elif code == 1:
        velocity = state[0, node]
        for i in range(len(w)):
            speed = momentum * velocity[i] + gradient[i]
            velocity[i] = speed
            w[i] -= lr * speed
    elif code == 2:
        total = state[0, node]
        for i in range(len(w)):
            g = gradient[i]
            squares = total[i] + g * g
            total[i] = squares
            w[i] -= lr * g / (np.sqrt(squares) + epsilon)
    else:
        total = state[0, node]
        change = state[1, node]
        for i in range(len(w)):
            g = gradient[i]
            squares = total[i] + g * g
            total[i] = squares
            moved = momentum * change[i] + lr * g / (np.sqrt(squares) + epsilon)
            change[i] = moved
            w[i] -= moved


def step_row_cost(rule: Rule, w: FloatArray) -> Work:
    """Weight, gradient and state are loaded, weight and state stored."""
    return stepped_cost(rule, w.size)


def stepped_cost(rule: Rule, weights: int) -> Work:
    """Steps of so many weights whose gradients lie in memory."""
    cost = STEP_COSTS[RULES[rule.code]]
    return Work(weights * cost.mults, weights * cost.adds, VALUE * weights * (3 + 2 * cost.slots))


def step_weight_cost(rule: Rule) -> Work:
    """One step with the weight and its gradient in variables, where only the state is loaded and stored."""
    cost = STEP_COSTS[RULES[rule.code]]
    return Work(cost.mults, cost.adds, VALUE * 2 * cost.slots)


def summed_steps_cost(rule: Rule, weights: int) -> Work:
    """Steps of so many weights in memory whose gradients are in variables."""
    cost = STEP_COSTS[RULES[rule.code]]
    return Work(weights * cost.mults, weights * cost.adds, VALUE * weights * (2 + 2 * cost.slots))


@njit(parallel=True, cache=True, fastmath=False)
def step_dense(rule, weights, gradients, state, bounds):
    """Step every row of a layer.

    Parameters
    ----------
    rule : Rule
    weights : float32[N, D], updated
    gradients : float32[N, D]           mean over the batch
    state : float32[S, N, D], updated
    bounds : int64[C + 1]               chunks of nodes
    """
    for c in prange(len(bounds) - 1):
        for node in range(bounds[c], bounds[c + 1]):
            step_row(rule, weights[node], gradients[node], state, node)


def step_dense_cost(rule: Rule, weights: FloatArray) -> Work:
    """A step of every weight."""
    return stepped_cost(rule, weights.size)

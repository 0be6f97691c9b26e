"""The optimisers: what a step costs, its arithmetic on one weight and on a row, and the dense step.

To add one, enter its cost in `OPTIMIZERS`, write its arithmetic into `step_weight` and `step_row` under the
code that is its position there, and add its name to `lshexp.spec.Optimizer`.

Momentum is lazy: a weight whose gradient in a batch is exactly zero is left alone, its state included. A step
on the active nodes can afford no more, as its cost must follow them. The rule holds for dense steps too, so
that a method that selects all nodes learns what the dense network learns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numba import njit, prange

from lshexp.arrays import FloatArray
from lshexp.kernels._cost import VALUE
from lshexp.work import Work


class StepCost(NamedTuple):
    """Arithmetic of one optimiser step on one weight, gradient at hand, and the state it keeps."""

    mults: int
    adds: int
    slots: int  # state values kept for each weight


# The position of a name is its code in the kernels. Adagrad: Duchi, Hazan and Singer (2011); with momentum on
# the scaled step as in the code of Spring and Shrivastava. Adam: Kingma and Ba (2015).
OPTIMIZERS: Mapping[str, StepCost] = {
    "sgd": StepCost(mults=1, adds=1, slots=0),  # w -= lr*g
    "momentum": StepCost(mults=2, adds=2, slots=1),  # v = m*v + g; w -= lr*v
    "adagrad": StepCost(mults=4, adds=3, slots=1),  # a += g*g; w -= lr*g / (sqrt(a) + eps)
    "adagrad_momentum": StepCost(mults=5, adds=4, slots=2),  # a += g*g; v = m*v + lr*g/(sqrt(a)+eps); w -= v
    "adam": StepCost(mults=8, adds=4, slots=2),  # v = m*v + n*g; a = d*a + e*g*g; w -= lr*v/(sqrt(a)+eps)
}


ADAM = list(OPTIMIZERS).index("adam")


class Rule(NamedTuple):
    """An optimiser and its constants, as kernels take them."""

    code: int
    lr: np.float32
    momentum: np.float32  # of Adam: decay of the mean gradient
    epsilon: np.float32
    decay: np.float32  # of Adam: decay of the mean squared gradient

    @property
    def cost(self) -> StepCost:
        """Cost of one step on one weight."""
        return list(OPTIMIZERS.values())[self.code]

    def at(self, step: int) -> Rule:
        """The rule of the step with this number, counted from 1: Adam's rate corrects the bias of its means.

        The number is that of the layer's steps, as in PyTorch's SparseAdam, not of the steps of each weight.
        """
        if self.code != ADAM:
            return self
        unbiased = math.sqrt(1 - float(self.decay) ** step) / (1 - float(self.momentum) ** step)
        return self._replace(lr=np.float32(self.lr * unbiased))

    @property
    def linear(self) -> bool:
        """Whether steps are w -= lr * gradient, so that they can be followed from the gradients' terms."""
        return self.code == 0


def rule_of(optimizer: str, lr: float, momentum: float) -> Rule:
    """Return the rule of an optimiser by its name in `OPTIMIZERS`."""
    code, epsilon, decay = list(OPTIMIZERS).index(optimizer), np.float32(1e-8), np.float32(0.999)
    return Rule(code, np.float32(lr), np.float32(momentum), epsilon, decay)


@njit(parallel=False, cache=True, fastmath={"contract"}, error_model="numpy")
def step_weight(rule, w, g, state, node, i):
    """Return the new value of one weight; state[:, node, i] is updated in place."""
    code, lr, momentum, epsilon, decay = rule
    if code == 0:
        return w - lr * g
    if g == 0:
        return w
    if code == 4:
        mean = momentum * state[0, node, i] + (np.float32(1) - momentum) * g
        square = decay * state[1, node, i] + ((np.float32(1) - decay) * g) * g
        state[0, node, i] = mean
        state[1, node, i] = square
        return w - lr * mean / (np.sqrt(square) + epsilon)
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
    code, lr, momentum, epsilon, decay = rule
    zero = np.float32(0)
    # the branch stands outside the loops so that each of them can be vectorised
    if code == 0:
        for i in range(len(w)):
            w[i] -= lr * gradient[i]
    elif code == 1:
        velocity = state[0, node]
        for i in range(len(w)):
            g = gradient[i]
            before = velocity[i]
            speed = momentum * before + g
            velocity[i] = before if g == zero else speed
            w[i] -= zero if g == zero else lr * speed
    elif code == 2:
        total = state[0, node]
        for i in range(len(w)):
            g = gradient[i]
            squares = total[i] + g * g
            total[i] = squares
            w[i] -= lr * g / (np.sqrt(squares) + epsilon)
    elif code == 4:
        first = state[0, node]
        second = state[1, node]
        rest, new = np.float32(1) - momentum, np.float32(1) - decay
        for i in range(len(w)):
            g = gradient[i]
            before, squares = first[i], second[i]
            mean = momentum * before + rest * g
            square = decay * squares + (new * g) * g
            first[i] = before if g == zero else mean
            second[i] = squares if g == zero else square
            w[i] -= zero if g == zero else lr * mean / (np.sqrt(square) + epsilon)
    else:
        total = state[0, node]
        change = state[1, node]
        for i in range(len(w)):
            g = gradient[i]
            squares = total[i] + g * g
            total[i] = squares
            before = change[i]
            moved = momentum * before + lr * g / (np.sqrt(squares) + epsilon)
            change[i] = before if g == zero else moved
            w[i] -= zero if g == zero else moved


def step_row_cost(rule: Rule, w: FloatArray) -> Work:
    """Weight, gradient and state are loaded, weight and state stored."""
    return stepped_cost(rule, w.size)


def stepped_cost(rule: Rule, weights: int) -> Work:
    """Steps of so many weights whose gradients lie in memory."""
    cost = rule.cost
    return Work(weights * cost.mults, weights * cost.adds, VALUE * weights * (3 + 2 * cost.slots))


def step_weight_cost(rule: Rule) -> Work:
    """One step with the weight and its gradient in variables, where only the state is loaded and stored."""
    return Work(rule.cost.mults, rule.cost.adds, VALUE * 2 * rule.cost.slots)


def summed_steps_cost(rule: Rule, weights: int) -> Work:
    """Steps of so many weights in memory whose gradients are in variables."""
    cost = rule.cost
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

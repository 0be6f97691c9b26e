"""The optimisers: what a step costs, its arithmetic on one weight and on a row, and the dense step.

To add one, enter its cost in `OPTIMIZERS`, write its arithmetic into `step_weight` and `step_run` under the
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
from lshexp.kernels.vector import add, add_product, divide, load, multiply, root, spread, store, where_zero
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
WIDE, ONE = (0,) * 16, (0,)  # weights that `step_row` takes at a time, and those that are left


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


@njit(parallel=False, cache=True, fastmath=False)
def step_run(rule, w, g, state, slot, at, lanes):
    """Return the new values of b neighbouring weights, as runs of `lshexp.kernels.vector`.

    w, g: the weights and their gradients; state: float32[S * slot], flat, of which each slot's values from
    `at` on are updated in place; lanes: tuple of b.
    """
    code, lr, momentum, epsilon, decay = rule
    less = spread(-lr, lanes)
    if code == 0:
        return add_product(w, less, g)
    held = load(state, at, lanes)
    if code == 1:
        velocity = add_product(g, spread(momentum, lanes), held)
        store(state, at, where_zero(g, held, velocity))
        return where_zero(g, w, add_product(w, less, velocity))
    if code == 4:
        squares = load(state, slot + at, lanes)
        one = np.float32(1)
        mean = add_product(multiply(spread(one - momentum, lanes), g), spread(momentum, lanes), held)
        square = add_product(
            multiply(multiply(spread(one - decay, lanes), g), g), spread(decay, lanes), squares
        )
        store(state, at, where_zero(g, held, mean))
        store(state, slot + at, where_zero(g, squares, square))
        return where_zero(
            g, w, add(w, divide(multiply(less, mean), add(root(square), spread(epsilon, lanes))))
        )
    summed = add_product(held, g, g)
    store(state, at, summed)
    change = divide(multiply(less, g), add(root(summed), spread(epsilon, lanes)))
    if code == 3:
        before = load(state, slot + at, lanes)
        change = add_product(change, spread(-momentum, lanes), before)
        store(state, slot + at, where_zero(g, before, multiply(change, spread(np.float32(-1), lanes))))
        return where_zero(g, w, add(w, change))
    return add(w, change)


@njit(parallel=False, cache=True, fastmath=False)
def step_row(rule, w, gradient, state, node):
    """Step one row of weights. w, gradient: float32[D]; state: float32[S, N, >= D], of which row `node`."""
    whole = len(w) - len(w) % len(WIDE)
    _, rows, most = state.shape
    flat, slot, at = state.reshape(-1), rows * most, node * most
    for i in range(0, whole, len(WIDE)):
        store(w, i, step_run(rule, load(w, i, WIDE), load(gradient, i, WIDE), flat, slot, at + i, WIDE))
    for i in range(whole, len(w)):
        store(w, i, step_run(rule, load(w, i, ONE), load(gradient, i, ONE), flat, slot, at + i, ONE))


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

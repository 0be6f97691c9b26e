"""Per-example training by several threads that share all weights and take no locks.

Every thread goes through its examples by itself: forward over the nodes that were chosen, backward, and one
optimiser step, on whatever the weights are at that moment (Recht et al., "Hogwild!", NIPS 2011). Two threads
that step the same weight at once may lose one of the two steps. Nothing worse can happen: a weight is four
aligned bytes, and nothing else is written by more than one thread. The active nodes, and the hash tables that
they come from, are only read.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange

from lshexp.arrays import BoolArray, FloatArray, IntArray, OffsetArray
from lshexp.kernels._cost import ID, OFFSET, VALUE
from lshexp.kernels.forward import dot_sparse
from lshexp.kernels.loss import softmax_row
from lshexp.kernels.parallel import REASSOCIATE
from lshexp.kernels.step import Rule, step_weight
from lshexp.work import Work


class Parameters(NamedTuple):
    """Layers of D inputs and N nodes, one entry each."""

    weights: tuple[FloatArray, ...]  # [N, D]
    bias: tuple[FloatArray, ...]  # [1, N]
    state: tuple[FloatArray, ...]  # [S, N, D]
    bias_state: tuple[FloatArray, ...]  # [S, 1, N]


class Outcomes(NamedTuple):
    """What examples come to. losses: float32[B]; hits: bool[B]; products: int64[C, layers, 3].

    `products` counts, for each chunk and layer, those of the forward pass and those of its live nodes, as
    many for the weight gradient, for the step and for the gradient at the layer's input; then the live nodes.
    """

    losses: FloatArray
    hits: BoolArray
    products: OffsetArray


@njit(parallel=False, cache=True, fastmath={"contract"})
def _forward(weights, bias, scale, chosen, in_indices, in_data, nodes, values, at):
    """Write the live ones of the chosen nodes, their activations and places; return how many there are."""
    n = 0
    for i in range(len(chosen)):
        node = chosen[i]
        value = (dot_sparse(weights[node], in_indices, in_data, 0, len(in_indices)) + bias[0, node]) * scale
        if not value <= 0:  # NaN is kept: a diverged network must not look healthy
            nodes[n] = node
            values[n] = value
            at[n] = i
            n += 1
    return n


@njit(parallel=False, cache=True, fastmath=False)
def _put(deltas, places, gradient, n):
    """Write the gradients of an example's live nodes to their places, zero elsewhere."""
    deltas[:] = 0
    for i in range(n):
        deltas[places[i]] = gradient[i]


@njit(parallel=False, cache=True, fastmath=REASSOCIATE)
def _input_gradient(weights, nodes, deltas, scale, in_indices, gradient):
    """gradient[i] = scale * sum over nodes of delta * weight, at the stored inputs."""
    for i in range(len(in_indices)):
        gradient[i] = np.float32(0)
    for j in range(len(nodes)):
        w = weights[nodes[j]]
        delta = deltas[j]
        for i in range(len(in_indices)):
            gradient[i] += delta * w[np.uint32(in_indices[i])]
    for i in range(len(in_indices)):
        gradient[i] *= scale


@njit(parallel=False, cache=True, fastmath=False)
def _step(rule, weights, bias, state, bias_state, nodes, deltas, in_indices, in_data):
    for j in range(len(nodes)):
        node, delta = nodes[j], deltas[j]
        w = weights[node]
        if rule.code == 0:  # apart, because it keeps no state and its loop is so much shorter
            for k in range(len(in_indices)):
                w[np.uint32(in_indices[k])] -= rule.lr * (delta * in_data[k])
        else:
            for k in range(len(in_indices)):
                i = np.uint32(in_indices[k])
                w[i] = step_weight(rule, w[i], delta * in_data[k], state, node, i)
        bias[0, node] = step_weight(rule, bias[0, node], delta, bias_state, 0, node)


@njit(parallel=False, cache=True, fastmath={"contract"})
def _train_example(b, label, inputs, chosen, scales, layers, rule, scratch, live, outcomes):
    """One example: forward, backward from the output down, a step at each layer. Outcomes of one chunk."""
    in_indptr, in_indices, in_data = inputs
    indptr, active = chosen
    weights, bias, state, bias_state = layers
    nodes, values, places, gradient = scratch
    losses, hits, products = outcomes
    top = len(weights) - 1
    given, given_values = (
        in_indices[in_indptr[b] : in_indptr[b + 1]],
        in_data[in_indptr[b] : in_indptr[b + 1]],
    )
    below, below_values = given, given_values
    for h in range(top):
        mine = active[h][indptr[h][b] : indptr[h][b + 1]]
        n = _forward(
            weights[h], bias[h], scales[h], mine, below, below_values, nodes[h], values[h], places[h]
        )
        products[h, 0] += len(mine) * len(below)
        products[h, 1] += n * len(below)
        products[h, 2] += n
        live[h] = n
        below, below_values = nodes[h, :n], values[h, :n]
    n, n_below = len(weights[top]), len(below)
    for y in range(n):
        nodes[top, y] = y
        values[top, y] = dot_sparse(weights[top][y], below, below_values, 0, n_below) + bias[top][0, y]
    losses[b], hits[b] = softmax_row(values[top, :n], label, np.float32(1), gradient[top])
    products[top, 0] += n * len(below)
    products[top, 1] += n * len(below)
    products[top, 2] += n
    live[top] = n
    for h in range(top, -1, -1):
        n = live[h]
        below, below_values = given, given_values
        if h > 0:
            m = live[h - 1]
            below, below_values = nodes[h - 1, :m], values[h - 1, :m]
            _input_gradient(weights[h], nodes[h, :n], gradient[h, :n], scales[h - 1], below, gradient[h - 1])
        mine, own = nodes[h, :n], gradient[h, :n]
        _step(rule, weights[h], bias[h], state[h], bias_state[h], mine, own, below, below_values)


@njit(parallel=True, cache=True, fastmath=False)
def hogwild_round(inputs, labels, chosen, scales, layers, rule, threads, deltas, outcomes):
    """Train on each example by itself, `threads` at a time, the examples dealt out in turn.

    Symbols: B examples, H hidden layers, Y classes, C chunks = threads.

    Parameters
    ----------
    inputs : arrays of a CSR of B examples  indptr, indices, data; features that are not zero
    labels : int32[B]
    chosen : (H int64[B + 1], H int32[P])   indptr and indices of each hidden layer's active nodes
    scales : float32[H]                     what activations are multiplied by
    layers : Parameters of H + 1 layers     hidden ones, then the output; updated
    rule : Rule
    threads : int                           C
    deltas : H float32[P], out              gradient at the pre-activation of each chosen pair, of its own
                                            example's loss; zero where the node was not live
    outcomes : Outcomes, out                products must come as zeros

    With one thread the result is that of plain per-example SGD; with more it depends on timing.
    """
    in_indptr, in_indices, in_data = inputs
    indptr, active = chosen
    weights, bias, state, bias_state = layers
    losses, hits, products = outcomes
    n_hidden = len(indptr)
    longest = len(weights[n_hidden])
    for h in range(n_hidden):
        for b in range(len(labels)):
            longest = max(longest, indptr[h][b + 1] - indptr[h][b])
    # arrays and flat tuples alone may enter a prange, so they are unpacked before and packed again inside
    for c in prange(threads):
        nodes = np.empty((n_hidden + 1, longest), dtype=np.int32)
        values = np.empty((n_hidden + 1, longest), dtype=np.float32)
        places = np.empty((n_hidden + 1, longest), dtype=np.int32)
        gradient = np.empty((n_hidden + 1, longest), dtype=np.float32)
        live = np.zeros(n_hidden + 1, dtype=np.int64)
        for b in range(c, len(labels), threads):
            _train_example(
                b, labels[b], (in_indptr, in_indices, in_data), (indptr, active), scales,
                (weights, bias, state, bias_state), rule, (nodes, values, places, gradient), live,
                (losses, hits, products[c]),
            )  # fmt: skip
            for h in range(n_hidden):
                _put(deltas[h][indptr[h][b] : indptr[h][b + 1]], places[h], gradient[h], live[h])


def hogwild_round_cost(
    labels: IntArray,
    chosen: tuple[tuple[OffsetArray, ...], tuple[IntArray, ...]],
    scales: FloatArray,
    rule: Rule,
    outcomes: Outcomes,
) -> list[tuple[Work, Work, Work]]:
    """Forward pass, gradients and step of each layer; a weight row is fetched anew for each example.

    A step counts for each weight of a live node, also where its gradient is exactly zero and none is taken.
    """
    examples, top, made = len(labels), len(scales), outcomes.products.sum(axis=0).tolist()
    step, costs = rule.cost, []
    for h, (products, live, nodes) in enumerate(made):
        hidden, inputs = h < top, h > 0
        pairs = len(chosen[1][h]) if hidden else nodes
        scaled = hidden and scales[h] != 1
        # of a product an id, a value and a weight; of a live node its id and value, of a hidden one its place
        nbytes = (ID + 2 * VALUE) * products + (2 * ID + VALUE) * nodes
        if hidden:
            nbytes += (ID + VALUE) * pairs + (11 * OFFSET + VALUE) * examples
        else:
            nbytes += 5 * VALUE * nodes + (2 * VALUE + 1 + 7 * OFFSET) * examples  # softmax and loss
        if not inputs:
            nbytes += (ID + 4 * OFFSET) * examples + OFFSET * (top + 1)
        forward = Work(products + (pairs if scaled else 0), products, nbytes)
        nbytes = (ID + VALUE) * (live + nodes) + OFFSET * examples
        if inputs:  # a weight, an id, and a sum loaded and stored a product
            below = made[h - 1][2]
            nbytes += (ID + 3 * VALUE) * live + (ID + VALUE) * nodes + 3 * VALUE * below
            nbytes += (OFFSET + VALUE) * examples
        if hidden:  # gradients put to the places of all that were chosen
            nbytes += VALUE * pairs + (ID + 2 * VALUE) * nodes + 3 * OFFSET * examples
        both = live * (2 if inputs else 1)
        backward = Work(both + (nodes if scaled else 0), both, nbytes)
        stepped = live + nodes  # one bias a node
        moved = 2 * VALUE * (1 + step.slots) * stepped
        costs.append((forward, backward, Work(stepped * step.mults, stepped * step.adds, moved)))
    return costs


@njit(parallel=False, cache=True, fastmath=False)
def count_conflicts(indptr, indices, in_indptr, in_indices, seen, number, stamps):
    """Stamp the weights that a step changes, and count those that others changed since it read them.

    A step changes the weights between an example's nodes with a gradient and its inputs that are not zero.

    Symbols: B examples, P active pairs, Q entries of the input, D fan-in, N nodes.

    Parameters
    ----------
    indptr : int64[B + 1]; indices : int32[P]             nodes with a gradient, each once an example
    in_indptr : int64[B + 1]; in_indices : int32[Q]       inputs that are not zero
    seen : int                  number of the last step that was written when this one read its weights
    number : int > seen         of this step
    stamps : int32[N, D]        number of the last step that changed each weight; updated

    Returns the weights changed, and those of them whose stamp was above `seen`. Each counts once a step.
    """
    changed = 0
    conflicts = 0
    for b in range(len(indptr) - 1):
        for at in range(indptr[b], indptr[b + 1]):
            row = stamps[indices[at]]
            for k in range(in_indptr[b], in_indptr[b + 1]):
                last = row[in_indices[k]]
                changed += last != number
                conflicts += seen < last and last != number
                row[in_indices[k]] = number
    return changed, conflicts

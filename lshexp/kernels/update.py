"""Weight gradient and optimiser step in one visit to each weight row.

A chunk owns a block of nodes. For each node it sums the gradient over the node's examples in a buffer the
size of one row, then takes one step: the row is read and written once a batch whatever the batch size.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.arrays import CSC, FloatArray, OffsetArray
from lshexp.kernels._cost import ID, OFFSET, VALUE, filled, fours, grouped_products, groups_bytes
from lshexp.kernels.group import column_of
from lshexp.kernels.parallel import REASSOCIATE
from lshexp.kernels.step import Rule, step_row, step_weight, stepped_cost, summed_steps_cost
from lshexp.work import Work


@njit(parallel=False, cache=True, fastmath=REASSOCIATE)
def _gradient_row(x, examples, positions, deltas, first, last, gradient):
    """gradient[:] = sum of deltas * x over a node's examples, four at a time. Returns the sum of deltas."""
    gradient[:] = 0
    total = np.float32(0)
    whole = last - (last - first) % 4
    for at in range(first, whole, 4):
        a = x[examples[at]]
        b = x[examples[at + 1]]
        c = x[examples[at + 2]]
        d = x[examples[at + 3]]
        da = deltas[positions[at]]
        db = deltas[positions[at + 1]]
        dc = deltas[positions[at + 2]]
        dd = deltas[positions[at + 3]]
        for i in range(len(gradient)):
            gradient[i] += (da * a[i] + db * b[i]) + (dc * c[i] + dd * d[i])
        total += (da + db) + (dc + dd)
    for at in range(whole, last):
        a = x[examples[at]]
        da = deltas[positions[at]]
        for i in range(len(gradient)):
            gradient[i] += da * a[i]
        total += da
    return total


@njit(parallel=True, cache=True, fastmath=False)
def update_rows(x, deltas, by_node, bounds, rule, weights, bias, state, bias_state):
    """Step the rows of all nodes that served an example; input stored as rows.

    Symbols: B examples, D fan-in, N nodes, P pairs, S state slots, C chunks.

    Parameters
    ----------
    x : float32[B, D]
    deltas : float32[P]                 gradient of the batch loss at each pair's pre-activation
    by_node : CSC of N columns
    bounds : int64[C + 1]               chunks of groups
    rule : Rule
    weights : float32[N, D], bias : float32[1, N]                    updated
    state : float32[S, N, D], bias_state : float32[S, 1, N]          updated

    Returns the number of weights stepped, biases not included: D for each node that served an example.
    """
    indptr, examples, positions, columns = by_node
    fan_in = weights.shape[1]
    stepped = 0
    for c in prange(len(bounds) - 1):
        gradient = np.empty(fan_in, dtype=np.float32)
        for group in range(bounds[c], bounds[c + 1]):
            first, last = indptr[group], indptr[group + 1]
            if first == last:
                continue
            node = column_of(columns, group)
            bias_gradient = _gradient_row(x, examples, positions, deltas, first, last, gradient)
            step_row(rule, weights[node], gradient, state, node)
            bias[0, node] = step_weight(rule, bias[0, node], bias_gradient, bias_state, 0, node)
            stepped += fan_in
    return stepped


def update_rows_cost(
    by_node: CSC,
    rule: Rule,
    weights: FloatArray,
    returned: int,
) -> tuple[Work, Work]:
    """Gradient and step: an input for each product, and the sums loaded and stored once a pass."""
    fan_in, pairs = weights.shape[1], len(by_node[1])
    gradient = summed_rows_cost(by_node[0], pairs, fan_in) + Work(0, pairs, groups_bytes(by_node))
    step = stepped_cost(rule, returned)
    return gradient, step + summed_steps_cost(rule, returned // fan_in)  # and one bias a row


def summed_rows_cost(indptr: OffsetArray, pairs: int, width: int) -> Work:
    """Sums of the examples' rows of the nodes that begin at `indptr`, each weighed by its delta."""
    sums = (filled(indptr) + 2 * fours(indptr)) * width
    return Work(pairs * width, pairs * width, VALUE * (pairs * width + sums) + (2 * ID + VALUE) * pairs)


@njit(parallel=True, cache=True, fastmath=False)
def descend_rows(x, deltas, by_node, bounds, rate, rows):
    """rows[node] -= rate * sum of deltas * x over the node's examples, as a plain gradient step does.

    Parameters
    ----------
    x : float32[B, M]
    deltas : float32[P]
    by_node : CSC of N columns
    bounds : int64[C + 1]               chunks of groups
    rate : float32
    rows : float32[N, M], updated       untouched where a node served no example

    Cost: M * (P + nodes that served) multiplications.
    """
    indptr, examples, positions, columns = by_node
    for c in prange(len(bounds) - 1):
        gradient = np.empty(rows.shape[1], dtype=np.float32)
        for group in range(bounds[c], bounds[c + 1]):
            first, last = indptr[group], indptr[group + 1]
            if first < last:
                node = column_of(columns, group)
                _gradient_row(x, examples, positions, deltas, first, last, gradient)
                for i in range(len(gradient)):
                    rows[node, i] -= rate * gradient[i]


def descend_rows_cost(by_node: CSC, rows: FloatArray) -> Work:
    """The gradient of the nodes' rows; then sum and row loaded, and the row stored."""
    width = rows.shape[1]
    moved = filled(by_node[0]) * width
    return summed_rows_cost(by_node[0], len(by_node[1]), width) + Work(
        moved, moved, 3 * VALUE * moved + groups_bytes(by_node)
    )


@njit(parallel=True, cache=True, fastmath=False)
def update_by_input(in_data, deltas, by_input, bounds, rule, columns, state):
    """Step the weights from every stored input to all nodes; weights stored by input, every node active.

    Symbols: B examples, D fan-in, N nodes, Q entries of the input, S state slots, C chunks.

    Parameters
    ----------
    in_data : float32[Q]                values of the stored inputs
    deltas : float32[B, N]              gradient of the batch loss at the pre-activations
    by_input : CSC of D columns         the input grouped by column
    bounds : int64[C + 1]               chunks of groups
    rule : Rule
    columns : float32[D, N], updated    untouched where no example stores the input
    state : float32[S, D, N], updated

    Returns the number of weights stepped: N for each input that an example stores.
    Cost: N * Q multiplications, and the steps. Rows are read and written whole and in order.
    """
    indptr, examples, positions, listed = by_input
    nodes = columns.shape[1]
    stepped = 0
    for c in prange(len(bounds) - 1):
        gradient = np.empty(nodes, dtype=np.float32)
        for group in range(bounds[c], bounds[c + 1]):
            first, last = indptr[group], indptr[group + 1]
            if first < last:
                d = column_of(listed, group)
                _gradient_row(deltas, examples, positions, in_data, first, last, gradient)
                step_row(rule, columns[d], gradient, state, d)
                stepped += nodes
    return stepped


def update_by_input_cost(
    by_input: CSC,
    rule: Rule,
    columns: FloatArray,
    returned: int,
) -> tuple[Work, Work]:
    """Gradient and step: a delta for each product, and the sums loaded and stored once a pass."""
    nodes = columns.shape[1]
    gradient = summed_rows_cost(by_input[0], len(by_input[1]), nodes) + Work(0, 0, groups_bytes(by_input))
    return gradient, stepped_cost(rule, returned)


@njit(parallel=False, cache=True, fastmath=False)
def _step_touched(rule, w, gradient, state, node, touched, packed, packed_state):
    """Step the touched weights of a row, packed so that the arithmetic is vectorised; zero `gradient`."""
    n = len(touched)
    n_state = len(state)
    for t in range(n):
        i = np.uint32(touched[t])
        packed[0, t] = w[i]
        packed[1, t] = gradient[i]
        gradient[i] = np.float32(0)
    for s in range(n_state):
        for t in range(n):
            packed_state[s, 0, t] = state[s, node, touched[t]]
    step_row(rule, packed[0, :n], packed[1, :n], packed_state, 0)
    for t in range(n):
        w[np.uint32(touched[t])] = packed[0, t]
    for s in range(n_state):
        for t in range(n):
            state[s, node, touched[t]] = packed_state[s, 0, t]


@njit(parallel=True, cache=True, fastmath=False)
def update_csr(in_indptr, in_indices, in_data, deltas, by_node, bounds, rule, weights, state):
    """Step, of all nodes that served an example, the weights whose input was stored in one of them.

    Symbols: B examples, D fan-in, N nodes, P pairs, S state slots, C chunks.

    Parameters
    ----------
    in_indptr : int64[B + 1]; in_indices : int32[:]; in_data : float32[:]      the layer's input
    deltas : float32[P]
    by_node : CSC of N columns
    bounds : int64[C + 1]               chunks of groups
    rule : Rule
    weights : float32[N, D], updated
    state : float32[S, N, D], updated

    Returns the number of weights stepped.
    Cost: the input entries of the node's examples, never its fan-in; the stamps are not cleared between
    nodes.
    """
    indptr, examples, positions, columns = by_node
    n_state, _, fan_in = state.shape
    stepped = 0
    for c in prange(len(bounds) - 1):
        gradient = np.zeros(fan_in, dtype=np.float32)  # all zero between nodes
        stamps = np.full(fan_in, -1, dtype=np.int32)  # the last node that touched this input
        touched = np.empty(fan_in + 1, dtype=np.int32)
        packed = np.empty((2, fan_in), dtype=np.float32)
        packed_state = np.empty((n_state, 1, fan_in), dtype=np.float32)
        for group in range(bounds[c], bounds[c + 1]):
            first, last = indptr[group], indptr[group + 1]
            if first == last:
                continue
            node = np.int32(column_of(columns, group))
            n = np.uint64(0)
            for at in range(first, last):
                b = np.uint32(examples[at])  # unsigned: no test for being below zero
                delta = deltas[np.uint32(positions[at])]
                k, end = np.uint64(in_indptr[b]), np.uint64(in_indptr[b + np.uint32(1)])
                while k < end:
                    i = np.uint32(in_indices[k])
                    gradient[i] += delta * in_data[k]
                    # written always, kept if new: a branch here would be mispredicted half the time
                    touched[n] = i
                    n += np.uint64(stamps[i] != node)
                    stamps[i] = node
                    k += np.uint64(1)
            _step_touched(rule, weights[node], gradient, state, node, touched[:n], packed, packed_state)
            stepped += np.int64(n)
    return stepped


def update_csr_cost(
    in_indptr: OffsetArray,
    by_node: CSC,
    rule: Rule,
    state: FloatArray,
    returned: int,
) -> tuple[Work, Work]:
    """Gradient and step: sums and stamps for each product, then each weight packed, stepped and put back."""
    examples = by_node.indices
    products, pairs = grouped_products(examples, in_indptr), len(examples)
    slots, _, fan_in = state.shape
    buffers = (VALUE + ID) * fan_in + groups_bytes(by_node)
    of_product = ID + VALUE + 2 * VALUE + 3 * ID
    gradient = of_product * products + (2 * ID + VALUE + 2 * OFFSET) * pairs + buffers
    packing = (ID + 5 * VALUE) + (ID + 2 * VALUE) + slots * 2 * (ID + 2 * VALUE)
    return Work(products, products, gradient), stepped_cost(rule, returned) + Work(0, 0, packing * returned)


@njit(parallel=True, cache=True, fastmath=False)
def step_bias(deltas, by_node, bounds, rule, bias, state):
    """Step the biases of all nodes that served an example.

    Parameters as in `update_csr`, and
    ----------
    bias : float32[1, N], updated
    state : float32[S, 1, N], updated
    """
    indptr, _, positions, columns = by_node
    for c in prange(len(bounds) - 1):
        for group in range(bounds[c], bounds[c + 1]):
            first, last = indptr[group], indptr[group + 1]
            if first == last:
                continue
            node = column_of(columns, group)
            gradient = np.float32(0)
            for at in range(first, last):
                gradient += deltas[positions[at]]
            bias[0, node] = step_weight(rule, bias[0, node], gradient, state, 0, node)


def step_bias_cost(by_node: CSC, rule: Rule) -> tuple[Work, Work]:
    """Gradient and step: the deltas of each node summed, then one bias a node that served an example."""
    indptr, _, positions, _ = by_node
    gradient = Work(0, len(positions), (ID + VALUE) * len(positions) + groups_bytes(by_node))
    return gradient, summed_steps_cost(rule, filled(indptr))

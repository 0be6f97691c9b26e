"""A layer whose weights are stored by input, for inputs that come as lists.

Row d holds the weights from input d to every node. An example with Q live inputs touches Q rows, whole and in
order for the scores of all nodes, and at the places of its active nodes for gradient and step. So the scores
of all nodes cost Q * N multiplications at the speed of reading memory, where the same weights stored by node
would be gathered one by one.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.kernels._flags import REASSOCIATE
from lshexp.kernels.forward import dot_listed


@njit(parallel=False, cache=True, fastmath=REASSOCIATE)
def _add8(total, rows, v):
    """Add eight weighted rows to `total` in one pass."""
    a, b, c, d, e, f, g, h = rows
    for i in range(len(total)):
        total[i] += ((v[0] * a[i] + v[1] * b[i]) + (v[2] * c[i] + v[3] * d[i])) + (
            (v[4] * e[i] + v[5] * f[i]) + (v[6] * g[i] + v[7] * h[i])
        )


@njit(parallel=True, cache=True, fastmath=REASSOCIATE)
def scan_lists(in_starts, in_nodes, in_values, columns, bias, bounds, scores):
    """Scores of every node: scores[b] = bias + sum of value * columns[input] over the example's inputs.

    Symbols: B examples, D fan-in, N nodes, Q listed inputs, C chunks.

    Parameters
    ----------
    in_starts : int64[B + 1]; in_nodes : int32[Q]; in_values : float32[Q]      the layer's input
    columns : float32[D, N]             weights by input
    bias : float32[N]
    bounds : int64[C + 1]               chunks of examples
    scores : float32[B, N], out

    Cost: Q * N multiplications. The pass over an example's scores is shared by eight inputs.
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            total = scores[b]
            total[:] = bias
            first, last = in_starts[b], in_starts[b + 1]
            whole = last - (last - first) % 8
            for at in range(first, whole, 8):
                rows = (
                    columns[in_nodes[at]], columns[in_nodes[at + 1]],
                    columns[in_nodes[at + 2]], columns[in_nodes[at + 3]],
                    columns[in_nodes[at + 4]], columns[in_nodes[at + 5]],
                    columns[in_nodes[at + 6]], columns[in_nodes[at + 7]],
                )  # fmt: skip
                _add8(total, rows, in_values[at : at + 8])
            for at in range(whole, last):
                row = columns[in_nodes[at]]
                value = in_values[at]
                for i in range(len(total)):
                    total[i] += value * row[i]


@njit(parallel=True, cache=True, fastmath=False)
def input_gradient_by_input(groups, starts, nodes, deltas, columns, bounds, gradient):
    """Gradient at the listed inputs: gradient[slot] = columns[input] . deltas over the active nodes.

    Symbols: B examples, D fan-in, N nodes, P pairs, Q listed inputs, C chunks.

    Parameters
    ----------
    groups : Groups of D inputs             which examples list each input, and where
    starts : int64[B + 1]; nodes : int32[P]; deltas : float32[P]           active nodes of each example
    columns : float32[D, N]
    bounds : int64[C + 1]                   chunks of inputs
    gradient : float32[Q], out

    Cost: sum over examples of active nodes x listed inputs.
    """
    group_starts, examples, slots = groups
    for c in prange(len(bounds) - 1):
        for d in range(bounds[c], bounds[c + 1]):
            row = columns[d]
            for at in range(group_starts[d], group_starts[d + 1]):
                b = examples[at]
                active = slice(starts[b], starts[b + 1])
                gradient[slots[at]] = dot_listed(row, nodes[active], deltas[active])


@njit(parallel=True, cache=True, fastmath={"contract"})
def descend_by_input(groups, in_values, starts, nodes, deltas, rate, columns, bounds):
    """Take the steps of plain SGD: columns[input, node] -= (rate * value) * delta, example by example.

    Nothing is summed first, as every term goes to its weight with one multiplication and one subtraction.

    Parameters as in `input_gradient_by_input`, and
    ----------
    in_values : float32[Q]                  values of the listed inputs
    rate : float32
    columns : float32[D, N], updated

    Cost: as there, and one multiplication a listed input.
    """
    group_starts, examples, slots = groups
    for c in prange(len(bounds) - 1):
        for d in range(bounds[c], bounds[c + 1]):
            row = columns[d]
            for at in range(group_starts[d], group_starts[d + 1]):
                b = examples[at]
                factor = rate * in_values[slots[at]]
                for k in range(starts[b], starts[b + 1]):
                    row[np.uint32(nodes[k])] -= factor * deltas[k]

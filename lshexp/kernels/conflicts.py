"""Which of a step's writes meet the writes of others."""

from __future__ import annotations

from numba import njit


@njit(parallel=False, cache=True, fastmath=False)
def count_conflicts(starts, nodes, in_starts, in_nodes, seen, number, stamps):
    """Stamp the weights that a step changes, and count those that others changed since it read them.

    A step changes the weights between an example's nodes with a gradient and its inputs that are not zero.

    Symbols: B examples, P and Q listed pairs, D fan-in, N nodes.

    Parameters
    ----------
    starts : int64[B + 1]; nodes : int32[P]             nodes with a gradient, each once an example
    in_starts : int64[B + 1]; in_nodes : int32[Q]       inputs that are not zero
    seen : int                  number of the last step that was written when this one read its weights
    number : int > seen         of this step
    stamps : int32[N, D]        number of the last step that changed each weight; updated

    Returns the weights changed, and those of them whose stamp was above `seen`. Each counts once a step.
    """
    changed = 0
    conflicts = 0
    for b in range(len(starts) - 1):
        for at in range(starts[b], starts[b + 1]):
            row = stamps[nodes[at]]
            for k in range(in_starts[b], in_starts[b + 1]):
                last = row[in_nodes[k]]
                changed += last != number
                conflicts += seen < last and last != number
                row[in_nodes[k]] = number
    return changed, conflicts

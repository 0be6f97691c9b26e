"""Which of a step's writes meet the writes of others."""

from __future__ import annotations

from numba import njit


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

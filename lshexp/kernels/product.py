"""Scores that are sums of two: the largest of all pairs are found without forming all sums."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.arrays import FloatArray, IntArray
from lshexp.kernels._cost import ID, OFFSET, VALUE
from lshexp.work import Work


def pairs_to_form(k: int, first: int, second: int) -> int:
    """Sums that `leading_sums` forms for an example to find the k largest of first x second pairs."""
    return sum(min(second, k // (i + 1)) for i in range(min(first, k)))


@njit(parallel=True, cache=True, fastmath=False)
def leading_sums(first, second, k, bounds, indices, data):
    """Sums of pairs among which the k largest sums of each example are.

    Of a pair whose members stand at the i-th and j-th place of their own order, counted from 1, all i * j
    pairs of members at least as good have sums at least as large. So the k largest are among those with
    i * j <= k: some k * log(k) sums, however many members there are.

    Symbols: B examples, M and N members, C chunks, S = `pairs_to_form(k, M, N)`, 1 <= k <= M * N.

    Parameters
    ----------
    first : float32[B, M]; second : float32[B, N]       scores of the members
    bounds : int64[C + 1]                               chunks of examples
    indices : int32[B * S], out                         pair (m, n) is number m * N + n
    data : float32[B * S], out                          its sum
    """
    each = len(indices) // max(1, len(first))
    n_second = second.shape[1]
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            best_first = np.argsort(-first[b], kind="mergesort")
            best_second = np.argsort(-second[b], kind="mergesort")
            at = b * each
            for i in range(min(len(best_first), k)):
                m = best_first[i]
                score = first[b, m]
                for j in range(min(n_second, k // (i + 1))):
                    n = best_second[j]
                    indices[at] = m * n_second + n
                    data[at] = score + second[b, n]
                    at += 1


def leading_sums_cost(first: FloatArray, second: FloatArray, k: int, indices: IntArray) -> Work:
    """Both orders; of a pair the place and score of one member, and its number and sum stored."""
    examples, members = len(first), first.shape[1] + second.shape[1]
    ordered = (4 * VALUE - VALUE + OFFSET) * members  # negated, read, and the order stored
    outer = (OFFSET + VALUE) * min(first.shape[1], k)
    of_pair = OFFSET + VALUE + ID + VALUE
    return Work(0, len(indices), examples * (ordered + outer) + of_pair * len(indices))

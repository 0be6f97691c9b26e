"""The k largest of many values: of a row of scores, or of the entries of a CSR row.

Ties go to what comes first, NaN counts as the smallest, order is kept, and examples are handled in parallel.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

SAMPLED = 8  # one value in so many is looked at to guess which may be among the largest
WORTH_SAMPLING = 256  # values


@njit(parallel=False, cache=True, fastmath=False)
def kth_largest(values, k):
    """Return the k-th largest of a contiguous float32 array, 1 <= k <= len(values); overwrites `values`.

    Values must not be NaN. Bisection over the numbers' bit patterns: some 30 passes that only count, in
    vector registers, where the comparisons of a quickselect are mispredicted half the time; it ends as soon
    as a bound lets exactly k numbers pass.
    """
    keys = values.view(np.int32)
    smallest = np.int32(2147483647)
    largest = np.int32(-2147483648)
    for i in range(len(keys)):
        # flipping the magnitude of negative numbers makes the order of integers that of floats
        key = keys[i] ^ ((keys[i] >> np.int32(31)) & np.int32(2147483647))
        keys[i] = key
        smallest = min(smallest, key)
        largest = max(largest, key)
    low, high = np.int64(smallest), np.int64(largest)
    while low < high:
        middle = np.int32((low + high + 1) >> 1)
        count = np.int32(0)
        for i in range(len(keys)):
            count += np.int32(keys[i] >= middle)
        if count == k:
            least = np.int32(2147483647)
            for i in range(len(keys)):
                least = min(least, keys[i] if keys[i] >= middle else np.int32(2147483647))
            low = high = np.int64(least)
        elif count > k:
            low = np.int64(middle)
        else:
            high = np.int64(middle) - 1
    found = np.int32(low)
    keys[0] = found ^ ((found >> np.int32(31)) & np.int32(2147483647))
    return values[0]


@njit(parallel=False, cache=True, fastmath=False)
def _shortlist(values, k, scratch, places):
    """Write the places of all values that may be among the k largest, and return how many there are.

    The rank that a sample gives to about one and a half times k is the bound to reach. Should fewer than k
    reach it, and with few values, all places are written.
    """
    n_values = len(values)
    n_sampled = n_values // SAMPLED
    rank = k // SAMPLED + k // (2 * SAMPLED) + 4
    if n_values >= WORTH_SAMPLING and rank < n_sampled:
        for i in range(n_sampled):
            value = values[SAMPLED * i]
            scratch[i] = np.float32(-np.inf) if np.isnan(value) else value
        bound = kth_largest(scratch[:n_sampled], rank)
        if bound > np.float32(-np.inf):
            n = np.uint32(0)
            for i in range(n_values):
                places[n] = i  # written always, kept if wanted: a branch would be mispredicted too often
                n += np.uint32(values[i] >= bound)
            if n >= k:
                return np.int64(n)
    for i in range(n_values):
        places[i] = i
    return n_values


@njit(parallel=False, cache=True, fastmath=False)
def _top_places(values, k, scratch, places):
    """Write the places of the k largest values, ascending, to places[:k].

    scratch : float32[>= n], places : int32[>= n + 1], for n values, k <= n.
    """
    n_listed = _shortlist(values, k, scratch, places)
    for i in range(n_listed):
        value = values[np.uint32(places[i])]
        scratch[i] = np.float32(-np.inf) if np.isnan(value) else value
    threshold = kth_largest(scratch[:n_listed], k)
    above = 0
    for i in range(n_listed):
        above += values[np.uint32(places[i])] > threshold
    ties = k - above
    n = np.uint32(0)
    for i in range(n_listed):
        place = places[i]
        value = values[np.uint32(place)]
        value = np.float32(-np.inf) if np.isnan(value) else value
        places[n] = place  # as above
        tie = np.int64(value == threshold) & np.int64(ties > 0)
        ties -= tie
        n += np.uint32(np.int64(value > threshold) | tie)


@njit(parallel=True, cache=True, fastmath=False)
def top_k_rows(scores, k, bounds, indices, data):
    """The k nodes of largest score for each example; ties go to the lowest id, NaN counts as the smallest.

    Symbols: B examples, N nodes, C chunks, 1 <= k <= N.

    Parameters
    ----------
    scores : float32[B, N]
    bounds : int64[C + 1]               chunks of examples
    indices : int32[B * k], out           ids ascending; example b has the k from b * k
    data : float32[B * k], out        their scores
    """
    n_nodes = scores.shape[1]
    for c in prange(len(bounds) - 1):
        scratch = np.empty(n_nodes, dtype=np.float32)
        places = np.empty(n_nodes + 1, dtype=np.int32)
        for b in range(bounds[c], bounds[c + 1]):
            row = scores[b]
            _top_places(row, k, scratch, places)
            for i in range(k):
                indices[b * k + i] = places[i]
                data[b * k + i] = row[np.uint32(places[i])]


@njit(parallel=True, cache=True, fastmath=False)
def top_k_csr(indptr, indices, data, k, bounds, out_indptr, out_indices, out_data):
    """The k pairs of largest value of each example, or all of them where there are no more than k.

    Ties go to the pair that comes first, NaN counts as the smallest; the order of the row is kept.

    Parameters
    ----------
    indptr : int64[B + 1]; indices : int32[P]; data : float32[P]
    k : int >= 1
    bounds : int64[C + 1]               chunks of examples
    out_indptr : int64[B + 1]           running total of min(k, length); set by the caller
    out_indices : int32[out_indptr[B]], out_data : float32[out_indptr[B]], out
    """
    for c in prange(len(bounds) - 1):
        longest = 0
        for b in range(bounds[c], bounds[c + 1]):
            longest = max(longest, indptr[b + 1] - indptr[b])
        scratch = np.empty(longest, dtype=np.float32)
        places = np.empty(longest + 1, dtype=np.int32)
        for b in range(bounds[c], bounds[c + 1]):
            own_indices, own_data = indices[indptr[b] : indptr[b + 1]], data[indptr[b] : indptr[b + 1]]
            at = out_indptr[b]
            if len(own_indices) <= k:
                for i in range(len(own_indices)):
                    places[i] = i
            else:
                _top_places(own_data, k, scratch, places)
            for i in range(out_indptr[b + 1] - at):
                place = np.uint32(places[i])
                out_indices[at + i] = own_indices[place]
                out_data[at + i] = own_data[place]

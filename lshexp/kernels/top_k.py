"""The k largest of many values: of a row of scores, or of the entries of a CSR row.

Ties go to what comes first, NaN counts as the smallest, order is kept, and examples are handled in parallel.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.arrays import FloatArray, IntArray, OffsetArray
from lshexp.kernels._cost import ID, OFFSET, VALUE
from lshexp.work import Work

SAMPLED = 8  # one value in so many is looked at to guess which may be among the largest
WORTH_SAMPLING = 256  # values


@njit(parallel=False, cache=True, fastmath=False)
def kth_largest(values, k):
    """Return the k-th largest of a contiguous float32 array, 1 <= k <= len(values), and the passes it took.

    `values` is overwritten.

    Values must not be NaN. Bisection over the numbers' bit patterns: some 30 passes that only count, in
    vector registers, where the comparisons of a quickselect are mispredicted half the time; it ends as soon
    as a bound lets exactly k numbers pass.
    """
    keys = values.view(np.int32)
    smallest = np.int32(2147483647)
    largest = np.int32(-2147483648)
    for i in range(len(keys)):
        # flipping the magnitude of negative numbers makes the order of integers that of floats
        bits = keys[i]
        key = bits ^ ((bits >> np.int32(31)) & np.int32(2147483647))
        keys[i] = key
        smallest = min(smallest, key)
        largest = max(largest, key)
    low, high = np.int64(smallest), np.int64(largest)
    n_passes = 0
    while low < high:
        n_passes += 1
        middle = np.int32((low + high + 1) >> 1)
        count = np.int32(0)
        for i in range(len(keys)):
            count += np.int32(keys[i] >= middle)
        if count == k:
            n_passes += 1
            least = np.int32(2147483647)
            for i in range(len(keys)):
                key = keys[i]
                least = min(least, key if key >= middle else np.int32(2147483647))
            low = high = np.int64(least)
        elif count > k:
            low = np.int64(middle)
        else:
            high = np.int64(middle) - 1
    found = np.int32(low)
    keys[0] = found ^ ((found >> np.int32(31)) & np.int32(2147483647))
    return values[0], n_passes


def kth_largest_cost(values: FloatArray, returned: tuple[float, int]) -> Work:
    """Values turned into keys in place, then read once a pass; the answer written and read back."""
    return Work(0, 0, VALUE * (len(values) * (2 + returned[1]) + 2))


@njit(parallel=True, cache=True, fastmath=False)
def kth_largest_of_columns(values, k, bounds, scratch, found):
    """The k-th largest of each column; returns the passes that `kth_largest` took, over all columns.

    Parameters
    ----------
    values : float32[B, N]              none is NaN
    k : int                             1 <= k <= B
    bounds : int64[C + 1]               chunks of columns
    scratch : float32[C, B], scratch
    found : float32[N], out
    """
    passes = 0
    for c in prange(len(bounds) - 1):
        own = scratch[c]
        for column in range(bounds[c], bounds[c + 1]):
            for b in range(len(own)):
                own[b] = values[b, column]
            value, more = kth_largest(own, k)
            found[column] = value
            passes += more
    return passes


def kth_largest_of_columns_cost(values: FloatArray, returned: int) -> Work:
    """Of each column a copy, what `kth_largest` takes, and the answer stored."""
    examples, columns = values.shape
    read = examples * (4 * columns + returned)  # copied, turned into keys, read once a pass
    return Work(0, 0, VALUE * (read + 3 * columns))


@njit(parallel=False, cache=True, fastmath=False)
def _shortlist(values, k, scratch, places):
    """Write the places of all values that may be among the k largest; return how many, and elements touched.

    The rank that a sample gives to about one and a half times k is the bound to reach. Should fewer than k
    reach it, and with few values, all places are written.
    """
    n_values = len(values)
    n_sampled = n_values // SAMPLED
    rank = k // SAMPLED + k // (2 * SAMPLED) + 4
    touched = 0
    if n_values >= WORTH_SAMPLING and rank < n_sampled:
        for i in range(n_sampled):
            value = values[SAMPLED * i]
            scratch[i] = np.float32(-np.inf) if np.isnan(value) else value
        bound, n_passes = kth_largest(scratch[:n_sampled], rank)
        touched += n_sampled * (4 + n_passes) + 2
        if bound > np.float32(-np.inf):
            n = np.uint32(0)
            for i in range(n_values):
                places[n] = i  # written always, kept if wanted: a branch would be mispredicted too often
                n += np.uint32(values[i] >= bound)
            touched += 2 * n_values
            if n >= k:
                return np.int64(n), touched
    for i in range(n_values):
        places[i] = i
    return n_values, touched + n_values


@njit(parallel=False, cache=True, fastmath=False)
def _break_ties(values, places, n_listed, threshold, ties):
    """Keep, of the places listed, those above the threshold and the first `ties` that are equal to it."""
    n = np.uint32(0)
    for i in range(n_listed):
        place = places[i]
        value = values[np.uint32(place)]
        value = np.float32(-np.inf) if np.isnan(value) else value
        places[n] = place  # as in `_shortlist`
        tie = np.int64(value == threshold) & np.int64(ties > 0)
        ties -= tie
        n += np.uint32(np.int64(value > threshold) | tie)


@njit(parallel=False, cache=True, fastmath=False)
def _top_places(values, k, scratch, places):
    """Write the places of the k largest values, ascending, to places[:k]; return the elements touched.

    scratch : float32[>= n], places : int32[>= n + 1], for n values, k <= n.
    """
    n_listed, touched = _shortlist(values, k, scratch, places)
    for i in range(n_listed):
        value = values[np.uint32(places[i])]
        scratch[i] = np.float32(-np.inf) if np.isnan(value) else value
    threshold, n_passes = kth_largest(scratch[:n_listed], k)
    above, reached = np.int32(0), np.int32(0)
    for i in range(n_listed):
        value = values[np.uint32(places[i])]
        above += np.int32(value > threshold)
        reached += np.int32(value >= threshold)
    if reached == k and threshold > np.float32(-np.inf):  # no ties to break
        n = np.uint32(0)
        for i in range(n_listed):
            place = places[i]
            places[n] = place  # as above
            n += np.uint32(values[np.uint32(place)] >= threshold)
    else:
        _break_ties(values, places, n_listed, threshold, k - above)
    return touched + n_listed * (3 + 2 + n_passes + 2 + 3) + 2


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

    Returns the elements of four bytes that finding the places has loaded and stored.
    """
    n_nodes = scores.shape[1]
    touched = 0
    for c in prange(len(bounds) - 1):
        scratch = np.empty(n_nodes, dtype=np.float32)
        places = np.empty(n_nodes + 1, dtype=np.int32)
        for b in range(bounds[c], bounds[c + 1]):
            row = scores[b]
            touched += _top_places(row, k, scratch, places)
            for i in range(k):
                place = places[i]
                indices[b * k + i] = place
                data[b * k + i] = row[np.uint32(place)]
    return touched


def top_k_rows_cost(indices: IntArray, returned: int) -> Work:
    """As `taken_cost`."""
    return taken_cost(len(indices), returned)


def taken_cost(taken: int, touched: int) -> Work:
    """The passes that find the places; then place and score loaded, id and score stored."""
    return Work(0, 0, VALUE * touched + 2 * (ID + VALUE) * taken)


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

    Returns the elements of four bytes that finding the places has loaded and stored.
    """
    touched = 0
    for c in prange(len(bounds) - 1):
        longest = 0
        for b in range(bounds[c], bounds[c + 1]):
            longest = max(longest, indptr[b + 1] - indptr[b])
        scratch = np.empty(longest, dtype=np.float32)
        places = np.empty(longest + 1, dtype=np.int32)
        for b in range(bounds[c], bounds[c + 1]):
            first, last = indptr[b], indptr[b + 1]
            own_indices, own_data = indices[first:last], data[first:last]
            at = out_indptr[b]
            if len(own_indices) <= k:
                for i in range(len(own_indices)):
                    places[i] = i
                touched += len(own_indices)
            else:
                touched += _top_places(own_data, k, scratch, places)
            for i in range(out_indptr[b + 1] - at):
                place = np.uint32(places[i])
                out_indices[at + i] = own_indices[place]
                out_data[at + i] = own_data[place]
    return touched


def top_k_csr_cost(indptr: OffsetArray, out_indptr: OffsetArray, returned: int) -> Work:
    """As `top_k_rows_cost`, with an id for each pair, and where the lists of each example lie."""
    of_pair = 3 * ID + 2 * VALUE
    return Work(0, 0, VALUE * returned + of_pair * int(out_indptr[-1]) + 6 * OFFSET * (len(indptr) - 1))

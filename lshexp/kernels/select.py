"""Selection by activation or by chance: top-k, thresholds and Bernoulli draws.

Every kernel here fills a Lists whose rows stand at a fixed stride or are packed by counts known before, so
that examples are handled in parallel and the result does not depend on the thread count. Node ids ascend.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.kernels.rng import mix, uniform


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


@njit(parallel=True, cache=True, fastmath=False)
def top_k_rows(scores, k, bounds, nodes, values):
    """The k nodes of largest score for each example; ties go to the lowest id, NaN counts as the smallest.

    Symbols: B examples, N nodes, C chunks, 1 <= k <= N.

    Parameters
    ----------
    scores : float32[B, N]
    bounds : int64[C + 1]               chunks of examples
    nodes : int32[B * k], out           ids ascending; example b has the k from b * k
    values : float32[B * k], out        their scores
    """
    n_nodes = scores.shape[1]
    for c in prange(len(bounds) - 1):
        scratch = np.empty(n_nodes, dtype=np.float32)
        for b in range(bounds[c], bounds[c + 1]):
            row = scores[b]
            for node in range(n_nodes):
                scratch[node] = np.float32(-np.inf) if np.isnan(row[node]) else row[node]
            threshold = kth_largest(scratch, k)
            above = 0
            for node in range(n_nodes):
                above += row[node] > threshold
            ties = k - above
            at = b * k
            for node in range(n_nodes):
                value = np.float32(-np.inf) if np.isnan(row[node]) else row[node]
                take = value > threshold
                if value == threshold and ties > 0:
                    take = True
                    ties -= 1
                if take:
                    nodes[at] = node
                    values[at] = row[node]
                    at += 1


@njit(parallel=True, cache=True, fastmath=False)
def top_k_lists(starts, nodes, values, k, bounds, out_starts, out_nodes, out_values):
    """The k pairs of largest value of each example, or all of them where there are no more than k.

    Ties go to the pair that is listed first, NaN counts as the smallest; the order of the list is kept.

    Parameters
    ----------
    starts : int64[B + 1]; nodes : int32[P]; values : float32[P]
    k : int >= 1
    bounds : int64[C + 1]               chunks of examples
    out_starts : int64[B + 1]           running total of min(k, length); set by the caller
    out_nodes : int32[out_starts[B]], out_values : float32[out_starts[B]], out
    """
    for c in prange(len(bounds) - 1):
        longest = 0
        for b in range(bounds[c], bounds[c + 1]):
            longest = max(longest, starts[b + 1] - starts[b])
        scratch = np.empty(longest, dtype=np.float32)
        kept_nodes = np.empty(k + 1, dtype=np.int32)
        kept_values = np.empty(k + 1, dtype=np.float32)
        for b in range(bounds[c], bounds[c + 1]):
            first, length = starts[b], starts[b + 1] - starts[b]
            at = out_starts[b]
            if length <= k:
                for i in range(length):
                    out_nodes[at + i] = nodes[first + i]
                    out_values[at + i] = values[first + i]
                continue
            for i in range(length):
                scratch[i] = np.float32(-np.inf) if np.isnan(values[first + i]) else values[first + i]
            threshold = kth_largest(scratch[:length], k)
            above = 0
            for i in range(length):
                above += values[first + i] > threshold
            ties = k - above
            n = np.uint64(0)
            for i in range(length):
                value = np.float32(-np.inf) if np.isnan(values[first + i]) else values[first + i]
                # written always, kept if wanted: a branch here would be mispredicted half the time
                kept_nodes[n] = nodes[first + i]
                kept_values[n] = values[first + i]
                tie = np.int64(value == threshold) & np.int64(ties > 0)
                ties -= tie
                n += np.uint64(np.int64(value > threshold) | tie)
            out_nodes[at : at + k] = kept_nodes[:k]
            out_values[at : at + k] = kept_values[:k]


@njit(parallel=True, cache=True, fastmath=False)
def count_above(scores, thresholds, bounds, counts):
    """Count, for each example, the nodes whose score reaches their threshold.

    Parameters
    ----------
    scores : float32[B, N]; thresholds : float32[N]
    bounds : int64[C + 1]               chunks of examples
    counts : int64[B], out
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            count = 0
            for node in range(scores.shape[1]):
                count += scores[b, node] >= thresholds[node]
            counts[b] = count


@njit(parallel=True, cache=True, fastmath=False)
def take_above(scores, thresholds, bounds, starts, nodes, values):
    """List the nodes whose score reaches their threshold; `starts` comes from the counts of `count_above`.

    Parameters
    ----------
    scores : float32[B, N]; thresholds : float32[N]
    bounds : int64[C + 1]               chunks of examples
    starts : int64[B + 1]
    nodes : int32[starts[B]], out; values : float32[starts[B]], out
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            at = starts[b]
            for node in range(scores.shape[1]):
                if scores[b, node] >= thresholds[node]:
                    nodes[at] = node
                    values[at] = scores[b, node]
                    at += 1


@njit(parallel=False, cache=True, fastmath=False)
def draw_bernoulli(key, examples, n_nodes, log_drop, starts, nodes):
    """Draw each node with a fixed probability by leaping from one drawn node to the next.

    The gap between successes of a Bernoulli process is geometric, so the cost follows the nodes drawn, not
    the nodes there are (Devroye, "Non-uniform random variate generation", 1986, ch. X.2). The draws of an
    example depend on `key` and its id alone.

    Parameters
    ----------
    key : uint64                        stream of (run, layer, epoch)
    examples : int64[B]                 ids of the examples in the training set
    n_nodes : int
    log_drop : float64 < 0              log(1 - probability); -inf draws every node
    starts : int64[B + 1], out
    nodes : int32[capacity], out

    Returns the pairs written, or -1 when `nodes` is too small (the caller enlarges it and calls again).
    """
    at = 0
    starts[0] = 0
    for b in range(len(examples)):
        own = mix(key, examples[b])
        node = -1
        draw = 0
        while True:
            gap = np.floor(np.log(1.0 - uniform(mix(own, draw))) / log_drop)
            draw += 1
            if gap >= n_nodes - 1 - node:
                break
            node += 1 + np.int64(gap)
            if at == len(nodes):
                return -1
            nodes[at] = node
            at += 1
        starts[b + 1] = at
    return at


@njit(parallel=True, cache=True, fastmath=False)
def draw_gated(key, examples, probabilities, bounds, chosen, counts):
    """Draw each node with a probability of its own.

    Parameters
    ----------
    key : uint64                        stream of (run, layer, epoch)
    examples : int64[B]                 ids of the examples in the training set
    probabilities : float32[B, N]
    bounds : int64[C + 1]               chunks of examples
    chosen : float32[B, N], out         1 where drawn, 0 elsewhere
    counts : int64[B], out              nodes drawn
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            own = mix(key, examples[b])
            count = 0
            for node in range(probabilities.shape[1]):
                drawn = uniform(mix(own, node)) < probabilities[b, node]
                chosen[b, node] = drawn
                count += drawn
            counts[b] = count

"""Hash tables whose buckets hold node ids: filling, multi-probe order, and collection of candidates.

A table is a counting sort: `starts[l, h]:starts[l, h + 1]` is the span of bucket h in `nodes[l]`.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from lshexp.arrays import FloatArray, IntArray, OffsetArray
from lshexp.kernels._cost import ID, OFFSET, VALUE
from lshexp.kernels.parallel import REASSOCIATE
from lshexp.work import Work


@njit(parallel=True, cache=True, fastmath=False)
def fill_buckets(codes, offsets, bounds, starts, nodes):
    """Sort node ids into buckets.

    Symbols: N nodes, L tables, H = 2**K buckets, C chunks.

    Parameters
    ----------
    codes : uint32[N, L]            bucket of each node in each table, < H
    offsets : int64[L]              0..N-1: the node a table is filled from, so that no id is always first
    bounds : int64[C + 1]           chunks of tables
    starts : int32[L, H + 1], out
    nodes : int32[L, N], out        each id exactly once a table

    Cost: O(L * (N + H)) integer operations.
    """
    n_nodes = len(codes)
    n_buckets = starts.shape[1] - 1
    for c in prange(len(bounds) - 1):
        for table in range(bounds[c], bounds[c + 1]):
            cursor = starts[table]
            cursor[:] = 0
            for node in range(n_nodes):
                cursor[codes[node, table] + 1] += 1
            for bucket in range(n_buckets):
                cursor[bucket + 1] += cursor[bucket]
            offset = offsets[table]
            for i in range(n_nodes):
                node = (i + offset) % n_nodes
                bucket = codes[node, table]
                place = cursor[bucket]
                nodes[table, place] = node
                cursor[bucket] = place + 1
            for bucket in range(n_buckets, 0, -1):
                cursor[bucket] = cursor[bucket - 1]
            cursor[0] = 0


def fill_buckets_cost(codes: NDArray[np.uint32], starts: IntArray) -> Work:
    """Each code twice, counted and then placed; a cursor a bucket, summed up and moved back."""
    n_nodes, n_tables = codes.shape
    n_buckets = starts.shape[1] - 1
    return Work(0, 0, n_tables * (ID * (7 * n_nodes + 6 * n_buckets + 2) + OFFSET))


@njit(parallel=False, cache=True, fastmath=False)
def probe_sequence(code, margins, probes, out):
    """Write the buckets to look into, the likeliest first; return how many, and the bytes touched for it.

    Bits are flipped in order of growing total margin, the distance of a projection from its boundary:
    query-directed probing (Lv et al., "Multi-probe LSH", VLDB 2007), with its shift and expand moves on a
    heap of bit sets.

    Parameters
    ----------
    code : uint32                   the query's own bucket, always first
    margins : float32[K]            |projection| of each bit; bit 0 is the lowest of the code
    probes : int >= 1               buckets wanted; at most 2**K exist
    out : uint32[>= probes], out
    """
    out[0] = code
    n_bits = len(margins)
    if probes == 1 or n_bits == 0:
        return 1, 4
    order = np.argsort(margins, kind="mergesort")
    heap_sets = np.empty(2 * probes + 2, dtype=np.uint32)  # bit sets over positions in `order`
    heap_sums = np.empty(2 * probes + 2, dtype=np.float32)
    heap_last = np.empty(2 * probes + 2, dtype=np.int64)  # largest position in the set
    heap_sets[0] = 1
    heap_sums[0] = margins[order[0]]
    heap_last[0] = 0
    size = 1
    found = 1
    nbytes = 4 + 12 * n_bits + 28  # the first bucket, the order of the bits, the first set on the heap
    while found < probes and size > 0:
        best = 0
        for h in range(1, size):
            if heap_sums[h] < heap_sums[best]:
                best = h
        chosen, total, last = heap_sets[best], heap_sums[best], heap_last[best]
        size -= 1
        heap_sets[best], heap_sums[best], heap_last[best] = heap_sets[size], heap_sums[size], heap_last[size]
        flips = np.uint32(0)
        for position in range(last + 1):
            if (chosen >> np.uint32(position)) & np.uint32(1):
                flips |= np.uint32(1) << np.uint32(order[position])
                nbytes += 8
        out[found] = code ^ flips
        found += 1
        nbytes += 8 * size + 52  # sums compared, the best set taken off the heap, the bucket
        if last + 1 < n_bits:
            added = np.uint32(1) << np.uint32(last + 1)
            step = margins[order[last + 1]]
            heap_sets[size] = (chosen ^ (np.uint32(1) << np.uint32(last))) | added  # shift
            heap_sums[size] = total - margins[order[last]] + step
            heap_last[size] = last + 1
            heap_sets[size + 1] = chosen | added  # expand
            heap_sums[size + 1] = total + step
            heap_last[size + 1] = last + 1
            size += 2
            nbytes += 56
    return found, nbytes


def probe_sequence_cost(returned: tuple[int, int]) -> Work:
    """What ordering the bits and keeping the heap took, which hangs on the margins."""
    return Work(0, 0, returned[1])


@njit(parallel=True, cache=True, fastmath=False)
def collect_first(codes, margins, probes, tables, most, cap, bounds, scratch, nodes, counts, entries):
    """Collect the distinct nodes met, table by table and probe by probe, until `most` are found.

    Symbols: B examples, L tables, K bits, N nodes, C chunks.

    Parameters
    ----------
    codes : uint32[B, L]; margins : float32[B, L, K] (K may be 0: then one probe a table)
    probes : int >= 1               buckets looked into in each table
    tables : (firsts, lasts, nodes) of int32[L, H], int32[L, H], int32[L, R]: bucket h of table l holds
                                    nodes[l, firsts[l, h]:lasts[l, h]]
    most : int                      distinct nodes wanted, 1..N
    cap : int                       entries read of one bucket at most; N or more reads all
    bounds : int64[C + 1]           chunks of examples
    scratch : int32[C, N]           all zero; left all zero by visiting only what was met
    nodes : int32[B, most], out     in the order met
    counts : int64[B], out          nodes found
    entries : int64[B, 4], out      bucket entries read; buckets cut short by `cap`; buckets looked into; and
                                    the bytes that ordering the buckets has touched
    """
    firsts, lasts, bucket_nodes = tables
    n_tables = codes.shape[1]
    for c in prange(len(bounds) - 1):
        seen = scratch[c]
        sequence = np.empty(probes, dtype=np.uint32)
        for b in range(bounds[c], bounds[c + 1]):
            n, read, cut, looked, ordering = 0, 0, 0, 0, 0
            for table in range(n_tables):
                if n == most:
                    break
                n_probes, nbytes = probe_sequence(codes[b, table], margins[b, table], probes, sequence)
                looked += n_probes
                ordering += nbytes + 4
                for p in range(n_probes):
                    bucket = sequence[p]
                    first = firsts[table, bucket]
                    last = lasts[table, bucket]
                    if last - first > cap:
                        last = first + cap
                        cut += 1
                    for at in range(first, last):
                        if n == most:
                            break
                        node = bucket_nodes[table, at]
                        read += 1
                        if seen[node] == 0:
                            seen[node] = 1
                            nodes[b, n] = node
                            n += 1
            for i in range(n):
                seen[nodes[b, i]] = 0
            counts[b] = n
            entries[b, 0] = read
            entries[b, 1] = cut
            entries[b, 2] = looked
            entries[b, 3] = ordering


def collect_first_cost(counts: OffsetArray, entries: OffsetArray) -> Work:
    """A bucket's number and span, an id and a mark for each entry, marks and list of the nodes found."""
    read, _, looked, ordering = (int(total) for total in entries.sum(axis=0))
    nbytes = 3 * ID * looked + 2 * ID * read + 4 * ID * int(counts.sum()) + ordering
    return Work(0, 0, nbytes + 5 * OFFSET * len(counts))


@njit(parallel=True, cache=True, fastmath=False)
def collect_ranked(codes, margins, probes, tables, most, cap, bounds, scratch, nodes, counts, entries):
    """Collect the `most` nodes met most often over all tables and probes; ties go to the one met first.

    Parameters as in `collect_first`; the last column of `entries` has the bytes of ranking the nodes too.
    """
    firsts, lasts, bucket_nodes = tables
    n_tables = codes.shape[1]
    n_nodes = scratch.shape[1]
    for c in prange(len(bounds) - 1):
        hits = scratch[c]
        sequence = np.empty(probes, dtype=np.uint32)
        met = np.empty(n_nodes + 1, dtype=np.int32)
        kept = np.empty(most + 1, dtype=np.int32)
        frequency = np.zeros(n_tables * probes + 1, dtype=np.int64)
        for b in range(bounds[c], bounds[c + 1]):
            n = np.uint64(0)
            read, cut, looked, ordering = 0, 0, 0, 0
            for table in range(n_tables):
                n_probes, nbytes = probe_sequence(codes[b, table], margins[b, table], probes, sequence)
                looked += n_probes
                ordering += nbytes + 4
                for p in range(n_probes):
                    probed = sequence[p]
                    first = firsts[table, probed]
                    last = lasts[table, probed]
                    if last - first > cap:
                        last = first + cap
                        cut += 1
                    read += last - first
                    bucket = bucket_nodes[table, first:last]
                    for at in range(len(bucket)):
                        # ids and places are unsigned: a signed index costs a test for being below zero
                        node = np.uint32(bucket[at])
                        before = hits[node]
                        met[n] = node  # written always, kept if new: a branch would be mispredicted
                        n += np.uint64(before == 0)
                        hits[node] = before + np.int32(1)
            counts[b], nbytes = _take_most_hit(met[:n], hits, frequency, most, kept, nodes[b])
            for i in range(n):
                node = np.uint32(met[i])
                frequency[np.uint32(hits[node])] = 0
                hits[node] = 0
            entries[b, 0] = read
            entries[b, 1] = cut
            entries[b, 2] = looked
            entries[b, 3] = ordering + nbytes + 20 * np.int64(n)


def collect_ranked_cost(
    codes: NDArray[np.uint32], probes: int, counts: OffsetArray, entries: OffsetArray
) -> Work:
    """A bucket's number and span; id, list and count of hits for each entry; and the ranking."""
    read, _, looked, ordering = (int(total) for total in entries.sum(axis=0))
    histogram = OFFSET * (codes.shape[1] * probes + 1)
    return Work(0, 0, 3 * ID * looked + 4 * ID * read + ordering + 5 * OFFSET * len(counts) + histogram)


@njit(parallel=False, cache=True, fastmath=False)
def _take_most_hit(met, hits, frequency, most, kept, out):
    """Write the `most` nodes of `met` with the largest hits, in the order met; return how many, and bytes.

    `frequency` is all zero; `kept` has room for one more than `most`.
    """
    if len(met) <= most:
        out[: len(met)] = met
        return len(met), 8 * len(met)
    top = 0
    for i in range(len(met)):
        count = hits[np.uint32(met[i])]
        frequency[np.uint32(count)] += 1
        top = max(top, count)
    threshold = top
    above = 0
    there = frequency[threshold]
    while above + there < most:
        above += there
        threshold -= 1
        there = frequency[threshold]
    ties = most - above
    n = np.uint64(0)
    for i in range(len(met)):
        node = np.uint32(met[i])
        count = hits[node]
        kept[n] = node  # as above
        tie = np.int64(count == threshold) & np.int64(ties > 0)
        ties -= tie
        n += np.uint64(np.int64(count > threshold) | tie)
    out[:most] = kept[:most]
    return most, 36 * len(met) + 8 * (1 + top - threshold) + 8 * most


@njit(parallel=True, cache=True, fastmath=REASSOCIATE)
def score_by_coordinates(queries, coordinates, indptr, indices, bounds, data):
    """Approximate scores of candidate pairs: inner products of low-dimensional stand-ins.

    Parameters
    ----------
    queries : float32[B, M]; coordinates : float32[N, M]
    indptr : int64[B + 1]; indices : int32[P]
    bounds : int64[C + 1]           chunks of examples
    data : float32[P], out

    Cost: P * M multiplications.
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            query = queries[b]
            for at in range(indptr[b], indptr[b + 1]):
                coordinate = coordinates[indices[at]]
                total = np.float32(0)
                for i in range(len(query)):
                    total += query[i] * coordinate[i]
                data[at] = total


def score_by_coordinates_cost(queries: FloatArray, indptr: OffsetArray, indices: IntArray) -> Work:
    """Two coordinates for each product; id and score of a pair."""
    products = len(indices) * queries.shape[1]
    nbytes = 2 * VALUE * products + (ID + VALUE) * len(indices) + 2 * OFFSET * (len(indptr) - 1)
    return Work(products, products, nbytes)


@njit(parallel=True, cache=True, fastmath=False)
def pack_rows(table, indptr, bounds, indices):
    """Copy the used head of each row of int32[B, M] into the `indices` of a CSR; indptr : int64[B + 1]."""
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            first = indptr[b]
            for i in range(indptr[b + 1] - first):
                indices[first + i] = table[b, i]


def pack_rows_cost(indptr: OffsetArray, indices: IntArray) -> Work:
    """Each id loaded and stored."""
    return Work(0, 0, 2 * ID * len(indices) + 2 * OFFSET * (len(indptr) - 1))

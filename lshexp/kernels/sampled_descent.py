"""Gradient descent on one example at a time, drawn with chances that hash tables make unequal."""

from __future__ import annotations

import numpy as np
from numba import njit

from lshexp.kernels.rng import mix, uniform

UNIFORM, STRATA, COLLISIONS = 0, 1, 2
DRAWS = 4  # random numbers of a step
FOLLOWED = 1 / 64  # share by which a stratum's mean moves towards each length seen there
FLOOR = 0.1  # least mean of a stratum, of that over all examples seen


@njit(parallel=False, cache=True, fastmath=False)
def query_codes(pulled, offsets, logistic, bits, codes):
    """Hash the weights as a query: sign bits of their projections, for each table.

    Of squared loss a code and its complement mean one bucket, as a residual's sign does not matter: the code
    is written so that its highest bit is 0.

    Parameters
    ----------
    pulled : float32[L * K]         projections of the weights
    offsets : float32[L * K]        projections of a label of 1, taken off where the loss is squared
    logistic : bool
    bits : int                      K
    codes : uint32[L], out
    """
    for table in range(len(codes)):
        code = np.uint32(0)
        for bit in range(bits):
            at = table * bits + bit
            value = pulled[at] if logistic else pulled[at] - offsets[at]
            if value > 0:
                code |= np.uint32(1) << np.uint32(bit)
        if not logistic and code >> np.uint32(bits - 1):
            code ^= np.uint32((1 << bits) - 1)
        codes[table] = code


@njit(parallel=False, cache=True, fastmath=False)
def _apart(code, query, logistic, bits):
    """Bits in which two codes differ; of squared loss, where a complement is the same, the fewer of both."""
    differing = 0
    for bit in range(bits):
        differing += ((code ^ query) >> np.uint32(bit)) & np.uint32(1)
    return differing if logistic else min(differing, bits - differing)


@njit(parallel=False, cache=True, fastmath=False)
def stratum_sizes(query, starts, logistic, bits, sizes):
    """Count the examples by the bits in which their code differs from a query's.

    Parameters
    ----------
    query : uint32
    starts : int32[H + 1]           of a table's buckets
    logistic : bool
    bits : int                      K
    sizes : int64[K + 1], out

    Cost: O(2**K * K) integer operations.
    """
    sizes[:] = 0
    for bucket in range(len(starts) - 1):
        size = starts[bucket + 1] - starts[bucket]
        if size:
            sizes[_apart(np.uint32(bucket), query, logistic, bits)] += size


@njit(parallel=False, cache=True, fastmath=False)
def member_place(query, starts, logistic, bits, stratum, number):
    """Return where in its table the example of this number, counted from 0, of a stratum stands.

    Parameters as in `stratum_sizes`; 0 <= number < the size of the stratum.
    """
    for bucket in range(len(starts) - 1):
        size = starts[bucket + 1] - starts[bucket]
        if size and _apart(np.uint32(bucket), query, logistic, bits) == stratum:
            if number < size:
                return starts[bucket] + number
            number -= size
    return -1


@njit(parallel=False, cache=True, fastmath=False)
def sampled_steps(data, tables, draw, weights, pulled, means, rate, first, chosen, scales):
    """Take one step of gradient descent after the other, each on one example.

    The loss of example i is (w x - y)**2 / 2, or log(1 + exp(-y w x)). An example drawn with chance p has its
    gradient multiplied by 1 / (n p), so that its mean over draws is the gradient of the mean loss. Drawn are

    - UNIFORM: every example with chance 1 / n;
    - STRATA: examples by the bits in which the code of the first table differs from the query's, a stratum
      for each number of them; strata in proportion to their examples times the mean length of the gradients
      seen there, and of a stratum each example as likely. The chance is then known exactly;
    - COLLISIONS (Chen, Xu and Shrivastava, 2019): a table, and another one for as long as its bucket is
      empty, at most L times in all and then any example. The chance is taken to be that of a collision over
      draws of the planes, c = q**K (1 - q**K)**(tries - 1) over the size of the bucket.

    Projections of the weights follow each step from those of the examples, so a query costs K * L
    multiplications whatever the number of features.

    Symbols: n examples, D features, L tables of K bits, T steps.

    Parameters
    ----------
    data : (x, y, turned, offsets, norms, lengths) of float32[n, D]; float32[n], -1 or 1; float32[n, L * K],
        projections of the examples; float32[L * K], those of a label of 1; float32[n], lengths of the
        examples; float32[n], lengths of what was hashed: the example with its label, or the example
    tables : (codes, starts, members) of uint32[n, L], int32[L, H + 1], int32[L, n]: as `fill_buckets` makes
    draw : (key, sampler, logistic, bits) of uint64, int, bool, int
    weights : float32[D], updated
    pulled : float32[L * K], updated    projections of the weights
    means : float64[K + 2], updated     mean length of the gradients seen in each stratum, and in all
    rate : float32
    first : int                     number of the first step: draws depend on key and number alone
    chosen : int32[T], out          the example of each step
    scales : float32[T], out        what its gradient was multiplied by

    Returns how many buckets were empty.
    """
    x, y, turned, offsets, norms, lengths = data
    codes, starts, members = tables
    key, sampler, logistic, bits = draw
    n, features = x.shape
    n_tables = codes.shape[1]
    query = np.zeros(n_tables, dtype=np.uint32)
    sizes = np.zeros(bits + 1, dtype=np.int64)
    empty = 0
    for step in range(len(chosen)):
        base = (first + step) * DRAWS
        i = int(uniform(mix(key, base)) * n)
        tries, size, stratum, chance = 0, n, 0, 1.0 / n
        if sampler != UNIFORM:
            query_codes(pulled, offsets, logistic, bits, query)
        if sampler == STRATA:
            stratum_sizes(query[0], starts[0], logistic, bits, sizes)
            total = 0.0
            for r in range(bits + 1):
                total += sizes[r] * max(means[r], FLOOR * means[bits + 1])
            left = uniform(mix(key, base + 1)) * total
            while stratum < bits:
                part = sizes[stratum] * max(means[stratum], FLOOR * means[bits + 1])
                if sizes[stratum] and left < part:
                    break
                left -= part
                stratum += 1
            while sizes[stratum] == 0:  # the last ones, where rounding has left something over
                stratum -= 1
            place = int(uniform(mix(key, base + 2)) * sizes[stratum])
            i = members[0, member_place(query[0], starts[0], logistic, bits, stratum, place)]
            chance = max(means[stratum], FLOOR * means[bits + 1]) / total
        elif sampler == COLLISIONS:
            table = int(uniform(mix(key, base + 2)) * n_tables)
            while tries < n_tables:
                at = (table + tries) % n_tables
                tries += 1
                start, stop = starts[at, query[at]], starts[at, query[at] + 1]
                if stop > start:
                    i = members[at, start + int(uniform(mix(key, base + 3)) * (stop - start))]
                    size = stop - start
                    break
                empty += 1
        row = x[i]
        score = np.float32(0)
        for d in range(features):
            score += row[d] * weights[d]
        if sampler == COLLISIONS and size < n:
            squares = 0.0
            for d in range(features):
                squares += weights[d] * weights[d]
            inner = -y[i] * score if logistic else score - y[i]
            length = np.sqrt(squares) if logistic else np.sqrt(squares + 1)
            cosine = inner / max(length * lengths[i], 1e-30)
            same = 1 - np.arccos(min(1.0, max(-1.0, cosine))) / np.pi
            together = same**bits if logistic else same**bits + (1 - same) ** bits
            chance = max(together * (1 - together) ** (tries - 1) / size, 1e-30)
        scale = 1.0 / (n * chance)
        slope = -y[i] / (1 + np.exp(y[i] * score)) if logistic else score - y[i]
        pull = np.float32(rate * scale * slope)
        for d in range(features):
            weights[d] -= pull * row[d]
        if sampler == STRATA:
            length = abs(slope) * norms[i]
            means[stratum] += FOLLOWED * (length - means[stratum])
            means[bits + 1] += FOLLOWED * (length - means[bits + 1])
        if sampler != UNIFORM:
            for at in range(len(pulled)):
                pulled[at] -= pull * turned[i, at]
        chosen[step], scales[step] = i, scale
    return empty


def sampled_steps_mults(sampler: int, features: int, tables: int, bits: int) -> int:
    """Multiplications of a step: of vectors, and one for each stratum.

    The few scalars of a step, such as its rate times its slope, are left out for every sampler alike.
    """
    if sampler == UNIFORM:
        return 2 * features
    follow = tables * bits
    return 2 * features + follow + (bits + 1 if sampler == STRATA else features)

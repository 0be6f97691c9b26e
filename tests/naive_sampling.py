"""Plain NumPy twins of the kernels that draw examples by hash tables."""

import numpy as np
from naive import mix, uniform

FOLLOWED, FLOOR, DRAWS = 1 / 64, 0.1, 4


def query_codes(pulled, offsets, logistic, bits):
    values = pulled if logistic else pulled - offsets
    signs = (values > 0).reshape(-1, bits)
    codes = signs @ (1 << np.arange(bits))
    if not logistic:
        codes = np.where(signs[:, -1], 2**bits - 1 - codes, codes)
    return codes.astype(np.uint32)


def apart(code, query, logistic, bits):
    differing = bin(int(code) ^ int(query)).count("1")
    return differing if logistic else min(differing, bits - differing)


def stratum_sizes(query, starts, logistic, bits):
    sizes = np.zeros(bits + 1, np.int64)
    for bucket, size in enumerate(np.diff(starts)):
        sizes[apart(bucket, query, logistic, bits)] += size
    return sizes


def member_place(query, starts, logistic, bits, stratum, number):
    places = [
        place
        for bucket in range(len(starts) - 1)
        if apart(bucket, query, logistic, bits) == stratum
        for place in range(starts[bucket], starts[bucket + 1])
    ]
    return places[number]


def sampled_steps(data, tables, draw, weights, pulled, means, rate, first, steps):
    """Arrays are updated as the kernel's are; returns examples, scales, empty buckets and multiplications."""
    x, y, turned, offsets, norms, lengths = data
    codes, starts, members = tables
    key, sampler, logistic, bits = draw
    n, n_tables = codes.shape
    chosen, scales, empty, mults = [], [], 0, 0
    for step in range(first, first + steps):
        draws = [uniform(mix(int(key), DRAWS * step + j)) for j in range(DRAWS)]
        i, chance, stratum, tries, size = int(draws[0] * n), 1.0 / n, 0, 0, n
        query = query_codes(pulled, offsets, logistic, bits)
        if sampler == 1:
            sizes = stratum_sizes(query[0], starts[0], logistic, bits)
            wanted = np.maximum(means[:-1], FLOOR * means[-1])
            parts = sizes * wanted
            mults += len(parts)
            total = 0.0
            for part in parts:
                total += part
            left = draws[1] * total
            for stratum in np.flatnonzero(sizes):
                if left < parts[stratum]:
                    break
                left -= parts[stratum]
            at = member_place(query[0], starts[0], logistic, bits, stratum, int(draws[2] * sizes[stratum]))
            i, chance = members[0, at], wanted[stratum] / total
        elif sampler == 2:
            table = int(draws[2] * n_tables)
            for at in [(table + t) % n_tables for t in range(n_tables)]:
                tries += 1
                start, stop = starts[at, query[at]], starts[at, query[at] + 1]
                if stop > start:
                    i, size = members[at, start + int(draws[3] * (stop - start))], stop - start
                    break
                empty += 1
        score = np.float32(0)
        for a, b in zip(x[i], weights, strict=True):
            score += a * b
        mults += x.shape[1]
        if sampler == 2:
            squares = 0.0
            for a in weights:
                squares += float(a * a)
            mults += len(weights)
            if size < n:
                inner = -y[i] * score if logistic else score - y[i]
                length = np.sqrt(squares) if logistic else np.sqrt(squares + 1)
                cosine = inner / max(length * lengths[i], 1e-30)
                same = 1 - np.arccos(min(1.0, max(-1.0, cosine))) / np.pi
                together = same**bits if logistic else same**bits + (1 - same) ** bits
                chance = max(together * (1 - together) ** (tries - 1) / size, 1e-30)
        scale = 1.0 / (n * chance)
        slope = -y[i] / (1 + np.exp(y[i] * score)) if logistic else score - y[i]
        pull = np.float32(rate * scale * slope)
        weights -= pull * x[i]
        mults += x.shape[1]
        if sampler:
            pulled -= pull * turned[i]
            mults += len(pulled)
        if sampler == 1:
            length = abs(slope) * norms[i]
            for mean in (stratum, bits + 1):
                means[mean] += FOLLOWED * (length - means[mean])
        chosen.append(i)
        scales.append(scale)
    return np.array(chosen), np.array(scales, np.float32), empty, mults

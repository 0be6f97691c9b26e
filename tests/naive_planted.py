"""Plain twins of the kernels that draw examples with planted labels; NumPy only."""

from __future__ import annotations

import numpy as np
from naive import mix, uniform
from naive_shapes import example_key, integer


def planted_patterns(key, features, patterns):
    for label, pattern in enumerate(patterns):
        own, found, counter = mix(int(key), label), [], 0
        while len(found) < len(pattern):
            feature = integer(mix(own, counter), 0, features - 1)
            counter += 1
            if feature not in found:
                found.append(feature)
        pattern[:] = found


def planted_examples(key, start, patterns, frequencies, features, extra, noise, labels, columns, counts):
    def label_of(bits):
        return int(np.argmax(frequencies > uniform(bits)))

    for n in range(len(labels)):
        own = example_key(int(key), start + n)
        draws = iter(mix(own, counter) for counter in range(2, 10_000))
        wanted = integer(mix(own, 0), 1, labels.shape[1])
        planted = list(dict.fromkeys(label_of(next(draws)) for _ in range(wanted)))
        found = {int(feature) for label in planted for feature in patterns[label]}
        found |= {integer(next(draws), 0, features - 1) for _ in range(extra)}
        recorded = planted
        if uniform(mix(own, 1)) < noise:
            recorded = []
            for _ in planted:
                label = label_of(next(draws))
                while label in planted or label in recorded:
                    label = (label + 1) % len(frequencies)
                recorded.append(label)
        counts[n] = len(recorded), len(found)
        labels[n, : len(recorded)] = sorted(recorded)
        columns[n, : len(found)] = sorted(found)

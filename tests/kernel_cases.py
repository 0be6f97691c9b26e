"""Sizes, chunk counts and random sparse arrays that tests of kernels share."""

from __future__ import annotations

import numpy as np

from lshexp.kernels import ragged
from lshexp.methods.base import pack

SHAPES = [  # examples, fan-in, nodes, active nodes an example
    (0, 3, 4, 2),
    (1, 1, 1, 1),
    (5, 7, 9, 0),
    (6, 16, 5, 5),
    (17, 33, 41, 11),
]
CHUNKS = [1, 2, 3]


def lists_of(random, examples, nodes, active, empty_first=True):
    """Random lists with `active` nodes an example; the first example has none."""
    counts = np.full(examples, active)
    if examples and empty_first:
        counts[0] = 0
    lists = pack(counts)
    for b in range(examples):
        span = slice(lists.starts[b], lists.starts[b + 1])
        lists.nodes[span] = random.permutation(nodes)[: counts[b]]
        lists.values[span] = random.standard_normal(counts[b])
    return lists


def groups_of(lists, nodes, chunks=1):
    pairs = len(lists.nodes)
    groups = ragged.Groups(
        np.empty(nodes + 1, np.int64), np.empty(pairs, np.int32), np.empty(pairs, np.int32)
    )
    bounds = ragged.balanced_bounds(lists.starts, chunks)
    ragged.group_by_node(lists.starts, lists.nodes, bounds, np.empty((chunks, nodes), np.int32), *groups)
    return groups


def close(comp, ref):
    np.testing.assert_allclose(comp, ref, rtol=2e-5, atol=2e-5)

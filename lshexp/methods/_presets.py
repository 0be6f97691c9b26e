"""Presets of the method `lsh`: sets of defaults for its options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEFAULT_HASH: Mapping[str, Any] = {"name": "sketch"}

# What each preset differs in from the defaults of the fields of `Lsh`, which are the preset `lshexp`.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "lshexp": {},
    # Hash tables for the first layer, whose input is dense; exact winners where the input is sparse.
    "hybrid": {"where_sparse": "scan"},
    # The text of Spring & Shrivastava (KDD 2017): ALSH on the layer's raw input, few tables, multi-probe,
    # collection stops at the budget, nodes are rehashed as soon as their weights change.
    "paper": {
        "hash": {"name": "alsh"},
        "K": 6,
        "L": 5,
        "probes": 10,
        "rank": "first",
        "candidates": 1.0,
        "refine": 0.0,
        "rehash": "touched",
    },
    # The authors' published code: inputs mean-pooled by about 100, many tables, ranking by collision count,
    # rebuilds that grow rarer. Mended: there, all inputs of the first layer share one array of hashes and so
    # use the last one's buckets; here each input has its own. Its input hashes are made once and kept, ours
    # are made each time. Its optimiser and regularisation are not selection: set them in the sweep.
    "authors_code": {
        "hash": {"name": "sketch", "directions": "pooled", "dims": 0, "center": False, "offset": 0.0},
        "K": 6,
        "L": 100,
        "rank": "count",
        "candidates": 1.0,
        "refine": 0.0,
        "rehash_every": 6000,
        "rehash_growth": 1.1,
    },
}

"""Named random streams: every draw is a function of (seed, purpose, indices), never of call order.

Methods compared with one seed therefore share initial weights and data order, and a run repeats exactly.
"""

from __future__ import annotations

import hashlib

import numpy as np


def stream_key(seed: int, purpose: str, *indices: int) -> int:
    """Return the 64-bit key of a stream, as kernels take it (uint64 range).

    The key is the head of a SHA-256 over the named parts, so two purposes or two indices never share one
    by arithmetic accident.
    """
    text = ":".join([str(seed), purpose, *(str(index) for index in indices)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def stream(seed: int, purpose: str, *indices: int) -> np.random.Generator:
    """Return a NumPy generator (Philox, counter based) for the named stream."""
    return np.random.Generator(np.random.Philox(key=stream_key(seed, purpose, *indices)))

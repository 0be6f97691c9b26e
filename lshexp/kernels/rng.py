"""Counter-based random numbers: every draw is a pure function of a key and a counter.

No state is kept, so a draw does not depend on thread count or call order. The mixing function is the
finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
"""

from __future__ import annotations

import numpy as np
from numba import njit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_TO_UNIT = 1.0 / 9007199254740992.0  # 2**-53


@njit(parallel=False, cache=True, fastmath=False)
def mix(key, counter):
    """Return 64 random bits for (key, counter), both uint64."""
    z = np.uint64(key) + (np.uint64(counter) + np.uint64(1)) * _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


@njit(parallel=False, cache=True, fastmath=False)
def uniform(bits):
    """Map 64 random bits to a float64 in [0, 1), a multiple of 2**-53."""
    return np.float64(np.uint64(bits) >> np.uint64(11)) * _TO_UNIT

"""Winner-take-all codes of sparse vectors, densified."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.arrays import IntArray
from lshexp.kernels._cost import ID, OFFSET, VALUE
from lshexp.kernels.rng import mix
from lshexp.work import Work


@njit(parallel=True, cache=True, fastmath=False)
def winner_codes(indptr, indices, data, positions, window, key, bounds, codes):
    """Position of the largest value in each window of inputs, for each example.

    Each of R random orders of the inputs is cut into whole windows, which are the hashes, G of them. An input
    that is not stored, zero or NaN is absent. A window whose inputs are all absent takes over the code of the
    next window that has one, counted from a random window on; an example without any input has codes 0. The
    first of equal values wins (Chen and Shrivastava, "Densified winner take all (WTA) hashing for sparse
    datasets", 2018).

    Parameters
    ----------
    indptr : int64[B + 1]; indices : int32[Q]; data : float32[Q]
    positions : int32[R, D]         place of each input in each order
    window : int                    inputs a window, W; D // W windows an order, one if D < W
    key : uint64                    seeds the window from which that search begins
    bounds : int64[C + 1]           chunks of examples
    codes : int32[B, G], out        0..W-1; G <= R * windows an order

    Returns the bytes that held winners and borrowing have touched, which hang on the values.
    """
    nbytes = 0
    n_hashes = codes.shape[1]
    n_orders, fan_in = positions.shape
    per_order = max(1, fan_in // window)
    for c in prange(len(bounds) - 1):
        best = np.empty(n_hashes, dtype=np.float32)
        for b in range(bounds[c], bounds[c + 1]):
            own = codes[b]
            own[:] = -1
            for order in range(n_orders):
                place = positions[order]
                for at in range(indptr[b], indptr[b + 1]):
                    value = data[at]
                    w, slot = divmod(place[indices[at]], window)
                    g = order * per_order + w
                    if w >= per_order or g >= n_hashes or value == 0 or np.isnan(value):
                        continue
                    holder, highest = own[g], best[g]
                    nbytes += 8
                    if holder < 0 or value > highest or (value == highest and slot < holder):
                        own[g] = slot
                        best[g] = value
                        nbytes += 8
            nbytes += _densify(own, key)
    return nbytes


def winner_codes_cost(indices: IntArray, positions: IntArray, codes: IntArray, returned: int) -> Work:
    """A value, an id and a place for each input in each order; the codes; the rest as they fall."""
    orders = len(positions)
    of_input = 2 * ID + VALUE
    nbytes = of_input * orders * len(indices) + ID * codes.size + 2 * OFFSET * orders * len(codes)
    return Work(0, 0, nbytes + returned)


@njit(parallel=False, cache=True, fastmath=False)
def _densify(codes, key):
    """Fill the codes that are -1 from others, or all with 0 where there are no others; return the bytes."""
    n = len(codes)
    filled = codes >= 0
    if not filled.any():
        codes[:] = 0
        return 10 * n
    nbytes = 7 * n
    for g in range(n):
        if filled[g]:
            continue
        donor = np.int64(mix(key, g) % np.uint64(n))
        while not filled[donor]:
            donor = (donor + 1) % n
            nbytes += 1
        codes[g] = codes[donor]
        nbytes += 9
    return nbytes

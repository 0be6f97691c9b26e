"""Softmax and cross-entropy."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.arrays import FloatArray
from lshexp.kernels._cost import ID, VALUE
from lshexp.work import Work


@njit(parallel=False, cache=True, fastmath=False)
def softmax_row(logits, label, share, deltas):
    """Loss and correctness of one example, and its gradient times `share`; float32[Y] in and out.

    Read as in `softmax_cross_entropy`.
    """
    best, top = 0, logits[0]
    for j in range(1, len(logits)):
        value = logits[j]
        if value > top:
            best, top = j, value
    total = np.float32(0)
    for j in range(len(logits)):
        part = np.exp(logits[j] - top)
        deltas[j] = part
        total += part
    for j in range(len(logits)):
        delta = (deltas[j] / total - np.float32(j == label)) * share
        deltas[j] = np.float32(0) if np.abs(delta) < np.float32(1e-12) else delta
    return np.log(total) + top - logits[label], best == label and not np.isnan(total)


def softmax_row_cost(logits: FloatArray) -> Work:
    """Logits looked at twice, deltas written twice and read once, the label's logit."""
    return Work(0, 0, VALUE * (5 * len(logits) + 1))


@njit(parallel=True, cache=True, fastmath=False)
def softmax_cross_entropy(logits, labels, bounds, deltas, losses, hits):
    """Loss, correctness and the gradient of the batch's mean loss at the logits.

    Symbols: B examples, Y classes, C chunks.

    Parameters
    ----------
    logits : float32[B, Y]
    labels : int32[B]                   0..Y-1
    bounds : int64[C + 1]               chunks of examples
    deltas : float32[B, Y], out         (softmax - one-hot) / B; magnitudes under 1e-12 become zero, so that
                                        no subnormal number slows the sums that follow
    losses : float32[B], out            nats; NaN or infinite when the network has diverged
    hits : bool[B], out                 the largest logit is the label's; a tie counts as the lowest class,
                                    NaN as wrong
    """
    share = np.float32(1.0 / max(1, len(labels)))
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            losses[b], hits[b] = softmax_row(logits[b], labels[b], share, deltas[b])


def softmax_cross_entropy_cost(logits: FloatArray) -> Work:
    """As `softmax_row_cost`, with label, loss and correctness of each example."""
    return Work(0, 0, VALUE * (5 * logits.size + len(logits)) + (ID + VALUE + 1) * len(logits))

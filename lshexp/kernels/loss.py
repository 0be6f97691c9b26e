"""Softmax and cross-entropy."""

from __future__ import annotations

import numpy as np
from numba import njit, prange


@njit(parallel=False, cache=True, fastmath=False)
def softmax_row(logits, label, share, deltas):
    """Loss and correctness of one example, and its gradient times `share`; float32[Y] in and out.

    Read as in `softmax_cross_entropy`.
    """
    best = 0
    for j in range(1, len(logits)):
        if logits[j] > logits[best]:
            best = j
    top = logits[best]
    total = np.float32(0)
    for j in range(len(logits)):
        deltas[j] = np.exp(logits[j] - top)
        total += deltas[j]
    for j in range(len(logits)):
        delta = (deltas[j] / total - np.float32(j == label)) * share
        deltas[j] = np.float32(0) if np.abs(delta) < np.float32(1e-12) else delta
    return np.log(total) + top - logits[label], best == label and not np.isnan(total)


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

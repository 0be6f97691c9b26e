"""Softmax and cross-entropy."""

from __future__ import annotations

import numpy as np
from numba import njit, prange


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
    classes = logits.shape[1]
    share = np.float32(1.0 / max(1, len(labels)))
    tiny = np.float32(1e-12)
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            label = labels[b]
            best = 0
            for j in range(1, classes):
                if logits[b, j] > logits[b, best]:
                    best = j
            top = logits[b, best]
            total = np.float32(0)
            for j in range(classes):
                deltas[b, j] = np.exp(logits[b, j] - top)
                total += deltas[b, j]
            losses[b] = np.log(total) + top - logits[b, label]
            hits[b] = best == label and not np.isnan(total)
            for j in range(classes):
                delta = (deltas[b, j] / total - np.float32(j == label)) * share
                deltas[b, j] = np.float32(0) if np.abs(delta) < tiny else delta

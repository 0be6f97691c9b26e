"""Softmax and cross-entropy."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.arrays import FloatArray, OffsetArray
from lshexp.kernels._cost import ID, OFFSET, VALUE, filled
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


@njit(parallel=True, cache=True, fastmath=False)
def softmax_of_labels(logits, label_indptr, label_indices, bounds, deltas, losses, hits):
    """Cross-entropy of examples with any number of labels, each an equal share of the target.

    An example without labels has no loss and no gradient.

    Symbols: B examples, Y classes, P labels, C chunks.

    Parameters
    ----------
    logits : float32[B, Y]
    label_indptr : int64[B + 1]; label_indices : int32[P]      labels, each at most once an example
    bounds : int64[C + 1]               chunks of examples
    deltas : float32[B, Y], out         (softmax - target) / B, as in `softmax_cross_entropy`
    losses : float32[B], out            nats
    hits : bool[B], out                 the largest logit is a label's
    """
    share = np.float32(1.0 / max(1, len(losses)))
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            first, last = label_indptr[b], label_indptr[b + 1]
            losses[b] = np.float32(0)
            hits[b] = False
            if first == last:
                deltas[b] = 0
                continue
            best, top = 0, logits[b, 0]
            for j in range(1, logits.shape[1]):
                value = logits[b, j]
                if value > top:
                    best, top = j, value
            total = np.float32(0)
            for j in range(logits.shape[1]):
                deltas[b, j] = np.exp(logits[b, j] - top)
                total += deltas[b, j]
            for j in range(logits.shape[1]):
                delta = deltas[b, j] / total * share
                deltas[b, j] = np.float32(0) if np.abs(delta) < np.float32(1e-12) else delta
            target = np.float32(1.0 / (last - first))
            wanted = np.float32(0)
            hit = False
            for k in range(first, last):
                j = label_indices[k]
                wanted += logits[b, j]
                deltas[b, j] -= target * share
                hit |= j == best
            losses[b] = np.log(total) + top - wanted * target
            hits[b] = hit and not np.isnan(total)


def softmax_of_labels_cost(logits: FloatArray, label_indptr: OffsetArray) -> Work:
    """Scores looked at twice, deltas written twice and read twice; both of a label again; or zeros alone."""
    examples, classes = logits.shape
    live, labels = filled(label_indptr), int(label_indptr[-1])
    nbytes = VALUE * classes * (6 * live + (examples - live)) + (ID + 3 * VALUE) * labels
    return Work(0, 0, nbytes + (2 * OFFSET + VALUE + 1) * examples + (VALUE + 1) * live)


@njit(parallel=True, cache=True, fastmath=False)
def binary_of_labels(logits, label_indptr, label_indices, bounds, deltas, losses, hits):
    """Binary cross-entropy of every class by itself, summed over the classes.

    Parameters and outputs as in `softmax_of_labels`; deltas are (sigmoid - target) / B, and an example
    without labels has the loss of its negatives.
    """
    share = np.float32(1.0 / max(1, len(losses)))
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            best = 0
            loss = np.float32(0)
            for j in range(logits.shape[1]):
                z = logits[b, j]
                loss += max(z, np.float32(0)) + np.log1p(np.exp(-np.abs(z)))
                if z > logits[b, best]:
                    best = j
                delta = np.float32(1) / (np.float32(1) + np.exp(-z)) * share
                deltas[b, j] = np.float32(0) if np.abs(delta) < np.float32(1e-12) else delta
            hit = False
            for k in range(label_indptr[b], label_indptr[b + 1]):
                j = label_indices[k]
                loss -= logits[b, j]
                deltas[b, j] -= share
                hit |= j == best
            losses[b] = loss
            hits[b] = hit and not np.isnan(loss)


def binary_of_labels_cost(logits: FloatArray, label_indptr: OffsetArray) -> Work:
    """Of a class its score, the best one so far, and the delta; of a label its id, score and delta again."""
    examples, labels = len(logits), int(label_indptr[-1])
    nbytes = 3 * VALUE * logits.size + (ID + 3 * VALUE) * labels
    return Work(0, 0, nbytes + (2 * OFFSET + VALUE + 1) * examples)

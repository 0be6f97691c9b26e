"""Cross-entropy over a few classes of many: which classes are active, and the loss over them.

An example's active classes are its labels, the classes that were retrieved for it, and a tail drawn
uniformly from all others. Labels and retrieved classes are there with certainty, a class of the tail with
probability q = tail / (classes that are neither label nor retrieved). Subtracting log q from its logit makes
the sum over the active classes an unbiased estimate of the partition function over all classes (importance
sampling; Bengio and Senecal, "Adaptive importance sampling", 2008; the correction of sampled softmax in Jean
et al., ACL 2015).
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.arrays import IntArray, OffsetArray
from lshexp.kernels._cost import ID, OFFSET, VALUE, filled
from lshexp.kernels.rng import mix, uniform
from lshexp.work import Work


@njit(parallel=True, cache=True, fastmath=False)
def complete_active(
    key, examples, found_indptr, found_indices, label_indptr, label_indices,
    tail, n_classes, bounds, stamps, indices, sources, counts,
):  # fmt: skip
    """List each example's active classes: its labels, then what was retrieved for it, then a uniform tail.

    Symbols: B examples, Y classes, C chunks, R retrieved pairs, P labels, T = tail.

    Parameters
    ----------
    key : uint64                        stream of (run, epoch)
    examples : int64[B]                 ids of the examples in the training set; draws depend on them alone
    found_indptr : int64[B + 1]; found_indices : int32[R]      retrieved, each at most once an example
    label_indptr : int64[B + 1]; label_indices : int32[P]      labels, each at most once an example
    tail : int                          classes to draw for each example, where so many are left
    n_classes : int                     Y
    bounds : int64[C + 1]               chunks of examples
    stamps : int32[C, Y], scratch       all zero; left all zero by visiting only what was listed
    indices : int32[R + P + B * T], out active classes; example b begins at found + label indptr + b * T
    sources : int64[R + P + B * T], out place in found_indices of a retrieved class, or -1
    counts : int64[B, 3], out           labels, retrieved classes that are no label, classes of the tail

    The tail is drawn without replacement by rejection, so that its cost follows `tail` as long as most
    classes are neither label nor retrieved. Returns the classes drawn, those drawn in vain included.
    """
    draws = 0
    for c in prange(len(bounds) - 1):
        seen = stamps[c]
        for b in range(bounds[c], bounds[c + 1]):
            first = found_indptr[b] + label_indptr[b] + b * tail
            at = first
            for k in range(label_indptr[b], label_indptr[b + 1]):
                indices[at] = label_indices[k]
                sources[at] = -1
                at += 1
                seen[label_indices[k]] = at - first
            counts[b, 0] = at - first
            for k in range(found_indptr[b], found_indptr[b + 1]):
                known = seen[found_indices[k]]
                if known:
                    sources[first + known - 1] = k
                else:
                    indices[at] = found_indices[k]
                    sources[at] = k
                    at += 1
                    seen[found_indices[k]] = at - first
            counts[b, 1] = at - first - counts[b, 0]
            wanted = min(tail, n_classes - (at - first))
            own = mix(key, examples[b])
            draw = 0
            drawn = 0
            while drawn < wanted:
                candidate = np.int32(uniform(mix(own, draw)) * n_classes)
                draw += 1
                if not seen[candidate]:
                    indices[at] = candidate
                    sources[at] = -1
                    at += 1
                    seen[candidate] = at - first
                    drawn += 1
            counts[b, 2] = drawn
            draws += draw
            for k in range(first, at):
                seen[indices[k]] = 0
    return draws


def complete_active_cost(
    found_indices: IntArray, label_indices: IntArray, counts: OffsetArray, returned: int
) -> Work:
    """Of a class listed its id, source and mark, cleared in the end; a mark for each class looked at."""
    labels, found, tail = (int(total) for total in counts.sum(axis=0))
    listed = (4 * ID + OFFSET) * labels + 4 * ID * found + (2 * ID + OFFSET) * tail
    looked = (2 * ID + OFFSET) * len(found_indices) + ID * returned
    return Work(0, 0, listed + looked + 2 * ID * (labels + found + tail) + 11 * OFFSET * len(counts))


@njit(parallel=True, cache=True, fastmath=False)
def sampled_softmax(indptr, logits, log_q, n_labels, bounds, deltas, losses, hits):
    """Loss of each example over its active classes, and the gradient of the batch's mean loss at the logits.

    The target is uniform over an example's labels, which are listed first; an example without labels has no
    loss and no gradient.

    Symbols: B examples, P active pairs, C chunks.

    Parameters
    ----------
    indptr : int64[B + 1]
    logits : float32[P]
    log_q : float32[P]                  log of the probability with which each class became active
    n_labels : int64[B]                 leading pairs of an example that are its labels
    bounds : int64[C + 1]               chunks of examples
    deltas : float32[P], out            (softmax of the corrected logits - target) / B; magnitudes under 1e-12
                                        become zero
    losses : float32[B], out            nats
    hits : bool[B], out                 the largest corrected logit is a label's; NaN counts as wrong
    """
    share = np.float32(1.0 / max(1, len(losses)))
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            first, last = indptr[b], indptr[b + 1]
            labels = n_labels[b]
            losses[b] = np.float32(0)
            hits[b] = False
            if labels == 0:
                deltas[first:last] = 0
                continue
            best = first
            top = logits[first] - log_q[first]
            for k in range(first + 1, last):
                value = logits[k] - log_q[k]
                if value > top:
                    best, top = k, value
            total = np.float32(0)
            for k in range(first, last):
                deltas[k] = np.exp(logits[k] - log_q[k] - top)
                total += deltas[k]
            target = np.float32(1.0 / labels)
            wanted = np.float32(0)
            for k in range(first, last):
                delta = deltas[k] / total
                if k < first + labels:
                    wanted += logits[k] - log_q[k]
                    delta -= target
                delta *= share
                deltas[k] = np.float32(0) if np.abs(delta) < np.float32(1e-12) else delta
            losses[b] = np.log(total) + top - wanted * target
            hits[b] = best < first + labels and not np.isnan(total)


def sampled_softmax_cost(indptr: OffsetArray, n_labels: OffsetArray) -> Work:
    """Score and correction looked at twice, deltas written twice and read twice; both again of a label."""
    pairs = indptr[1:] - indptr[:-1]
    live = n_labels > 0
    nbytes = VALUE * int((pairs * np.where(live, 8, 1)).sum() + 2 * n_labels.sum() + live.sum())
    return Work(0, 0, nbytes + (VALUE + 1 + 3 * OFFSET) * len(pairs) + int(live.sum()))


@njit(parallel=True, cache=True, fastmath=False)
def sampled_binary(indptr, logits, log_q, n_labels, bounds, deltas, losses, hits):
    """Binary cross-entropy of each active class, weighted by 1/q, as in `sampled_softmax`.

    The weighted sum over the active classes is an unbiased estimate of the sum over all classes. Parameters
    and outputs as there; an example without labels has the loss of its negatives.
    """
    share = np.float32(1.0 / max(1, len(losses)))
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            first, last = indptr[b], indptr[b + 1]
            best = first
            loss = np.float32(0)
            for k in range(first, last):
                z = logits[k]
                target = np.float32(k < first + n_labels[b])
                weight = np.exp(-log_q[k])
                # log(1 + exp(z)) without overflow
                loss += weight * (max(z, np.float32(0)) - z * target + np.log1p(np.exp(-np.abs(z))))
                if z > logits[best]:
                    best = k
                delta = weight * (np.float32(1) / (np.float32(1) + np.exp(-z)) - target) * share
                deltas[k] = np.float32(0) if np.abs(delta) < np.float32(1e-12) else delta
            losses[b] = loss
            hits[b] = last > first and best < first + n_labels[b] and not np.isnan(loss)


def sampled_binary_cost(indptr: OffsetArray) -> Work:
    """Of a pair its score, the best one so far, its correction and delta, and how many labels there are."""
    pairs = int(indptr[-1])
    nbytes = (4 * VALUE + OFFSET) * pairs + (2 * OFFSET + VALUE + 1) * (len(indptr) - 1)
    return Work(0, 0, nbytes + OFFSET * filled(indptr))

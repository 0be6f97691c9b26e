"""Plain twins of the kernels of selected outputs and of sums of sparse matrices; numpy and loops only."""

from __future__ import annotations

import numpy as np
from naive import mix, uniform


def complete_active(key, examples, found, labels, tail, n_classes):
    """Rows of (class, source), and the three counts, by example; so are `found` and `labels`."""
    rows, counts = [], []
    start = 0
    for example, mine, own in zip(examples, found, labels, strict=True):
        row = [[label, -1] for label in own]
        for place, cls in enumerate(mine):
            if cls in own:
                row[own.index(cls)][1] = start + place
            else:
                row.append([cls, start + place])
        start += len(mine)
        certain = {cls for cls, _ in row}
        drawn = []
        draw = 0
        while len(drawn) < min(tail, n_classes - len(certain)):
            candidate = int(uniform(mix(mix(key, example), draw)) * n_classes)
            draw += 1
            if candidate not in certain and candidate not in drawn:
                drawn.append(candidate)
        counts.append([len(own), len(row) - len(own), len(drawn)])
        rows.append(row + [[cls, -1] for cls in drawn])
    return rows, counts


def sampled_softmax(rows, log_q, n_labels):
    """Deltas by row, losses and hits; rows and log_q are lists of float64 arrays."""
    deltas, losses, hits = [], [], []
    for z, q, labels in zip(rows, log_q, n_labels, strict=True):
        if labels == 0:
            deltas.append(np.zeros(len(z)))
            losses.append(0.0)
            hits.append(False)
            continue
        corrected = z - q
        top = corrected.max()
        exps = np.exp(corrected - top)
        target = np.zeros(len(z))
        target[:labels] = 1 / labels
        deltas.append((exps / exps.sum() - target) / len(rows))
        losses.append(np.log(exps.sum()) + top - corrected[:labels].mean())
        hits.append(bool(np.argmax(corrected) < labels) and not np.isnan(exps.sum()))
    return deltas, losses, hits


def sampled_binary(rows, log_q, n_labels):
    """As `sampled_softmax`, for binary cross-entropy weighted by 1/q."""
    deltas, losses, hits = [], [], []
    for z, q, labels in zip(rows, log_q, n_labels, strict=True):
        target = np.arange(len(z)) < labels
        weight = np.exp(-q)
        losses.append(float(np.sum(weight * (np.logaddexp(0, z) - z * target))))
        deltas.append(weight * (1 / (1 + np.exp(-z)) - target) / len(rows))
        hits.append(len(z) > 0 and bool(np.argmax(z) < labels) and not np.isnan(losses[-1]))
    return deltas, losses, hits


def softmax_of_labels(logits, labels):
    """Deltas, losses and hits over all classes; float64[B, Y], and the labels of each example."""
    ordered = [[*own, *(j for j in range(logits.shape[1]) if j not in own)] for own in labels]
    rows = [z[order] for z, order in zip(logits, ordered, strict=True)]
    none = [np.zeros(len(row)) for row in rows]
    return _put_back(ordered, *sampled_softmax(rows, none, [len(own) for own in labels]))


def binary_of_labels(logits, labels):
    """As `softmax_of_labels`, for binary cross-entropy."""
    ordered = [[*own, *(j for j in range(logits.shape[1]) if j not in own)] for own in labels]
    rows = [z[order] for z, order in zip(logits, ordered, strict=True)]
    none = [np.zeros(len(row)) for row in rows]
    return _put_back(ordered, *sampled_binary(rows, none, [len(own) for own in labels]))


def _put_back(ordered, deltas, losses, hits):
    placed = [row[np.argsort(order)] for row, order in zip(deltas, ordered, strict=True)]
    return np.array(placed), losses, hits


def count_union(a, b):
    return [len(set(x) | set(y)) for x, y in zip(a, b, strict=True)]


def add_csr(a, b, a_values, b_values):
    """Rows of (column, value) of the sum: columns of a in order, then those that only b has."""
    rows = []
    for x, y, v, w in zip(a, b, a_values, b_values, strict=True):
        row = [[column, np.float32(value)] for column, value in zip(x, v, strict=True)]
        for column, value in zip(y, w, strict=True):
            if column in x:
                row[list(x).index(column)][1] += np.float32(value)
            else:
                row.append([column, np.float32(value)])
        rows.append(row)
    return rows

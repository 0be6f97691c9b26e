"""Plain twins of the kernels that layers compute with: dense matrices in float64, and loops."""

import itertools

import numpy as np
from naive import mix, softmax_cross_entropy, top_k, uniform


def dense(indptr, indices, data, columns):
    out = np.zeros((len(indptr) - 1, columns))
    for b in range(len(out)):
        for at in range(indptr[b], indptr[b + 1]):
            out[b, indices[at]] = data[at]
    return out


def entries(rows, indptr, indices):
    """The elements of dense rows at the places of a sparse matrix."""
    return np.array(
        [rows[b, indices[at]] for b in range(len(indptr) - 1) for at in range(indptr[b], indptr[b + 1])]
    )


def scatter_rows(indptr, indices, data, columns):
    return dense(indptr, indices, data, columns)


def gather_rows(rows, indptr, indices):
    return entries(rows, indptr, indices)


def pack_rows(table, indptr):
    return [int(node) for b, row in enumerate(table) for node in row[: indptr[b + 1] - indptr[b]]]


def dot_sparse(w, indices, data):
    return sum(float(w[i]) * float(value) for i, value in zip(indices, data, strict=True))


def forward_rows(x, weights, bias, indptr, indices):
    return entries(x.astype(float) @ weights.T.astype(float) + bias, indptr, indices)


def forward_csr(in_indptr, in_indices, in_data, weights, bias, indptr, indices):
    x = dense(in_indptr, in_indices, in_data, weights.shape[1])
    return forward_rows(x, weights, bias, indptr, indices)


def scan_csr(in_indptr, in_indices, in_data, columns, bias):
    return dense(in_indptr, in_indices, in_data, len(columns)) @ columns.astype(float) + bias


def winners_by_input(in_indptr, in_indices, in_data, columns, bias, k):
    """Live winners of each example: pairs of node and activation."""
    scores = scan_csr(in_indptr, in_indices, in_data, columns, bias)
    return [[(node, row[node]) for node in top_k(row, k) if row[node] > 0] for row in scores]


def project_csr(indptr, indices, data, matrix):
    return dense(indptr, indices, data, len(matrix)) @ matrix.astype(float)


def spread_csr(indptr, indices, data, coordinates, columns):
    return dense(indptr, indices, data, columns).T @ coordinates.astype(float)


def score_by_coordinates(queries, coordinates, indptr, indices):
    return entries(queries.astype(float) @ coordinates.T.astype(float), indptr, indices)


def input_gradient_rows(indptr, indices, deltas, weights):
    return dense(indptr, indices, deltas, len(weights)) @ weights.astype(float)


def input_gradient_csr(indptr, indices, deltas, weights, in_indptr, in_indices):
    return entries(input_gradient_rows(indptr, indices, deltas, weights), in_indptr, in_indices)


def input_gradient_by_input(indptr, indices, deltas, columns, in_indptr, in_indices):
    return input_gradient_csr(indptr, indices, deltas, columns.T, in_indptr, in_indices)


def input_products(indptr, indices, deltas, weights, in_indptr, in_indices):
    """For each example a row of terms for each of its pairs, one after the other."""
    terms = []
    for b in range(len(indptr) - 1):
        for at in range(indptr[b], indptr[b + 1]):
            for k in range(in_indptr[b], in_indptr[b + 1]):
                terms.append(float(deltas[at]) * float(weights[indices[at], in_indices[k]]))
    return np.array(terms)


def sum_products(indptr, in_indptr, terms):
    sums, at = [], 0
    for b in range(len(indptr) - 1):
        pairs, inputs = indptr[b + 1] - indptr[b], in_indptr[b + 1] - in_indptr[b]
        rows = np.reshape(terms[at : at + pairs * inputs], (pairs, inputs)).astype(float)
        sums += list(rows.sum(axis=0))
        at += pairs * inputs
    return np.array(sums)


def descend_by_input(x, indptr, indices, deltas, rate, columns):
    return columns - rate * x.T.astype(float) @ dense(indptr, indices, deltas, columns.shape[1])


def pass_back_by_input(x, indptr, indices, deltas, rate, columns, in_indptr, in_indices):
    """The gradient at the inputs, and the weights after the step."""
    gradient = input_gradient_by_input(indptr, indices, deltas, columns, in_indptr, in_indices)
    return gradient, descend_by_input(x, indptr, indices, deltas, rate, columns)


def step_weight(rule, w, g, state, lr, momentum, epsilon=1e-8):
    """One step of one weight: its new value, and the new values of its state."""
    if rule == "sgd":
        return w - lr * g, []
    if g == 0:  # momentum is lazy
        return w, list(state)
    if rule == "momentum":
        return w - lr * (momentum * state[0] + g), [momentum * state[0] + g]
    if rule == "adam":
        mean, square = momentum * state[0] + (1 - momentum) * g, 0.999 * state[1] + 0.001 * g**2
        return w - lr * mean / (np.sqrt(square) + epsilon), [mean, square]
    squares = state[0] + g * g
    change = lr * g / (np.sqrt(squares) + epsilon)
    if rule == "adagrad":
        return w - change, [squares]
    return w - change - momentum * state[1], [squares, change + momentum * state[1]]


def step_run(rule, w, g, state, slot, at, lr, momentum):
    """w, g: [b]; state: [S * slot], of which each slot's values from `at` on are those of the weights."""
    kept = state.astype(float)
    places = [slice(own * slot + at, own * slot + at + len(w)) for own in range(len(state) // slot)]
    own_state = np.array([kept[own] for own in places]).reshape(len(places), len(w))
    new, after = step_row(rule, w, g, own_state, lr, momentum)
    for own, values in zip(places, after, strict=True):
        kept[own] = values
    return new, kept


def step_row(rule, w, gradient, state, lr, momentum):
    """w, gradient: [D]; state: [S, D]."""
    new = [step_weight(rule, *one, lr, momentum) for one in zip(w, gradient, state.T, strict=True)]
    return np.array([value for value, _ in new]), np.array([kept for _, kept in new]).T.reshape(state.shape)


def step_dense(rule, weights, gradients, state, lr, momentum):
    new = [
        step_row(rule, *one, state[:, j], lr, momentum)
        for j, one in enumerate(zip(weights, gradients, strict=True))
    ]
    return np.array([w for w, _ in new]), np.stack([kept for _, kept in new], axis=1)


def _stepped(rule, weights, gradient, touched, state, lr, momentum):
    new, kept = step_dense(rule, weights.astype(float), gradient, state.astype(float), lr, momentum)
    return np.where(touched, new, weights), np.where(touched[None], kept, state), int(touched.sum())


def update_csr(x, indptr, indices, deltas, rule, weights, state, lr, momentum):
    """Weights and state after a step of those that met an input that is stored, and how many they are."""
    pairs = dense(indptr, indices, deltas, len(weights))
    served = dense(indptr, indices, np.ones(len(deltas)), len(weights))
    touched = served.T @ (x != 0) > 0
    return _stepped(rule, weights, pairs.T @ x.astype(float), touched, state, lr, momentum)


def update_rows(x, indptr, indices, deltas, rule, weights, state, lr, momentum):
    """As `update_csr`, with every weight of the nodes that served an example."""
    pairs = dense(indptr, indices, deltas, len(weights))
    touched = np.zeros(weights.shape, bool)
    touched[np.unique(indices)] = True
    return _stepped(rule, weights, pairs.T @ x.astype(float), touched, state, lr, momentum)


def update_by_input(x, deltas, rule, columns, state, lr, momentum):
    """As `update_csr`, of weights by input: every weight of the inputs that are stored, x float[B, D]."""
    touched = np.zeros(columns.shape, bool)
    touched[np.flatnonzero((x != 0).any(axis=0))] = True
    return _stepped(rule, columns, x.T.astype(float) @ deltas, touched, state, lr, momentum)


def step_bias(indptr, indices, deltas, rule, bias, state, lr, momentum):
    ones = np.ones((len(indptr) - 1, 1))
    new, kept, _ = update_rows(
        ones, indptr, indices, deltas, rule, bias.T, state.swapaxes(1, 2), lr, momentum
    )
    return new.T, kept.swapaxes(1, 2)


def softmax_row(logits, label, share):
    """Loss, correctness, and the gradient times `share`."""
    deltas, losses, hits = softmax_cross_entropy(logits[None], [label])
    return losses[0], hits[0], share * deltas[0]


def count_stored(rows):
    return [sum(bool(value != 0) for value in row) for row in rows]


def take_stored(rows):
    return [(column, value) for row in rows for column, value in enumerate(row) if value != 0]


def list_stored(rows):
    return np.concatenate(([0], np.cumsum(count_stored(rows)))), *take_stored(rows)


def count_above(scores, thresholds):
    return [sum(bool(s >= t) for s, t in zip(row, thresholds, strict=True)) for row in scores]


def take_above(scores, thresholds):
    return [(j, row[j]) for row in scores for j in range(len(row)) if row[j] >= thresholds[j]]


def top_k_rows(scores, k):
    return [(j, row[j]) for row in scores for j in top_k(row, k)]


def top_k_csr(indptr, indices, data, k):
    found = []
    for first, last in itertools.pairwise(indptr):
        best = top_k(data[first:last], min(k, last - first))
        found += [(indices[first + i], data[first + i]) for i in best]
    return found


def orthonormalise(directions):
    """Gram-Schmidt by projection onto what came before; a column with nothing left becomes zero."""
    out = np.zeros(directions.shape)
    for j, column in enumerate(directions.T.astype(float)):
        left = column - out @ (out.T @ column)
        left -= out @ (out.T @ left)
        size = np.linalg.norm(left)
        out[:, j] = left / size if size > 1e-5 * np.linalg.norm(column) else 0
    return out


def probe_sequence(code, margins, probes):
    """Buckets by the total margin of the bits that are flipped."""
    flips = range(2 ** len(margins))
    total = [sum(float(m) for bit, m in enumerate(margins) if flip >> bit & 1) for flip in flips]
    return [int(code) ^ flip for flip in sorted(flips, key=lambda flip: total[flip])][:probes]


def hogwild_round(x, labels, chosen, scales, weights, bias, rule, state, bias_state, lr, momentum):
    """Plain per-example training, all arguments float64 and changed in place; returns losses and deltas."""
    losses, all_deltas = [], []
    for b, label in enumerate(labels):
        signals, lives = [x[b]], []
        for h, active in enumerate(chosen):
            z = weights[h] @ signals[-1] + bias[h]
            live = [j for j in active[b] if z[j] > 0]
            signals.append(np.array([scales[h] * z[j] if j in live else 0.0 for j in range(len(z))]))
            lives.append(live)
        logits = weights[-1] @ signals[-1] + bias[-1]
        loss, _, delta = softmax_row(logits, label, 1.0)
        losses.append(loss)
        lives.append(range(len(logits)))
        of_example = []
        for h in range(len(weights) - 1, -1, -1):
            below = scales[h - 1] * (weights[h].T @ delta) * (signals[h] > 0) if h else None
            of_example.insert(0, delta)
            for j in lives[h]:
                for i in np.flatnonzero(signals[h]):
                    new = step_weight(
                        rule, weights[h][j, i], delta[j] * signals[h][i], state[h][:, j, i], lr, momentum
                    )
                    weights[h][j, i], state[h][:, j, i] = new
                new = step_weight(rule, bias[h][j], delta[j], bias_state[h][:, j], lr, momentum)
                bias[h][j], bias_state[h][:, j] = new
            delta = below
        all_deltas.append(of_example)
    return losses, all_deltas


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


def weights_kept(inputs, values, columns):
    """Few weights of each node as rows with zeros."""
    rows = np.zeros((len(inputs), columns))
    for row, places, own in zip(rows, inputs, values, strict=True):
        row[places] = own
    return rows


def forward_kept(x, inputs, weights, bias):
    return weights_kept(inputs, weights, len(x)) @ x + bias[:, None]


def input_gradient_kept(deltas, inputs, weights, columns):
    return weights_kept(inputs, weights, columns).T @ deltas


def weight_gradient_kept(deltas, x, inputs):
    full = deltas.astype(float) @ x.T
    return np.array([row[places] for row, places in zip(full, inputs, strict=True)])

"""Plain twins of the Numba kernels: numpy and loops only, nothing of the project is imported.

Each has its kernel's name and returns what the kernel writes.
"""

from __future__ import annotations

import itertools

import numpy as np

MASK = (1 << 64) - 1


def mix(key, counter):
    z = (key + (counter + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def uniform(bits):
    return (bits >> 11) / 2.0**53


def rows_of(starts, nodes, values, width):
    """A sparse matrix as a dense one."""
    out = np.zeros((len(starts) - 1, width), dtype=np.float64)
    for b in range(len(starts) - 1):
        for slot in range(starts[b], starts[b + 1]):
            out[b, nodes[slot]] = values[slot]
    return out


def group_by_column(starts, nodes, n_nodes):
    pairs = [
        (int(nodes[slot]), b, slot)
        for b in range(len(starts) - 1)
        for slot in range(starts[b], starts[b + 1])
    ]
    pairs.sort()
    group_starts = [sum(node < j for node, _, _ in pairs) for j in range(n_nodes + 1)]
    return group_starts, [b for _, b, _ in pairs], [slot for _, _, slot in pairs]


def keep_positive(starts, nodes, values, scale):
    out_starts, out_nodes, out_values = [0], [], []
    for b in range(len(starts) - 1):
        for slot in range(starts[b], starts[b + 1]):
            if np.isnan(values[slot]) or values[slot] > 0:
                out_nodes.append(nodes[slot])
                out_values.append(np.float32(values[slot]) * np.float32(scale))
        out_starts.append(len(out_nodes))
    return out_starts, out_nodes, out_values


def forward(x, weights, bias, starts, nodes):
    """Pre-activations of listed pairs from dense inputs, in float64."""
    out = []
    for b in range(len(starts) - 1):
        for slot in range(starts[b], starts[b + 1]):
            j = nodes[slot]
            out.append(float(x[b].astype(np.float64) @ weights[j].astype(np.float64) + bias[j]))
    return np.array(out)


def input_gradient(starts, nodes, deltas, weights):
    """Gradient at every input, float64[B, D]."""
    out = np.zeros((len(starts) - 1, weights.shape[1]))
    for b in range(len(starts) - 1):
        for slot in range(starts[b], starts[b + 1]):
            out[b] += float(deltas[slot]) * weights[nodes[slot]].astype(np.float64)
    return out


def weight_gradient(x, starts, nodes, deltas, n_nodes):
    """Gradients of weights and biases, float64."""
    weights = np.zeros((n_nodes, x.shape[1]))
    bias = np.zeros(n_nodes)
    for b in range(len(starts) - 1):
        for slot in range(starts[b], starts[b + 1]):
            weights[nodes[slot]] += float(deltas[slot]) * x[b].astype(np.float64)
            bias[nodes[slot]] += float(deltas[slot])
    return weights, bias


def step(rule, w, g, state, lr, momentum, epsilon=1e-8):
    """One optimiser step on one weight; returns the weight and its new state (a list).

    Momentum is lazy: without a gradient, weight and state stay as they are.
    """
    if g == 0:
        return w, list(state)
    if rule == "sgd":
        return w - lr * g, []
    if rule == "momentum":
        velocity = momentum * state[0] + g
        return w - lr * velocity, [velocity]
    if rule == "adam":
        mean, square = momentum * state[0] + (1 - momentum) * g, 0.999 * state[1] + 0.001 * g * g
        return w - lr * mean / (np.sqrt(square) + epsilon), [mean, square]
    total = state[0] + g * g
    change = lr * g / (np.sqrt(total) + epsilon)
    if rule == "adagrad":
        return w - change, [total]
    change += momentum * state[1]
    return w - change, [total, change]


def softmax_cross_entropy(logits, labels):
    deltas, losses, hits = np.zeros(logits.shape), [], []
    for b, label in enumerate(labels):
        z = logits[b].astype(np.float64)
        p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        losses.append(-np.log(p[label]) if p[label] > 0 else z.max() - z[label])
        hits.append(bool(np.isfinite(p).all() and np.argmax(z) == label))
        deltas[b] = (p - (np.arange(len(z)) == label)) / len(labels)
    return deltas, np.array(losses), np.array(hits)


def kth_largest(values, k):
    return sorted(values, reverse=True)[k - 1]


def kth_largest_of_columns(values, k):
    return [kth_largest(column, k) for column in zip(*values, strict=True)]


def _rank(value):
    return -np.inf if np.isnan(value) else value


def top_k(values, k):
    """Positions of the k largest, ties to the first, NaN smallest; ascending."""
    order = sorted(range(len(values)), key=lambda i: (-_rank(values[i]), i))
    return sorted(order[:k])


def draw_bernoulli(key, examples, n_nodes, log_drop):
    starts, nodes = [0], []
    for example in examples:
        own = mix(key, int(example))
        node = -1
        for draw in itertools.count():
            with np.errstate(divide="ignore"):
                gap = np.floor(np.log(1.0 - uniform(mix(own, draw))) / log_drop)
            if gap >= n_nodes - 1 - node:
                break
            node += 1 + int(gap)
            nodes.append(node)
        starts.append(len(nodes))
    return starts, nodes


def draw_gated(key, examples, probabilities):
    chosen = np.zeros(probabilities.shape, dtype=np.float32)
    for b, example in enumerate(examples):
        own = mix(key, int(example))
        for node in range(probabilities.shape[1]):
            chosen[b, node] = uniform(mix(own, node)) < probabilities[b, node]
    return chosen


def sign_codes(projections, bits):
    out = np.zeros((len(projections), projections.shape[1] // bits), dtype=np.uint32)
    for b, row in enumerate(projections):
        for table in range(out.shape[1]):
            out[b, table] = sum(1 << bit for bit in range(bits) if row[table * bits + bit] > 0)
    return out


def fill_buckets(codes, offsets, n_buckets):
    """Buckets of each table as lists of node ids."""
    n_nodes, n_tables = codes.shape
    tables = []
    for table in range(n_tables):
        buckets = [[] for _ in range(n_buckets)]
        for i in range(n_nodes):
            node = (i + int(offsets[table])) % n_nodes
            buckets[codes[node, table]].append(node)
        tables.append(buckets)
    return tables


def probe_totals(code, margins):
    """Every bucket with the total margin of the bits in which it differs, sorted by that total."""
    n_bits = len(margins)
    totals = {}
    for flips in range(2**n_bits):
        bits = [bit for bit in range(n_bits) if flips >> bit & 1]
        totals[int(code) ^ flips] = float(sum(np.float64(margins[bit]) for bit in bits))
    return totals


def collect_first(sequences, tables, most, cap):
    """One example: `sequences[table]` are its buckets in order."""
    found, read = [], 0
    for table, sequence in enumerate(sequences):
        if len(found) == most:
            break
        for bucket in sequence:
            for node in tables[table][bucket][:cap]:
                if len(found) == most:
                    break
                read += 1
                if node not in found:
                    found.append(node)
    return found, read


def collect_ranked(sequences, tables, most, cap):
    met, hits, read = [], {}, 0
    for table, sequence in enumerate(sequences):
        for bucket in sequence:
            for node in tables[table][bucket][:cap]:
                read += 1
                if node not in hits:
                    met.append(node)
                hits[node] = hits.get(node, 0) + 1
    best = sorted(range(len(met)), key=lambda i: (-hits[met[i]], i))[:most]
    return [met[i] for i in sorted(best)], read


def descend_rows(x, deltas, starts, examples, slots, rate, rows):
    out = rows.astype(np.float64)
    for node in range(len(rows)):
        for at in range(starts[node], starts[node + 1]):
            out[node] -= rate * deltas[slots[at]] * x[examples[at]].astype(np.float64)
    return out


def winner_codes(starts, nodes, values, positions, window, key, n_hashes):
    per_order = max(1, positions.shape[1] // window)
    codes = np.full((len(starts) - 1, n_hashes), -1)
    for b in range(len(codes)):
        present = [
            (int(node), float(value))
            for node, value in zip(
                nodes[starts[b] : starts[b + 1]], values[starts[b] : starts[b + 1]], strict=True
            )
            if value != 0 and value == value
        ]
        for g in range(n_hashes):
            order, w = divmod(g, per_order)
            slots = {positions[order, node] - w * window: value for node, value in present}
            slots = {slot: value for slot, value in slots.items() if 0 <= slot < window}
            if slots:
                codes[b, g] = min(slots, key=lambda slot: (-slots[slot], slot))
        filled = [g for g in range(n_hashes) if codes[b, g] >= 0]
        for g in range(n_hashes):
            if codes[b, g] < 0 or g not in filled:
                start = mix(key, g) % n_hashes
                donors = sorted(filled, key=lambda f: (f - start) % n_hashes)
                codes[b, g] = codes[b, donors[0]] if donors else 0
    return codes


def count_conflicts(node_lists, input_lists, seen, number, stamps):
    """Weights a step changes, and those of them stamped above `seen`; stamps are set to `number`."""
    weights = {
        (node, i)
        for nodes, inputs in zip(node_lists, input_lists, strict=True)
        for node in nodes
        for i in inputs
    }
    conflicts = sum(stamps[weight] > seen for weight in weights)
    for weight in weights:
        stamps[weight] = number
    return len(weights), conflicts


def column_of(columns, group):
    return columns[group] if len(columns) else group


def group_filled_columns(indptr, indices):
    """Columns in the order met, and of each its rows and the places of its entries."""
    groups = {}
    for b in range(len(indptr) - 1):
        for at in range(indptr[b], indptr[b + 1]):
            rows, places = groups.setdefault(int(indices[at]), ([], []))
            rows.append(b)
            places.append(at)
    return list(groups), [rows for rows, _ in groups.values()], [places for _, places in groups.values()]


def fill_with_room(codes, offsets, n_buckets):
    """Buckets of each table: the nodes in them, in the order that they were put there."""
    tables = []
    for table, offset in enumerate(offsets):
        buckets = [[] for _ in range(n_buckets)]
        for i in range(len(codes)):
            node = (i + offset) % len(codes)
            buckets[codes[node][table]].append(int(node))
        tables.append(buckets)
    return tables


def move_nodes(ids, moved_to, codes, tables):
    """Sets of the nodes of each bucket after the moves; `codes` and `tables` are updated."""
    for node, new in zip(ids, moved_to, strict=True):
        for table, code in enumerate(new):
            tables[table][codes[node][table]].discard(int(node))
            tables[table][code].add(int(node))
            codes[node][table] = code
    return tables


def leading_sums(first, second, k):
    """For each example {number of a pair: its sum}, of pairs whose places in both orders multiply to <= k."""
    out = []
    for left, right in zip(first, second, strict=True):
        place_of_m = {int(m): i + 1 for i, m in enumerate(np.argsort(-left, kind="stable"))}
        place_of_n = {int(n): j + 1 for j, n in enumerate(np.argsort(-right, kind="stable"))}
        out.append(
            {
                m * len(right) + n: left[m] + right[n]
                for m, n in itertools.product(range(len(left)), range(len(right)))
                if place_of_m[m] * place_of_n[n] <= k
            }
        )
    return out

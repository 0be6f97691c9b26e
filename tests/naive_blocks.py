"""Plain twins of the kernels that work on whole blocks of nodes: dense matrices in float64, and loops."""

import numpy as np
from naive import top_k


def dense_of_blocks(indptr, blocks, data, columns):
    """A matrix in blocks as a dense one; data flat or a row a block."""
    values = np.asarray(data, dtype=float).reshape(len(blocks), -1) if len(blocks) else np.zeros((0, 1))
    out = np.zeros((len(indptr) - 1, columns))
    for e in range(len(out)):
        for at in range(indptr[e], indptr[e + 1]):
            first = blocks[at] * values.shape[1]
            out[e, first : first + values.shape[1]] = values[at]
    return out


def values_of_blocks(rows, indptr, blocks, b):
    """Dense rows at the places of a matrix in blocks, flat."""
    runs = [
        rows[e, blocks[at] * b : (blocks[at] + 1) * b]
        for e in range(len(indptr) - 1)
        for at in range(indptr[e], indptr[e + 1])
    ]
    return np.concatenate(runs) if runs else np.zeros(0)


def count_blocks(rows, b):
    return [sum(np.any(row[first : first + b]) for first in range(0, len(row), b)) for row in rows]


def take_blocks(rows, b):
    blocks, data = [], []
    for row in rows:
        for first in range(0, len(row), b):
            run = row[first : first + b]
            if np.any(run):
                blocks.append(first // b)
                data.append(np.concatenate((run, np.zeros(b - len(run)))))
    return blocks, np.array(data).reshape(len(blocks), b)


def add_blocks(a, b, columns):
    return dense_of_blocks(*a, columns) + dense_of_blocks(*b, columns)


def weights_of_tiles(tiles, nodes, b):
    """float[nodes, fan-in] from tiles that lead from blocks of inputs to blocks of nodes."""
    weights = np.zeros((nodes, len(tiles) * b * b // nodes))
    per_block = len(tiles) * b // nodes
    for at, tile in enumerate(tiles):
        n, k = divmod(at, per_block)
        weights[n * b : (n + 1) * b, k * b : (k + 1) * b] = tile.reshape(b, b).T
    return weights


def score_every_block(x, sums, bias_sums):
    return x @ sums.T.astype(float) + bias_sums


def score_blocks(x, sums, bias_sums, indptr, numbers):
    return values_of_blocks(score_every_block(x, sums, bias_sums), indptr, numbers, 1)


def forward_blocks(x, tiles, bias):
    nodes, b = bias.size, bias.shape[1]
    return x @ weights_of_tiles(tiles, nodes, b).T + bias.reshape(-1)


def list_blocks(rows, b):
    return np.concatenate(([0], np.cumsum(count_blocks(rows, b)))), *take_blocks(rows, b)


def winning_blocks(x, sums, bias_sums, tiles, bias, k):
    """Numbers of each example's k blocks of largest score, and the activations of their nodes."""
    best = [top_k(row, k) for row in score_every_block(x, sums, bias_sums)]
    active = np.maximum(forward_blocks(x, tiles, bias), 0)
    runs = [row.reshape(-1, bias.shape[1])[own] for row, own in zip(active, best, strict=True)]
    return best, runs


def update_blocks(x, deltas, tiles, bias, lr):
    """After a step of plain gradient descent: weights, biases, the sums of each block's rows, and of each
    block's biases; and the gradient at the input before it."""
    b = bias.shape[1]
    before = weights_of_tiles(tiles, bias.size, b)
    weights = before - lr * deltas.T @ x
    stepped = bias.reshape(-1) - lr * deltas.sum(axis=0)
    sums = weights.reshape(len(bias), b, -1).sum(axis=1)
    return weights, stepped, sums, stepped.reshape(-1, b).sum(axis=1), deltas @ before

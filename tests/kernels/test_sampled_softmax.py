"""Active classes and the losses over them: twins, PyTorch, and an unbiased partition function."""

from __future__ import annotations

import naive_layers
import numpy as np
import pytest
from kernel_cases import CHUNKS

from lshexp.kernels.loss import binary_of_labels, softmax_of_labels
from lshexp.kernels.parallel import even_bounds
from lshexp.kernels.sampled_softmax import complete_active, sampled_binary, sampled_softmax

KEY = np.uint64(77)


def ragged(lists, dtype=np.int32):
    """indptr and flat values of a list of lists."""
    lengths = [len(row) for row in lists]
    flat = np.array([value for row in lists for value in row], dtype=dtype)
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64), flat


def draw_cases(random, examples, classes):
    found = [
        list(random.permutation(classes)[: random.integers(0, min(classes, 6) + 1)]) for _ in range(examples)
    ]
    labels = [
        list(random.permutation(classes)[: random.integers(0, min(classes, 3) + 1)]) for _ in range(examples)
    ]
    return found, labels


def complete(found, labels, tail, classes, chunks, examples=None):
    ids = np.arange(len(found)) if examples is None else examples
    found_arrays, label_arrays = ragged(found), ragged(labels)
    room = len(found_arrays[1]) + len(label_arrays[1]) + len(found) * tail
    indices, sources = np.empty(room, np.int32), np.empty(room, np.int64)
    counts = np.empty((len(found), 3), np.int64)
    stamps = np.zeros((chunks, classes), np.int32)
    bounds = even_bounds(len(found), chunks)
    complete_active(
        KEY, ids, *found_arrays, *label_arrays, tail, classes, bounds, stamps, indices, sources, counts
    )
    assert not stamps.any()
    first = found_arrays[0][:-1] + label_arrays[0][:-1] + np.arange(len(found)) * tail
    rows = [
        [[int(c), int(s)] for c, s in zip(indices[a : a + n], sources[a : a + n], strict=True)]
        for a, n in zip(first, counts.sum(axis=1), strict=True)
    ]
    return rows, counts.tolist()


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize(
    ("examples", "classes", "tail"), [(0, 5, 2), (1, 1, 3), (7, 9, 0), (9, 8, 8), (5, 40, 6)]
)
def test_complete_active(examples, classes, tail, chunks):
    found, labels = draw_cases(np.random.default_rng(examples), examples, classes)
    comp = complete(found, labels, tail, classes, chunks)
    ref = naive_layers.complete_active(int(KEY), range(examples), found, labels, tail, classes)
    assert comp[0] == [[[int(c), int(s)] for c, s in row] for row in ref[0]]
    assert comp[1] == ref[1]


def loss_case(random, examples):
    lengths = random.integers(0, 9, examples)
    labels = np.minimum(random.integers(0, 4, examples), lengths)
    rows = [random.normal(0, 3, n).astype(np.float32) for n in lengths]
    log_q = [-random.exponential(2, n).astype(np.float32) for n in lengths]
    return rows, log_q, labels.astype(np.int64)


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("examples", [0, 1, 13])
@pytest.mark.parametrize("kernel", [sampled_softmax, sampled_binary], ids=lambda kernel: kernel.__name__)
def test_losses(kernel, examples, chunks):
    rows, log_q, labels = loss_case(np.random.default_rng(3), examples)
    indptr, logits = ragged(rows, np.float32)
    deltas, losses = np.empty(len(logits), np.float32), np.empty(examples, np.float32)
    hits = np.empty(examples, np.bool_)
    kernel(
        indptr,
        logits,
        ragged(log_q, np.float32)[1],
        labels,
        even_bounds(examples, chunks),
        deltas,
        losses,
        hits,
    )
    ref = getattr(naive_layers, kernel.__name__)(
        [row.astype(float) for row in rows], [q.astype(float) for q in log_q], labels
    )
    np.testing.assert_allclose(deltas, np.concatenate([*ref[0], []]), rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(losses, ref[1], rtol=2e-5, atol=1e-5)
    assert hits.tolist() == [bool(hit) for hit in ref[2]]


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("classes", [1, 2, 30])
@pytest.mark.parametrize("kernel", [softmax_of_labels, binary_of_labels], ids=lambda kernel: kernel.__name__)
def test_losses_over_all_classes(kernel, classes, chunks):
    random = np.random.default_rng(classes)
    _, labels = draw_cases(random, 9, classes)
    labels[3] = []
    logits = random.normal(0, 3, (9, classes)).astype(np.float32)
    deltas, losses, hits = np.empty_like(logits), np.empty(9, np.float32), np.empty(9, np.bool_)
    kernel(logits, *ragged(labels), even_bounds(9, chunks), deltas, losses, hits)
    ref = getattr(naive_layers, kernel.__name__)(logits.astype(float), labels)
    np.testing.assert_allclose(deltas, ref[0], rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(losses, ref[1], rtol=2e-5, atol=1e-5)
    assert hits.tolist() == [bool(hit) for hit in ref[2]]


def test_nan_logits_are_not_hidden():
    indptr = np.array([0, 3])
    logits = np.array([1, np.nan, 0], np.float32)
    deltas, losses, hits = np.empty(3, np.float32), np.empty(1, np.float32), np.empty(1, np.bool_)
    zero = np.zeros(3, np.float32)
    for kernel in (sampled_softmax, sampled_binary):
        kernel(indptr, logits, zero, np.array([1]), np.array([0, 1]), deltas, losses, hits)
        assert np.isnan(losses[0]) and not hits[0]


def test_gradient_of_the_corrected_softmax_is_that_of_pytorch():
    torch = pytest.importorskip("torch")
    rows, log_q, labels = loss_case(np.random.default_rng(5), 11)
    keep = [i for i in range(11) if labels[i]]
    rows, log_q, labels = [rows[i] for i in keep], [log_q[i] for i in keep], labels[keep]
    indptr, logits = ragged(rows, np.float32)
    deltas, losses = np.empty(len(logits), np.float32), np.empty(len(rows), np.float32)
    q = ragged(log_q, np.float32)[1]
    hits = np.empty(len(rows), np.bool_)
    sampled_softmax(indptr, logits, q, labels, even_bounds(len(rows), 1), deltas, losses, hits)
    z = torch.tensor(logits, requires_grad=True)
    total = 0
    for b, n in enumerate(labels):
        row = (z - torch.tensor(q))[indptr[b] : indptr[b + 1]]
        target = torch.zeros(len(row))
        target[:n] = 1 / n
        total = total + torch.nn.functional.cross_entropy(row[None], target[None])
    (total / len(rows)).backward()
    np.testing.assert_allclose(deltas, z.grad.numpy(), rtol=1e-4, atol=1e-6)
    assert losses.sum() == pytest.approx(float(total.detach()), rel=1e-5)


def test_the_correction_makes_the_partition_function_unbiased():
    """Over many draws of the tail, the mean of the corrected sum is the sum over all classes."""
    random = np.random.default_rng(1)
    classes, tail, draws = 50, 6, 4000
    z = random.normal(0, 1.5, classes)
    best = list(np.argsort(-z)[:5])
    rows, counts = complete([best] * draws, [[3]] * draws, tail, classes, 1)
    estimates = []
    for row, (labels, found, drawn) in zip(rows, counts, strict=True):
        certain = labels + found
        active = z[[cls for cls, _ in row]]
        q = drawn / (classes - certain)
        estimates.append(np.exp(active[:certain]).sum() + np.exp(active[certain:]).sum() / q)
    error = np.std(estimates) / np.sqrt(draws)
    assert np.mean(estimates) == pytest.approx(np.exp(z).sum(), abs=4 * error)
    assert error > 0

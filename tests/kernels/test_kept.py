"""Layers with few weights a node: kernels against plain twins, and what they load, store and multiply."""

from __future__ import annotations

from types import SimpleNamespace

import naive_layers
import numpy as np
import pytest
from kernel_cases import CHUNKS, close
from metered import check, whole

from lshexp.kernels import kept
from lshexp.kernels.parallel import even_bounds

SHAPES = [
    (1, 1, 1, 1),
    (5, 7, 4, 2),
    (17, 33, 41, 9),
    (3, 6, 8, 6),
]  # examples, fan-in, nodes, weights a node


@pytest.fixture(params=SHAPES, ids=str)
def case(request):
    examples, fan_in, nodes, each = request.param
    random = np.random.default_rng(4)
    rows = [np.sort(random.permutation(fan_in)[:each]) for _ in range(nodes)]
    inputs = np.array(rows, dtype=np.int32)
    draw = {"x": (fan_in, examples), "deltas": (nodes, examples), "weights": (nodes, each), "bias": (nodes,)}
    arrays = {name: random.standard_normal(shape).astype(np.float32) for name, shape in draw.items()}
    return SimpleNamespace(inputs=inputs, products=inputs.size * examples, **arrays)


@pytest.mark.parametrize("chunks", CHUNKS)
def test_kernels_are_their_twins(case, chunks):
    x, deltas, inputs, weights = case.x, case.deltas, case.inputs, case.weights
    nodes, examples = even_bounds(len(deltas), chunks), even_bounds(x.shape[1], chunks)
    scores, gradient, own = np.empty_like(deltas), np.empty_like(x), np.empty_like(weights)
    kept.forward_kept(x, inputs, weights, case.bias, nodes, scores)
    close(scores, naive_layers.forward_kept(x, inputs, weights, case.bias))
    kept.input_gradient_kept(deltas, inputs, weights, examples, gradient)
    close(gradient, naive_layers.input_gradient_kept(deltas, inputs, weights, len(x)))
    kept.weight_gradient_kept(deltas, x, inputs, nodes, own)
    close(own, naive_layers.weight_gradient_kept(deltas, x, inputs))


def test_costs(case):
    x, deltas, inputs, weights = case.x, case.deltas, case.inputs, case.weights
    every = whole(len(deltas))
    work = [
        check(kept.forward_kept, x, inputs, weights, case.bias, every, np.empty_like(deltas)),
        check(kept.input_gradient_kept, deltas, inputs, weights, whole(x.shape[1]), np.empty_like(x)),
        check(kept.weight_gradient_kept, deltas, x, inputs, every, np.empty_like(weights)),
    ]
    assert {part[:2] for part in work} == {(case.products, case.products)}

"""A step of training uses the memory of the step before: it asks for no large array and for no more of them.

What is traced is what NumPy allocates; what kernels allocate for themselves is counted by Numba.
"""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest
from numba.core.runtime import _nrt_python, rtsys

from lshexp import buffers, registry
from lshexp.methods.base import Batch
from lshexp.nn.gemm import Gemm
from lshexp.nn.network import Network
from lshexp.nn.threads import using_threads
from lshexp.spec import RunSpec

FEATURES, CLASSES, NODES, EXAMPLES, WARM = 784, 10, 1000, 128, 12
ACTIVATIONS = 4 * EXAMPLES * NODES  # bytes: what a single array of every node's values would take
WINNERS = {"over": "example"}
CASES = {
    "dense": ("dense", {}, {}),
    "lsh": ("lsh", {}, {"input": "lists"}),
    "lsh with tables": ("lsh", {"L": 20}, {"input": "lists", "optimizer": "adam"}),
    "lsh hybrid": ("lsh", {"preset": "hybrid"}, {"input": "lists", "optimizer": "sgd"}),
    "winners": ("winner_take_all", WINNERS, {}),
    "winners scanned": ("winner_take_all", {**WINNERS, "where_sparse": "scan"}, {"input": "lists"}),
    "blocks": ("winner_take_all", WINNERS, {"block": 8, "optimizer": "adam"}),
    "blocks of lsh": ("lsh", {"L": 0}, {"block": 4}),
    "skips": ("lsh", {}, {"skip": True, "input": "lists", "optimizer": "adam"}),
    "dropout": ("dropout", {}, {"input": "lists"}),
    "adaptive_dropout": ("adaptive_dropout", {}, {"optimizer": "sgd"}),
}


def steps(case, examples=EXAMPLES):
    """Train for ever on the same few batches: a step each time that it is asked for the next."""
    method, options, more = CASES[case]
    # tables are filled, and inputs learned, in the first steps and not again
    options = options | ({"rehash_every": 10**9, "learn_every": 10**9} if method == "lsh" else {})
    spec = RunSpec(
        method=method,
        method_options=options,
        active_pct=5.0,
        hidden=[NODES] * 3,
        batch=examples,
        lr=1e-3,
        **more,
    )
    random = np.random.default_rng(1)
    x = random.random((2, examples, FEATURES), dtype=np.float32)
    x *= random.random(x.shape) < 0.19
    y = random.integers(0, CLASSES, (2, examples)).astype(np.int32)
    with using_threads(1), Gemm(1) as gemm:
        net = Network(spec, registry.methods.build(method, options), FEATURES, CLASSES, gemm)
        for number in range(10**6):
            half = number % 2
            ids = np.arange(half * examples, (half + 1) * examples)
            net.train_batch(x[half], y[half], Batch(ids, number, True))
            yield


def allocated(training):
    """Most bytes that NumPy and Python held at once during a step beyond those before it."""
    gc.collect()
    tracemalloc.start()
    try:
        next(training)  # what Python itself keeps from then on
        found = []
        for _ in range(4):
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            next(training)
            found.append(tracemalloc.get_traced_memory()[1] - before)
        return min(found)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("case", CASES)
def test_a_steady_step_allocates_no_large_array(case):
    training = steps(case)
    for _ in range(WARM):
        next(training)
    assert allocated(training) < ACTIVATIONS / 2
    training.close()


def test_without_kept_memory_it_would(monkeypatch):
    """The measure sees what the steps allocate."""
    monkeypatch.setattr(buffers, "SMALL", 2**40)
    training = steps("dense")
    for _ in range(2):
        next(training)
    assert allocated(training) > 4 * ACTIVATIONS
    training.close()


@pytest.mark.parametrize("case", ["dense", "lsh", "winners scanned", "blocks"])
def test_kernels_allocate_nothing_for_an_example(case):
    """Their own arrays are as many for twice the examples."""
    if not hasattr(_nrt_python, "memsys_enable_stats"):
        pytest.skip("this Numba does not count allocations")
    _nrt_python.memsys_enable_stats()
    counts = []
    for examples in (EXAMPLES, 2 * EXAMPLES):
        training = steps(case, examples)
        for _ in range(3):
            next(training)
        before = rtsys.get_allocation_stats().alloc
        next(training)
        counts.append(rtsys.get_allocation_stats().alloc - before)
        training.close()
    assert counts[1] <= counts[0] + 8

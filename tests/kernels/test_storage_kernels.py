"""Kernels of layers without a full matrix of weights against plain twins, and what they load and store."""

from __future__ import annotations

import naive_storage
import numpy as np
import pytest
from kernel_cases import CHUNKS, close
from metered import check, whole

from lshexp.kernels import hashed, rounded
from lshexp.kernels.parallel import even_bounds
from lshexp.kernels.rng import mix

KEY = np.uint64(0x9D0B7A3C5E1F2468)
SHAPES = [(1, 1, 1), (5, 7, 4), (33, 17, 100), (6, 3, 18)]  # nodes, fan-in, values


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shared_values(shape, chunks):
    nodes, fan_in, values = shape
    random = np.random.default_rng(5)
    own = random.standard_normal(values).astype(np.float32)
    gradient = random.standard_normal((nodes, fan_in)).astype(np.float32)
    rows, sums = np.empty_like(gradient), np.zeros(values, dtype=np.float32)
    hashed.unfold_hashed(KEY, own, 3, even_bounds(nodes, chunks), rows)
    np.testing.assert_array_equal(rows, naive_storage.unfold_hashed(int(KEY), own, 3, nodes, fan_in))
    hashed.fold_hashed(KEY, gradient, 3, even_bounds(values, chunks), sums)
    close(sums, naive_storage.fold_hashed(int(KEY), gradient, 3, values))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_costs_of_shared_values(shape):
    nodes, fan_in, values = shape
    own, gradient = np.ones(values, np.float32), np.ones((nodes, fan_in), np.float32)
    assert check(hashed.unfold_hashed, KEY, own, 3, whole(nodes), gradient.copy())[:2] == (0, 0)
    folded = check(hashed.fold_hashed, KEY, gradient, 3, whole(values), own.copy())
    assert folded[:2] == (0, nodes * fan_in)


ROUNDING = {"int8": rounded.round_to_int8, "pow2": rounded.round_to_pow2}


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("kernel", ROUNDING.values(), ids=ROUNDING)
def test_rounding(kernel, chunks):
    random = np.random.default_rng(6)
    weights = (random.standard_normal((9, 300)) * np.exp(random.normal(size=(9, 1)))).astype(np.float32)
    weights[3], weights[4, :7] = 0, 0
    weights[5, :4] = [1e-39, -1e-30, 2.0**-5, -4.0]  # one that is subnormal
    weights[6, :2] = weights[6].max() * np.array([2**-6.4, 2**-6.6], np.float32)
    out = np.full_like(weights, np.nan)
    kernel(weights, even_bounds(len(weights), chunks), out)
    close(out, getattr(naive_storage, kernel.__name__)(weights))


def test_powers_of_two_are_what_is_said():
    weights = np.array([[1.4, -1.42, 0.75, 0.0, -(2**-5.4), 2**-5.6]], dtype=np.float32)
    out = np.empty_like(weights)
    rounded.round_to_pow2(weights, whole(1), out)
    # the largest becomes 2, so that the least is 2**-5
    assert out.tolist() == [[1.0, -2.0, 1.0, 0.0, -(2**-5), 0.0]]


@pytest.mark.parametrize("kernel", ROUNDING.values(), ids=ROUNDING)
def test_weights_that_are_not_finite_do_not_look_healthy(kernel):
    weights = np.array([[1.0, np.nan], [np.inf, 1.0]], dtype=np.float32)
    out = np.zeros_like(weights)
    kernel(weights, whole(2), out)
    assert not np.isfinite(out[0, 1]) and not np.isfinite(out[1, 0])


@pytest.mark.parametrize("kernel", ROUNDING.values(), ids=ROUNDING)
def test_costs_of_rounding(kernel):
    weights = np.random.default_rng(7).standard_normal((4, 9)).astype(np.float32)
    work = check(kernel, weights, whole(4), np.empty_like(weights))
    assert work[:2] == ((2 * 36 + 2 * 4, 0) if kernel is rounded.round_to_int8 else (0, 0))


def test_values_are_shared_evenly_and_signs_are_fair():
    """Of 60,000 weights and 50 values: counts and signs are within five standard deviations."""
    places, signs = [], []
    for node in range(100):
        for i in range(600):
            bits = np.uint64(mix(np.uint64(mix(KEY, np.uint64(node))), np.uint64(i)))
            assert hashed.place_of(bits, 50) == naive_storage.place_of(int(bits), 50)
            places.append(hashed.place_of(bits, 50))
            signs.append(1 if int(bits) & 1 else -1)
    counts = np.bincount(places, minlength=50)
    assert np.abs(counts - 1200).max() < 5 * np.sqrt(1200)
    sums = np.bincount(places, weights=signs, minlength=50)
    assert np.abs(sums).max() < 5 * np.sqrt(1200)

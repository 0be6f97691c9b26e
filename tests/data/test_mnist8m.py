"""Infinite MNIST: an example is a function of (seed, i), fields are smooth, streams train like arrays."""

import naive_shapes as naive
import numba
import numpy as np
import pytest

from lshexp.data import mnist8m
from lshexp.data.base import Part, Splits, freeze
from lshexp.data.mnist8m import Mnist8m, deform, deformed_digits, shifted, smooth_fields
from lshexp.nn.trainer import run
from lshexp.spec import RunSpec

KEY = 2**63 + 5


def strokes(count, side=28, seed=0):
    """Blurred crosses: uint8[count, side, side], something with edges to move."""
    random = np.random.default_rng(seed)
    rows, columns = np.indices((side, side))
    out = np.empty((count, side, side), np.uint8)
    for digit in out:
        r, c = random.uniform(side * 0.35, side * 0.65, 2)
        near = np.minimum(np.abs(rows - r), np.abs(columns - c))
        inside = np.hypot(rows - r, columns - c) < side * 0.3
        digit[:] = np.clip(255 * (2.2 - near), 0, 255) * inside
    return out


@pytest.fixture
def digits(monkeypatch):
    """Twenty crosses in the place of the training digits, ten to test."""
    crosses, labels = strokes(20), np.arange(20, dtype=np.uint8) % 10
    monkeypatch.setattr(mnist8m, "read_digits", lambda key: crosses if "images" in key else labels)
    test = freeze(Part(crosses[:10].reshape(10, -1) / np.float32(255), labels[:10].astype(np.int32)))
    monkeypatch.setattr(mnist8m, "digits_part", lambda split: test)
    return crosses


@pytest.mark.parametrize("first_round", [0, 1])
def test_deformed_digits_equal_their_twin(first_round):
    digits, fields = strokes(7, 13), smooth_fields(1, 3, 20, 2.0, 1.3)
    ids = np.array([0, 3, 6, 7, 29, 8_000_000_000, 12, 3])
    images = np.full((len(ids), 13, 13), np.nan, np.float32)
    deformed_digits(np.uint64(KEY), digits, fields, 0.7, 2, first_round, ids, images)
    expected = naive.deformed_digits(KEY, digits, fields, 0.7, 2, first_round, ids)
    np.testing.assert_array_equal(images, expected)


def test_an_example_is_the_same_in_any_company_and_at_any_thread_count(digits):
    train = Mnist8m(seed=3).load().train
    ids = np.random.default_rng(0).integers(0, train.size, 50)
    whole = train.batch(ids)
    before = numba.get_num_threads()
    for threads in {1, before}:
        numba.set_num_threads(threads)
        try:
            for k in (0, 17, 49):
                alone = train.batch(ids[k : k + 1])
                np.testing.assert_array_equal(alone.x[0], whole.x[k])
                assert alone.y[0] == whole.y[k]
            np.testing.assert_array_equal(train.batch(ids[::-1]).x[::-1], whole.x)
        finally:
            numba.set_num_threads(before)
    late = train.cut(1000, 2000)
    np.testing.assert_array_equal(late.batch(np.array([5])).x, train.batch(np.array([1005])).x)
    assert late.size == 1000
    np.testing.assert_array_equal(
        Mnist8m(seed=3, train=2000).load().train.cut(1000, 2000).batch(ids % 1000).x, late.batch(ids % 1000).x
    )
    assert not np.array_equal(Mnist8m(seed=4).load().train.batch(ids).x, whole.x)


def test_the_first_round_is_the_digits_and_later_ones_are_their_neighbours(digits):
    train = Mnist8m().load().train
    first = train.batch(np.arange(20))
    np.testing.assert_array_equal(first.x, digits.reshape(20, -1) / np.float32(255))
    later = train.batch(np.arange(2000) + 20)
    np.testing.assert_array_equal(later.y, np.tile(first.y, 100))
    assert later.x.dtype == np.float32
    np.testing.assert_array_equal(later.x * 255, np.rint(later.x * 255))
    assert len(np.unique(later.x, axis=0)) == 2000
    own = np.tile(first.x, (100, 1))
    assert 0.6 < np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(later.x, own, strict=True)]) < 0.95


def test_fields_are_smooth_of_the_size_asked_for_and_repeat():
    fields = smooth_fields(2, 8, 64, 4.0, 1.5)
    assert fields.dtype == np.float32
    np.testing.assert_allclose(fields.std(axis=(1, 2)), 1.5, atol=1e-3)
    for axis in (1, 2):
        # noise smoothed with a Gaussian of width s correlates as exp(-d^2 / 4 s^2) over d pixels
        for distance in (1, 4):
            moved = np.roll(fields, distance, axis=axis)
            assert np.mean(fields * moved) / 1.5**2 == pytest.approx(np.exp(-(distance**2) / 64), abs=0.06)
        assert np.abs(np.diff(fields, axis=axis)).max() < 1.5
    np.testing.assert_array_equal(fields, smooth_fields(2, 8, 64, 4.0, 1.5))
    assert not np.array_equal(fields, smooth_fields(3, 8, 64, 4.0, 1.5))


def test_a_constant_field_moves_a_digit_and_thickening_grows_it():
    rows, columns = np.indices((28, 28))
    hill = 180 * np.exp(-((rows - 13) ** 2 + (columns - 12) ** 2) / 32)  # soft: nothing is cut at 0 or 255
    digit = hill.astype(np.uint8)
    image, still = np.empty((28, 28), np.float32), np.zeros((28, 28), np.float32)

    def middle(weights):
        return (weights * np.arange(28)).sum() / weights.sum()

    deform(digit, still + np.float32(-0.5), still, np.float32(0), image)  # grey values come from the left
    assert middle(image.sum(axis=0)) - middle(digit.sum(axis=0)) == pytest.approx(0.5, abs=0.05)
    assert middle(image.sum(axis=1)) == pytest.approx(middle(digit.sum(axis=1)), abs=0.02)
    sizes = []
    for thickening in (-0.5, 0, 0.5):
        deform(digit, still, still, np.float32(thickening), image)
        sizes.append(image.sum())
    assert sizes[0] < 0.95 * sizes[1] < 0.9 * sizes[2]


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, -3), (-28, 0), (1, 28)])
def test_shifts_equal_their_twin(down, right):
    digit, out = strokes(1)[0], np.full((28, 28), 9, np.uint8)
    shifted(digit, down, right, out)
    np.testing.assert_array_equal(out, naive.shifted(digit, down, right))


def test_a_stream_trains_to_the_same_bits_as_the_same_examples_in_memory(digits, monkeypatch):
    spec = RunSpec(
        dataset="mnist8m", dataset_options={"train": 90}, hidden=[8], method="dense",
        epochs=2, batch=16, validation_examples=20, probe=0.2,
    )  # fmt: skip
    streamed = run(spec)
    splits = Mnist8m(train=90).load()
    held = Splits(freeze(splits.train.batch(np.arange(90))), splits.test)
    monkeypatch.setattr(Mnist8m, "load", lambda self: held)
    in_memory = run(spec)
    assert [row.train_loss for row in streamed.epochs] == [row.train_loss for row in in_memory.epochs]
    assert [row.valid_acc_pct for row in streamed.epochs] == [row.valid_acc_pct for row in in_memory.epochs]
    assert streamed.order_hash == in_memory.order_hash


def test_a_long_stream_holds_no_more_than_a_short_one(digits):
    train = Mnist8m(train=1_000_000_000).load().train
    assert train.size == 1_000_000_000
    assert train.digits is digits
    assert train.fields.nbytes < 5_000_000
    assert train.batch(np.array([999_999_999])).x.shape == (1, 784)


def test_the_fingerprint_names_the_options(digits):
    prints = {Mnist8m(**options).fingerprint() for options in ({}, {"seed": 1}, {"train": 9}, {"shift": 0})}
    assert len(prints) == 4


def test_a_sample_shows_deformed_digits(digits, monkeypatch):
    monkeypatch.setattr(mnist8m, "ROUND", 20)
    train = Mnist8m().load().train
    np.testing.assert_array_equal(Mnist8m().sample(7).x, train.batch(np.arange(20, 27)).x)
    np.testing.assert_array_equal(Mnist8m(train=9).sample(7).x, train.batch(np.arange(2, 9)).x)
    assert Mnist8m(train=9).sample(70).size == 9


@pytest.mark.parametrize("side", [1, 2, 9])
def test_deform_equals_its_twin(side):
    random = np.random.default_rng(side)
    digit = random.integers(0, 256, (side, side)).astype(np.uint8)
    across, down = random.standard_normal((2, side, side)).astype(np.float32)
    image = np.full((side, side), np.nan, np.float32)
    deform(digit, across, down, np.float32(0.4), image)
    np.testing.assert_array_equal(image, naive.deform(digit, across, down, np.float32(0.4)))

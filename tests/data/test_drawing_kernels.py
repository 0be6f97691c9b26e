"""The parts that pictures are drawn with, each against its plain twin."""

from __future__ import annotations

import naive_data
import naive_data as naive
import naive_render
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lshexp.data import _drawing, _renderer, convex, rectangles, rectangles_images
from lshexp.data._toys import Toy
from lshexp.data.convex import GEOMETRIC, convex_images, has_gap
from lshexp.data.rectangles import Rectangles, rectangle_outlines
from lshexp.data.rectangles_images import rectangle_patches, textures

KEY = 2**63 + 29
keys = st.integers(0, 2**64 - 1)


@given(keys, st.integers(-5, 5), st.integers(0, 9))
def test_integer(bits, low, more):
    comp = _drawing.integer(np.uint64(bits), low, low + more)
    assert comp == naive_data.integer(bits, low, low + more)
    assert low <= comp <= low + more


@given(keys, st.integers(0, 2**40))
def test_balanced_label_and_example_key(key, i):
    assert _drawing.balanced_label(np.uint64(key), i) == naive_data.balanced_label(key, i)
    assert _drawing.example_key(np.uint64(key), i) == naive_data.example_key(key, i)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(("shortest", "longest", "difference"), [(1, 2, 1), (1, 28, 3), (10, 15, 5)])
def test_rectangle(shortest, longest, difference, wide):
    for key in range(40):
        comp = rectangles.rectangle(np.uint64(key), shortest, longest, difference, wide)
        assert comp == naive_data.rectangle(key, shortest, longest, difference, wide)


@pytest.mark.parametrize("side", [1, 2, 9])
def test_cut(side):
    rows, columns = np.indices((side, side))
    for key in range(30):
        lows, highs = np.zeros(side, np.int64), np.full(side, side - 1)
        inside, counter, ref_counter = np.ones((side, side), bool), 3, 3
        while inside.any():
            pixels, counter = convex.cut(np.uint64(key), counter, lows, highs)
            inside, ref_pixels, ref_counter = naive_data.cut(key, ref_counter, inside)
            assert (pixels, counter) == (ref_pixels, ref_counter)
            comp = (lows[rows] <= columns) & (columns <= highs[rows])
            np.testing.assert_array_equal(comp, inside)


@pytest.mark.parametrize("fewest_cuts", [1, 4])
def test_add_convex_set(fewest_cuts):
    image = np.zeros((11, 11), np.float32)
    counter = ref_counter = 0
    for _ in range(12):
        ref, ref_counter = naive_data.add_convex_set(KEY, ref_counter, fewest_cuts, 0.2, 5, image)
        counter = convex.add_convex_set(np.uint64(KEY), counter, fewest_cuts, 0.2, 5, image)
        assert counter == ref_counter
        np.testing.assert_array_equal(image, ref)
        image[:, :6] = 0


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (7, 7)])
def test_copy_patch(shape):
    pool = np.random.default_rng(1).random((3, 7, 7), dtype=np.float32)
    for counter in range(20):
        target = np.full(shape, np.nan, np.float32)
        rectangles_images.copy_patch(np.uint64(KEY), counter, pool, target)
        np.testing.assert_array_equal(target, naive_data.copy_patch(KEY, counter, pool, shape))


@pytest.fixture(scope="module")
def solids():
    """An ellipsoid, cylinders lying and upright, and a block that narrows and leans."""
    toy = Toy(0.8)
    toy.ellipsoid((0, 0, 0.5), (1.0, 0.3, 0.5), pitch=30)
    toy.limb((0.5, 0, 0), (1.0, 0.3, 1.0), 0.3)
    toy.limb((-1, 0, 0), (-1, 0, 1.0), 0.5)
    toy.block((0, 1, 0.5), (1.0, 0.4, 0.5), top=(0.5, 0.7), shift=-0.4, pitch=10)
    return toy.rows()[0]


def rays(count, seed):
    """Starts outside all solids in their own coordinates, directions towards them and elsewhere."""
    random = np.random.default_rng(seed)
    starts = random.standard_normal((count, 3))
    starts *= 4 / np.linalg.norm(starts, axis=1, keepdims=True)
    return starts, 0.5 * random.standard_normal((count, 3)) - 0.4 * starts


def test_into_and_faces(solids):
    for solid in solids:
        for point in rays(20, 2)[0]:
            np.testing.assert_allclose(_renderer.into(solid, *point), naive_render.into(solid, point))
            for ends in (0.0, 1.0):
                ref = naive_render.faces(solid, point, ends)
                np.testing.assert_allclose(_renderer.faces(solid, *point, ends), ref, atol=1e-12)


def test_entry_and_facing(solids):
    met = 0
    for solid in solids:
        for o, d in zip(*rays(200, 3), strict=True):
            comp, ref = _renderer.entry(solid, *o, *d), naive_render.entry(solid, o, d)
            np.testing.assert_allclose(comp, ref, rtol=1e-9)
            if np.isfinite(comp):
                met += 1
                point = o + comp * d
                ref = naive_render.facing(solid, point)
                np.testing.assert_allclose(_renderer.facing(solid, *point), ref, atol=1e-9)
        assert _renderer.entry(solid, *o, *(0 * d + [0, 0, 1])) == naive_render.entry(
            solid, o, np.array([0, 0, 1.0])
        )
    assert met > 100


def test_shaded_and_light(solids):
    lamp = np.array([0.6, 0.0, 0.8, 0.7, 0.3])
    answers = []
    for point in np.random.default_rng(4).uniform(-2, 2, (200, 3)):
        point[2] = -0.2
        answers.append(_renderer.shaded(solids, -1, *point, *lamp[:3]))
        assert answers[-1] == naive_render.shaded(solids, -1, point, lamp[:3])
        ref = naive_render.light(solids, -1, point, lamp, 0.6)
        np.testing.assert_allclose(_renderer.light(solids, -1, *point, lamp, 0.6), ref)
    assert {bool(answer) for answer in answers} == {False, True}
    for s, solid in enumerate(solids):
        for x in np.eye(3)[:2]:  # a point of the surface: the end of an axis
            surface = solid[1:4] + np.linalg.inv(solid[4:13].reshape(3, 3)) @ (0.9 * x)
            ref = naive_render.light(solids, s, surface, lamp, 0.6)
            np.testing.assert_allclose(_renderer.light(solids, s, *surface, lamp, 0.6), ref)


@settings(max_examples=60)
@given(st.floats(-3, 3), st.floats(-3, 3), st.integers(1, 40))
def test_span(low, high, count):
    low, high = sorted((low, high))
    assert _renderer.span(low, high, count) == naive_render.span(low, high, count)


@pytest.mark.parametrize("side", [1, 8])
@pytest.mark.parametrize("count", [0, 1, 4])
def test_nearest_solids_and_picture(solids, count, side):
    camera = np.array([0.2, -6, 3, 0.5, 0, 0, 0, -0.2, -0.45, 0, 0.9, -0.42])
    lamp = np.array([0.6, 0.0, 0.8, 0.7, 0.3])
    rows, finer = solids[:count], _renderer.FINER * side
    distance, which = np.empty((finer, finer)), np.empty((finer, finer), np.int64)
    _renderer.nearest_solids(rows, camera, distance, which)
    ref, ref_which = naive_render.nearest_solids(rows, camera, finer)
    assert np.mean(which == ref_which) > 0.99  # a ray that grazes an edge may fall on either side of it
    same = which == ref_which
    np.testing.assert_allclose(distance[same], ref[same])
    image = np.empty((side, side), np.float32)
    _renderer.picture(rows, -0.5, camera, lamp, 0.6, distance, which, image)
    ref = naive_render.picture(rows, -0.5, camera, lamp, 0.6, side)
    assert np.mean(np.abs(image - ref) < 1e-5) > 0.95


def blank(n, side):
    return np.full((n, side, side), np.nan, np.float32), np.zeros(n, np.int32)


def test_rectangles_equal_their_twin():
    for count in (0, 1, 60):
        images, labels = blank(count, 13)
        rectangle_outlines(np.uint64(KEY), 3, 5, images, labels)
        ref = naive.rectangle_outlines(KEY, 3, 5, count, 13)
        assert labels.tolist() == ref[1]
        np.testing.assert_array_equal(images, ref[0])


def test_convex_equals_its_twin():
    for count in (0, 1, 30):
        images, labels = blank(count, 14)
        convex_images(np.uint64(KEY), GEOMETRIC, 9, 4, 4, images, labels)
        ref = naive.convex_images(KEY, GEOMETRIC, 9, 4, 4, count, 14)
        assert labels.tolist() == ref[1]
        np.testing.assert_array_equal(images, ref[0])


@given(bits=st.lists(st.booleans(), min_size=25, max_size=25))
def test_gap_test_equals_its_twin(bits):
    image = np.array(bits, dtype=np.float32).reshape(5, 5)
    assert has_gap(image) == naive.has_gap(image)


def test_patches_equal_their_twin():
    pool = textures(1, 3, 17)
    for count in (0, 1, 40):
        images, labels = blank(count, 13)
        rectangle_patches(np.uint64(KEY), pool, 4, 5, 8, images, labels)
        ref = naive.rectangle_patches(KEY, pool, 4, 5, 8, count, 13)
        assert labels.tolist() == ref[1]
        np.testing.assert_array_equal(images, ref[0])


def test_amplitude_of_textures_falls_as_one_over_frequency():
    pool = textures(5, 8, 128)
    assert pool.dtype == np.float32 and pool.min() >= 0 and pool.max() <= 1
    spectrum = np.abs(np.fft.fft2(pool - pool.mean())).mean(axis=0)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(128), np.fft.fftfreq(128)))
    some = (frequency > 0.03) & (frequency < 0.4)
    slope = np.polyfit(np.log(frequency[some]), np.log(spectrum[some]), 1)[0]
    assert -1.1 < slope < -0.9
    np.testing.assert_array_equal(pool, textures(5, 8, 128))
    assert not np.array_equal(pool, textures(6, 8, 128))


def test_rectangles_are_of_all_sizes_and_in_all_places():
    images = Rectangles().examples("train", 0, 3000).x.reshape(-1, 28, 28)
    for sides in (images.any(axis=1).sum(axis=1), images.any(axis=2).sum(axis=1)):
        assert set(sides) == set(range(1, 29)) | {28}
    assert images.any(axis=0).all()


def test_labels_do_not_alternate():
    first = Rectangles().examples("train", 0, 400).y[::2]
    assert 0.4 < first.mean() < 0.6

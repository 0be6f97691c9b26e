"""The shape kernels against their plain twins."""

import naive_shapes as naive
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lshexp.data.convex import GEOMETRIC, convex_images, has_gap
from lshexp.data.rectangles import Rectangles, rectangle_outlines
from lshexp.data.rectangles_images import rectangle_patches, textures

KEY = 2**63 + 17


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

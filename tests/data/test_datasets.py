"""Datasets: right labels, right shares, the same bytes for the same seed, and no trust in files."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lshexp.data import mnist
from lshexp.data.convex import Convex
from lshexp.data.mnist import DigitFile, Mnist
from lshexp.data.reading import read_bounded
from lshexp.data.rectangles import Rectangles
from lshexp.data.rectangles_images import RectanglesImages
from lshexp.errors import DataError

GENERATORS = [Rectangles, RectanglesImages, Convex]


@pytest.mark.parametrize("cls", GENERATORS)
def test_an_example_is_a_function_of_seed_split_and_number(cls):
    whole = cls(seed=3).examples("train", 0, 60)
    part = cls(seed=3, train=5).examples("train", 20, 50)
    np.testing.assert_array_equal(whole.x[20:50], part.x)
    np.testing.assert_array_equal(whole.y[20:50], part.y)
    assert not np.array_equal(whole.x, cls(seed=4).examples("train", 0, 60).x)
    assert not np.array_equal(whole.x, cls(seed=3).examples("test", 0, 60).x)
    assert not whole.x.flags.writeable
    assert whole.x.dtype == np.float32
    assert whole.y.dtype == np.int32


@pytest.mark.parametrize("cls", GENERATORS)
def test_classes_are_balanced_and_the_fingerprint_names_the_options(cls):
    splits = cls(train=1001, test=10).load()
    assert abs(splits.train.y.mean() - 0.5) < 0.01
    assert len(splits.test.y) == 10
    assert cls(train=10).fingerprint() != cls(train=11).fingerprint()
    assert cls(seed=1).fingerprint() != cls(seed=2).fingerprint()


def test_rectangles_are_what_their_label_says():
    part = Rectangles().examples("train", 0, 2000)
    for image, label in zip(part.x.reshape(-1, 28, 28), part.y, strict=True):
        rows, columns = np.nonzero(image.any(axis=1))[0], np.nonzero(image.any(axis=0))[0]
        height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
        assert abs(int(height) - int(width)) >= 3
        assert label == (width > height)
        outline = np.zeros_like(image)
        outline[rows[0], columns[0] : columns[-1] + 1] = 1
        outline[rows[-1], columns[0] : columns[-1] + 1] = 1
        outline[rows[0] : rows[-1] + 1, columns[0]] = 1
        outline[rows[0] : rows[-1] + 1, columns[-1]] = 1
        np.testing.assert_array_equal(image, outline)


def hull_fills_no_other_pixel(image):
    """Independent test of convexity: no empty pixel centre lies inside the hull of the set's centres."""
    points = sorted(zip(*np.nonzero(image), strict=True))

    def half(points):
        chain = []
        for p in points:
            while len(chain) > 1 and turn(chain[-2], chain[-1], p) <= 0:
                chain.pop()
            chain.append(p)
        return chain

    hull = half(points)[:-1] + half(points[::-1])[:-1]
    empty = np.argwhere(image == 0)
    low, high = np.min(points, axis=0), np.max(points, axis=0)
    inside = ((empty >= low) & (empty <= high)).all(axis=1)  # a set may be one straight line
    for a, b in zip(hull, [*hull[1:], hull[0]], strict=True):
        inside &= (b[0] - a[0]) * (empty[:, 1] - a[1]) - (b[1] - a[1]) * (empty[:, 0] - a[0]) >= 0
    return not inside.any()


def turn(a, b, c):
    return int((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def test_convex_regions_are_convex_and_the_others_are_not():
    part = Convex().examples("train", 0, 1000)
    images = part.x.reshape(-1, 28, 28)
    assert [hull_fills_no_other_pixel(image) for image in images] == (part.y == 1).tolist()
    pixels = images.sum(axis=(1, 2))
    assert pixels[part.y == 1].min() >= 19


def test_convex_classes_have_the_same_mean_size():
    part = Convex().examples("train", 0, 20_000)
    pixels = part.x.sum(axis=1)
    assert pixels[part.y == 0].mean() == pytest.approx(pixels[part.y == 1].mean(), rel=0.05)


def idx(array):
    header = struct.pack(f">I{array.ndim}I", 0x0800 + array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """Four small files in the place of the published ones; returns their folder."""
    random = np.random.default_rng(0)
    for key, file in mnist.FILES.items():
        shape = (7, 28, 28) if "images" in key else (7,)
        content = idx(random.integers(0, 10, shape))
        monkeypatch.setitem(
            mnist.FILES, key, DigitFile(file.name, shape, hashlib.sha256(content).hexdigest())
        )
        (tmp_path / file.name).write_bytes(content)
    monkeypatch.setenv("LSHEXP_DATA", str(tmp_path))
    return tmp_path


def test_mnist_reads_plain_and_compressed_files_alike(digits):
    plain = Mnist().load()
    for path in list(digits.iterdir()):
        (digits / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    for a, b in zip(plain, Mnist().load(), strict=True):
        np.testing.assert_array_equal(a.x, b.x)
        np.testing.assert_array_equal(a.y, b.y)
    assert plain.train.x.shape == (7, 784)
    assert plain.train.x.max() <= 1


DAMAGES = {
    "truncated": lambda content: content[:-3],
    "empty": lambda content: b"",
    "wrong magic": lambda content: b"\x00\x00\x0d" + content[3:],
    "wrong sizes": lambda content: content[:4] + struct.pack(">I", 4_000_000_000) + content[8:],
    "tampered": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    "longer": lambda content: content + b"\x00",
    "text": lambda content: "<html>nicht gefunden</html>".encode("utf-16"),
}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_one_line_that_names_it(digits, damage, compressed):
    path = digits / "t10k-images-idx3-ubyte"
    content = DAMAGES[damage](path.read_bytes())
    if compressed:
        path.unlink()
        path = path.with_name(path.name + ".gz")
        content = gzip.compress(content)
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        Mnist().load()
    assert path.name in str(caught.value)
    assert "fetch the file again" in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.integers(0, 400), st.integers(1, 255))
def test_any_flipped_byte_of_a_compressed_file_is_noticed_or_harmless(where, change):
    """No byte of damage may change a number that is loaded."""
    content = idx(np.arange(60).reshape(60))
    packed = bytearray(gzip.compress(content, mtime=0))
    packed[where % len(packed)] ^= change
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.gz"
        path.write_bytes(packed)
        try:
            assert read_bounded(path, len(content)) == content
        except DataError as error:
            assert "\n" not in str(error)


def test_a_compression_bomb_is_not_inflated(digits):
    path = digits / "train-images-idx3-ubyte"
    path.unlink()
    (digits / f"{path.name}.gz").write_bytes(gzip.compress(bytes(300_000_000), compresslevel=9))
    tracemalloc.start()
    with pytest.raises(DataError, match="more than"):
        Mnist().load()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


def test_a_folder_in_place_of_a_file_and_absent_files(digits, monkeypatch):
    path = digits / "t10k-labels-idx1-ubyte"
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match="not a regular file"):
        Mnist().load()
    path.rmdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(digits / "cache"))
    with pytest.raises(DataError, match="LSHEXP_DATA") as caught:
        Mnist().load()
    assert path.name in str(caught.value)


@pytest.mark.skipif("LSHEXP_DATA" not in os.environ, reason="LSHEXP_DATA does not name a folder with MNIST")
def test_the_real_digits():
    splits = Mnist().load()
    assert splits.train.x.shape == (60_000, 784)
    assert splits.test.x.shape == (10_000, 784)
    assert np.bincount(splits.train.y).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert splits.train.x.mean() == pytest.approx(0.1307, abs=1e-4)

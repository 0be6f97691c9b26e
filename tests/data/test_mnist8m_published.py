"""The published mnist8m file: streamed once into bytes, read back at random, refused when it is another."""

import bz2
import lzma
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from lshexp.data import mnist8m_published as published
from lshexp.data.base import Part, freeze
from lshexp.data.mnist8m_published import Mnist8mPublished
from lshexp.errors import DataError

COUNT = 300


def svm(x, y):
    """LIBSVM text of grey values, features numbered from 1."""
    lines = []
    for row, label in zip(x, y, strict=True):
        pairs = " ".join(f"{at + 1}:{row[at]}" for at in np.flatnonzero(row))
        lines.append(f"{label} {pairs} \n")
    return "".join(lines).encode()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Folder of the file, and the digits that it holds."""
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (COUNT, 784)) * (random.random((COUNT, 784)) < 0.2)
    y = random.integers(0, 10, COUNT)
    test = freeze(Part(np.zeros((3, 784), np.float32), np.zeros(3, np.int32)))
    monkeypatch.setattr(published, "digits_part", lambda split: test)
    monkeypatch.setattr(published, "cache_folder", lambda name: tmp_path / "cache" / name)
    monkeypatch.setenv("LSHEXP_DATA", str(tmp_path))
    (tmp_path / "mnist8m").write_bytes(svm(x, y))
    return tmp_path, x, y


def test_the_fingerprint_follows_the_content(home, monkeypatch):
    monkeypatch.setattr(published, "digits_fingerprint", lambda: "digits")
    before = Mnist8mPublished(train=COUNT).fingerprint()
    (home[0] / "mnist8m").write_bytes(svm(home[1][::-1], home[2]))
    assert Mnist8mPublished(train=COUNT).fingerprint() != before


def left_behind(folder):
    return [path for path in (folder / "cache").rglob("*") if path.is_file()]


@pytest.mark.parametrize("pack", [None, bz2, lzma])
def test_examples_are_those_of_the_file_in_any_order(home, pack):
    folder, x, y = home
    if pack:
        content = pack.compress((folder / "mnist8m").read_bytes())
        (folder / "mnist8m").unlink()
        (folder / {bz2: "mnist8m.bz2", lzma: "mnist8m.xz"}[pack]).write_bytes(content)
    for _ in range(2):  # from the text, then from the bytes that were kept
        train = Mnist8mPublished(train=COUNT - 1).load().train
        assert (train.size, train.features) == (COUNT - 1, 784)
        ids = np.random.default_rng(1).permutation(COUNT - 1)[:50]
        part = train.batch(ids)
        assert part.x.dtype == np.float32
        np.testing.assert_array_equal(part.x, x[ids].astype(np.float32) / np.float32(255))
        np.testing.assert_array_equal(part.y, y[ids])
        np.testing.assert_array_equal(train.cut(100, 200).batch(ids % 100).y, y[100 + ids % 100])
        assert len(left_behind(folder)) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"3 1:7 785:1\n", "example 302 is no digit"),
        (b"3 1:0.5\n", "example 302 is no digit"),
        (b"3 1:256\n", "example 302 is no digit"),
        (b"3 1:-1\n", "example 302 is no digit"),
        (b"10 1:7\n", "label '10'"),
        (b"-1 1:7\n", "label '-1'"),
        (b"3.0 1:7\n", "label '3.0'"),
        (b"3 1:nan\n", "mnist8m:302"),
        (b"3 eins:7\n", "mnist8m:302"),
        (b"3 0:7\n", "mnist8m:302"),
        (b"", "ends after 301 examples; `train` asks for 302"),
    ],
)
def test_another_file_is_refused_and_nothing_is_left(home, text, reason):
    folder, *_ = home
    with (folder / "mnist8m").open("ab") as file:
        file.write(b"4 \n" + text)
    with pytest.raises(DataError) as caught:
        Mnist8mPublished(train=302).load()
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not left_behind(folder)


def test_a_truncated_archive_and_a_full_disk_leave_nothing(home, monkeypatch):
    folder, *_ = home
    text = folder / "mnist8m"
    (folder / "mnist8m.xz").write_bytes(lzma.compress(text.read_bytes())[:-40])
    text.unlink()
    with pytest.raises(DataError, match=r"mnist8m\.xz: cannot be read"):
        Mnist8mPublished(train=COUNT).load()
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(DataError, match="GB free"):
        Mnist8mPublished(train=COUNT).load()
    assert not left_behind(folder)


def test_a_kept_file_that_shrank_is_made_anew_or_named(home):
    folder, x, _ = home
    train = Mnist8mPublished(train=COUNT).load().train
    (kept,) = left_behind(folder)
    kept.write_bytes(kept.read_bytes()[:-1])
    with pytest.raises(DataError, match="made anew"):
        train.batch(np.array([COUNT - 1]))
    again = Mnist8mPublished(train=COUNT).load().train
    np.testing.assert_array_equal(again.batch(np.array([COUNT - 1])).x[0] * 255, x[-1])


def test_a_long_file_needs_little_memory(home):
    folder, x, y = home
    with (folder / "mnist8m").open("ab") as file:
        for _ in range(20):
            file.write(svm(x, y))
    Mnist8mPublished(train=1).load()  # imports and caches
    tracemalloc.start()
    train = Mnist8mPublished(train=21 * COUNT).load().train
    np.testing.assert_array_equal(train.batch(np.array([6299])).y, y[-1:])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (folder / "mnist8m").stat().st_size > 7_000_000
    assert peak < 150_000_000  # a block of lines and what it is parsed into

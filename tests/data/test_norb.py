"""Small NORB: files in the published format, written here; whole ones are read, damaged ones named."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest

from lshexp.data import norb
from lshexp.data.norb import Norb
from lshexp.errors import DataError

COUNT = 25
BYTES, INTEGERS = 0x1E3D4C55, 0x1E3D4C54


def matrix(array, order="<", kind=None):
    """An array in the format of the published files."""
    kind = kind or (BYTES if array.dtype == np.uint8 else INTEGERS)
    sizes = [*array.shape, 1, 1][: max(3, array.ndim)]
    head = struct.pack(f"{order}{2 + len(sizes)}I", kind, array.ndim, *sizes)
    return head + array.astype(array.dtype.newbyteorder(order)).tobytes()


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """Four files of 25 pairs in the place of the published ones; returns folder, pictures and labels."""
    monkeypatch.setattr(norb, "PAIRS", COUNT)
    monkeypatch.setattr(norb, "BLOCK", 7)
    monkeypatch.setenv("LSHEXP_DATA", str(tmp_path))
    random = np.random.default_rng(0)
    content = {}
    for split, name in norb.FILES.items():
        x = random.integers(0, 256, (COUNT, 2, 96, 96), dtype=np.uint8)
        y = (np.arange(COUNT) % 5).astype(np.int32)
        content[split] = x, y
        (tmp_path / name.format("dat")).write_bytes(matrix(x))
        (tmp_path / name.format("cat")).write_bytes(matrix(y))
    return tmp_path, content


def test_pictures_are_means_of_three_by_three_pixels_and_pairs_stand_together(toys):
    _, content = toys
    splits = Norb(train=20).load()
    assert (splits.train.size, splits.test.size) == (20, COUNT)
    for part, (x, y) in zip(splits, content.values(), strict=True):
        assert part.x.shape[1] == 2048
        assert part.x.dtype == np.float32
        np.testing.assert_array_equal(part.y, y[: part.size])
        expected = np.empty((part.size, 2, 32, 32))
        for r, c in np.ndindex(32, 32):
            expected[:, :, r, c] = x[: part.size, :, 3 * r : 3 * r + 3, 3 * c : 3 * c + 3].mean(axis=(2, 3))
        np.testing.assert_allclose(part.x, expected.reshape(part.size, -1) / 255, atol=1e-6)


def test_the_fingerprint_follows_every_files_content(toys):
    folder, _ = toys
    found = {Norb(train=20).fingerprint()}
    for path in sorted(folder.iterdir()):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        found.add(Norb(train=20).fingerprint())
    assert len(found) == 1 + 4


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("order", "<>")
def test_both_byte_orders_and_compressed_files_read_alike(toys, order, compressed):
    folder, content = toys
    plain = Norb(train=20).load()
    for split, arrays in content.items():
        for kind, array in zip(("dat", "cat"), arrays, strict=True):
            path = folder / norb.FILES[split].format(kind)
            data = matrix(array, order)
            if compressed:
                path.unlink()
                (folder / f"{path.name}.gz").write_bytes(gzip.compress(data))
            else:
                path.write_bytes(data)
    for a, b in zip(plain, Norb(train=20).load(), strict=True):
        np.testing.assert_array_equal(a.x, b.x)
        np.testing.assert_array_equal(a.y, b.y)


DAMAGES = {
    "empty": lambda data: b"",
    "three bytes": lambda data: data[:3],
    "half a header": lambda data: data[:10],
    "truncated": lambda data: data[:-1],
    "longer": lambda data: data + b"\x00",
    "wrong magic": lambda data: b"\x00" * 4 + data[4:],
    "magic of another type": lambda data: struct.pack("<I", 0x1E3D4C51) + data[4:],
    "no dimensions": lambda data: data[:4] + struct.pack("<I", 0) + data[8:],
    "many dimensions": lambda data: data[:4] + struct.pack("<I", 4_000_000_000) + data[8:],
    "wrong sizes": lambda data: data[:8] + struct.pack("<I", 4_000_000_000) + data[12:],
    "no rows": lambda data: data[:8] + struct.pack("<I", 0) + data[12:],
    "text": lambda data: "<html>nicht gefunden</html>".encode("utf-16"),
}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", ["dat", "cat"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_one_line_that_names_it(toys, damage, kind, compressed):
    folder, _ = toys
    path = folder / norb.FILES["test"].format(kind)
    data = DAMAGES[damage](path.read_bytes())
    if compressed:
        path.unlink()
        path = path.with_name(f"{path.name}.gz")
        data = gzip.compress(data)
    path.write_bytes(data)
    complains(path, "fetch the file again")


def complains(path, remedy):
    with pytest.raises(DataError) as caught:
        Norb(train=20).load()
    assert path.name in str(caught.value)
    assert remedy in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", [5, 30, 400, -1, -4, -8])
def test_a_compressed_file_that_ends_early_is_named(toys, cut):
    folder, _ = toys
    path = folder / norb.FILES["train"].format("dat")
    data = gzip.compress(path.read_bytes())[:cut]
    path.unlink()
    path = path.with_name(f"{path.name}.gz")
    path.write_bytes(data)
    complains(path, "fetch the file again")


def test_files_taken_for_one_another_are_named(toys):
    folder, _ = toys
    labels, pictures = (folder / norb.FILES["train"].format(kind) for kind in ("cat", "dat"))
    pictures.write_bytes(labels.read_bytes())
    complains(pictures, "renamed?")


@pytest.mark.parametrize("label", [-1, 5, 3, 2**31 - 1])
def test_labels_that_are_not_the_published_ones_are_refused(toys, label):
    folder, content = toys
    y = content["train"][1].copy()
    y[1] = label
    path = folder / norb.FILES["train"].format("cat")
    path.write_bytes(matrix(y))
    complains(path, "5 each of 0 to 4")


def test_a_compression_bomb_is_not_inflated(toys):
    folder, _ = toys
    path = folder / norb.FILES["train"].format("dat")
    head = path.read_bytes()[:24]
    path.unlink()
    path = path.with_name(f"{path.name}.gz")
    path.write_bytes(gzip.compress(head + bytes(200_000_000), compresslevel=6))
    tracemalloc.start()
    complains(path, "goes on after")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


def test_an_absent_file_says_where_to_put_it(toys, monkeypatch):
    folder, _ = toys
    path = folder / norb.FILES["test"].format("dat")
    path.unlink()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    complains(path, "set LSHEXP_DATA to the folder")


def test_the_files_that_would_be_read_are_named(toys):
    folder, _ = toys
    assert sorted(Norb().locate()) == sorted(folder.iterdir())

"""Small NORB: files in the published format, written here; whole ones are read, damaged ones named."""

import gzip
import struct
import tracemalloc

import naive_render as naive
import numba
import numpy as np
import pytest

from lshexp.data import norb, norb_synthetic
from lshexp.data._renderer import stereo_pairs
from lshexp.data._toys import CATEGORIES, INSTANCES, Toy, toy
from lshexp.data.files import cached_array
from lshexp.data.norb import Norb
from lshexp.data.norb_synthetic import AZIMUTHS, LAMPS, PAIRS, NorbSynthetic, _cameras, _lamps
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


KEY = 2**63 + 11


def render(built, side=16, place=40, lamp=1, noise=0.0):
    """Pair of one toy by the kernel and by its twin."""
    rows, ground = built.rows()
    scene = np.array([[0, place, (place % len(AZIMUTHS)) * len(LAMPS) + lamp]])
    images = np.full((1, 2, side, side), np.nan, np.float32)
    cameras, lamps, starts = _cameras(), _lamps(), np.array([0, len(rows)])
    stereo_pairs(np.uint64(KEY), rows, starts, np.array([ground]), scene, cameras, lamps, 0.6, noise, images)
    ref = naive.stereo_pairs(KEY, rows, starts, [ground], scene, cameras, lamps, 0.6, noise, side)
    return images[0], ref[0]


def of_one(kind):
    built = Toy(0.8)
    if kind == "ellipsoid":
        built.ellipsoid((0, 0, 0.5), (1.0, 0.3, 0.5), pitch=30)
    elif kind == "cylinder":
        built.limb((0, 0, 0), (0.5, 0.3, 1.0), 0.3)
    elif kind == "upright cylinder":
        built.limb((0, 0, 0), (0, 0, 1.0), 0.5)
    elif kind == "block":
        built.block((0, 0, 0.5), (1.0, 0.4, 0.5), top=(0.5, 0.7), shift=-0.4, pitch=10)
    elif kind == "wing":
        built.wing((0, 0, 0.5), (-0.5, 1.5, 0.7), 0.8, 0.4, 0.2)
    return built


@pytest.mark.parametrize("place", [0, 40, 161])
@pytest.mark.parametrize("kind", ["ellipsoid", "cylinder", "upright cylinder", "block", "wing"])
def test_a_solid_equals_its_twin(kind, place):
    agree(*render(of_one(kind), place=place))


@pytest.mark.parametrize("category", range(len(CATEGORIES)))
def test_a_toy_equals_its_twin(category):
    agree(*render(toy(0, category, category), lamp=category, noise=0.04))


def agree(image, expected):
    assert image.min() >= 0
    assert image.max() <= 1
    # a ray that grazes an edge may fall on either side of it
    assert np.mean(np.abs(image - expected) < 1.5 / 255) > 0.995
    assert np.ptp(expected) > 0.2


def test_an_empty_ellipsoid_far_below_leaves_the_plain_table():
    built = Toy(0.8)
    built.ellipsoid((0, 0, 0), (1e-6, 1e-6, 1e-6))
    rows, _ = built.rows()
    rows[:, 3] = -1000
    image = np.empty((1, 2, 8, 8), np.float32)
    scene = np.zeros((1, 3), np.int64)
    args = np.array([0, 1]), np.array([0.0]), scene, _cameras(), _lamps(), 0.6, 0.0, image
    stereo_pairs(np.uint64(KEY), rows, *args)
    assert np.ptp(image) == 0


def test_a_pair_is_a_function_of_its_number_alone():
    data = NorbSynthetic(seed=3)
    whole = data.examples("train", 100, 130)
    before = numba.get_num_threads()
    for threads in {1, before}:
        numba.set_num_threads(threads)
        try:
            part = data.examples("train", 111, 119)
        finally:
            numba.set_num_threads(before)
        np.testing.assert_array_equal(part.x, whole.x[11:19])
        np.testing.assert_array_equal(part.y, whole.y[11:19])
    assert whole.x.dtype == np.float32
    assert whole.x.shape == (30, 2048)
    np.testing.assert_array_equal(whole.x * 255, np.rint(whole.x * 255))
    assert not np.array_equal(NorbSynthetic(seed=4).examples("train", 100, 130).x, whole.x)
    assert not np.array_equal(data.examples("test", 100, 130).x, whole.x)


def test_every_toy_place_and_lamp_is_shown_once_and_test_toys_are_others():
    data = NorbSynthetic()
    shown = {split: data._scenes(split).reshape(-1, 3) for split in ("train", "test")}
    for scenes in shown.values():
        assert scenes.shape == (PAIRS, 3)
        assert len(np.unique(scenes, axis=0)) == PAIRS == 24_300
    toys = [set(scenes[:, 0]) for scenes in shown.values()]
    assert not toys[0] & toys[1]
    assert toys[0] | toys[1] == set(range(len(CATEGORIES) * INSTANCES))
    for category in range(len(CATEGORIES)):
        assert {t // INSTANCES for t in data._scenes("train")[category, :, 0]} == {category}
    assert np.bincount(data.examples("test", 0, 20).y).tolist() == [4] * 5


def test_the_two_pictures_of_a_pair_differ_a_little():
    pairs = NorbSynthetic().examples("train", 0, 40).x.reshape(40, 2, -1)
    between = [np.corrcoef(a, b)[0, 1] for a, b in pairs]
    assert 0.3 < np.median(between) < 0.97


@pytest.mark.parametrize("category", range(len(CATEGORIES)))
def test_toys_of_a_category_differ_stand_on_the_table_and_fit_the_picture(category):
    built = [toy(1, category, instance).rows() for instance in range(INSTANCES)]
    for rows, ground in built:
        assert -1 <= ground < -0.1
        assert np.all(np.isfinite(rows))
        assert np.all(np.linalg.norm(rows[:, 1:4], axis=1) < 1.01)
    assert len({rows.tobytes() for rows, _ in built}) == INSTANCES
    np.testing.assert_array_equal(toy(1, category, 2).rows()[0], built[2][0])


def test_the_cache_gives_back_what_was_made_and_makes_anew_what_is_damaged(tmp_path, monkeypatch):
    monkeypatch.setattr("lshexp.data.files.cache_folder", lambda name: tmp_path / name)
    made = []

    def make():
        made.append(1)
        return np.arange(60, dtype=np.uint8).reshape(5, 12)

    for text in ("a", "a", "b"):
        np.testing.assert_array_equal(cached_array("set", text, (5, 12), make), np.arange(60).reshape(5, 12))
    assert len(made) == 2
    for path in (tmp_path / "set").iterdir():
        whole = path.read_bytes()
        for damaged in (whole[:-1], b"", whole[:-1] + b"\x00", whole + b"\x00"):
            path.write_bytes(damaged)
            made.clear()
            cached_array("set", "a", (5, 12), make)
            cached_array("set", "b", (5, 12), make)
            assert len(made) == 1
            assert path.read_bytes() == whole
    assert not list(tmp_path.glob("**/.*"))
    monkeypatch.setattr("lshexp.data.files.cache_folder", lambda name: tmp_path / "set" / path.name / "x")
    np.testing.assert_array_equal(cached_array("set", "a", (5, 12), make), make())  # nowhere to keep it


def test_a_loaded_set_is_what_was_rendered(tmp_path, monkeypatch):
    monkeypatch.setattr("lshexp.data.files.cache_folder", lambda name: tmp_path / name)
    monkeypatch.setattr(norb_synthetic, "PAIRS", 50)
    data = NorbSynthetic()
    for _ in range(2):
        splits = data.load()
        np.testing.assert_array_equal(splits.train.x, data.examples("train", 0, 50).x)
        np.testing.assert_array_equal(splits.test.y, data.examples("test", 0, 50).y)
    assert NorbSynthetic(seed=1).fingerprint() != data.fingerprint()

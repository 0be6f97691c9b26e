"""Rendered toys: the ray caster against its twin, what a picture depends on, the plan of the set."""

import naive_render as naive
import numba
import numpy as np
import pytest

from lshexp.data import norb_synthetic
from lshexp.data._renderer import stereo_pairs
from lshexp.data._toys import CATEGORIES, INSTANCES, Toy, toy
from lshexp.data.files import cached_array
from lshexp.data.norb_synthetic import AZIMUTHS, LAMPS, PAIRS, NorbSynthetic, _cameras, _lamps

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

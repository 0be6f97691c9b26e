"""Drawn characters: Omniglot's archives, which are not trusted, and made-up ones that need no file."""

from __future__ import annotations

import os
import zipfile

import naive_data
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lshexp import registry
from lshexp.data import _characters, omniglot
from lshexp.data._characters import deformed_drawings
from lshexp.data.omniglot import Omniglot, area_shares
from lshexp.data.omniglot_synthetic import MadeUpCharacters
from lshexp.errors import ConfigError, DataError

SMALL = {"images_background.npz": 5, "images_evaluation.npz": 3}


def archive(path, characters, seed=0, **changes):
    random = np.random.default_rng(seed)
    arrays = {
        "images": random.random((characters, 20, 105, 105)) < 0.9,
        "labels": np.repeat(np.arange(characters)[:, None], 20, axis=1),
    }
    np.savez_compressed(path, **{**arrays, **changes})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two small archives in the place of the published ones."""
    monkeypatch.setattr(omniglot, "FILES", SMALL)
    monkeypatch.setattr(omniglot, "SHUFFLED", 6)
    monkeypatch.setenv("LSHEXP_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for seed, (name, characters) in enumerate(SMALL.items()):
        archive(tmp_path / name, characters, seed)
    return tmp_path


def test_characters_are_split_shrunk_and_turned(folder):
    dataset = Omniglot(side=21, split="alphabets", held_out=5)
    info, splits, unseen = dataset.info(), dataset.load(), dataset.unseen()
    assert (info.classes, info.train_examples, info.test_examples) == (20, 20 * 15, 20 * 5)
    assert (splits.train.size, splits.test.size, unseen.size) == (300, 100, 3 * 4 * 20)
    with np.load(folder / "images_background.npz") as file:
        ink = 1.0 - file["images"]
    whole = ink.reshape(5, 20, 21, 5, 21, 5).mean(axis=(3, 5))
    first = splits.train.batch(np.arange(15)).x.reshape(15, 21, 21)
    np.testing.assert_allclose(first, whole[0, :15], atol=0.5 / 255 + 1e-6)
    turned = splits.train.batch(np.arange(15 * 5, 15 * 5 + 15))
    np.testing.assert_array_equal(turned.x.reshape(15, 21, 21), np.rot90(first, 1, axes=(1, 2)))
    assert set(turned.y.tolist()) == {5}
    np.testing.assert_allclose(splits.test.x[:5].reshape(5, 21, 21), whole[0, 15:], atol=0.5 / 255 + 1e-6)
    np.testing.assert_array_equal(np.bincount(unseen.classes), np.full(12, 20))
    assert not unseen.x.flags.writeable


def test_the_split_by_characters_has_every_character_once(folder):
    dataset = Omniglot(side=7, rotations=False, held_out=1)
    assert dataset.counts() == (6, 2)
    splits, unseen = dataset.load(), dataset.unseen()
    rows = [splits.train.batch(np.arange(splits.train.size)).x, splits.test.x, unseen.x]
    both = Omniglot(side=7, rotations=False, held_out=1, split="alphabets")
    others = both.load()
    expected = [others.train.batch(np.arange(others.train.size)).x, others.test.x, both.unseen().x]
    key = [sorted(map(bytes, np.concatenate(part))) for part in (rows, expected)]
    assert key[0] == key[1]
    assert dataset.fingerprint() != both.fingerprint()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "LSHEXP_DATA"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_bytes(b"<html>"), "not a readable .npz"),
        (lambda path: path.write_bytes(path.read_bytes()[:-200]), "not a readable .npz"),
        (lambda path: archive(path, 4), "Omniglot's are bool"),
        (lambda path: archive(path, 5, images=np.zeros((5, 20, 105, 105), np.uint8)), "Omniglot's are bool"),
        (lambda path: archive(path, 5, images=np.zeros((5, 20, 28, 28), bool)), "Omniglot's are bool"),
        (lambda path: np.savez(path, labels=np.zeros((5, 20), int)), "no array 'images'"),
        (lambda path: archive(path, 5, images=np.array([[object()]])), "Python objects"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line_before_anything_runs(folder, damage, message):
    damage(folder / "images_background.npz")
    with pytest.raises(DataError, match=message) as caught:
        Omniglot().check()
    assert "\n" not in str(caught.value)
    assert "omniglot_synthetic" in str(caught.value)  # what to try instead


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((5, 20), int), "do not go with"),
        (np.arange(100).reshape(5, 20), "do not go with"),
        (np.zeros((5, 19), int), "one number a drawing"),
        (np.zeros((5, 20)), "one number a drawing"),
    ],
)
def test_labels_must_go_with_the_drawings(folder, labels, message):
    archive(folder / "images_background.npz", 5, labels=labels)
    with pytest.raises(DataError, match=message):
        Omniglot().load()


def test_a_compression_bomb_is_not_inflated(folder):
    path = folder / "images_background.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("images.npy", "w") as member:
        for _ in range(64):
            member.write(bytes(1 << 20))
    with pytest.raises(DataError, match="expands to more than"):
        Omniglot().check()


@given(st.integers(1, 200), st.integers(1, 200))
def test_every_pixel_is_shared_out_and_every_new_one_is_a_mean(large, small):
    shares = area_shares(large, min(large, small))
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(shares.sum(axis=0), min(large, small) / large)


@given(st.integers(0, 2**64 - 1), st.integers(0, 500))
def test_deformed_drawings(key, first):
    drawings = np.random.default_rng(3).integers(0, 256, (4, 9, 9)).astype(np.uint8)
    ids = np.array([first % 4, first, first + 1], dtype=np.int64)
    images = np.empty((3, 9, 9), np.float32)
    deformed_drawings(np.uint64(key), drawings, 0.4, 2.0, 0.2, ids, images)
    ref = naive_data.deformed_drawings(key, drawings, 0.4, 2.0, 0.2, ids)
    np.testing.assert_allclose(images, ref, atol=1e-6)
    assert images.min() >= 0
    assert images.max() <= 1 + 1e-6


def test_an_example_is_a_function_of_seed_and_number():
    few, many = (MadeUpCharacters(versions=v, background=6, evaluation=3, side=14) for v in (2, 5))
    a, b = few.load().train, many.load().train
    np.testing.assert_array_equal(a.batch(np.arange(a.size)).x, b.batch(np.arange(a.size)).x)
    again = b.cut(7, 90).batch(np.array([3, 1]))
    np.testing.assert_array_equal(again.x, b.batch(np.array([10, 8])).x)
    np.testing.assert_array_equal(again.y, b.batch(np.array([10, 8])).y)
    other = MadeUpCharacters(versions=2, background=6, evaluation=3, side=14, seed=1).load().train
    assert not np.array_equal(a.batch(np.arange(5)).x, other.batch(np.arange(5)).x)


def test_made_up_classes_can_be_told_apart():
    unseen = MadeUpCharacters(rotations=False).unseen()
    x = unseen.x.reshape(40, 20, -1)
    means = x[:, 1:].mean(axis=1)
    nearest = ((x[:, 0, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert np.mean(nearest == np.arange(40)) > 0.9


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="half a side"):
        registry.datasets.build("omniglot_synthetic", {"side": 8, "shift": 5.0})


def test_other_datasets_keep_nothing_apart():
    assert registry.datasets.build("rectangles", {"train": 10, "test": 10}).unseen() is None
    assert _characters.QUARTERS == 4


@pytest.mark.skipif("LSHEXP_DATA" not in os.environ, reason="LSHEXP_DATA names no folder with Omniglot")
def test_the_real_characters(tmp_path, monkeypatch):
    dataset = Omniglot(rotations=False)
    try:
        dataset.check()
    except DataError:
        pytest.skip("Omniglot is not there")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    splits, unseen = dataset.load(), dataset.unseen()
    assert (splits.train.size, splits.test.size, unseen.size) == (1200 * 18, 1200 * 2, 423 * 20)
    assert unseen.x.mean() == pytest.approx(0.08, abs=0.01)

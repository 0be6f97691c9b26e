"""The published text files: read exactly, or refused in one line."""

from __future__ import annotations

import bz2

import numpy as np
import pytest
from amat_files import rows, text

from lshexp.data import shapes_published
from lshexp.data.files import recorded_at, sha256, stamp
from lshexp.data.shapes_published import ConvexPublished, read_amat
from lshexp.errors import DataError


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setattr(shapes_published, "TEST_EXAMPLES", 6)
    monkeypatch.setattr(ConvexPublished, "train", 4)
    monkeypatch.setenv("LSHEXP_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "convex_train.amat").write_bytes(text(rows(4)))
    (tmp_path / "convex_published" / "50k").mkdir(parents=True)
    packed = bz2.compress(text(rows(6, seed=1)))
    (tmp_path / "convex_published" / "50k" / "convex_test.amat.bz2").write_bytes(packed)
    return tmp_path


def test_both_files_are_read_as_published(files, monkeypatch):
    monkeypatch.setattr(shapes_published, "_BLOCK", 10_000)  # several blocks
    dataset = ConvexPublished()
    train, test = dataset.load()
    np.testing.assert_allclose(train.x, rows(4)[:, :-1], rtol=1e-6)
    np.testing.assert_allclose(test.x, rows(6, seed=1)[:, :-1], rtol=1e-6)
    assert test.y.tolist() == [0, 1, 0, 1, 0, 1]
    assert (dataset.info().train_examples, dataset.info().test_examples) == (4, 6)
    before = dataset.fingerprint()
    (files / "convex_train.amat").write_bytes(text(rows(4, seed=2)))
    assert dataset.fingerprint() != before


DAMAGES = {
    "a row too few": lambda content: content[: content.rindex(b"\n", 0, -1) + 1],
    "a row too many": lambda content: content + content[: content.index(b"\n") + 1],
    "cut in a row": lambda content: content[:-4000],
    "a word": lambda content: content.replace(b"e", b"x", 1),
    "nan": lambda content: b"nan" + content[content.index(b" ") :],
    "negative": lambda content: b"-0.5" + content[content.index(b" ") :],
    "label": lambda content: content[: content.rindex(b"1.0")] + b"2.0\n",
    "nothing": lambda content: b"",
    "bytes": lambda content: b"\x00\xff" + content,
    "one line": lambda content: b"0 " * 400_000,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_one_line(files, damage):
    path = files / "convex_train.amat"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(DataError) as caught:
        ConvexPublished().load()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_first_fetch_is_the_measure(files):
    path = files / "convex_train.amat"
    recorded_at(path).write_text(sha256(stamp(path)) + "\n", encoding="ascii")
    read_amat(path, 4)
    path.write_bytes(text(rows(4, seed=9)))
    with pytest.raises(DataError, match="differs from what was first fetched"):
        read_amat(path, 4)
    recorded_at(path).write_text("nonsense", encoding="ascii")
    with pytest.raises(DataError, match="holds no SHA-256"):
        read_amat(path, 4)

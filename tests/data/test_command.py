"""`lshexp data`: what a user sees of the datasets, and what is written."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from lshexp.cli import app
from lshexp.config import load_sweep
from lshexp.config.overrides import chosen_dataset
from lshexp.data.base import DatasetInfo, Part
from lshexp.data.catalog import catalog, check, describe
from lshexp.data.export import contact_sheet
from lshexp.errors import ConfigError, DataError, StoreError
from lshexp.io import atomic_file
from lshexp.nn.trainer import run

SMALL = ["-s", "train=40", "-s", "test=30"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LSHEXP_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def invoke(*words):
    """Run the command in this process; a user's mistake is raised, as `lshexp.cli.main` expects."""
    return CliRunner().invoke(app, ["data", *words], catch_exceptions=False)


def test_statistics_are_those_of_the_numbers():
    random = np.random.default_rng(0)
    x = random.standard_normal((300, 20)).astype(np.float32) * np.linspace(4, 0.1, 20, dtype=np.float32)
    x[:, 5] = 0
    y = np.repeat([0, 1, 2], [30, 90, 180]).astype(np.int32)
    found = describe(Part(x, y), 4)
    assert (found.smallest_class_pct, found.largest_class_pct) == (0, 60)
    assert found.mean == pytest.approx(x.mean(), abs=1e-6)
    assert found.nonzero_pct == pytest.approx(95)
    singular = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    expected = [100 * singular[:count].sum() / singular.sum() for count in (1, 8, 32)]
    assert found.variance_pct == pytest.approx(expected, rel=1e-4)
    wide = describe(Part(x[:10], y[:10]), 4)  # fewer examples than features
    singular = np.linalg.svd(x[:10] - x[:10].mean(axis=0), compute_uv=False) ** 2
    assert wide.variance_pct[0] == pytest.approx(100 * singular[0] / singular.sum(), rel=1e-4)


def test_what_does_not_vary_has_a_spectrum_too():
    assert describe(Part(np.ones((3, 4), np.float32), np.zeros(3, np.int32)), 1).variance_pct == (
        100,
        100,
        100,
    )


def test_the_catalog_says_what_is_there(tmp_path):
    states = {entry.name: entry.state for entry in catalog()}
    assert states["mnist"] == "absent"
    assert states["convex"] == "generated"
    assert "absent" in invoke("list").output


def test_show_writes_a_picture_and_make_an_archive(tmp_path):
    assert invoke("show", "convex").exit_code == 0
    assert (tmp_path / "convex.png").read_bytes().startswith(b"\x89PNG")
    assert invoke("make", "convex", *SMALL, "-o", "deep/er/c.npz").exit_code == 0
    made = np.load(tmp_path / "deep/er/c.npz")
    splits = chosen_dataset("convex", ["train=40", "test=30"]).load()
    np.testing.assert_array_equal(made["x_train"].reshape(40, 784), splits.train.x)
    np.testing.assert_array_equal(made["y_test"], splits.test.y)
    first = (tmp_path / "deep/er/c.npz").read_bytes()
    invoke("make", "convex", *SMALL, "-o", "deep/er/c.npz")
    assert (tmp_path / "deep/er/c.npz").read_bytes() == first
    assert [path.name for path in (tmp_path / "deep/er").iterdir()] == ["c.npz"]


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["show", "convex", "-s", "seeed=1"], ConfigError, "did you mean 'seed'"),
        (["show", "convex", "-s", "seed"], ConfigError, "write it as -s key=value"),
        (["show", "convex", "-s", "seed=1", "-s", "seed=1"], ConfigError, "given twice"),
        (["show", "convx"], ConfigError, "did you mean 'convex'"),
        (["make", "convex", *SMALL, "-o", "file/convex.npz"], StoreError, "a file of this name"),
        (["verify", "mnist"], DataError, "set LSHEXP_DATA"),
    ],
)
def test_mistakes_are_one_line(tmp_path, words, error, message):
    (tmp_path / "file").touch()
    with pytest.raises(error, match=message) as caught:
        invoke(*words)
    assert "\n" not in str(caught.value)


def test_verify_reports_all_and_generated_sets_need_none():
    assert "generated" in check(chosen_dataset("convex", []))
    assert invoke("verify").exit_code == 0


def test_an_interrupted_write_leaves_the_old_content(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_file(tmp_path / "file") as file:
        file.write(b"new")
        raise KeyboardInterrupt
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_was_made_is_shown_and_trained_on(tmp_path):
    invoke("make", "rectangles", *SMALL, "-o", "made.npz")
    assert invoke("show", "npz", "-s", "path=made.npz", "-o", "made.png").exit_code == 0
    assert (tmp_path / "made.png").read_bytes().startswith(b"\x89PNG")
    text = "name: own\nhidden: [6]\nepochs: 1\nmethod: dense\ndataset: {name: npz, path: made.npz}\n"
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    (spec,) = load_sweep(tmp_path / "own.yaml").runs
    assert run(spec).status == "ok"
    (tmp_path / "own.yaml").write_text(text.replace("made", "absent"), encoding="utf-8")
    with pytest.raises(DataError, match=r"found no file .*absent\.npz"):
        load_sweep(tmp_path / "own.yaml")


def decode(png):
    """Read an 8-bit grey PNG."""
    with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
        assert picture.mode == "L"
        return np.asarray(picture)


def test_each_example_is_in_the_row_of_its_class():
    info = DatasetInfo(12, 3, 5, 0, "toy", picture=(2, 2, 3))
    y = np.array([2, 0, 2, 2, 0], np.int32)
    x = np.repeat(np.array([0.2, 0.4, 0.6, 0.8, 2.0], np.float32)[:, None], 12, axis=1)
    sheet = decode(contact_sheet(Part(x, y), info, columns=2, zoom=1))
    assert sheet.shape == (3 * 4 + 2, 2 * 8 + 2)
    tiles = [
        [set(sheet[2 + r * 4 : 4 + r * 4, 2 + c * 8 : 8 + c * 8].flat) for c in range(2)] for r in range(3)
    ]
    assert tiles == [[{102}, {255}], [{96}, {96}], [{51}, {153}]]


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (DatasetInfo(4, 2, 1, 1, "toy"), "not pixels"),
        (DatasetInfo(4, 99, 1, 1, "toy", (1, 2, 2)), "99 classes"),
    ],
)
def test_what_cannot_be_shown_says_why(info, reason):
    with pytest.raises(DataError, match=reason):
        contact_sheet(Part(np.zeros((1, 4), np.float32), np.zeros(1, np.int32)), info)

"""Looking at a dataset's files before any run: cheap, and one message that says how to mend it."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from lshexp import registry
from lshexp.data import mnist, norb
from lshexp.data.mnist import DigitFile
from lshexp.errors import DataError


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty data folder and an empty cache."""
    monkeypatch.setenv("LSHEXP_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def digits(home, monkeypatch):
    """Four small IDX files in the place of MNIST's."""
    shapes = {key: ((4, 3, 3) if key.endswith("images") else (4,)) for key in mnist.FILES}
    files = {key: DigitFile(mnist.FILES[key].name, shape, "") for key, shape in shapes.items()}
    monkeypatch.setattr(mnist, "FILES", files)
    for file in files.values():
        header = struct.pack(f">4B{len(file.shape)}I", 0, 0, 8, len(file.shape), *file.shape)
        (home / file.name).write_bytes(header + bytes(int(np.prod(file.shape))))
    return home


def complaint(name, **options):
    with pytest.raises(DataError) as caught:
        registry.datasets.build(name, options).check()
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("name", "command", "instead"),
    [
        ("mnist", "lshexp data fetch mnist", "dataset: convex"),
        ("mnist8m", "lshexp data fetch mnist", "dataset: convex"),
        ("norb", "lshexp data fetch norb", "dataset: norb_synthetic"),
        ("convex_published", "lshexp data fetch convex_published", "dataset: convex"),
        ("rectangles_published", "lshexp data fetch rectangles_published", "dataset: rectangles"),
        ("mnist8m_published", "lshexp data fetch mnist8m_published", "dataset: convex"),
    ],
)
def test_absent_files_name_the_command_and_a_generated_set(home, name, command, instead):
    message = complaint(name)
    assert message.count(command) == 1
    assert f"`{instead}` is generated and needs no file" in message
    assert "LSHEXP_DATA" in message


def test_every_generated_set_that_is_offered_exists_and_needs_no_file(home):
    datasets = registry.datasets.discover()
    for name in {cls.generated_instead for cls in datasets.values()} - {None}:
        assert registry.datasets.build(name).locate() == []
        registry.datasets.build(name).check()


def test_whole_files_pass_without_being_loaded(digits, monkeypatch):
    monkeypatch.setattr(mnist, "read_digits", None)
    registry.datasets.build("mnist").check()
    registry.datasets.build("mnist8m").check()


@pytest.mark.parametrize("damage", ["empty", "short", "long", "another", "swapped", "not packed", "cut.gz"])
def test_damaged_digits_are_found_by_header_and_size(digits, damage):
    path = digits / mnist.FILES["train_images"].name
    whole = path.read_bytes()
    content = {
        "empty": b"",
        "short": whole[:-1],
        "long": whole + b"\0",
        "another": b"<html>sign in</html>",
        "swapped": (digits / mnist.FILES["train_labels"].name).read_bytes(),
        "not packed": whole,
        "cut.gz": gzip.compress(whole)[:12],
    }[damage]
    path.unlink()
    if damage in ("not packed", "cut.gz"):
        path = path.with_name(f"{path.name}.gz")
    path.write_bytes(content)
    message = complaint("mnist")
    assert str(path) in message
    assert "remove that file and run `lshexp data fetch mnist`" in message


def test_an_empty_matrix_file_is_found(home, monkeypatch):
    for name in norb.FILES.values():
        for kind in ("dat", "cat"):
            (home / name.format(kind)).touch()
    assert "the file is empty; remove that file and run `lshexp data fetch norb`" in complaint("norb")


def test_own_files_need_no_advice_to_fetch(home):
    message = complaint("csv", path="absent.csv")
    assert "fetch" not in message
    assert "generated" not in message


@pytest.mark.parametrize("name", ["convex", "rectangles_images", "norb_synthetic"])
def test_the_memory_of_a_generated_set_is_at_least_that_of_its_arrays(name):
    dataset = registry.datasets.build(name)
    info = dataset.info()
    assert dataset.memory_bytes() >= 4 * info.features * (info.train_examples + info.test_examples)


def test_the_memory_of_a_streamed_set_is_not_that_of_its_training_examples():
    assert registry.datasets.build("mnist8m").memory_bytes() < 200e6

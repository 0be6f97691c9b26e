"""A user's own files: what comes out is what went in, whatever the format, and mistakes are named."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lshexp import registry
from lshexp.arrays import CSR
from lshexp.data import _archive, _cells, _own, csv, formats, inputs, parquet, reading
from lshexp.data._cells import class_numbers
from lshexp.data.base import Part
from lshexp.data.export import contact_sheet
from lshexp.errors import ConfigError, DataError

NAMES = ["low", "mid", "high"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LSHEXP_DATA", raising=False)
    return tmp_path


def table(rows=60, labels=NAMES):
    """Rows that tell where they come from: feature 0 is the row's number, feature 1 its class."""
    y = np.arange(rows) % len(labels)
    x = np.column_stack([np.arange(rows), y, np.full(rows, 0.25)])
    return x, np.array(labels)[y]


def loaded(dataset):
    """Both parts; sparse rows as the arrays that they stand for, which are read-only where they are."""
    parts = []
    for x, y in dataset.load():
        if isinstance(x, CSR):
            x = x.to_dense()
            x.flags.writeable = False
        parts.append(Part(x, y))
    return parts


def write(name, x, labels):
    frame = pd.DataFrame(x, columns=["number", "class", "quarter"])
    frame["label"] = labels
    if name.startswith("npz"):
        np.savez(name, x=x, y=labels)
    elif name.startswith("parquet"):
        frame.to_parquet(name)
    elif name.startswith("libsvm"):
        rows = [f"{label} 1:{row[0]:g} 2:{row[1]:g} 3:0.25\n" for label, row in zip(labels, x, strict=True)]
        Path(name).write_text("# made up\n" + "".join(rows), encoding="utf-8")
    else:
        frame.to_csv(name, index=False)
    return name


FILES = ["npz.npz", "csv.csv", "csv.csv.gz", "csv.csv.bz2", "csv.csv.xz", "parquet.parquet", "libsvm.txt"]


@pytest.mark.parametrize("file", FILES)
def test_every_row_arrives_once_with_its_label(folder, file):
    write(file, *table())
    dataset = registry.datasets.build(
        file.partition(".")[0], {"path": file, "test_fraction": 0.25, "seed": 5}
    )
    info, (train, test) = dataset.info(), loaded(dataset)
    assert (info.features, info.classes) == (3, 3)
    assert (info.train_examples, info.test_examples) == (len(train.y), len(test.y)) == (45, 15)
    numbers = np.concatenate([train.x[:, 0], test.x[:, 0]])
    assert sorted(numbers) == list(range(60))
    for part in (train, test):
        assert part.x.dtype == np.float32
        assert part.y.dtype == np.int32
        assert not part.x.flags.writeable
        # names are numbered in alphabetical order: high, low, mid
        np.testing.assert_array_equal(part.y, np.array([1, 2, 0])[part.x[:, 1].astype(int)])
    again = loaded(registry.datasets.build(dataset.name, dataset.model_dump(mode="json")))
    np.testing.assert_array_equal(again[0].x, train.x)
    other = registry.datasets.build(dataset.name, {"path": file, "test_fraction": 0.25, "seed": 6})
    assert not np.array_equal(loaded(other)[1].x, test.x)
    assert other.fingerprint() != dataset.fingerprint()


@pytest.mark.parametrize("file", FILES)
def test_a_second_file_holds_the_test_examples(folder, file):
    x, labels = table()
    write(file, x[:40], labels[:40])
    write("csv" + file if file.startswith("csv") else file.replace(".", "2.", 1), x[40:], labels[40:])
    second = "csv" + file if file.startswith("csv") else file.replace(".", "2.", 1)
    dataset = registry.datasets.build(file.partition(".")[0], {"path": file, "test_path": second})
    train, test = loaded(dataset)
    assert sorted(train.x[:, 0]) == list(range(40))
    assert sorted(test.x[:, 0]) == list(range(40, 60))
    assert dataset.info().test_examples == 20


def test_the_fingerprint_follows_the_content_and_not_the_place(folder):
    x, labels = table()
    write("csv.csv", x, labels)
    (folder / "deep").mkdir()
    write("deep/copy.csv", x, labels)
    one, two = (registry.datasets.build("csv", {"path": path}) for path in ("csv.csv", "deep/copy.csv"))
    assert one.fingerprint() == two.fingerprint()
    before = one.fingerprint(), one.info()
    x[0, 0] = 99
    write("csv.csv", x[:50], labels[:50])
    assert one.fingerprint() != before[0]
    assert one.info().train_examples == 40 != before[1].train_examples


def test_the_data_folder_comes_before_the_current_one(folder, monkeypatch):
    (folder / "data").mkdir()
    write("csv.csv", *table(30))
    write("data/csv.csv", *table(60))
    monkeypatch.setenv("LSHEXP_DATA", str(folder / "data"))
    assert registry.datasets.build("csv", {"path": "csv.csv"}).info().train_examples == 48
    assert registry.datasets.build("csv", {"path": str(folder / "csv.csv")}).info().train_examples == 24


@pytest.mark.parametrize("path", ["../csv.csv", "a/../../b", "", " ", "a\0b"])
def test_paths_that_surprise_are_refused(folder, path):
    with pytest.raises(ConfigError):
        registry.datasets.build("csv", {"path": path})


@pytest.mark.parametrize("scale", ["none", "unit", "minmax", "standard"])
def test_scaling_is_measured_on_the_training_examples(folder, scale):
    x, labels = table()
    write("npz.npz", x, labels)
    plain = registry.datasets.build("npz", {"path": "npz.npz"}).load()
    scaled = registry.datasets.build("npz", {"path": "npz.npz", "scale": scale}).load()
    train = plain.train.x
    if scale == "unit":
        expected = plain.test.x / train.max()
    elif scale == "minmax":
        expected = (plain.test.x - train.min(axis=0)) / np.array([np.ptp(train[:, 0]), 2, 1])
    elif scale == "standard":
        expected = (plain.test.x - train.mean(axis=0)) / np.where(train.std(axis=0) > 0, train.std(axis=0), 1)
    else:
        expected = plain.test.x
    np.testing.assert_allclose(scaled.test.x, expected, rtol=1e-5, atol=1e-6)


def test_one_archive_may_hold_both_splits_and_pictures(folder):
    random = np.random.default_rng(0)
    arrays = {"x_train": random.random((20, 2, 4, 3)), "x_test": random.random((8, 2, 4, 3))}
    np.savez_compressed("a.npz", **arrays, y_train=np.arange(20) % 2, y_test=np.arange(8) % 2 == 0)
    dataset = registry.datasets.build("npz", {"path": "a.npz"})
    train, _ = dataset.load()
    assert dataset.info().picture == (2, 4, 3)
    np.testing.assert_array_equal(
        np.sort(train.x, axis=0), np.sort(arrays["x_train"].reshape(20, 24).astype(np.float32), axis=0)
    )
    assert contact_sheet(dataset.sample(20), dataset.info()).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("labels", "numbers"),
    [
        ([3, 9, 3], [0, 1, 0]),
        ([-1, 1, -1], [0, 1, 0]),
        ([1.0, 10.0, 2.0], [0, 2, 1]),
        (["10", "9", "10"], [1, 0, 1]),
        (["b", "10", "9"], [2, 0, 1]),
        ([True, False, True], [1, 0, 1]),
        ([2**60, 2**60 + 1, 2**60], [0, 1, 0]),
        ([str(2**60), str(2**60 + 1)], [0, 1]),
    ],
)
def test_labels_become_numbers_in_ascending_order(tmp_path, labels, numbers):
    found, names = class_numbers([(tmp_path, np.array(labels))])
    assert found[0].tolist() == numbers
    assert len(names) == max(numbers) + 1


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, -1, 1], "row 2: label -1 is negative"),
        ([0, 1.5], "row 2: label 1.5 is not a whole number"),
        ([0, np.nan], "row 2: label nan is no class"),
        (["a", "", "b"], "row 2: the label is missing"),
        (["a", "a"], "every label is a; two classes are the least"),
        ([], "no examples"),
    ],
)
def test_labels_that_are_none_are_named(tmp_path, labels, message):
    with pytest.raises(DataError, match=message):
        class_numbers([(tmp_path, np.array(labels))])


def test_what_does_not_fit_the_memory_is_refused_before_it_is_read(folder, monkeypatch):
    write("npz.npz", *table())
    write("csv.csv", *table())
    write("parquet.parquet", *table())
    write("libsvm.txt", *table())
    monkeypatch.setattr(reading, "SHARE", 0)
    for file in ("npz.npz", "csv.csv", "parquet.parquet", "libsvm.txt"):
        name = file.partition(".")[0]
        with pytest.raises(DataError, match="of memory available"):
            registry.datasets.build(name, {"path": file}).load()


def test_a_bomb_of_rows_is_given_up_while_it_expands(folder, monkeypatch):
    expanded = []
    whole = reading._GuardedText.readinto
    monkeypatch.setattr(
        reading._GuardedText, "readinto", lambda *args: expanded.append(whole(*args)) or expanded[-1]
    )
    four_megabytes = gzip.compress(b"0,0\n" * (1 << 20))
    (folder / "bomb.csv.gz").write_bytes(gzip.compress(b"a,b\n") + four_megabytes * 600)  # 2.4 GB
    tracemalloc.start()
    with pytest.raises(DataError, match="200 times its size"):
        registry.datasets.build("csv", {"path": "bomb.csv.gz"}).info()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(expanded) < 50e6
    assert peak < 150e6


def test_a_label_as_long_as_a_text_is_refused(folder):
    Path("a.csv").write_text("a,label\n1," + "x" * 300 + "\n2,y\n", encoding="utf-8")
    with pytest.raises(DataError, match="a label is longer than 256 characters"):
        registry.datasets.build("csv", {"path": "a.csv"}).info()


@pytest.mark.parametrize("file", FILES)
def test_loading_reads_a_file_once_and_knows_its_sizes(folder, monkeypatch, file):
    write(file, *table())
    dataset = registry.datasets.build(file.partition(".")[0], {"path": file})
    tables, heads = [], []
    whole = type(dataset).table
    monkeypatch.setattr(type(dataset), "table", lambda *args: tables.append(args) or whole(*args))
    monkeypatch.setattr(type(dataset), "head", lambda *args: heads.append(args))
    splits = dataset.load()
    assert (len(tables), len(heads)) == (1, 0)
    assert dataset.info().train_examples == splits.train.size == 48
    assert dataset.memory_bytes() > 0


@pytest.mark.parametrize("scale", ["none", "unit", "standard", "minmax"])
@pytest.mark.parametrize(
    "kind", ["csv", "npz", "npz in Fortran's order", "parquet", "libsvm", "libsvm dense"]
)
def test_loading_takes_the_memory_that_was_foretold(folder, monkeypatch, kind, scale):
    monkeypatch.setattr(_cells, "_GROWTH", 1 << 18)
    monkeypatch.setattr(_own, "_MOVED", 1 << 18)
    monkeypatch.setattr(inputs, "_CELLS", 1 << 14)
    monkeypatch.setattr(formats, "_SVM_BYTES", 1 << 16)
    for module in (csv, _archive, parquet):
        monkeypatch.setattr(module, "CELLS", 1 << 14)
    rows, features = 6000, 100
    x = np.random.default_rng(0).random((rows, features)).astype(np.float32)
    y = np.arange(rows) % 3
    options = {"path": "a", "scale": scale}
    if kind.startswith("npz"):
        np.savez("a.npz", x=np.asfortranarray(x) if "Fortran" in kind else x.astype(np.float64), y=y)
        options["path"] = "a.npz"
    elif kind.startswith("libsvm"):
        x[:, 30:] = 0
        lines = (f"{label} " + " ".join(f"{at + 1}:{v:.3f}" for at, v in enumerate(row[:30])) for row, label in zip(x, y, strict=True))  # fmt: skip # noqa: E501
        Path("a").write_text("\n".join(lines), encoding="utf-8")
        options |= {"dense": "dense" in kind, "features": features}
        if "dense" not in kind and scale not in ("none", "unit"):
            return
    else:
        frame = pd.DataFrame(x, columns=[f"f{at}" for at in range(features)])
        frame["label"] = y
        frame.to_parquet("a", row_group_size=500) if kind == "parquet" else frame.to_csv("a", index=False)
    dataset = registry.datasets.build(kind.partition(" ")[0], options)
    foretold = dataset.memory_bytes()
    tracemalloc.start()
    dataset.load()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    overhead = 2.5e6 if kind != "libsvm" and "dense" not in kind else 4e6  # of parsing a piece, and of labels
    assert 0.6 * foretold < peak < foretold + overhead


def sparse_rows(random, rows=40, features=30, share=0.1):
    return np.where(random.random((rows, features)) < share, random.standard_normal((rows, features)), 0)


@pytest.mark.parametrize("first", [0, 1])
def test_libsvm_text_is_read_exactly(folder, monkeypatch, first):
    monkeypatch.setattr(formats, "_SVM_BYTES", 300)  # several blocks
    rows = sparse_rows(np.random.default_rng(3)).astype(np.float32)
    rows[0, -1] = 1
    lines = [
        f"{(-1) ** at:+d} " + " ".join(f"{id + first}:{row[id]!s}" for id in np.flatnonzero(row))
        for at, row in enumerate(rows)
    ]
    lines.insert(7, "")
    lines[9] += " # a note"
    Path("a.txt").write_text("\r\n".join(lines), encoding="utf-8")
    dataset = registry.datasets.build("libsvm", {"path": "a.txt", "zero_based": not first})
    table = dataset.table(folder / "a.txt", "train")
    np.testing.assert_array_equal(table.x.to_dense(), rows)
    assert table.labels.tolist() == ["+1", "-1"] * 20
    assert dataset.info().features == 30
    wider = registry.datasets.build("libsvm", {"path": "a.txt", "zero_based": not first, "features": 50})
    assert wider.load().train.x.shape[1] == wider.info().features == 50


def test_sparse_rows_are_the_array_they_stand_for():
    dense = sparse_rows(np.random.default_rng(1)).astype(np.float32)
    dense[3] = 0
    rows = CSR.from_dense(dense)
    assert rows.shape == dense.shape
    for which in (slice(None, 7), slice(5, 5), np.array([3, 39, 0, 3]), np.array([], dtype=np.int64)):
        np.testing.assert_array_equal(rows[which].to_dense(), dense[which])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 1:2\n0 0:1", r":2: '0:1' is an index below"),
        ("1 1:2\n0 2:1:3 4", ":2: '2:1:3' is not index:value"),
        ("1 1:2\n\n0 2:x", ":3: '2:x' is not index:value"),
        ("1 1:2\n0 2:1 2:1", "or twice"),
        ("1 4:2\n0 2:1 1:1", ":2: '1:1' does not come in ascending order"),
        ("1 1:2\n0 2.5:1", "no whole index"),
        ("1 1:2\n0 99999999999:1", "no whole index"),
        ("1 1:2\n0 2:nan", "not a finite number"),
        ("1 1:2\n0 2:1e39", "not a finite number"),
        ("1 1:2\n1:1 2:1", "no label"),
        ("1 1:2\n1,2 2:1", "several labels"),
        ("1 1:2\n0 qid:3 2:1", "'qid:3' is not index:value"),
        ("1 1:2\n-3 2:1", "label -3 is negative"),
        ("1\n0", "no features"),
        ("", "no examples"),
    ],
)
def test_lines_that_are_not_libsvm_are_named(folder, text, message):
    Path("a.txt").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        registry.datasets.build("libsvm", {"path": "a.txt"}).info()

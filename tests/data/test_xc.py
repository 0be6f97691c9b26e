"""Text of sparse rows with any number of labels: exact numbers, one line for what is wrong, real files."""

from __future__ import annotations

import bz2
import gzip
import os
from pathlib import Path

import naive_data
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lshexp import registry
from lshexp.data import xc
from lshexp.data._rows import parse_labels, parse_piece, parse_rows
from lshexp.data.catalog import check, is_there, statistics
from lshexp.errors import ConfigError, DataError

REAL = os.environ.get("LSHEXP_DATA")  # before a test hides it
TRAIN = "3 4 5\n0,4 1:0.5 3:-2\n 2:1e-3\n3,1,2 \n"
TEST = "2 4 5\n4 0:1\n1:3 0:4\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LSHEXP_DATA", raising=False)
    write(TRAIN, TEST)


def write(train, test=TEST):
    for name, text in (("train", train), ("test", test)):
        Path(f"{name}.txt").write_bytes(text if isinstance(text, bytes) else text.encode())


def own(**options):
    paths = {"corpus": "own", "path": "train.txt", "test_path": "test.txt"}
    return registry.datasets.build("xc", {**paths, **options})


def dense(part):
    return part.x.to_dense().tolist(), part.y.to_dense().tolist()


def test_rows_are_read_as_they_stand():
    splits, info = own().load(), own().info()
    assert (info.features, info.classes, info.train_examples, info.test_examples) == (4, 5, 3, 2)
    assert info.sparse and info.multilabel and not info.streamed
    x, y = dense(splits.train)
    assert x == [[0, 0.5, 0, -2], [0, 0, np.float32(1e-3), 0], [0, 0, 0, 0]]
    assert y == [[1, 0, 0, 0, 1], [0] * 5, [0, 1, 1, 1, 0]]
    assert dense(splits.test) == ([[1, 0, 0, 0], [4, 3, 0, 0]], [[0, 0, 0, 0, 1], [0] * 5])
    assert splits.test.x.indices.tolist() == [0, 0, 1]  # ascending
    assert splits.train.y.indices.tolist() == [0, 4, 1, 2, 3]
    assert not splits.train.x.data.flags.writeable
    held = sum(part.x.nbytes + part.y.nbytes for part in splits)
    assert held <= own().memory_bytes()
    assert "3 + 2 examples from 2 files" in check(own())
    assert statistics(own()).largest_class_pct == pytest.approx(100 / 3)


def test_normalised_rows_have_unit_length():
    splits = own(normalize=True).load()
    lengths = [np.linalg.norm(row) for part in splits for row in part.rows]
    np.testing.assert_allclose(lengths, [1, 1, 0, 1, 1], rtol=1e-6)
    assert own(normalize=True).fingerprint() != own().fingerprint()


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\t \n"])
@pytest.mark.parametrize("size", [1, 9, 1 << 20])
def test_packing_line_ends_and_pieces_change_nothing(monkeypatch, ends, size):
    plain, digest = own().load(), own().fingerprint()
    Path("a.gz").write_bytes(gzip.compress(TRAIN.replace("\n", ends).encode()))
    Path("b.bz2").write_bytes(bz2.compress(TEST.rstrip("\n").encode() + b"\n\n  \n"))
    monkeypatch.setattr(xc, "LINES_BYTES", size)
    xc.amounts.cache_clear()
    other = own(path="a.gz", test_path="b.bz2")
    for a, b in zip(plain, other.load(), strict=True):
        assert dense(a) == dense(b)
    assert other.fingerprint() != digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "train.txt:1: '' is not `rows features labels`"),
        ("0,4 1:0.5 3:-2\n", "train.txt:1: '0,4 1:0.5 3:-2' is not `rows"),
        ("3 4\n", "train.txt:1: '3 4' is not"),
        ("3 4 -5\n", "is not `rows features labels`"),
        ("0 4 5\n", "announces 0 rows; 1 to"),
        ("3 99999999999 5\n", "announces 99,999,999,999 features; 1 to 10,000,000"),
        ("1" * 200, "is not `rows features labels`"),
        ("3 4 6\n0 0:1\n0 0:1\n0 0:1\n", r"test\.txt:1: announces 4 features and 5 labels"),
        ("3 4 5\n0 0:1\n", r"train\.txt:1: announces 3 rows, the file has 1"),
        ("1 4 5\n0 0:1\n\n1 0:1\n", r"train\.txt:4: goes on after the 1 rows"),
        ("1 4 5\n0 0:1 4:2\n", r":2: '4:2' has no whole index from 0 to 3"),
        ("2 4 5\n0 0:1\n1 -1:2\n", ":3: '-1:2' has no whole index"),
        ("1 4 5\n0 99999999999999999999:2\n", "has no whole index"),
        ("1 4 5\n5 0:1\n", ":2: label '5' is not a whole number from 0 to 4"),
        ("1 4 5\n-1 0:1\n", ":2: label '-1' is not a whole"),
        ("1 4 5\n1,,2 0:1\n", ":2: label '' is not a whole"),
        ("1 4 5\n1, 0:1\n", ":2: label '' is not a whole"),
        ("1 4 5\n1.5 0:1\n", ":2: label '1.5' is not"),
        ("1 4 5\n18446744073709551617 0:1\n", ":2: label '18446744073709551617' is not"),
        ("1 4 5\n1 2 0:1\n", ":2: '2' is not index:value"),
        ("1 4 5\n1 0:1:2\n", ":2: '0:1:2' is not index:value"),
        ("1 4 5\n1 0:x\n", ":2: '0:x' is not index:value"),
        ("1 4 5\n1 0:\n", ":2: '0:' is not index:value"),
        ("1 4 5\n1 :1\n", ":2: ':1' is not index:value"),
        ("1 4 5\n1 0:nan\n", ":2: '0:nan' is not a finite number"),
        ("1 4 5\n1 0:1e39\n", ":2: '0:1e39' is not a finite number"),
        ("1 4 5\n1 0:1e999\n", ":2: '0:1e999' is not a finite number"),
        ("1 4 5\n1 0:1 2:1 0:3\n", ":2: feature 0 stands there twice"),
        ("1 4 5\n3,1,3 0:1\n", ":2: label 3 stands there twice"),
        ("1 4 5\n1 0:\x01\n", ":2: '0:\\?' is not index:value"),
        (b"1 4 5\n\xff\xfe 0:1\n", ":2: label"),
        (b"1 4 5\n1 0:1\0\n", "zero bytes"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(text, message):
    write(text, "2 4 5\n4 0:1\n1:3 0:4\n")
    with pytest.raises(DataError, match=message) as caught:
        own().check()
        own().load()
    assert "\n" not in str(caught.value)


def test_long_lines_bombs_and_cut_files_are_refused(monkeypatch):
    Path("bomb.gz").write_bytes(gzip.compress(b"1 4 5\n" + b"0:1 \n" * (20 << 20)))
    with pytest.raises(DataError, match="expands to more than"):
        own(path="bomb.gz").check()
    Path("cut.gz").write_bytes(gzip.compress(TRAIN.encode())[:-9])
    with pytest.raises(DataError, match=r"cut\.gz: cannot be read"):
        own(path="cut.gz").check()
    monkeypatch.setattr(xc, "LONGEST_ROW", 1000)
    write("1 4 5\n" + "0:1 " * 1_000_000)
    with pytest.raises(DataError, match="a line is longer"):
        own().check()


def test_more_than_the_memory_holds_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 200})())
    with pytest.raises(DataError, match="3 rows with 3 features need"):
        own().load()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"corpus": "own"}, "takes the two files"),
        ({"corpus": "own", "path": "a"}, "takes the two files"),
        ({"path": "a"}, "go with corpus: own"),
        ({"path": "a", "test_path": "b"}, "no other"),
        ({"corpus": "own", "path": "../a", "test_path": "b"}, "leads out"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        registry.datasets.build("xc", options)


def test_a_known_set_is_looked_for_and_must_have_its_sizes(tmp_path, monkeypatch):
    monkeypatch.setenv("LSHEXP_DATA", str(tmp_path))
    dataset = registry.datasets.build("xc", {"corpus": "bibtex"})
    with pytest.raises(DataError, match=r"found no file bibtex/train\.txt or .*xc_synthetic.*is generated"):
        dataset.check()
    (tmp_path / "bibtex").mkdir()
    for name in ("train", "test"):
        (tmp_path / "bibtex" / f"{name}.txt").write_text("1 1836 159\n0 0:1\n")
    with pytest.raises(DataError, match=r"announces 1 x 1,836 x 159 rows, features and labels, 'bibtex' has"):
        dataset.check()


def arrays(content):
    rows, most = content.count(b"\n") + (not content.endswith(b"\n")), content.count(b":")
    kinds = ((rows, 2), np.int64), (rows, np.int64), (most, np.int32), (most, np.float32), (most, np.int64)
    return [np.zeros(shape, kind) for shape, kind in kinds]


def compare_rows(content, first_index=0, features=50, ordered=False, comments=False):
    text = np.frombuffer(content, np.uint8)
    mine, twin = arrays(content), arrays(content)
    given = text, first_index, features, ordered, comments
    found, expected = parse_rows(*given, *mine), naive_data.parse_rows(*given, *twin)
    assert found == expected, content
    if found[2] == 0:
        undecided = np.isnan(mine[3][: found[0]])
        mine[3][: found[0]][undecided] = twin[3][: found[0]][undecided]
        for a, b in zip(mine, twin, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=str(content))
    return found


@pytest.mark.parametrize(
    "line",
    [
        b"1 2:3", b"1,2 0:1 3:.5 4:5. 7:-1e3", b" 0:1", b"0:1", b"", b"  ", b"7", b"1 49:1 50:1", b"1 1:+2",
        b"x 1:2", b"1 1:2 3", b"1 a:2", b"1 1:", b"1 :1", b"1 1:-", b"1 1:e5", b"1 1:1e", b"1 1:1e+",
        b"1 1:1.2.3",
        b"1 1:2#3 4:5", b"1 3:1 2:1", b"1 2:1 2:1", b"#all", b"1#x", b"1 1:1e99999999999", b"1 1:0e999999",
        b"1 1:1e-400", b"1 1:-0.0", b"1 1:00000000000000000000000000000001", b"1 99999999999999999999:1",
        b"1 1:123456789012345678901234567890.5", b"1 1:0.000000000000000000000000000000000123456789012345",
        b"1 \x01:1", b"\x01", b"1 1:1 \x02", b"1\t1:1\r",
    ],
)  # fmt: skip
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("comments", [False, True])
def test_the_parser_is_its_twin(line, ordered, comments):
    for content in (line + b"\n", b"1 2:3\n" + line + b"\n2 4:1", b"\n" + line if line else b"\n"):
        for first_index in (0, 1):
            compare_rows(content, first_index, 50, ordered, comments)


@given(st.lists(st.text(alphabet="0123456789:,. -+eE#\n", max_size=30), min_size=1, max_size=5))
def test_the_parser_is_its_twin_on_any_text(lines):
    content = "\n".join(lines).encode()
    if content:
        compare_rows(content, 0, 1000, False, True)


@given(st.lists(st.floats(width=64, allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_values_are_rounded_as_python_reads_them(values):
    for text in ("{!r}", "{:.12g}", "{:.25e}", "{:.3f}"):
        written = [text.format(value) for value in values]
        with np.errstate(over="ignore"):
            expected = np.array([np.float32(float(word)) for word in written])
        kept = [word for word, value in zip(written, expected, strict=True) if np.isfinite(value)]
        content = ("1 " + " ".join(f"{at}:{word}" for at, word in enumerate(kept))).encode()
        piece = parse_piece(Path("a"), content, 1, 0, 50, ordered=True, comments=False)
        np.testing.assert_array_equal(piece.data, expected[np.isfinite(expected)])


def test_ties_of_float32_are_rounded_as_python_reads_them():
    # halfway between two float32 numbers, and a hair to either side
    for text in (
        "16777217",
        "16777217.0000000000000001",
        "16777216.9999999999999999",
        "1.00000005960464477539",
    ):
        piece = parse_piece(Path("a"), b"1 0:" + text.encode(), 1, 0, 1, ordered=True, comments=False)
        assert piece.data[0] == np.float32(float(text))


@given(st.lists(st.text(alphabet="0123456789,-", max_size=12), min_size=1, max_size=6))
def test_the_parser_of_labels_is_its_twin(lists):
    content = " ".join(lists).encode()
    stops = np.cumsum([len(text) + 1 for text in lists]) - 1
    spans = np.array([[stop - len(text), stop] for text, stop in zip(lists, stops, strict=True)], np.int64)
    text = np.frombuffer(content + b" ", np.uint8)
    found = []
    for parse in (parse_labels, naive_data.parse_labels):
        lengths, numbers = np.zeros(len(lists), np.int64), np.zeros(len(content) + len(lists), np.int32)
        count, row = parse(text, spans, 5000, lengths, numbers)
        found.append(row if row >= 0 else (count, numbers[:count].tolist(), lengths.tolist()))
    assert found[0] == found[1]


SVM = "1,5,7 1:2 3:4\n\n 2:1\n7 3:1 # none\n5,1\n"


def test_libsvm_files_have_any_number_of_labels_too():
    Path("a.txt").write_text(SVM)
    dataset = registry.datasets.build("libsvm", {"path": "a.txt", "test_path": "a.txt", "multilabel": True})
    info, (train, test) = dataset.info(), dataset.load()
    assert (info.multilabel, info.sparse, info.classes, info.features) == (True, True, 3, 3)
    rows = {
        (1, 1, 1): [2, 0, 4], (0, 0, 0): [0, 1, 0], (0, 0, 1): [0, 0, 1], (1, 1, 0): [0, 0, 0],
    }  # fmt: skip
    for part in (train, test):
        found = {tuple(map(int, y)): x for x, y in zip(*dense(part), strict=True)}
        assert found == rows
    split = registry.datasets.build("libsvm", {"path": "a.txt", "multilabel": True, "test_fraction": 0.5})
    assert [part.size for part in split.load()] == [2, 2]
    whole = registry.datasets.build("libsvm", {"path": "a.txt", "multilabel": True, "dense": True})
    assert whole.load().train.x.shape == (3, 3)


@pytest.mark.parametrize(
    ("text", "multilabel", "message"),
    [
        (SVM, False, ":1: '1,5,7': the line has several labels; set `multilabel: true`"),
        ("1,1 1:1\n2 1:1\n", True, ":1: label 1 stands there twice"),
        ("1 1:1\na 1:1\n", True, ":2: label 'a' is not a whole number"),
        ("-1 1:1\n1 1:1\n", True, ":1: label '-1' is not a whole number"),
        ("1 1:1\n1 2:1\n", True, "there is no label but 1"),
        (" 1:1\n 2:1\n", True, "there is no label; two classes"),
    ],
)
def test_labels_that_libsvm_cannot_have_are_named(text, multilabel, message):
    Path("a.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        registry.datasets.build("libsvm", {"path": "a.txt", "multilabel": multilabel}).info()


@pytest.mark.skipif(not REAL, reason="LSHEXP_DATA is not set")
@pytest.mark.parametrize("corpus", list(xc.CORPORA))
def test_the_real_files_are_what_they_announce(corpus, monkeypatch):
    monkeypatch.setenv("LSHEXP_DATA", REAL)
    dataset = registry.datasets.build("xc", {"corpus": corpus, "normalize": True})
    if not is_there(dataset):
        pytest.skip("the files are not there")
    dataset.check()
    info = dataset.info()
    for part, size in zip(dataset.load(), (info.train_examples, info.test_examples), strict=True):
        assert part.x.shape == (size, info.features) and part.y.shape == (size, info.classes)
        lengths = np.sqrt(np.add.reduceat(part.x.data.astype(np.float64) ** 2, part.x.indptr[:-1]))
        np.testing.assert_allclose(lengths, 1, rtol=1e-5)
        for rows in (part.x, part.y):
            places = np.repeat(np.arange(size), rows.row_lengths()) * rows.shape[1] + rows.indices
            assert (np.diff(places) > 0).all()

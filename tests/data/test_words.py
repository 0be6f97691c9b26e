"""Text as n-grams: every word once as a label, after the words before it."""

from __future__ import annotations

import bz2
import gzip
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lshexp import registry
from lshexp.data import words
from lshexp.data.catalog import check, is_there, statistics
from lshexp.data.words import CORPORA, Corpus, ranked
from lshexp.errors import ConfigError, DataError
from lshexp.nn.trainer import run
from lshexp.spec import RunSpec

TRAIN = "b a a\n\n  c a <unk> b\nd d c"  # the last line has no end
REAL = os.environ.get("LSHEXP_DATA")  # before a test hides it
VALID, TEST = "a z\n", "c c\nnew a\n"
# training words as they are, ties alphabetical: a 3, <eos> 3 (before a: bytes), b 2, c 2, d 2, <unk> 1
ORDER = ["<eos>", "a", "b", "c", "d", "<unk>"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LSHEXP_DATA", raising=False)
    for name, text in (("train", TRAIN), ("valid", VALID), ("test", TEST)):
        Path(f"{name}.txt").write_bytes(text.encode())
    return tmp_path


def own(**options):
    paths = {"path": "train.txt", "valid_path": "valid.txt", "test_path": "test.txt"}
    return registry.datasets.build("words", {"corpus": "own", "order": 3, **paths, **options})


def ngrams(lines, vocabulary, order):
    """A plain twin: contexts and labels as words."""
    text = [word if word in vocabulary else "<unk>" for line in lines for word in [*line.split(), "<eos>"]]
    padded = ["<eos>"] * (order - 1) + text
    return [(padded[i : i + order - 1], padded[i + order - 1]) for i in range(len(text))]


def read(part, vocabulary, order):
    """Contexts and labels of a part, as words."""
    assert (part.x.row_lengths() == order - 1).all() and (part.x.data == 1).all()
    assert part.x.shape == (part.size, (order - 1) * len(vocabulary))
    position, word = np.divmod(part.x.indices.reshape(-1, order - 1), len(vocabulary))
    assert (position == np.arange(order - 1)).all()
    contexts = [[vocabulary[i] for i in row] for row in word]
    return [(a, vocabulary[b]) for a, b in zip(contexts, part.classes, strict=True)]


@pytest.mark.parametrize("order", [2, 3, 5])
def test_every_word_is_a_label_after_the_words_before_it(order):
    dataset = own(order=order)
    info, splits = dataset.info(), dataset.load()
    assert (info.train_examples, info.test_examples, info.classes) == (14, 6, 6)
    assert (info.sparse, info.streamed, info.multilabel) == (True, True, False)
    for split, text in zip(splits, (TRAIN, TEST), strict=True):
        part = split.batch(np.arange(split.size))
        assert part.size == split.size and split.features == info.features
        assert read(part, ORDER, order) == ngrams(
            text.split("\n")[: text.count("\n") + (text == TRAIN)], ORDER, order
        )
    assert dataset.memory_bytes() == 4 * (2 * 14 + 6)


def test_batches_and_cuts_are_the_examples_asked_for():
    train = own().load().train
    whole = train.batch(np.arange(14))
    ids = np.array([4, 0, 4, 12])
    some = train.batch(ids)
    np.testing.assert_array_equal(some.x.to_dense(), whole.rows[ids])
    np.testing.assert_array_equal(some.y, whole.y[ids])
    cut = train.cut(2, 9).cut(1, 5)
    assert cut.size == 4
    np.testing.assert_array_equal(cut.batch(np.arange(4)).rows, whole.rows[3:7])
    assert cut.batch(np.array([], dtype=np.int64)).size == 0
    some.x.data[:] = 2  # the caller's own
    np.testing.assert_array_equal(train.batch(ids).rows, whole.rows[ids])


def test_the_vocabulary_keeps_the_most_frequent_words():
    counts = Counter({b"<eos>": 4, b"x": 3, b"b": 2, b"a": 2, b"rare": 1, b"seldom": 1})
    assert ranked(counts) == [b"<eos>", b"x", b"a", b"b", b"rare", b"seldom", b"<unk>"]
    assert ranked(counts, 4) == [b"<eos>", b"<unk>", b"x", b"a"]  # <unk> stands for four words
    assert ranked(counts, 3) == [b"<unk>", b"<eos>", b"x"]
    assert own().class_names() == tuple(ORDER)
    small = own(vocabulary=4)
    assert (small.info().classes, small.info().features) == (4, 8)
    part = small.load().train.batch(np.arange(14))
    kept = ["<unk>", "<eos>", "a", "b"]
    assert read(part, kept, 3) == ngrams(TRAIN.splitlines(), kept, 3)


def test_the_validation_text_is_held_out_as_the_end_of_training():
    joined, plain = own(append_valid=True), own()
    assert joined.info().train_examples == 14 + 3
    split = joined.load().train
    tail = split.cut(14, 16)
    assert read(tail.batch(np.arange(3)), ORDER, 3) == ngrams(["d c", "a z"], ORDER, 3)[3:]
    np.testing.assert_array_equal(
        split.cut(0, 14).batch(np.arange(14)).rows, plain.load().train.batch(np.arange(14)).rows
    )
    assert joined.fingerprint() != plain.fingerprint()


@pytest.mark.parametrize("size", [1, 3, 7, 1 << 20])
def test_pieces_of_any_size_and_packing_read_the_same(monkeypatch, size):
    plain = own().load().train
    Path("train.txt.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + TRAIN.replace("\n", "\r\n").encode()))
    Path("test.txt.bz2").write_bytes(bz2.compress(TEST.encode()))
    blocks = words.line_blocks
    monkeypatch.setattr(words, "line_blocks", lambda path, _: blocks(path, size))
    packed = own(path="train.txt.gz", test_path="test.txt.bz2").load()
    np.testing.assert_array_equal(plain.text, packed.train.text)
    assert packed.test.size == 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "train.txt: the file is empty"),
        (b"a b\xff c", "not UTF-8"),
        (b"a\0b", "zero bytes"),
        (b"a " + b"x" * 1001, "longer than 1,000 bytes"),
        (b"a " * (20 << 20), "a line is longer"),
    ],
)
def test_what_is_no_text_is_refused(content, message):
    Path("train.txt").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        own().check()
    assert "\n" not in str(caught.value)


def test_damaged_and_absent_files_are_refused(monkeypatch):
    Path("bad.gz").write_bytes(gzip.compress(TRAIN.encode() * 50)[:-9])
    with pytest.raises(DataError, match=r"bad\.gz: cannot be read"):
        own(path="bad.gz").check()
    Path("bomb.gz").write_bytes(gzip.compress(b"a \n" * (30 << 20)))
    with pytest.raises(DataError, match="expands to more than"):
        own(path="bomb.gz").check()
    with pytest.raises(DataError, match="found no file"):
        own(path="nothing.txt").check()
    monkeypatch.setattr(words, "MOST_DIFFERENT", 4)
    Path("train.txt").write_bytes(b"a b c d e f")
    with pytest.raises(DataError, match="more than 4 different words"):
        own().check()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"corpus": "own"}, "needs path and test_path"),
        ({"corpus": "own", "path": "a", "test_path": "b", "append_valid": True}, "needs valid_path"),
        ({"path": "a"}, "goes with corpus: own"),
        ({"corpus": "own", "path": "../a", "test_path": "b"}, "leads out"),
        ({"order": 1}, "order"),
        ({"vocabulary": 2}, "vocabulary"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        registry.datasets.build("words", options)


def test_a_published_text_must_have_the_published_counts(folder, monkeypatch):
    monkeypatch.setenv("LSHEXP_DATA", str(folder))
    monkeypatch.setitem(CORPORA, "ptb", Corpus("{}.txt", (14, 3, 6), 6, "made here"))
    dataset = registry.datasets.build("words", {"order": 3})
    assert "14 + 6 examples" in check(dataset)
    assert statistics(dataset).examples == 14
    Path("test.txt").write_bytes(b"a b\n")
    with pytest.raises(DataError, match=r"test\.txt: has 3 words with line ends, the published text 6"):
        dataset.load()
    Path("test.txt").unlink()
    with pytest.raises(DataError, match=r"found no file .*xc_synthetic.*is generated"):
        dataset.check()
    assert dataset.info().train_examples == 14


def test_a_network_learns_the_next_word():
    Path("train.txt").write_text("a b c d e f\n" * 60)
    Path("test.txt").write_text("a b c d e f\n" * 3)
    options = dict(own().model_dump(), valid_path=None)
    spec = RunSpec(
        dataset="words", dataset_options=options, method="lsh", active_pct=50.0, hidden=[16, 16], epochs=6,
        batch=8, lr=0.05,
    )  # fmt: skip
    assert run(spec).epochs[-1].test_acc_pct > 90


@pytest.mark.skipif(not REAL, reason="LSHEXP_DATA is not set")
@pytest.mark.parametrize("corpus", list(CORPORA))
def test_the_real_texts_are_as_published(corpus, monkeypatch):
    monkeypatch.setenv("LSHEXP_DATA", REAL)
    dataset = registry.datasets.build("words", {"corpus": corpus, "append_valid": True})
    if not is_there(dataset):
        pytest.skip("the text is not there")
    dataset.check()
    splits, info = dataset.load(), dataset.info()
    assert (splits.train.size, splits.test.size) == (info.train_examples, info.test_examples)
    assert splits.train.features == 4 * CORPORA[corpus].different
    labels = splits.train.cut(0, CORPORA[corpus].words[0])
    counts = np.bincount(labels.batch(np.arange(labels.size)).classes, minlength=info.classes)
    assert (np.diff(counts) <= 0).all() and counts[-1] > 0

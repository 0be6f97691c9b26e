"""Two hundred damaged files: every reader answers each with one line, in little memory."""

from __future__ import annotations

import bz2
import functools
import gzip
import hashlib
import io
import lzma
import struct
import tracemalloc
import zipfile

import numpy as np
import pandas as pd
import pytest
from amat_files import rows as amat_rows
from amat_files import text as amat_text

from lshexp import registry
from lshexp.data import mnist, reading, shapes_published
from lshexp.data.mnist import DigitFile
from lshexp.data.shapes_published import ConvexPublished
from lshexp.errors import DataError

MOST_BYTES = 12 << 20  # of memory for a file of a few kilobytes
PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def table():
    random = np.random.default_rng(0)
    return random.standard_normal((40, 5)).astype(np.float32), np.arange(40) % 3


def frame(**changes):
    x, y = table()
    return pd.DataFrame({**{f"f{at}": x[:, at] for at in range(5)}, "label": y, **changes})


def csv_bytes(content=None):
    return (frame() if content is None else content).to_csv(index=False).encode()


def svm_bytes():
    x, y = table()
    return "".join(
        f"{label} " + " ".join(f"{at + 1}:{value}" for at, value in enumerate(row)) + "\n"
        for row, label in zip(x, y, strict=True)
    ).encode()


def npz_bytes(pack=np.savez, **arrays):
    x, y = table()
    buffer = io.BytesIO()
    pack(buffer, **{"x": x, "y": y, **arrays})
    return buffer.getvalue()


def npy(header, content=b""):
    """An archive whose array `x` has a header of our own."""
    text = header.encode("latin1").ljust(117) + b"\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content)
        label = io.BytesIO()
        np.save(label, np.arange(40) % 3)
        archive.writestr("y.npy", label.getvalue())
    return buffer.getvalue()


def parquet_bytes(content=None, **options):
    buffer = io.BytesIO()
    (frame() if content is None else content).to_parquet(buffer, **options)
    return buffer.getvalue()


def x_with(value):
    x = table()[0].astype(np.float64)
    x[7, 3] = value
    return x


def labels_with(value):
    y = (np.arange(40) % 3).astype(type(value) if isinstance(value, str) else np.float64).astype(object)
    y[7] = value
    return y


def cut(content, count):
    """The beginnings of a file, none of which is whole."""
    return {f"cut at {at}": content[:at] for at in np.linspace(0, 0.97 * len(content), count).astype(int)}


FOREIGN = {
    "a web page": "<html>sign in</html>".encode("utf-16"),
    "zeros": bytes(5000),
    "noise": np.random.default_rng(1).bytes(5000),
    "another format": b"PAR1" + bytes(100) + b"PK\x05\x06" + bytes(18),
}


def packed(content, ends, bomb):
    """A good text file, packed and then damaged; and bombs."""
    damages = {}
    for ending, pack in PACKERS.items():
        whole = pack(content)
        damages |= {f"{name}{ending}": part for name, part in cut(whole[:-1], 6).items()}
        damages[f"not packed{ending}"] = content
        damages[f"flipped{ending}"] = whole[:60] + bytes([whole[60] ^ 255]) + whole[61:]
        damages[f"bomb of rows{ending}"] = pack(ends + bomb * (4_000_000 // len(bomb)))
        damages[f"bomb of one row{ending}"] = pack(ends + b"0" * 4_000_000)
    return damages


@functools.cache
def csv_files():
    good = csv_bytes()
    lines = good.splitlines(keepends=True)
    spoilt = {
        "nan": csv_bytes(frame(f1=x_with(np.nan)[:, 3])),
        "infinity": good.replace(lines[3], b"inf," + lines[3].partition(b",")[2]),
        "too large": good.replace(lines[3], b"1e39," + lines[3].partition(b",")[2]),
        "a word": good.replace(lines[3], b"word," + lines[3].partition(b",")[2]),
        "negative label": csv_bytes(frame(label=labels_with(-5))),
        "measurement": csv_bytes(frame(label=labels_with(0.5))),
        "no label": csv_bytes(frame(label=labels_with(None))),
        "not UTF-8": good.replace(lines[3], b"\xff\xfe" + lines[3]),
        "UTF-16": good.decode().encode("utf-16"),
        "latin-1 header": good.replace(b"f1", b"f\xe4"),
        "a long row": good.replace(lines[3], b"1," + lines[3]),
        "long rows": lines[0] + b"".join(b"1," + line for line in lines[1:]),
        "a short row": good.replace(lines[3], b"1,2\n"),
        "open quote": good.replace(lines[3], b'"' + lines[3]),
        "no rows": lines[0],
        "no header": b"".join(lines[1:]),
        "one class": csv_bytes(frame(label=np.zeros(40, int))),
        "one column": b"label\n1\n2\n",
        "null bytes": good.replace(b"\n", b"\x00\n", 3),
        "empty": b"",
        "a line end": b"\n",
        "semicolons": good.replace(b",", b";"),
    }
    return spoilt | FOREIGN | packed(good, lines[0], b"0,0,0,0,0,1\n")


@functools.cache
def svm_files():
    good = svm_bytes()
    lines = good.splitlines(keepends=True)
    other = {
        "negative index": b"1 -3:1\n",
        "index 0": b"1 0:1\n",
        "huge index": b"1 99999999999999999999:1\n",
        "no index": b"1 :1\n",
        "no value": b"1 1:\n",
        "no colon": b"1 1 2\n",
        "two colons": b"1 1:2:3 4\n",
        "words": b"1 one:two\n",
        "nan": b"1 1:nan\n",
        "infinity": b"1 1:-inf\n",
        "too large": b"1 1:1e39\n",
        "much too large": b"1 1:1e999\n",
        "twice": b"1 2:1 2:1\n",
        "descending": b"1 3:1 2:1\n",
        "no label": b"1:1 2:3\n",
        "two labels": b"1,2 1:1\n",
        "negative label": b"-7 1:1\n",
        "measurement": b"0.5 1:1\n",
        "nan label": b"nan 1:1\n",
        "long label": b"x" * 100 + b" 1:1\n",
        "not UTF-8": b"\xff\xfe 1:1\n",
        "null bytes": b"1 1:\x00\n",
    }
    spoilt = {name: good.replace(lines[3], line) for name, line in other.items()}
    spoilt |= {"empty": b"", "comments": b"# nothing\n" * 50, "UTF-16": good.decode().encode("utf-16")}
    return spoilt | FOREIGN | packed(good, b"", b"1 1:0 2:0 3:0\n")


@functools.cache
def npz_files():
    x, y = table()
    good = npz_bytes(np.savez_compressed)
    shape = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }"
    spoilt = {
        "nan": npz_bytes(x=x_with(np.nan)),
        "infinity": npz_bytes(x=x_with(-np.inf)),
        "too large": npz_bytes(x=x_with(1e39)),
        "texts": npz_bytes(x=x.astype(str)),
        "complex": npz_bytes(x=x + 1j),
        "dates": npz_bytes(x=x.astype("datetime64[s]")),
        "records": npz_bytes(x=np.zeros(40, dtype=[("a", "f4")])),
        "objects": npz_bytes(x=x.astype(object)),
        "one axis": npz_bytes(x=x[:, 0]),
        "no examples": npz_bytes(x=x[:0], y=y[:0]),
        "no features": npz_bytes(x=x[:, :0]),
        "negative labels": npz_bytes(y=y - 2),
        "measurements": npz_bytes(y=y + 0.5),
        "nan labels": npz_bytes(y=np.where(y == 1, np.nan, y)),
        "object labels": npz_bytes(y=y.astype(object)),
        "long labels": npz_bytes(y=np.array(["x" * 1000] * 40)),
        "labels not UTF-8": npz_bytes(y=np.array([b"\xff", b"a"] * 20)),
        "few labels": npz_bytes(y=y[:-1]),
        "one class": npz_bytes(y=y * 0),
        "bomb": npz_bytes(np.savez_compressed, x=np.zeros((40, 100_000), np.float32)),
        "header of more": npy(shape % "40, 500000000", x.tobytes()),
        "header of less": npy(shape % "40, 1", x.tobytes()),
        "negative shape": npy(shape % "-40, -5", x.tobytes()),
        "header of code": npy("__import__('os').getcwd()", x.tobytes()),
        "header of nothing": npy("", x.tobytes()),
        "header not closed": npy("{'descr': '<f4', ", x.tobytes()),
        "header of depth": npy("(" * 110, x.tobytes()),
        "another type": npy(shape.replace("<f4", "<q9") % "40, 5", x.tobytes()),
        "no array": npz_bytes(x=x).replace(b"x.npy", b"z.npy"),
        "empty": b"",
        **{f"{name}, unpacked": part for name, part in cut(npz_bytes(), 6).items()},
    }
    for at in (100, 150, 200, 300, 400):  # where the packed values are
        spoilt[f"flipped at {at}"] = good[:at] + bytes([good[at] ^ 255]) + good[at + 1 :]
    return spoilt | FOREIGN | cut(good, 10)


@functools.cache
def parquet_files():
    good = parquet_bytes()
    spoilt = {
        "nan": parquet_bytes(frame(f1=x_with(np.nan)[:, 3])),
        "infinity": parquet_bytes(frame(f1=x_with(np.inf)[:, 3])),
        "too large": parquet_bytes(frame(f1=x_with(1e39)[:, 3])),
        "texts": parquet_bytes(frame(f1=["word"] * 40)),
        "dates": parquet_bytes(frame(f1=pd.to_datetime(np.arange(40)))),
        "lists": parquet_bytes(frame(f1=[[1, 2]] * 40)),
        "negative labels": parquet_bytes(frame(label=np.arange(40) % 3 - 2)),
        "measurements": parquet_bytes(frame(label=np.arange(40) / 2)),
        "missing labels": parquet_bytes(frame(label=pd.array([None, 1] * 20, dtype="Int64"))),
        "missing numbers": parquet_bytes(frame(f1=pd.array([None, 1] * 20, dtype="Int64"))),
        "label lists": parquet_bytes(frame(label=[[1], [2]] * 20)),
        "one class": parquet_bytes(frame(label=np.zeros(40, int))),
        "no rows": parquet_bytes(frame()[:0]),
        "no features": parquet_bytes(frame()[["label"]]),
        "bomb": parquet_bytes(
            pd.DataFrame({"a": np.zeros(3_000_000, np.int8), "y": np.ones(3_000_000, bool)})
        ),
        "empty": b"",
        "no end": good + b"more",
    }
    for at in (-9, -2, -5, -7):  # in the footer
        spoilt[f"flipped at {at}"] = good[:at] + bytes([good[at] ^ 255]) + good[at + 1 :]
    return spoilt | FOREIGN | cut(good, 10)


READERS = {
    "csv": (csv_files, csv_bytes),
    "libsvm": (svm_files, svm_bytes),
    "npz": (npz_files, npz_bytes),
    "parquet": (parquet_files, parquet_bytes),
}


@pytest.fixture
def small_bombs(monkeypatch, tmp_path):
    """Take a file for a bomb from where a small one is."""
    monkeypatch.setattr(reading, "FREE_BYTES", 1 << 18)
    monkeypatch.setattr(reading, "MOST_FOLD", 20)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LSHEXP_DATA", raising=False)
    return tmp_path


def refused(load, name):
    """Expect one line, and little memory."""
    tracemalloc.start()
    try:
        load()
        raise AssertionError(f"{name}: was read")
    except DataError as error:
        message = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert "\n" not in message, name
    assert len(message) < 700, name
    assert message.isprintable(), name
    assert peak < MOST_BYTES, name


@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_file_of_ones_own_is_refused(small_bombs, reader):
    files, good = READERS[reader]
    (small_bombs / "good").write_bytes(good())
    assert len(registry.datasets.build(reader, {"path": "good"}).load().train.y) == 32
    for name, content in files().items():
        ending = next((ending for ending in PACKERS if name.endswith(ending)), "")
        path = small_bombs / f"{reader}{ending}"
        path.write_bytes(content)
        refused(
            lambda path=path: registry.datasets.build(reader, {"path": str(path)}).load(), f"{reader}: {name}"
        )


def test_there_are_two_hundred():
    assert sum(len(files()) for files, _ in READERS.values()) >= 200


def amat_files():
    good = amat_text(amat_rows(4))
    return cut(good, 10) | FOREIGN | {
        "nan": good.replace(b"e", b"nan ", 1),
        "longer": good * 100,
        "bytes": good.replace(b" ", b"\xff", 3),
    }  # fmt: skip


def test_damaged_published_text_is_refused(small_bombs, monkeypatch):
    monkeypatch.setattr(shapes_published, "TEST_EXAMPLES", 6)
    monkeypatch.setattr(ConvexPublished, "train", 4)
    monkeypatch.setenv("LSHEXP_DATA", str(small_bombs))
    (small_bombs / "convex_test.amat").write_bytes(amat_text(amat_rows(6)))
    for name, content in amat_files().items():
        (small_bombs / "convex_train.amat").write_bytes(content)
        refused(ConvexPublished().load, f"amat: {name}")


def test_damaged_digits_are_refused(small_bombs, monkeypatch):
    good = struct.pack(">II", 0x801, 300) + bytes(np.arange(300, dtype=np.uint16) % 10)[::2][:300]
    good = good.ljust(308, b"\x01")
    digest = hashlib.sha256(good).hexdigest()
    monkeypatch.setitem(mnist.FILES, "test_labels", DigitFile("labels", (300,), digest))
    monkeypatch.setenv("LSHEXP_DATA", str(small_bombs))
    (small_bombs / "labels").write_bytes(good)
    assert len(mnist.read_digits("test_labels")) == 300
    for name, content in (cut(good, 20) | FOREIGN).items():
        (small_bombs / "labels").write_bytes(content)
        refused(lambda: mnist.read_digits("test_labels"), f"idx: {name}")
    (small_bombs / "labels").unlink()
    for name, content in (cut(gzip.compress(good), 20) | {"bomb": gzip.compress(bytes(20_000_000))}).items():
        (small_bombs / "labels.gz").write_bytes(content)
        refused(lambda: mnist.read_digits("test_labels"), f"idx.gz: {name}")


@pytest.mark.parametrize("reader", READERS)
def test_any_flipped_byte_is_refused_or_harmless(small_bombs, reader):
    """No damage escapes as anything but a DataError."""
    random = np.random.default_rng(5)
    good = READERS[reader][1]()
    for at in random.integers(0, len(good), 60):
        damaged = bytearray(good)
        damaged[at] ^= 1 << random.integers(8)
        (small_bombs / "file").write_bytes(damaged)
        try:
            splits = registry.datasets.build(reader, {"path": "file"}).load()
        except DataError as error:
            assert "\n" not in str(error)
        else:
            assert np.isfinite(splits.train.rows).all()

"""Contact sheets: a PNG that another program reads, every example where it belongs."""

import struct
import zlib

import numpy as np
import pytest

from lshexp.data.base import DatasetInfo, Part
from lshexp.data.sheet import contact_sheet, encode_png
from lshexp.errors import DataError


def decode(png):
    """Read an unfiltered 8-bit grey PNG, checking every checksum."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        content = png[at + 8 : at + 8 + size]
        assert struct.unpack(">I", png[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + content)
        chunks[kind], at = content, at + 12 + size
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert rest == [8, 0, 0, 0, 0]
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    return rows[:, 1:]


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (50, 20)])
def test_png_keeps_every_pixel(shape):
    grey = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    np.testing.assert_array_equal(decode(encode_png(grey)), grey)


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

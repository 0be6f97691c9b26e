"""Contact sheets: a few examples of each class as one picture, so that a person can judge a dataset."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from lshexp.data.base import DatasetInfo, Part
from lshexp.errors import DataError

MOST_ROWS = 40
_GAP = 2  # pixels between pictures
_GAP_GREY = 96


def contact_sheet(part: Part, info: DatasetInfo, columns: int = 12, zoom: int = 2) -> bytes:
    """Return a grey PNG with one row for each class, its first `columns` examples from left to right.

    The views of an example (a stereo pair) stand side by side. Features are shown from 0 (black) to 1
    (white); every pixel becomes zoom x zoom of them. A class without examples leaves an empty row.

    Raises DataError when the examples are no pictures, or the classes too many to be shown.
    """
    if info.picture is None:
        raise DataError(
            f"{info.origin}: its {info.features} features are not pixels, there is nothing to show"
        )
    if info.classes > MOST_ROWS:
        raise DataError(f"{info.origin}: {info.classes} classes do not fit a sheet of {MOST_ROWS} rows")
    views, height, width = info.picture
    sheet = np.full(
        (info.classes * (height + _GAP) + _GAP, columns * (views * width + _GAP) + _GAP), _GAP_GREY, np.uint8
    )
    for label in range(info.classes):
        for column, example in enumerate(np.flatnonzero(part.y == label)[:columns]):
            pictures = part.rows[example].reshape(views, height, width)
            top, left = _GAP + label * (height + _GAP), _GAP + column * (views * width + _GAP)
            levels = np.rint(255 * np.clip(np.hstack(list(pictures)), 0, 1))
            sheet[top : top + height, left : left + views * width] = levels
    return encode_png(np.kron(sheet, np.ones((zoom, zoom), np.uint8)))


def encode_png(grey: NDArray[np.uint8]) -> bytes:
    """Return uint8[height, width] as a PNG file (8 bit grey, unfiltered; W3C recommendation, 2003)."""
    height, width = grey.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = np.zeros((height, width + 1), np.uint8)  # each row starts with its filter: 0, none
    rows[:, 1:] = grey
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

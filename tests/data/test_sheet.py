"""Contact sheets: a PNG that another program reads, every example where it belongs."""

import io

import numpy as np
import pytest
from PIL import Image

from lshexp.data.base import DatasetInfo, Part
from lshexp.data.export import contact_sheet
from lshexp.errors import DataError


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

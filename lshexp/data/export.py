"""A dataset written out: a contact sheet for a person to look at, a NumPy archive for other programs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from lshexp.data.base import Dataset, DatasetInfo, Part
from lshexp.data.reading import require_memory
from lshexp.errors import DataError
from lshexp.io import atomic_file, make_folder

MOST_ROWS = 40
_GAP = 2  # pixels between pictures
_GAP_GREY = 96


def contact_sheet(part: Part, info: DatasetInfo, columns: int = 12, zoom: int = 2) -> bytes:
    """Return a grey PNG with one row for each class, its first `columns` examples from left to right.

    The views of an example (a stereo pair) stand side by side. Features are shown from 0 (black) to 1
    (white); every pixel becomes zoom x zoom of them. A class without examples leaves an empty row.

    Raises DataError when the examples are no pictures, or the classes too many to be shown.
    """
    from PIL import Image

    if info.picture is None:
        raise DataError(
            f"{info.origin}: its {info.features} features are not pixels, there is nothing to show"
        )
    if info.multilabel:
        raise DataError(
            f"{info.origin}: its examples have several labels each, a sheet has a row for a class"
        )
    if info.classes > MOST_ROWS:
        raise DataError(f"{info.origin}: {info.classes} classes do not fit a sheet of {MOST_ROWS} rows")
    views, height, width = info.picture
    sheet = np.full(
        (info.classes * (height + _GAP) + _GAP, columns * (views * width + _GAP) + _GAP), _GAP_GREY, np.uint8
    )
    for label in range(info.classes):
        for column, example in enumerate(np.flatnonzero(part.classes == label)[:columns]):
            pictures = part.rows[example].reshape(views, height, width)
            top, left = _GAP + label * (height + _GAP), _GAP + column * (views * width + _GAP)
            levels = np.rint(255 * np.clip(np.hstack(list(pictures)), 0, 1))
            sheet[top : top + height, left : left + views * width] = levels
    file = io.BytesIO()
    Image.fromarray(np.kron(sheet, np.ones((zoom, zoom), np.uint8))).save(file, "PNG", optimize=True)
    return file.getvalue()


def export_npz(dataset: Dataset, path: Path) -> int:
    """Draw a generated dataset into arrays x_train, y_train, x_test and y_test; return the file's bytes.

    Pictures keep their shape: (examples, height, width), or (examples, views, height, width).

    Raises DataError when the dataset is read from files or too large for the memory, StoreError when `path`
    cannot be written.
    """
    if dataset.locate():
        raise DataError(
            f"{dataset.name}: is read from files, there is nothing to make; see `lshexp data list`"
        )
    info = dataset.info()
    if info.multilabel:
        raise DataError(f"{dataset.name}: a NumPy archive holds one label an example, here each has several")
    examples = info.train_examples + info.test_examples
    require_memory(path, 4 * examples * info.features, f"{examples:,} x {info.features:,} numbers")
    train, test = (part.batch(np.arange(part.size)) for part in dataset.load())
    views, *sides = info.picture or (1, info.features)
    shape = (-1, *([views] if views > 1 else []), *sides)
    x_train, x_test = train.rows.reshape(shape), test.rows.reshape(shape)
    make_folder(path.parent)
    with atomic_file(path) as file:
        np.savez_compressed(file, x_train=x_train, y_train=train.classes, x_test=x_test, y_test=test.classes)
    return path.stat().st_size

"""A dataset as one NumPy archive, which the dataset `npz` and any other program reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lshexp.data.base import Dataset
from lshexp.data.reading import require_memory
from lshexp.errors import DataError
from lshexp.io import atomic_file, make_folder


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
    examples = info.train_examples + info.test_examples
    require_memory(path, 4 * examples * info.features, f"{examples:,} x {info.features:,} numbers")
    train, test = (part.batch(np.arange(part.size)) for part in dataset.load())
    views, *sides = info.picture or (1, info.features)
    shape = (-1, *([views] if views > 1 else []), *sides)
    x_train, x_test = train.rows.reshape(shape), test.rows.reshape(shape)
    make_folder(path.parent)
    with atomic_file(path) as file:
        np.savez_compressed(file, x_train=x_train, y_train=train.y, x_test=x_test, y_test=test.y)
    return path.stat().st_size

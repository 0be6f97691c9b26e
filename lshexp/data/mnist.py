"""MNIST, read from its four IDX files, which are pinned by checksum."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lshexp.data.base import Dataset, DatasetInfo, Part, Remote, Splits, freeze
from lshexp.data.files import find_file
from lshexp.data.formats import check_idx, idx_size, parse_idx
from lshexp.data.reading import read_bounded, verify
from lshexp.registry import register

FOLDER = "mnist"
SIDE = 28

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
MOST_PACKED = 16 << 20  # bytes; the largest is 9.9 MB


class DigitFile(NamedTuple):
    """One published file: name, shape of its array, checksums of its uncompressed and compressed bytes."""

    name: str
    shape: tuple[int, ...]
    sha256: str
    packed_md5: str = ""


FILES = {
    "train_images": DigitFile(
        "train-images-idx3-ubyte",
        (60_000, SIDE, SIDE),
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    ),
    "train_labels": DigitFile(
        "train-labels-idx1-ubyte",
        (60_000,),
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "d53e105ee54ea40749a09fcbcd1e9432",
    ),
    "test_images": DigitFile(
        "t10k-images-idx3-ubyte",
        (10_000, SIDE, SIDE),
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "9fb629c4189551a2d022fa330f9573f3",
    ),
    "test_labels": DigitFile(
        "t10k-labels-idx1-ubyte",
        (10_000,),
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
}


def digits_fingerprint() -> str:
    """Return a digest of the four pinned checksums."""
    return hashlib.sha256("".join(file.sha256 for file in FILES.values()).encode()).hexdigest()[:16]


def digit_remotes() -> tuple[Remote, ...]:
    """Return the compressed files at each mirror."""
    return tuple(
        Remote(
            f"{file.name}.gz",
            tuple(f"{mirror}{file.name}.gz" for mirror in MIRRORS),
            f"md5:{file.packed_md5}",
            MOST_PACKED,
        )
        for file in FILES.values()
    )


def find_digits(key: str) -> Path:
    """Return where FILES[key] lies, plain or compressed. Raises DataError when it is absent."""
    return find_file(FOLDER, [FILES[key].name, f"{FILES[key].name}.gz"])


def check_digits() -> None:
    """Check headers and sizes of the four files. Raises DataError when one is absent or another file."""
    for key, file in FILES.items():
        check_idx(find_digits(key), file.shape)


def read_digits(key: str) -> NDArray[np.uint8]:
    """Return the array of FILES[key], read-only, after checking its format and checksum.

    Raises DataError when the file is absent or is not the published one.
    """
    file = FILES[key]
    path = find_digits(key)
    content = read_bounded(path, idx_size(file.shape))
    values = parse_idx(content, file.shape, path)
    verify(path, content, file.sha256)
    return values


def digits_part(split: str) -> Part:
    """Return the digits of "train" or "test" as grey values / 255.

    Raises DataError when a file is absent or damaged.
    """
    labels = read_digits(f"{split}_labels")
    images = read_digits(f"{split}_images")
    x = images.reshape(len(images), SIDE * SIDE).astype(np.float32)
    x /= 255
    return freeze(Part(x, labels.astype(np.int32)))


@register("dataset", "mnist")
class Mnist(Dataset):
    """Handwritten digits: 60,000 to train, 10,000 to test, 28x28 grey values.

    The four IDX files (plain or .gz) are read from $LSHEXP_DATA, its mnist/ subfolder or the cache, and
    must match the published checksums.
    """

    pinned: ClassVar[bool] = True

    def info(self) -> DatasetInfo:
        """Return the published sizes; no file is touched."""
        return DatasetInfo(
            features=SIDE * SIDE,
            classes=10,
            train_examples=60_000,
            test_examples=10_000,
            origin="LeCun, Cortes and Burges, the MNIST database, IDX files checked against pinned sha256",
            picture=(1, SIDE, SIDE),
            licence="CC BY-SA 3.0, as its mirrors state",
        )

    def locate(self) -> list[Path]:
        """Return the four IDX files."""
        return [find_digits(key) for key in FILES]

    def check_files(self) -> None:
        """Check headers and sizes of the four IDX files. Raises DataError."""
        check_digits()

    def remotes(self) -> tuple[Remote, ...]:
        """Return the four files, compressed."""
        return digit_remotes()

    def fingerprint(self) -> str:
        """Return a digest of the pinned checksums."""
        return f"mnist:{digits_fingerprint()}"

    def memory_bytes(self) -> int:
        """Return the memory of the digits, and of the bytes that the training ones are made from."""
        return super().memory_bytes() + math.prod(FILES["train_images"].shape)

    def load(self) -> Splits:
        """Return the digits as grey values / 255.

        Raises DataError when a file is absent or damaged.
        """
        return Splits(digits_part("train"), digits_part("test"))

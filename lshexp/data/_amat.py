"""The .amat files of Larochelle, Erhan, Courville, Bergstra and Bengio, ICML 2007.

Text: a row for each example, numbers separated by blanks, the label last.
"""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lshexp.data._checksums import check_recorded, sha256, stamp
from lshexp.data._files import UNPACKERS, find_file
from lshexp.data._remote import Remote
from lshexp.data._text import open_bytes
from lshexp.data.base import Dataset, DatasetInfo, Part, Splits, freeze
from lshexp.errors import DataError

PUBLISHER = "http://www.iro.umontreal.ca/~lisa/icml2007data/"
MOST_PACKED = 200 << 20  # bytes of an archive; the largest is 82 MB
SIDE = 28
CLASSES = 2
TEST_EXAMPLES = 50_000
BYTES_A_NUMBER = 40  # at most
_BLOCK = 4 << 20  # bytes of whole lines


class Amat(Dataset):
    """Base of the published sets of 28x28 pictures in two classes."""

    archive: ClassVar[str]  # name at its publisher
    archive_sha1: ClassVar[str]
    stem: ClassVar[str]  # of the names of its files
    train: ClassVar[int]  # published examples to train on, those for validation included

    def info(self) -> DatasetInfo:
        """Return the published sizes; no file is touched."""
        return DatasetInfo(
            features=SIDE * SIDE,
            classes=CLASSES,
            train_examples=self.train,
            test_examples=TEST_EXAMPLES,
            origin="Larochelle et al., ICML 2007: the published files",
            picture=(1, SIDE, SIDE),
        )

    def locate(self) -> list[Path]:
        """Return the training and the test file, plain or packed."""
        return [self._find(split) for split in ("train", "test")]

    def _find(self, split: str) -> Path:
        name = f"{self.stem}_{split}.amat"
        plain = [name, f"50k/{name}"]  # the archive of convex has its test file in a folder
        return find_file(self.name, plain + [one + packed for packed in UNPACKERS for one in plain])

    def remotes(self) -> tuple[Remote, ...]:
        """Return the archive that holds both files."""
        return (
            Remote(
                self.archive,
                (PUBLISHER + self.archive,),
                f"sha1:{self.archive_sha1}",
                MOST_PACKED,
                tuple(f"{self.stem}_{split}.amat" for split in ("train", "test")),
                (TEST_EXAMPLES * (SIDE * SIDE + 1)) * BYTES_A_NUMBER,
            ),
        )

    def fingerprint(self) -> str:
        """Return a digest of the files' checksums: none was published to be pinned here."""
        digests = "".join(sha256(stamp(path)) for path in self.locate())
        return f"{self.name}:{hashlib.sha256(digests.encode()).hexdigest()[:16]}"

    def load(self) -> Splits:
        """Return the pictures as published, grey values from 0 to 1.

        Raises DataError when a file is absent, damaged, of another size, or not what was first fetched.
        """
        train, test = self.locate()
        return Splits(read_amat(train, self.train), read_amat(test, TEST_EXAMPLES))


def read_amat(path: Path, examples: int) -> Part:
    """Return a file of exactly `examples` rows of 784 grey values from 0 to 1 and a label of 0 or 1.

    Raises DataError when it is anything else.
    """
    check_recorded(path)
    width = SIDE * SIDE + 1
    table = np.empty((examples, width), np.float32)
    row = 0
    with open_bytes(path, width * BYTES_A_NUMBER) as stream:
        while lines := stream.readlines(_BLOCK):
            block = _numbers(path, b" ".join(lines), row)
            if block.size % width:
                raise DataError(
                    f"{path}: row {row + 1} or after it: not {width} numbers a row; fetch the file again"
                )
            block = block.reshape(-1, width)
            if row + len(block) > examples:
                raise DataError(f"{path}: holds more than its {examples:,} rows; fetch the file again")
            table[row : row + len(block)] = block
            row += len(block)
    if row < examples:
        raise DataError(f"{path}: holds {row:,} rows, not {examples:,}; fetch the file again")
    x, y = table[:, :-1], table[:, -1]
    # NaN fails both comparisons
    if not ((x >= 0) & (x <= 1)).all() or not ((y == 0) | (y == 1)).all():
        raise DataError(
            f"{path}: holds grey values beyond 0 to 1, or labels beyond 0 and 1; fetch the file again"
        )
    return freeze(Part(x, y.astype(np.int32)))


def _numbers(path: Path, text: bytes, row: int) -> NDArray[np.float64]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # older NumPy only warns of what is no number
        try:
            return np.fromstring(text, sep=" ")
        except (ValueError, DeprecationWarning):
            raise DataError(
                f"{path}: row {row + 1} or after it: not all numbers; fetch the file again"
            ) from None

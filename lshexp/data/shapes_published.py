"""The published files of Convex, Rectangles and Rectangles-images.

Larochelle, Erhan, Courville, Bergstra and Bengio, ICML 2007. The .amat files are text: a row for each
example, numbers separated by blanks, the label last. Their publisher gives no checksums; the SHA-1 sums of
the archives are those that Bergstra's scikit-data (`larochelle_etal_2007`) pins.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lshexp.data.base import Dataset, DatasetInfo, Part, Remote, Splits, freeze
from lshexp.data.files import check_recorded, contents_digest, find_file
from lshexp.data.reading import UNPACKERS, open_bytes
from lshexp.errors import DataError
from lshexp.registry import register

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
        return f"{self.name}:{contents_digest(self.locate())}"

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
    x = np.empty((examples, width - 1), np.float32)
    y = np.empty(examples, np.float32)
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
            x[row : row + len(block)] = block[:, :-1]
            y[row : row + len(block)] = block[:, -1]
            row += len(block)
    if row < examples:
        raise DataError(f"{path}: holds {row:,} rows, not {examples:,}; fetch the file again")
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


@register("dataset", "convex_published")
class ConvexPublished(Amat):
    """The published files of Convex: 8,000 to train, 50,000 to test, 28x28 pixels.

    convex_train.amat and convex_test.amat, plain or packed, of $LSHEXP_DATA or the cache.
    """

    archive: ClassVar[str] = "convex.zip"
    archive_sha1: ClassVar[str] = "61eab3c60e0e1caeaa0b82abf827f1809cfd2ef9"
    stem: ClassVar[str] = "convex"
    train: ClassVar[int] = 8_000


@register("dataset", "rectangles_published")
class RectanglesPublished(Amat):
    """The published files of Rectangles, outlines: 1,200 to train, 50,000 to test, 28x28 pixels.

    rectangles_train.amat and rectangles_test.amat, plain or packed, of $LSHEXP_DATA or the cache.
    """

    archive: ClassVar[str] = "rectangles.zip"
    archive_sha1: ClassVar[str] = "b8d456b1f83bea5efebe76a47a9535adc4b72586"
    stem: ClassVar[str] = "rectangles"
    generated_instead: ClassVar[str | None] = "rectangles"
    train: ClassVar[int] = 1_200


@register("dataset", "rectangles_images_published")
class RectanglesImagesPublished(Amat):
    """The published files of Rectangles-images: 12,000 to train, 50,000 to test, 28x28 pixels.

    rectangles_im_train.amat and rectangles_im_test.amat, plain or packed, of $LSHEXP_DATA or the cache.
    """

    archive: ClassVar[str] = "rectangles_images.zip"
    archive_sha1: ClassVar[str] = "2700ba92129ae195e93070d8b27f830323573a57"
    stem: ClassVar[str] = "rectangles_im"
    generated_instead: ClassVar[str | None] = "rectangles_images"
    train: ClassVar[int] = 12_000

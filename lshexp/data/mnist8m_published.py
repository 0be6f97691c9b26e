"""The published file of infinite MNIST, kept as bytes on disk and read as it is trained on."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lshexp.data.base import Dataset, DatasetInfo, Part, Remote, Splits, Streamed
from lshexp.data.files import cache_folder, contents_digest, find_file, stamp
from lshexp.data.formats import SvmChunk, svm_chunks
from lshexp.data.mnist import SIDE, check_digits, digits_fingerprint, digits_part
from lshexp.errors import DataError
from lshexp.io import replacing
from lshexp.registry import register

NAMES = ("mnist8m", "mnist8m.bz2", "mnist8m.xz")
HOME = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/"
MOST_PACKED = 2_500_000_000  # bytes of a download
PUBLISHED = 8_100_000
CLASSES = 10
PIXELS = SIDE * SIDE
ROW = PIXELS + 1  # bytes: an example's grey values, then its label


@register("dataset", "mnist8m_published")
class Mnist8mPublished(Dataset):
    """The published file of infinite MNIST: 8,100,000 deformed digits to train, MNIST's 10,000 to test.

    The LIBSVM text mnist8m (plain, .bz2 or .xz; grey values 0 to 255, not its scaled sister) of $LSHEXP_DATA
    or the cache. It is read once, as a stream, into a file of bytes in the cache (6.4 GB for all of it); from
    there examples are read as they are trained on, so that memory stays small. `train` takes the first ones.
    """

    revision: ClassVar[int] = 1  # raised by hand when the same file would give other numbers

    train: int = Field(default=PUBLISHED, ge=1, le=PUBLISHED, description="training examples, the first ones")

    def info(self) -> DatasetInfo:
        """Return the published sizes; no file is touched."""
        return DatasetInfo(
            features=PIXELS,
            classes=CLASSES,
            train_examples=self.train,
            test_examples=10_000,
            origin="Loosli, Canu and Bottou, 2007, as the LIBSVM file mnist8m; tested on MNIST's own digits",
            picture=(1, SIDE, SIDE),
            streamed=True,
        )

    def locate(self) -> list[Path]:
        """Return the published file."""
        return [find_file(self.name, NAMES)]

    def check_files(self) -> None:
        """Check the beginning of the published file, and the headers and sizes of MNIST's four."""
        super().check_files()
        check_digits()

    def remotes(self) -> tuple[Remote, ...]:
        """Return the packed file; its publisher gives no checksum."""
        return (Remote("mnist8m.xz", (HOME + "mnist8m.xz",), None, MOST_PACKED),)

    def fingerprint(self) -> str:
        """Return the reader, its revision and options, a digest of the file, and one of the test digits."""
        contents = f"{contents_digest(self.locate())}:{digits_fingerprint()}"
        return f"{self.name}:{self.revision}:train={self.train}:{contents}"

    def load(self) -> Splits:
        """Read MNIST's test digits, and the published file unless its bytes are in the cache already.

        Raises DataError when a file is absent or damaged, or the disk too small.
        """
        (source,) = self.locate()
        test = digits_part("test")
        digest = hashlib.sha256(f"{stamp(source)}:{self.train}".encode()).hexdigest()[:16]
        kept = cache_folder(self.name) / f"{digest}.bytes"
        if not kept.is_file() or kept.stat().st_size != ROW * self.train:
            convert(source, self.train, kept)
        return Splits(StoredDigits(kept, numbers=range(self.train)), test)


@dataclass(frozen=True)
class StoredDigits(Streamed):
    """Digits in a file of ROW bytes each."""

    path: Path

    @property
    def features(self) -> int:
        """Pixels of a digit."""
        return PIXELS

    def batch(self, ids: NDArray[np.int64]) -> Part:
        """Read the examples with these ids, 0 <= id < size. Raises DataError when the file cannot be read."""
        rows = np.empty((len(ids), ROW), dtype=np.uint8)
        try:
            with self.path.open("rb", buffering=0) as file:
                for row, number in zip(rows, ids + self.numbers.start, strict=True):
                    file.seek(ROW * int(number))
                    if file.readinto(row.data) != ROW:
                        raise DataError(f"{self.path}: has shrunk; remove it, and it is made anew")
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {error.strerror}; is the disk there?") from None
        x = rows[:, :PIXELS].astype(np.float32)
        x /= 255
        return Part(x, rows[:, PIXELS].astype(np.int32))


def convert(source: Path, examples: int, target: Path) -> None:
    """Stream the first examples of a LIBSVM file into rows of bytes, there in full or not at all.

    Raises DataError, naming the line, for what is no digit, when the file is too short, and when the disk is
    too small.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(target.parent).free
        if free < ROW * examples:
            raise DataError(
                f"{target.parent}: {ROW * examples / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB free; "
                "use fewer examples with `train`, or set XDG_CACHE_HOME to a larger disk"
            )
        with replacing(target) as file:
            _write_rows(source, examples, file)
    except OSError as error:
        raise DataError(f"{target}: cannot be written: {error.strerror}; check the disk") from None


def _write_rows(source: Path, examples: int, file: IO[bytes]) -> None:
    """Write exactly `examples` rows. Raises DataError when there are fewer, or no digits."""
    done = 0
    for block in svm_chunks(source, 1):
        rows = _rows(source, done, block)[: examples - done]
        file.write(rows.data)
        done += len(rows)
        if done == examples:
            return
    raise DataError(f"{source}: ends after {done:,} examples; `train` asks for {examples:,}")


def _rows(source: Path, done: int, block: SvmChunk) -> NDArray[np.uint8]:
    """Bytes of a block's examples, uint8[n, ROW]."""
    owners = np.repeat(np.arange(len(block.counts)), block.counts)
    grey = np.isin(block.data, np.arange(256))
    wrong = owners[(block.indices >= PIXELS) | ~grey]
    if len(wrong):
        raise DataError(
            f"{source}: example {done + int(wrong[0]) + 1:,} is no digit of {PIXELS} grey values 0 to 255; "
            "is this mnist8m, not scaled?"
        )
    rows = np.zeros((len(block.counts), ROW), dtype=np.uint8)
    rows[owners, block.indices] = block.data.astype(np.uint8)
    known = [str(label) for label in range(CLASSES)]
    for example, label in enumerate(block.labels):
        if label not in known:
            raise DataError(f"{source}: example {done + example + 1:,} has the label '{label}', not 0 to 9")
    rows[:, PIXELS] = block.labels.astype(np.uint8)
    return rows

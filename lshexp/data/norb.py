"""Small NORB, read from its own matrix files."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lshexp.data.base import Dataset, DatasetInfo, Part, Remote, Splits, freeze
from lshexp.data.files import contents_digest, find_file
from lshexp.data.formats import MATRIX_BYTES, MATRIX_INTEGERS, matrix_blocks
from lshexp.errors import DataError
from lshexp.registry import register

FOLDER = "norb"
FILES = {
    "train": "smallnorb-5x46789x9x18x6x2x96x96-training-{}.mat",
    "test": "smallnorb-5x01235x9x18x6x2x96x96-testing-{}.mat",
}
PAIRS = 24_300
PUBLISHED_SIDE, SIDE = 96, 32
CLASSES = 5
HOME = "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/"
PACKED_SHA256 = {  # of the compressed files, as TensorFlow Datasets pins them; their author gives none
    FILES["train"].format("dat"): "5ffd6272a07d32695ee1082a26a41a93a37aab8c28da047f8c34ed348d214873",
    FILES["train"].format("cat"): "2784e542c1922060691090952b6cd6278879a216c90f81476f0f00256d42cdaa",
    FILES["test"].format("dat"): "cf7104eed3e51174d2f65b66d1e5878b9da233b886f161b0d88f4510ba2c7474",
    FILES["test"].format("cat"): "ecaf6d5bb8c3bc5eab9cf0258f6d2198dd474e016e374836fc097f2e5ff509ff",
}
MOST_PACKED = 140_000_000  # bytes of a download
BLOCK = 100  # pairs read at a time: 1.8 MB


@register("dataset", "norb")
class Norb(Dataset):
    """Small NORB: pairs of pictures of toys, animal, human figure, aeroplane, truck or car? 2 x 32x32.

    LeCun, Huang and Bottou, "Learning methods for generic object recognition with invariance to pose and
    lighting", CVPR 2004. The files ...-dat.mat and ...-cat.mat of the small set (plain or .gz) are read from
    $LSHEXP_DATA, its norb/ subfolder or the cache. Pictures of 96x96 are resized to 32x32 by the mean of 3x3
    pixels, and the two of a pair stand one after the other. As in Spring and Shrivastava, KDD 2017, the first
    20,000 of the 24,300 training pairs are used unless `train` says otherwise.

    No checksum of the uncompressed files is published: their type, sizes and class counts are checked, and
    what gzip knows of a compressed one.
    """

    generated_instead: ClassVar[str | None] = "norb_synthetic"
    revision: ClassVar[int] = 1  # raised by hand when the same files would give other numbers

    train: int = Field(default=20_000, ge=1, le=PAIRS, description="training pairs, the first ones")

    def info(self) -> DatasetInfo:
        """Return the published sizes; no file is touched."""
        return DatasetInfo(
            features=2 * SIDE * SIDE,
            classes=CLASSES,
            train_examples=self.train,
            test_examples=PAIRS,
            origin="LeCun, Huang and Bottou, the small NORB set, matrix files resized to 32x32",
            picture=(2, SIDE, SIDE),
            licence="for research, as its authors state",
        )

    def fingerprint(self) -> str:
        """Return the reader, its revision and options, and a digest of the files' contents."""
        return f"{self.name}:{self.revision}:train={self.train}:{contents_digest(self.locate())}"

    def memory_bytes(self) -> int:
        """Return the memory of all pairs, since every one is read whatever `train` says."""
        return 4 * 2 * PAIRS * 2 * SIDE * SIDE

    def load(self) -> Splits:
        """Return the pairs as grey values / 255.

        Raises DataError when a file is absent or damaged.
        """
        train = _read("train")
        return Splits(train.cut(0, self.train), _read("test"))

    def locate(self) -> list[Path]:
        """Return the four matrix files."""
        return [_find(split, kind) for split in FILES for kind in ("dat", "cat")]

    def remotes(self) -> tuple[Remote, ...]:
        """Return the four files, compressed."""
        return tuple(
            Remote(f"{name}.gz", (f"{HOME}{name}.gz",), f"sha256:{digest}", MOST_PACKED)
            for name, digest in PACKED_SHA256.items()
        )


def _read(split: str) -> Part:
    """Return all pairs of "train" or "test"."""
    pictures, labels = (_find(split, kind) for kind in ("dat", "cat"))
    blocks = list(matrix_blocks(labels, MATRIX_INTEGERS, (PAIRS,), PAIRS))
    y = blocks[0].astype(np.int32)
    each = PAIRS // CLASSES
    if [int((y == label).sum()) for label in range(CLASSES)] != [each] * CLASSES:
        raise DataError(
            f"{labels}: its labels are not {each} each of 0 to {CLASSES - 1}; fetch the file again"
        )
    x = np.empty((PAIRS, 2 * SIDE * SIDE), dtype=np.float32)
    shape = (PAIRS, 2, PUBLISHED_SIDE, PUBLISHED_SIDE)
    for number, block in enumerate(matrix_blocks(pictures, MATRIX_BYTES, shape, BLOCK)):
        x[number * BLOCK : number * BLOCK + len(block)] = resized(block).reshape(len(block), -1)
    return freeze(Part(x, y))


def _find(split: str, kind: str) -> Path:
    name = FILES[split].format(kind)
    return find_file(FOLDER, [name, f"{name}.gz"])


def resized(pictures: NDArray[np.integer]) -> NDArray[np.float32]:
    """Shrink uint8[..., H, W] to SIDE x SIDE by the mean of equal blocks of pixels; 0 to 1."""
    *first, height, width = pictures.shape
    blocks = pictures.reshape(*first, SIDE, height // SIDE, SIDE, width // SIDE)
    total = blocks.sum(axis=(-3, -1), dtype=np.int64)
    means: NDArray[np.float32] = (total / (255 * (height // SIDE) * (width // SIDE))).astype(np.float32)
    return means

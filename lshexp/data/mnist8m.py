"""Infinite MNIST: real digits, deformed anew in every round, made while they are trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lshexp.data._digits import (
    FILES,
    SIDE,
    check_digits,
    digits_fingerprint,
    digits_part,
    find_digits,
    read_digits,
)
from lshexp.data._fields import smooth_fields
from lshexp.data.base import Dataset, DatasetInfo, Part, Splits
from lshexp.kernels.data_deform import deformed_digits
from lshexp.registry import register
from lshexp.streams import stream_key

FIELDS = 64
FIELD_SIDE = 128
FIELD_WIDTH = 4.0  # pixels: Gaussian that smooths the fields
ORIGINALS = 1  # rounds of digits as they are
ROUND = 60_000  # digits


@register("dataset", "mnist8m")
class Mnist8m(Dataset):
    """Infinite MNIST: digits deformed along smooth random fields and shifted, made as they are needed.

    After Loosli, Canu and Bottou, "Training invariant support vector machines using selective sampling", in
    Large-Scale Kernel Machines, MIT Press, 2007: example i is digit i modulo 60,000, shifted by whole pixels,
    deformed along its tangent vectors by a random displacement field and thickened or thinned. It is a
    function of (seed, i), so nothing is kept in memory but the digits; making them counts as training time.
    The first 60,000 are the digits themselves, and the test set is MNIST's own.

    Chosen here: fields are noise smoothed with a Gaussian of 4 pixels, cut at random places from 64 larger
    ones, with a standard deviation of `displacement` pixels; shifts go up to `shift` pixels and edges move by
    up to `thickening` pixels. The images are therefore of the published kind but not the published ones.
    """

    pinned: ClassVar[bool] = True
    revision: ClassVar[int] = 1  # raised by hand when the same options would give other numbers

    seed: int = Field(default=0, ge=0)
    train: int = Field(default=8_100_000, ge=1, le=1_000_000_000)
    displacement: float = Field(default=1.0, ge=0, le=4)
    thickening: float = Field(default=0.5, ge=0, le=4)
    shift: int = Field(default=1, ge=0, le=8)

    def info(self) -> DatasetInfo:
        """Return the sizes asked for; no file is touched."""
        return DatasetInfo(
            features=SIDE * SIDE,
            classes=10,
            train_examples=self.train,
            test_examples=10_000,
            origin="made from MNIST's digits: deformed and shifted after Loosli, Canu and Bottou, 2007",
            picture=(1, SIDE, SIDE),
            streamed=True,
            licence="that of MNIST: CC BY-SA 3.0, as its mirrors state",
        )

    def locate(self) -> list[Path]:
        """Return MNIST's four IDX files."""
        return [find_digits(key) for key in FILES]

    def check_files(self) -> None:
        """Check headers and sizes of MNIST's four files. Raises DataError."""
        check_digits()

    def fetch_command(self) -> str:
        """Return the command that downloads MNIST's files."""
        return "lshexp data fetch mnist"

    def fingerprint(self) -> str:
        """Return the generator, its revision and options, and a digest of the digits' checksums."""
        options = ",".join(f"{key}={value}" for key, value in sorted(self.model_dump().items()))
        return f"{self.name}:{self.revision}:{options}:{digits_fingerprint()}"

    def load(self) -> Splits:
        """Read the digits and draw the fields; training examples are made when they are asked for.

        Raises DataError when a file is absent or damaged.
        """
        train = DeformedDigits(
            digits=read_digits("train_images"),
            labels=read_digits("train_labels").astype(np.int32),
            fields=smooth_fields(self.seed, FIELDS, FIELD_SIDE, FIELD_WIDTH, self.displacement),
            key=stream_key(self.seed, self.name),
            thickening=self.thickening,
            shift=self.shift,
            numbers=range(self.train),
        )
        return Splits(train, digits_part("test"))

    def sample(self, examples: int) -> Part:
        """Return the first deformed examples, to be looked at; the digits themselves come before them."""
        train = self.load().train
        start = min(ROUND, max(0, train.size - examples))
        return train.batch(np.arange(start, min(start + examples, train.size)))


@dataclass(frozen=True)
class DeformedDigits:
    """The examples with `numbers`, made as they are asked for."""

    digits: NDArray[np.uint8]
    labels: NDArray[np.int32]
    fields: NDArray[np.float32]
    key: int
    thickening: float
    shift: int
    numbers: range

    @property
    def size(self) -> int:
        """Number of examples."""
        return len(self.numbers)

    @property
    def features(self) -> int:
        """Pixels of a digit."""
        return int(self.digits[0].size)

    def cut(self, start: int, stop: int) -> DeformedDigits:
        """Return examples start..stop-1, numbered from 0."""
        return replace(self, numbers=self.numbers[start:stop])

    def batch(self, ids: NDArray[np.int64]) -> Part:
        """Make the examples with these ids, 0 <= id < size."""
        numbers = ids + self.numbers.start
        images = np.empty((len(ids), *self.digits.shape[1:]), dtype=np.float32)
        deformed_digits(
            np.uint64(self.key),
            self.digits,
            self.fields,
            self.thickening,
            self.shift,
            ORIGINALS,
            numbers,
            images,
        )
        return Part(images.reshape(len(ids), -1), self.labels[numbers % len(self.labels)])

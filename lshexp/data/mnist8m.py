"""Infinite MNIST: real digits, deformed anew in every round, made while they are trained on.

Example i depends on the key, the digits, the fields and i alone, never on the batch it is in, its place there
or the thread count. Arithmetic is fp32 without contraction and results are rounded to bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from pydantic import Field

from lshexp.data._drawing import example_key, integer
from lshexp.data.base import Dataset, DatasetInfo, Part, Splits, Streamed
from lshexp.data.mnist import (
    FILES,
    SIDE,
    check_digits,
    digits_fingerprint,
    digits_part,
    find_digits,
    read_digits,
)
from lshexp.kernels.rng import mix, uniform
from lshexp.registry import register
from lshexp.streams import stream, stream_key

FIELD_STEP = 1 / 1024  # pixels; displacements are rounded, as other FFTs differ in the last bits only
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
    ones. The images are therefore of the published kind but not the published ones.
    """

    pinned: ClassVar[bool] = True
    revision: ClassVar[int] = 1  # raised by hand when the same options would give other numbers

    seed: int = Field(default=0, ge=0, description="seed of shifts, displacement and thickening")
    train: int = Field(default=8_100_000, ge=1, le=1_000_000_000, description="training examples")
    displacement: float = Field(
        default=1.0, ge=0, le=4, description="standard deviation of the displacement fields, pixels"
    )
    thickening: float = Field(default=0.5, ge=0, le=4, description="largest movement of an edge, pixels")
    shift: int = Field(default=1, ge=0, le=8, description="largest shift in each direction, pixels")

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
        return f"{self.name}:{self.revision}:{self.options_text()}:{digits_fingerprint()}"

    def memory_bytes(self) -> int:
        """Return the memory of the test digits, the training ones as bytes, and the fields while drawn."""
        digits, fields = ROUND * SIDE * SIDE, FIELDS * FIELD_SIDE * FIELD_SIDE
        return super().memory_bytes() + digits + 4 * 8 * fields

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
class DeformedDigits(Streamed):
    """Digits, each deformed by its own random numbers."""

    digits: NDArray[np.uint8]
    labels: NDArray[np.int32]
    fields: NDArray[np.float32]
    key: int
    thickening: float
    shift: int

    @property
    def features(self) -> int:
        """Pixels of a digit."""
        return int(self.digits[0].size)

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


def smooth_fields(seed: int, count: int, side: int, width: float, size: float) -> NDArray[np.float32]:
    """Draw displacement fields: float32[count, side, side] in pixels, in steps of 1/1024.

    Each is white noise convolved with a Gaussian of standard deviation `width` pixels, edges wrapping around,
    scaled to a standard deviation of `size` pixels (Simard, Steinkraus and Platt, "Best practices for
    convolutional neural networks applied to visual document analysis", ICDAR 2003).
    """
    noise = stream(seed, "fields").standard_normal((count, side, side))
    rows, columns = np.fft.fftfreq(side), np.fft.rfftfreq(side)
    power = np.exp(-2 * (np.pi * width) ** 2 * (rows[:, None] ** 2 + columns[None, :] ** 2))
    smooth = np.fft.irfft2(np.fft.rfft2(noise) * power, s=(side, side))
    smooth *= size / smooth.std(axis=(1, 2), keepdims=True)
    return (np.rint(smooth / FIELD_STEP) * FIELD_STEP).astype(np.float32)


@njit(parallel=False, cache=True, fastmath=False)
def deform(digit, across, down, thickening, image):
    """Move the grey values of a digit along its tangent vectors, and make its strokes thicker or thinner.

    With gx, gy the derivatives by column and row (Sobel's, which smooths across the direction it derives),
    the new value is digit + across * gx + down * gy + thickening * |(gx, gy)|, rounded and cut to 0..255.

    Symbols: S pixels a side.

    Parameters
    ----------
    digit : uint8[S, S]                 its border counts as continued by zeros
    across, down : float32[S, S]        displacement of each pixel, in pixels
    thickening : float32                how far edges move outwards, in pixels; negative: inwards
    image : float32[S, S], out          0 to 1 in steps of 1/255

    Cost: about 14 multiplications a pixel.
    """
    side = len(digit)
    grey = np.zeros((side + 2, side + 2), np.float32)
    grey[1:-1, 1:-1] = digit
    eighth, half, zero, most = np.float32(0.125), np.float32(0.5), np.float32(0), np.float32(255)
    for r in range(side):
        for c in range(side):
            falling = grey[r + 2, c + 2] - grey[r, c]
            rising = grey[r, c + 2] - grey[r + 2, c]
            gx = eighth * (falling + rising + (grey[r + 1, c + 2] - grey[r + 1, c]) * np.float32(2))
            gy = eighth * (falling - rising + (grey[r + 2, c + 1] - grey[r, c + 1]) * np.float32(2))
            value = grey[r + 1, c + 1] + across[r, c] * gx + down[r, c] * gy
            value += thickening * np.sqrt(gx * gx + gy * gy)
            image[r, c] = np.floor(min(max(value, zero), most) + half) / most


@njit(parallel=False, cache=True, fastmath=False)
def shifted(digit, down, right, out):
    """Copy a digit, moved by whole pixels; what leaves the square is lost, what enters is 0.

    Parameters
    ----------
    digit : uint8[S, S]
    down, right : int                   at most S in size
    out : uint8[S, S], out
    """
    side = len(digit)
    out[:] = 0
    for r in range(max(0, down), min(side, side + down)):
        for c in range(max(0, right), min(side, side + right)):
            out[r, c] = digit[r - down, c - right]


@njit(parallel=True, cache=True, fastmath=False)
def deformed_digits(key, digits, fields, most_thickening, farthest, first_round, ids, images):
    """Make the examples with these ids: example i is digit i % D in its version i // D.

    Version 0 is the digit itself when first_round is 1. Any other version is shifted by a uniform number of
    pixels each way, then deformed along two patches of the fields and thickened by a uniform amount.

    Symbols: n examples, S pixels a side, D digits, F fields of P x P.

    Parameters
    ----------
    key : uint64
    digits : uint8[D, S, S]
    fields : float32[F, P, P]           displacements in pixels, P >= S
    most_thickening : float
    farthest : int                      longest shift, 0 <= farthest <= S
    first_round : int                   number of the first version that is deformed, 0 or 1
    ids : int64[n]
    images : float32[n, S, S], out      0 to 1 in steps of 1/255
    """
    side, last = images.shape[1], fields.shape[1] - images.shape[1]
    for n in prange(len(ids)):
        digit = digits[ids[n] % len(digits)]
        if ids[n] // len(digits) < first_round:
            for r in range(side):
                for c in range(side):
                    images[n, r, c] = np.float32(digit[r, c]) / np.float32(255)
            continue
        own = example_key(key, ids[n])
        moved = np.empty((side, side), np.uint8)
        shifted(
            digit, integer(mix(own, 0), -farthest, farthest), integer(mix(own, 1), -farthest, farthest), moved
        )
        top, left = integer(mix(own, 3), 0, last), integer(mix(own, 4), 0, last)
        across = fields[integer(mix(own, 2), 0, len(fields) - 1), top : top + side, left : left + side]
        top, left = integer(mix(own, 6), 0, last), integer(mix(own, 7), 0, last)
        down = fields[integer(mix(own, 5), 0, len(fields) - 1), top : top + side, left : left + side]
        thickening = np.float32(most_thickening * (2 * uniform(mix(own, 8)) - 1))
        deform(moved, across, down, thickening, images[n])

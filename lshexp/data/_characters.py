"""Drawn characters of which some are never trained on, so that what is learnt of one drawing can be tested.

Training examples are made as they are asked for: example i is a function of the key, the drawings and i.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from pydantic import Field, model_validator

from lshexp.arrays import FloatArray, IntArray
from lshexp.data._drawing import example_key
from lshexp.data.base import Dataset, DatasetInfo, Part, Splits, Streamed, freeze
from lshexp.kernels.rng import mix, uniform
from lshexp.streams import stream_key

Drawings = NDArray[np.uint8]  # [characters, drawings, side, side], 255 = ink
QUARTERS = 4


class Known(NamedTuple):
    """Characters to train on, and others that are met only when all training is over."""

    background: Drawings
    evaluation: Drawings


class Characters(Dataset):
    """Base of the sets of drawn characters."""

    revision: ClassVar[int] = 1  # raised by hand when the same options would give other numbers
    drawings: ClassVar[int] = 20  # of each character

    side: int = Field(default=28, ge=4, le=105, description="rows and columns of a drawing")
    rotations: bool = Field(
        default=True, description="whether a character turned by 90, 180 or 270 degrees is another class"
    )
    held_out: int = Field(
        default=2, ge=1, le=19, description="drawings of each class that are kept for testing, the last ones"
    )
    versions: int = Field(
        default=1,
        ge=1,
        le=10_000,
        description="how often each drawing is a training example: the first time as it is, then deformed "
        "anew each time",
    )
    turn: float = Field(default=15.0, ge=0, le=45, description="largest turn of a version, degrees")
    shift: float = Field(default=1.4, ge=0, le=8, description="longest shift each way, pixels")
    stretch: float = Field(
        default=0.1, ge=0, le=0.5, description="largest stretch or shear, as a share of the side"
    )
    seed: int = Field(default=0, ge=0, description="seed of the deformations")

    @abstractmethod
    def counts(self) -> tuple[int, int]:
        """Return how many background and evaluation characters there are, rotations aside."""

    @abstractmethod
    def read(self) -> Known:
        """Return the characters as drawn. Raises DataError when they cannot be read."""

    @abstractmethod
    def source(self) -> str:
        """Return a text that changes whenever the drawings would."""

    @abstractmethod
    def origin(self) -> tuple[str, str]:
        """Return where the drawings come from, and their licence."""

    @model_validator(mode="after")
    def _shifts_stay_inside(self) -> Characters:
        if self.shift >= self.side / 2:
            raise ValueError(f"shift: {self.shift} is half a side of {self.side} pixels or more")
        return self

    def info(self) -> DatasetInfo:
        """Return the sizes asked for; nothing is read."""
        classes, unseen = (count * (QUARTERS if self.rotations else 1) for count in self.counts())
        origin, licence = self.origin()
        return DatasetInfo(
            features=self.side**2,
            classes=classes,
            train_examples=classes * (self.drawings - self.held_out) * self.versions,
            test_examples=classes * self.held_out,
            origin=origin,
            picture=(1, self.side, self.side),
            streamed=True,
            licence=licence,
            unseen_classes=unseen,
            unseen_examples=unseen * self.drawings,
        )

    def fingerprint(self) -> str:
        """Return the drawings' source, the revision and the options."""
        return f"{self.name}:{self.revision}:{self.options_text()}:{self.source()}"

    def memory_bytes(self) -> int:
        """Return the memory of the test examples, and of all drawings as bytes, turned ones too."""
        turned = QUARTERS if self.rotations else 1
        return super().memory_bytes() + (1 + turned) * sum(self.counts()) * self.drawings * self.side**2

    def load(self) -> Splits:
        """Return background characters: training drawings as they are asked for, and those held out.

        Raises DataError when files are absent or damaged.
        """
        classes = self._turned(self.read().background)
        kept = np.ascontiguousarray(classes[:, : self.drawings - self.held_out])
        train = DeformedDrawings(
            drawings=kept.reshape(-1, self.side, self.side),
            labels=np.repeat(np.arange(len(kept), dtype=np.int32), kept.shape[1]),
            key=stream_key(self.seed, self.name),
            deformation=(self.turn * np.pi / 180, self.shift, self.stretch),
            numbers=range(self.info().train_examples),
        )
        return Splits(train, _part(classes[:, self.drawings - self.held_out :]))

    def unseen(self) -> Part:
        """Return all drawings of the evaluation characters, as they are, those of a class together."""
        return _part(self._turned(self.read().evaluation))

    def _turned(self, characters: Drawings) -> Drawings:
        """Characters as classes: with their rotations, quarter turn by quarter turn."""
        if not self.rotations:
            return characters
        return np.concatenate([np.rot90(characters, quarter, axes=(2, 3)) for quarter in range(QUARTERS)])


def _part(classes: Drawings) -> Part:
    x = classes.reshape(classes.shape[0] * classes.shape[1], -1).astype(np.float32)
    x /= 255
    return freeze(Part(x, np.repeat(np.arange(len(classes), dtype=np.int32), classes.shape[1])))


@dataclass(frozen=True)
class DeformedDrawings(Streamed):
    """Drawings, each deformed by its own random numbers after its first version."""

    drawings: Drawings  # [D, side, side]
    labels: IntArray  # int32[D]
    key: int
    deformation: tuple[float, float, float]  # largest turn (radians), shift (pixels) and stretch

    @property
    def features(self) -> int:
        """Pixels of a drawing."""
        return int(self.drawings[0].size)

    def batch(self, ids: NDArray[np.int64]) -> Part:
        """Make the examples with these ids, 0 <= id < size."""
        numbers = ids + self.numbers.start
        images: FloatArray = np.empty((len(ids), *self.drawings.shape[1:]), dtype=np.float32)
        deformed_drawings(np.uint64(self.key), self.drawings, *self.deformation, numbers, images)
        return Part(images.reshape(len(ids), -1), self.labels[numbers % len(self.labels)])


@njit(parallel=True, cache=True, fastmath=False)
def deformed_drawings(key, drawings, turn, shift, stretch, ids, images):
    """Make the examples with these ids: example i is drawing i % D in its version i // D.

    Version 0 is the drawing itself. In any other a pixel's value is that of the drawing at another place,
    between four pixels by their distance, with nothing beyond the border: the place is turned about the
    middle, stretched along each axis, sheared and shifted, each by a uniform amount of its own.

    Symbols: n examples, S pixels a side, D drawings.

    Parameters
    ----------
    key : uint64
    drawings : uint8[D, S, S]
    turn, shift, stretch : float        largest turn, radians; shift each way, pixels; stretch and shear
    ids : int64[n]
    images : float32[n, S, S], out      0 to 1
    """
    side = images.shape[1]
    middle = (side - 1) / 2
    for n in prange(len(ids)):
        drawing = drawings[ids[n] % len(drawings)]
        if ids[n] < len(drawings):
            for r in range(side):
                for c in range(side):
                    images[n, r, c] = np.float32(drawing[r, c]) / np.float32(255)
            continue
        own = example_key(key, ids[n])
        angle = turn * (2 * uniform(mix(own, 0)) - 1)
        wide = 1 + stretch * (2 * uniform(mix(own, 1)) - 1)
        high = 1 + stretch * (2 * uniform(mix(own, 2)) - 1)
        shear = stretch * (2 * uniform(mix(own, 3)) - 1)
        right = middle + shift * (2 * uniform(mix(own, 4)) - 1)
        down = middle + shift * (2 * uniform(mix(own, 5)) - 1)
        cosine, sine = np.cos(angle), np.sin(angle)
        for r in range(side):
            for c in range(side):
                y, x = r - middle, c - middle
                row = high * (sine * x + cosine * y) + down
                column = wide * (cosine * x - sine * y) + shear * y + right
                top, left = int(np.floor(row)), int(np.floor(column))
                below, beside = row - top, column - left
                total = 0.0
                for i in range(2):
                    for j in range(2):
                        if 0 <= top + i < side and 0 <= left + j < side:
                            weight = (below if i else 1 - below) * (beside if j else 1 - beside)
                            total += weight * drawing[top + i, left + j]
                images[n, r, c] = total / 255

"""Stereo pictures of toys, rendered in the place of small NORB."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lshexp.data._renderer import CAMERA_COLUMNS, LAMP_COLUMNS, stereo_pairs
from lshexp.data._toys import CATEGORIES, INSTANCES, RADIUS, toy
from lshexp.data.base import Dataset, DatasetInfo, Part, Splits, freeze
from lshexp.data.files import cached_array
from lshexp.registry import register
from lshexp.streams import stream, stream_key

SIDE = 32
SPLITS = {"train": (4, 6, 7, 8, 9), "test": (0, 1, 2, 3, 5)}  # instances, as published
ELEVATIONS = tuple(range(30, 71, 5))
AZIMUTHS = tuple(range(0, 360, 20))
LAMPS = (  # degrees to the left of the cameras' side, degrees above the table, strength, from everywhere
    (0, 60, 0.55, 0.35),
    (-70, 45, 0.6, 0.3),
    (70, 45, 0.6, 0.3),
    (150, 55, 0.5, 0.4),
    (30, 75, 0.75, 0.25),
    (-30, 35, 0.35, 0.5),
)
EACH = len(ELEVATIONS) * len(AZIMUTHS) * len(LAMPS)  # pictures of a toy
PAIRS = len(CATEGORIES) * INSTANCES // 2 * EACH
DISTANCE = 5.0
EYES = 7.0  # degrees between the two cameras
WIDE = 0.9  # half width of the picture at the toy
TABLE = 0.62
NOISE = 0.04


@register("dataset", "norb_synthetic")
class NorbSynthetic(Dataset):
    """Rendered pairs of 32x32 pictures of toys: animal, human figure, aeroplane, truck or car?

    The plan is that of small NORB (LeCun, Huang and Bottou, "Learning methods for generic object recognition
    with invariance to pose and lighting", CVPR 2004): five categories of ten toys, each seen from 9
    elevations (30 to 70 degrees) and 18 azimuths under 6 lightings by two cameras. The toys of the test set
    are others than those of the training set, in the published split of instances. There are 24,300 pairs in
    each; the two pictures of a pair stand one after the other.

    The toys are put together of ellipsoids, cylinders and blocks with proportions drawn from `seed`, and ray
    cast with shadows on a plain table. Pictures are of the published kind, but not the published ones.
    """

    revision: ClassVar[int] = 1  # raised by hand when the same options would give other numbers

    seed: int = Field(default=0, ge=0, description="seed of the toys and of the views")

    def info(self) -> DatasetInfo:
        """Return the sizes."""
        return DatasetInfo(
            features=2 * SIDE * SIDE,
            classes=len(CATEGORIES),
            train_examples=PAIRS,
            test_examples=PAIRS,
            origin="rendered: stereo pictures of 50 toys on the plan of small NORB, LeCun et al., CVPR 2004",
            picture=(2, SIDE, SIDE),
            licence="none needed: rendered here",
        )

    def fingerprint(self) -> str:
        """Return the renderer, its revision and the seed."""
        return f"{self.name}:{self.revision}:seed={self.seed}"

    def examples(self, split: str, start: int, stop: int) -> Part:
        """Render pairs start..stop-1 of "train" or "test"; pair i is a function of (seed, split, i).

        Categories take turns; within each, toys, places and lightings come in random order.
        """
        if split not in SPLITS or not 0 <= start <= stop <= PAIRS:
            raise ValueError(f"no examples {start}:{stop} of '{split}'")
        toys, starts, grounds = self._toys()
        images = np.empty((stop - start, 2, SIDE, SIDE), dtype=np.float32)
        numbers = np.arange(start, stop)
        y = (numbers % len(CATEGORIES)).astype(np.int32)
        scenes = self._scenes(split)[y, numbers // len(CATEGORIES)]
        key = np.uint64(stream_key(self.seed, self.name))
        stereo_pairs(key, toys, starts, grounds, scenes, _cameras(), _lamps(), TABLE, NOISE, images)
        return freeze(Part(images.reshape(len(images), -1), y))

    def load(self) -> Splits:
        """Render both splits, which takes a minute on one core, or read them from the cache."""
        return Splits(self._all("train"), self._all("test"))

    def memory_bytes(self) -> int:
        """Return the memory of both splits, and of one as it is rendered and rounded to bytes."""
        return (2 * 4 + 4 + 1) * PAIRS * self.info().features

    def sample(self, examples: int) -> Part:
        """Return the first training pairs, to be looked at."""
        return self.examples("train", 0, min(examples, PAIRS))

    def _all(self, split: str) -> Part:
        def render() -> NDArray[np.uint8]:
            return np.rint(255 * self.examples(split, 0, PAIRS).rows).astype(np.uint8)

        levels = cached_array(
            self.name, f"{self.fingerprint()}:{split}", (PAIRS, self.info().features), render
        )
        x = levels.astype(np.float32)
        x /= 255
        return freeze(Part(x, (np.arange(PAIRS) % len(CATEGORIES)).astype(np.int32)))

    def _toys(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        """Solids of all toys by category and instance, where each begins, the height of its table."""
        built = [toy(self.seed, c, i).rows() for c in range(len(CATEGORIES)) for i in range(INSTANCES)]
        starts = np.cumsum([0, *(len(rows) for rows, _ in built)])
        return np.concatenate([rows for rows, _ in built]), starts, np.array([ground for _, ground in built])

    def _scenes(self, split: str) -> NDArray[np.int64]:
        """Toy, place of the cameras and lamp: int64[categories, pairs of a category, 3]."""
        azimuths = len(AZIMUTHS)
        scenes = np.empty((len(CATEGORIES), PAIRS // len(CATEGORIES), 3), dtype=np.int64)
        for category, rows in enumerate(scenes):
            order = stream(self.seed, f"{self.name}:{split}", category).permutation(len(rows))
            instance, rest = np.divmod(order, EACH)
            place, lamp = np.divmod(rest, len(LAMPS))
            rows[:, 0] = category * INSTANCES + np.array(SPLITS[split])[instance]
            rows[:, 1] = place
            rows[:, 2] = (place % azimuths) * len(LAMPS) + lamp
        return scenes


def _cameras() -> NDArray[np.float64]:
    """Cameras by place (elevation, azimuth) and eye: float64[places, 2, CAMERA_COLUMNS]."""
    cameras = np.empty((len(ELEVATIONS), len(AZIMUTHS), 2, CAMERA_COLUMNS))
    for e, elevation in enumerate(np.radians(ELEVATIONS)):
        for a, azimuth in enumerate(AZIMUTHS):
            for eye in range(2):
                angle = np.radians(azimuth + EYES * (eye - 0.5))
                back = np.array(
                    [np.cos(elevation) * np.cos(angle), np.cos(elevation) * np.sin(angle), np.sin(elevation)]
                )
                right = np.array([-np.sin(angle), np.cos(angle), 0.0])
                down = np.cross(right, back)
                scale = WIDE * RADIUS / DISTANCE
                cameras[e, a, eye] = np.concatenate([DISTANCE * back, scale * right, scale * down, -back])
    return cameras.reshape(-1, 2, CAMERA_COLUMNS)


def _lamps() -> NDArray[np.float64]:
    """Lamps by azimuth and lighting, float64[.., LAMP_COLUMNS]; they turn with the cameras."""
    lamps = np.empty((len(AZIMUTHS), len(LAMPS), LAMP_COLUMNS))
    for a, azimuth in enumerate(AZIMUTHS):
        for q, (aside, above, strength, everywhere) in enumerate(LAMPS):
            angle, height = np.radians(azimuth + aside), np.radians(above)
            towards = (np.cos(height) * np.cos(angle), np.cos(height) * np.sin(angle), np.sin(height))
            lamps[a, q] = (*towards, strength, everywhere)
    return lamps.reshape(-1, LAMP_COLUMNS)

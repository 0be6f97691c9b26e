"""Rectangles that differ from their background in texture alone."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from lshexp.data._generated import MOST_EXAMPLES, Generated
from lshexp.data._textures import textures
from lshexp.data.base import DatasetInfo, Part
from lshexp.kernels.data_patches import rectangle_patches
from lshexp.registry import register

SIDE = 28
SHORTEST = 10
LEAST_DIFFERENCE = 5
TEXTURES = 16
TEXTURE_SIDE = 256


@register("dataset", "rectangles_images")
class RectanglesImages(Generated):
    """Rectangles of one texture on another, 28x28 pixels: wider than tall, or taller than wide?

    After Larochelle, Erhan, Courville, Bergstra and Bengio, "An empirical evaluation of deep architectures
    on problems with many factors of variation", ICML 2007: border and inside come from one image patch, the
    background from another; height and width are uniform, at least 10 pixels, and drawn anew while they
    differ by less than 5. Sizes are the published ones, 12,000 to train and 50,000 to test.

    The published patches are cut from photographs. These are cut from procedural textures with the same
    1/f spectrum, 16 for training and 16 others for testing, so accuracies are not those of the published
    files. Examples 2k and 2k + 1 are one of each class.
    """

    train: int = Field(default=12_000, ge=1, le=MOST_EXAMPLES)

    def info(self) -> DatasetInfo:
        """Return the sizes asked for."""
        return DatasetInfo(
            features=SIDE * SIDE,
            classes=2,
            train_examples=self.train,
            test_examples=self.test,
            origin="generated: rectangles after Larochelle et al., ICML 2007, on procedural 1/f textures",
            picture=(1, SIDE, SIDE),
            licence="none needed, drawn here",
        )

    def fill(self, key: np.uint64, start: int, part: Part) -> None:
        """Draw rectangles: grey values from 0 to 1; label 1 where wider than tall."""
        pool = textures(int(key), TEXTURES, TEXTURE_SIDE)
        images = part.rows.reshape(-1, SIDE, SIDE)
        rectangle_patches(key, pool, SHORTEST, LEAST_DIFFERENCE, start, images, part.y)

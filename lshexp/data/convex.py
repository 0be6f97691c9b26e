"""Convex regions, and regions that are not convex."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from lshexp.data._generated import MOST_EXAMPLES, Generated
from lshexp.data.base import DatasetInfo, Part
from lshexp.kernels.shapes import convex_images
from lshexp.registry import register

SIDE = 28
GEOMETRIC = 0.195
FEWEST_PIXELS = 19
# Balances the classes in mean pixel count: about 272 for convex sets, 278 for the others.
FEWEST_CUTS_OF_PARTS = 4


@register("dataset", "convex")
class Convex(Generated):
    """White regions in 28x28 pixels: convex or not?

    After Larochelle, Erhan, Courville, Bergstra and Bengio, "An empirical evaluation of deep architectures
    on problems with many factors of variation", ICML 2007. A convex set (label 1) is the intersection of
    half-planes of uniform position and direction; their number is geometric with parameter 0.195, and a set
    of fewer than 19 pixels is drawn anew. Any other set (label 0) is a union of 2 to 4 such sets that fails a
    convexity test: some pixel outside it lies on the segment between two of its pixels. Sizes are the
    published ones, 8,000 to train and 50,000 to test.

    Chosen here: the parts of a union have at least 4 half-planes, which balances the classes in mean pixel
    count (published: "the parameters were balanced"); examples 2k and 2k + 1 are one of each class.
    """

    train: int = Field(default=8_000, ge=1, le=MOST_EXAMPLES)

    def info(self) -> DatasetInfo:
        """Return the sizes asked for."""
        return DatasetInfo(
            features=SIDE * SIDE,
            classes=2,
            train_examples=self.train,
            test_examples=self.test,
            origin="generated: convex and non-convex regions after Larochelle et al., ICML 2007",
            picture=(1, SIDE, SIDE),
            licence="none needed, drawn here",
        )

    def fill(self, key: np.uint64, start: int, part: Part) -> None:
        """Draw regions: 1 inside, 0 outside; label 1 where convex."""
        images = part.rows.reshape(-1, SIDE, SIDE)
        convex_images(key, GEOMETRIC, FEWEST_PIXELS, FEWEST_CUTS_OF_PARTS, start, images, part.y)

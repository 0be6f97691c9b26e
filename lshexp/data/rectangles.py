"""Outlines of rectangles, tall or wide."""

from __future__ import annotations

import numpy as np

from lshexp.data._generated import Generated
from lshexp.data.base import DatasetInfo, Part
from lshexp.kernels.shapes import rectangle_outlines
from lshexp.registry import register

SIDE = 28
LEAST_DIFFERENCE = 3  # pixels between height and width


@register("dataset", "rectangles")
class Rectangles(Generated):
    """Outlines of rectangles in 28x28 pixels: wider than tall, or taller than wide?

    After Larochelle, Erhan, Courville, Bergstra and Bengio, "An empirical evaluation of deep architectures
    on problems with many factors of variation", ICML 2007: height and width are uniform, drawn anew while
    they differ by less than 3 pixels, and the position is uniform so that the rectangle fits.

    Chosen here: sides are 1 to 28 pixels; examples 2k and 2k + 1 are one of each class; there are 10,000
    training examples where the published file has 1,200 (`train: 1200` gives as many), and 50,000 to test.
    """

    def info(self) -> DatasetInfo:
        """Return the sizes asked for."""
        return DatasetInfo(
            features=SIDE * SIDE,
            classes=2,
            train_examples=self.train,
            test_examples=self.test,
            origin="generated: outlines of rectangles after Larochelle et al., ICML 2007",
            picture=(1, SIDE, SIDE),
            licence="none needed, drawn here",
        )

    def fill(self, key: np.uint64, start: int, part: Part) -> None:
        """Draw outlines: 1 on the outline, 0 elsewhere; label 1 where wider than tall."""
        rectangle_outlines(key, LEAST_DIFFERENCE, start, part.rows.reshape(-1, SIDE, SIDE), part.y)

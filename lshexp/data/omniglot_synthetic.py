"""Made-up characters: strokes of a pen along smooth curves, drawn again and again by an unsteady hand."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lshexp.data._characters import Characters, Drawings, Known
from lshexp.registry import register
from lshexp.streams import stream

POINTS = 24  # of a stroke, along its curve
STROKES = (2, 4)  # of a character, fewest and most
PEN = 0.045  # radius, of the side
UNSTEADY = 0.035  # deviation of a stroke's control points between drawings, of the side


@register("dataset", "omniglot_synthetic")
class MadeUpCharacters(Characters):
    """Characters of two to four random strokes, each drawn 20 times by an unsteady hand; no file is needed.

    A stroke is a quadratic Bezier curve of three points drawn uniformly. In each drawing of a character all
    points move by a normal amount of 3.5 % of the side. Character c and drawing d are functions of the seed,
    c and d. It stands in for Omniglot where that is absent; it is easier, and results are not comparable.
    """

    generated_instead: ClassVar[str | None] = None

    background: int = Field(default=60, ge=2, le=10_000, description="characters to train on")
    evaluation: int = Field(default=40, ge=2, le=10_000, description="characters that are kept apart")

    def counts(self) -> tuple[int, int]:
        """Return the numbers asked for."""
        return self.background, self.evaluation

    def origin(self) -> tuple[str, str]:
        """Return how they are made."""
        return "generated: random strokes, drawn by an unsteady hand", "none needed, drawn here"

    def source(self) -> str:
        """Return nothing: the options say all."""
        return ""

    def read(self) -> Known:
        """Draw all characters."""
        return Known(
            _drawn(self.seed, "background", self.background, self.drawings, self.side),
            _drawn(self.seed, "evaluation", self.evaluation, self.drawings, self.side),
        )


def _drawn(seed: int, which: str, characters: int, drawings: int, side: int) -> Drawings:
    made = np.empty((characters, drawings, side, side), dtype=np.uint8)
    for character in range(characters):
        draws = stream(seed, f"strokes {which}", character)
        curves = draws.uniform(0.15, 0.85, (int(draws.integers(*STROKES, endpoint=True)), 3, 2))
        moved = curves + UNSTEADY * draws.standard_normal((drawings, *curves.shape))
        made[character] = inked(moved, side)
    return made


def inked(curves: NDArray[np.float64], side: int) -> Drawings:
    """Draw quadratic Bezier curves, float64[drawings, strokes, 3, 2] in shares of the side.

    A pixel is ink within the pen's radius of a curve and paper one pixel further out.
    """
    t = np.linspace(0, 1, POINTS)
    weights = np.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2], axis=1)  # [POINTS, 3]
    points = np.einsum("pk,dskx->dspx", weights, curves).reshape(len(curves), -1, 2)
    centres = (np.arange(side) + 0.5) / side
    made = np.empty((len(curves), side, side), dtype=np.uint8)
    for drawing, places in enumerate(points):
        rows = (centres[:, None] - places[:, 0]) ** 2
        columns = (centres[:, None] - places[:, 1]) ** 2
        nearest = np.sqrt((rows[:, None, :] + columns[None, :, :]).min(axis=2))
        made[drawing] = np.rint(255 * np.clip(1 - (nearest - PEN) * side, 0, 1))
    return made

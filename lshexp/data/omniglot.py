"""Omniglot, read from two NumPy archives."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lshexp.data._archive import opened, read_array, read_header
from lshexp.data._characters import Characters, Drawings, Known
from lshexp.data.files import cached_array, contents_digest, find_file
from lshexp.data.reading import require_readable
from lshexp.errors import DataError
from lshexp.registry import register
from lshexp.streams import stream

FOLDER = "omniglot"
FILES = {"images_background.npz": 964, "images_evaluation.npz": 659}  # characters in each
SIDE = 105  # pixels of a drawing as published
SHUFFLED = 1_200  # background characters of the split by characters


@register("dataset", "omniglot")
class Omniglot(Characters):
    """Omniglot: 1,623 characters of 50 alphabets, each drawn by 20 people, for learning from few examples.

    Lake, Salakhutdinov and Tenenbaum, "Human-level concept learning through probabilistic program
    induction", Science, 2015. The archives images_background.npz and images_evaluation.npz, each with an
    array `images`, bool[characters, 20, 105, 105], True = paper, and `labels`, are read from $LSHEXP_DATA or
    its omniglot/ subfolder. A smaller drawing is the mean of the ink over each of its pixels, in 255 steps.

    Background characters are trained on; the drawings of the evaluation characters belong to no split and
    are what `task: one_shot` asks about.
    """

    generated_instead: ClassVar[str | None] = "omniglot_synthetic"

    split: Literal["alphabets", "characters"] = Field(
        default="characters",
        description="which characters are trained on; alphabets: the 964 of the published background set, "
        "characters: 1,200 of all, drawn once and for all, as in most work on few examples",
    )

    def counts(self) -> tuple[int, int]:
        """Return the published numbers, or those of the split by characters."""
        if self.split == "alphabets":
            background, evaluation = FILES.values()
            return background, evaluation
        return SHUFFLED, sum(FILES.values()) - SHUFFLED

    def origin(self) -> tuple[str, str]:
        """Return who has collected them."""
        return "Lake, Salakhutdinov and Tenenbaum, Omniglot, as NumPy archives", "MIT"

    def locate(self) -> list[Path]:
        """Return the two archives."""
        return [find_file(FOLDER, [name], fetched=False) for name in FILES]

    def check_files(self) -> None:
        """Check the shape of the arrays. Raises DataError."""
        for path, characters in zip(self.locate(), FILES.values(), strict=True):
            require_readable(path)
            with opened(path) as archive:
                header = read_header(path, archive, "images")
            _require_shape(path, header.shape, header.dtype, characters, self.drawings)

    def source(self) -> str:
        """Return a digest of the two files."""
        return contents_digest(self.locate())

    def read(self) -> Known:
        """Read both archives, or what the cache holds of them at this size."""
        shape = (sum(FILES.values()), self.drawings, self.side, self.side)
        known = f"{self.name}:{self.revision}:{self.side}:{self.source()}"
        everything = cached_array(self.name, known, shape, self._shrunk)
        order = np.arange(len(everything))
        if self.split == "characters":
            order = stream(0, "omniglot split").permutation(len(everything))
        background = self.counts()[0]
        return Known(everything[order[:background]], everything[order[background:]])

    def _shrunk(self) -> Drawings:
        files = zip(self.locate(), FILES.values(), strict=True)
        return np.concatenate(
            [_read(path, characters, self.drawings, self.side) for path, characters in files]
        )


def _read(path: Path, characters: int, drawings: int, side: int) -> Drawings:
    """The characters of an archive at a smaller size, 255 = ink."""
    with opened(path) as archive:
        header = read_header(path, archive, "images")
        _require_shape(path, header.shape, header.dtype, characters, drawings)
        paper = read_array(path, archive, "images")
        labels = read_array(path, archive, "labels")
    if labels.shape != (characters, drawings) or labels.dtype.kind not in "iu":
        raise DataError(f"{path}: array 'labels' is {labels.dtype} {labels.shape}; give one number a drawing")
    if (labels != labels[:, :1]).any() or len(np.unique(labels[:, 0])) != characters:
        raise DataError(f"{path}: labels do not go with characters, {drawings} drawings each")
    made = np.empty((characters, drawings, side, side), dtype=np.uint8)
    shares = area_shares(SIDE, side)
    for character, drawn in enumerate(paper):
        made[character] = np.rint(255 * (shares @ (1 - drawn.astype(np.float64)) @ shares.T))
    return made


def _require_shape(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[np.generic], characters: int, drawings: int
) -> None:
    wanted = (characters, drawings, SIDE, SIDE)
    if shape != wanted or dtype != np.bool_:
        raise DataError(f"{path}: array 'images' is {dtype} {shape}; Omniglot's are bool {wanted}")


def area_shares(large: int, small: int) -> NDArray[np.float64]:
    """Return float64[small, large]: which share of each new pixel each old one covers along an axis."""
    edges = np.arange(small + 1) * (large / small)
    pixels = np.arange(large)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    shares: NDArray[np.float64] = np.maximum(overlap, 0) * (small / large)
    return shares

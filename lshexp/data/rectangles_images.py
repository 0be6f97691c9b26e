"""Rectangles that differ from their background in texture alone."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field

from lshexp.arrays import FloatArray, IntArray
from lshexp.data._drawing import MOST_EXAMPLES, Pictures, balanced_label, example_key, integer
from lshexp.data.rectangles import rectangle
from lshexp.kernels.rng import mix
from lshexp.registry import register
from lshexp.streams import stream

SHORTEST = 10
LEAST_DIFFERENCE = 5
TEXTURES = 16
TEXTURE_SIDE = 256


@register("dataset", "rectangles_images")
class RectanglesImages(Pictures):
    """Rectangles of one texture on another, 28x28 pixels: wider than tall, or taller than wide?

    After Larochelle, Erhan, Courville, Bergstra and Bengio, "An empirical evaluation of deep architectures
    on problems with many factors of variation", ICML 2007: border and inside come from one image patch, the
    background from another; height and width are uniform, at least 10 pixels, and drawn anew while they
    differ by less than 5. Sizes are the published ones, 12,000 to train and 50,000 to test.

    The published patches are cut from photographs. These are cut from procedural textures with the same
    1/f spectrum, 16 for training and 16 others for testing, so accuracies are not those of the published
    files. Examples 2k and 2k + 1 are one of each class.
    """

    origin: ClassVar[str] = (
        "generated: rectangles after Larochelle et al., ICML 2007, on procedural 1/f textures"
    )

    train: int = Field(default=12_000, ge=1, le=MOST_EXAMPLES, description="training examples")

    def fill(self, key: np.uint64, start: int, images: FloatArray, labels: IntArray) -> None:
        """Draw rectangles: grey values from 0 to 1; label 1 where wider than tall."""
        pool = textures(int(key), TEXTURES, TEXTURE_SIDE)
        rectangle_patches(key, pool, SHORTEST, LEAST_DIFFERENCE, start, images, labels)


def textures(seed: int, count: int, side: int) -> NDArray[np.float32]:
    """Draw textures: float32[count, side, side], mean about 0.5, in steps of 1/255 from 0 to 1.

    Each is white noise divided by its spatial frequency in the Fourier domain, scaled to a standard
    deviation of 0.2 and clipped; edges wrap around. The statistics are those of natural images (Field,
    "Relations between the statistics of natural images and the response properties of cortical cells",
    J. Opt. Soc. Am. A, 1987), but nothing in them has a contour.
    """
    noise = stream(seed, "textures").standard_normal((count, side, side))
    rows, columns = np.fft.fftfreq(side), np.fft.rfftfreq(side)
    frequency = np.hypot(rows[:, None], columns[None, :])
    frequency[0, 0] = np.inf  # no mean
    waves = np.fft.irfft2(np.fft.rfft2(noise) / frequency, s=(side, side))
    waves *= 0.2 / waves.std(axis=(1, 2), keepdims=True)
    levels = np.rint(255 * np.clip(0.5 + waves, 0, 1))  # rounded: other FFTs differ in the last bits only
    return (levels / 255).astype(np.float32)


@njit(parallel=False, cache=True, fastmath=False)
def rectangle_patches(key, textures, shortest, difference, start, images, labels):
    """Draw rectangles, border and inside from one patch, on a background from another.

    Symbols: n examples, S pixels a side, T textures of P x P pixels.

    Parameters
    ----------
    key : uint64
    textures : float32[T, P, P]         P >= S
    shortest : int                      least height and width, in pixels
    difference : int                    least difference of the two, 1 <= difference <= S - shortest
    start : int                         number of the first example
    images : float32[n, S, S], out
    labels : int32[n], out              1 where the rectangle is wider than tall, else 0
    """
    side = images.shape[1]
    for n in range(len(images)):
        labels[n] = balanced_label(key, start + n)
        own = example_key(key, start + n)
        height, width, counter = rectangle(own, shortest, side, difference, labels[n] == 1)
        top = integer(mix(own, counter), 0, side - height)
        left = integer(mix(own, counter + 1), 0, side - width)
        copy_patch(own, counter + 2, textures, images[n])
        copy_patch(own, counter + 5, textures, images[n, top : top + height, left : left + width])


@njit(parallel=False, cache=True, fastmath=False)
def copy_patch(key, counter, textures, target):
    """Fill the target with a patch of a uniform texture at a uniform place; use three counters.

    Parameters
    ----------
    key : uint64
    counter : int
    textures : float32[T, P, P]         P at least as large as either side of the target
    target : float32[h, w], out
    """
    height, width = target.shape
    which = integer(mix(key, counter), 0, len(textures) - 1)
    top = integer(mix(key, counter + 1), 0, textures.shape[1] - height)
    left = integer(mix(key, counter + 2), 0, textures.shape[2] - width)
    target[:] = textures[which, top : top + height, left : left + width]

"""The published files of Convex, Rectangles and Rectangles-images."""

from __future__ import annotations

from typing import ClassVar

from lshexp.datasets._amat import Amat
from lshexp.registry import register


@register("dataset", "convex_published")
class ConvexPublished(Amat):
    """The published files of Convex: 8,000 to train, 50,000 to test, 28x28 pixels.

    convex_train.amat and convex_test.amat, plain or packed, of $LSHEXP_DATA or the cache.
    """

    stem: ClassVar[str] = "convex"
    train: ClassVar[int] = 8_000


@register("dataset", "rectangles_published")
class RectanglesPublished(Amat):
    """The published files of Rectangles, outlines: 1,200 to train, 50,000 to test, 28x28 pixels.

    rectangles_train.amat and rectangles_test.amat, plain or packed, of $LSHEXP_DATA or the cache.
    """

    stem: ClassVar[str] = "rectangles"
    train: ClassVar[int] = 1_200


@register("dataset", "rectangles_images_published")
class RectanglesImagesPublished(Amat):
    """The published files of Rectangles-images: 12,000 to train, 50,000 to test, 28x28 pixels.

    rectangles_im_train.amat and rectangles_im_test.amat, plain or packed, of $LSHEXP_DATA or the cache.
    """

    stem: ClassVar[str] = "rectangles_im"
    train: ClassVar[int] = 12_000

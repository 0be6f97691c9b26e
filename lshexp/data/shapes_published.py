"""The published files of Convex, Rectangles and Rectangles-images.

Their publisher gives no checksums. The SHA-1 sums of the archives are those that Bergstra's scikit-data
(`larochelle_etal_2007`) pins.
"""

from __future__ import annotations

from typing import ClassVar

from lshexp.data._amat import Amat
from lshexp.registry import register


@register("dataset", "convex_published")
class ConvexPublished(Amat):
    """The published files of Convex: 8,000 to train, 50,000 to test, 28x28 pixels.

    convex_train.amat and convex_test.amat, plain or packed, of $LSHEXP_DATA or the cache.
    """

    archive: ClassVar[str] = "convex.zip"
    archive_sha1: ClassVar[str] = "61eab3c60e0e1caeaa0b82abf827f1809cfd2ef9"
    stem: ClassVar[str] = "convex"
    train: ClassVar[int] = 8_000


@register("dataset", "rectangles_published")
class RectanglesPublished(Amat):
    """The published files of Rectangles, outlines: 1,200 to train, 50,000 to test, 28x28 pixels.

    rectangles_train.amat and rectangles_test.amat, plain or packed, of $LSHEXP_DATA or the cache.
    """

    archive: ClassVar[str] = "rectangles.zip"
    archive_sha1: ClassVar[str] = "b8d456b1f83bea5efebe76a47a9535adc4b72586"
    stem: ClassVar[str] = "rectangles"
    generated_instead: ClassVar[str | None] = "rectangles"
    train: ClassVar[int] = 1_200


@register("dataset", "rectangles_images_published")
class RectanglesImagesPublished(Amat):
    """The published files of Rectangles-images: 12,000 to train, 50,000 to test, 28x28 pixels.

    rectangles_im_train.amat and rectangles_im_test.amat, plain or packed, of $LSHEXP_DATA or the cache.
    """

    archive: ClassVar[str] = "rectangles_images.zip"
    archive_sha1: ClassVar[str] = "2700ba92129ae195e93070d8b27f830323573a57"
    stem: ClassVar[str] = "rectangles_im"
    generated_instead: ClassVar[str | None] = "rectangles_images"
    train: ClassVar[int] = 12_000

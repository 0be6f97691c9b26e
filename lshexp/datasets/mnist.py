"""MNIST, read from its own IDX files."""

from __future__ import annotations

from lshexp.datasets._base import Dataset, DatasetInfo, Splits
from lshexp.datasets._digits import SIDE, digits_fingerprint, digits_part
from lshexp.registry import register


@register("dataset", "mnist")
class Mnist(Dataset):
    """Handwritten digits: 60,000 to train, 10,000 to test, 28x28 grey values.

    The four IDX files (plain or .gz) are read from $LSHEXP_DATA, its mnist/ subfolder or the cache, and
    must match the published checksums.
    """

    def info(self) -> DatasetInfo:
        """Return the published sizes; no file is touched."""
        return DatasetInfo(
            features=SIDE * SIDE,
            classes=10,
            train_examples=60_000,
            test_examples=10_000,
            origin="LeCun, Cortes and Burges, the MNIST database, IDX files checked against pinned sha256",
            picture=(1, SIDE, SIDE),
        )

    def fingerprint(self) -> str:
        """Return a digest of the pinned checksums."""
        return f"mnist:{digits_fingerprint()}"

    def load(self) -> Splits:
        """Return the digits as grey values / 255.

        Raises DataError when a file is absent or damaged.
        """
        return Splits(digits_part("train"), digits_part("test"))

"""MNIST, read from its own IDX files."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from lshexp.data._digits import (
    FILES,
    SIDE,
    check_digits,
    digit_remotes,
    digits_fingerprint,
    digits_part,
    find_digits,
)
from lshexp.data._remote import Remote
from lshexp.data.base import Dataset, DatasetInfo, Splits
from lshexp.registry import register


@register("dataset", "mnist")
class Mnist(Dataset):
    """Handwritten digits: 60,000 to train, 10,000 to test, 28x28 grey values.

    The four IDX files (plain or .gz) are read from $LSHEXP_DATA, its mnist/ subfolder or the cache, and
    must match the published checksums.
    """

    pinned: ClassVar[bool] = True

    def info(self) -> DatasetInfo:
        """Return the published sizes; no file is touched."""
        return DatasetInfo(
            features=SIDE * SIDE,
            classes=10,
            train_examples=60_000,
            test_examples=10_000,
            origin="LeCun, Cortes and Burges, the MNIST database, IDX files checked against pinned sha256",
            picture=(1, SIDE, SIDE),
            licence="CC BY-SA 3.0, as its mirrors state",
        )

    def locate(self) -> list[Path]:
        """Return the four IDX files."""
        return [find_digits(key) for key in FILES]

    def check_files(self) -> None:
        """Check headers and sizes of the four IDX files. Raises DataError."""
        check_digits()

    def remotes(self) -> tuple[Remote, ...]:
        """Return the four files, compressed."""
        return digit_remotes()

    def fingerprint(self) -> str:
        """Return a digest of the pinned checksums."""
        return f"mnist:{digits_fingerprint()}"

    def load(self) -> Splits:
        """Return the digits as grey values / 255.

        Raises DataError when a file is absent or damaged.
        """
        return Splits(digits_part("train"), digits_part("test"))

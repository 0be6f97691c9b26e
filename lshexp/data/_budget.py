"""How much a user's file may grow to: a share of the memory that is free, and of the file's own size."""

from __future__ import annotations

from pathlib import Path

import psutil

from lshexp.errors import DataError

SHARE = 0.5  # of the available memory, for one array
MOST_FOLD = 200  # growth of a packed file; text and matrices that people pack grow 2- to 50-fold
BYTES_A_NUMBER = 8  # a table is held twice for a moment: as it is read, and in the order of its examples
FREE_BYTES = 64 << 20  # any file may grow to this


def require_memory(path: Path, nbytes: int, what: str) -> None:
    """Raise DataError when `nbytes` are more than SHARE of the memory that is available now."""
    available = int(psutil.virtual_memory().available)
    if nbytes > SHARE * available:
        raise DataError(
            f"{path}: {what} need {nbytes / 1e6:,.0f} MB, more than half of the {available / 1e6:,.0f} MB of "
            "memory available; use fewer examples or features"
        )


def require_table(path: Path, examples: int, features: int) -> None:
    """Raise DataError when a dense float32 table of this size is too large to be loaded."""
    require_memory(path, BYTES_A_NUMBER * examples * features, f"{examples:,} x {features:,} numbers")


def most_unpacked(path: Path) -> int:
    """Return how many bytes a packed file may come to before it is taken for a bomb."""
    return path.stat().st_size * MOST_FOLD + FREE_BYTES


def require_no_bomb(path: Path, nbytes: int) -> None:
    """Raise DataError when a file that says it holds `nbytes` is too small to be meant."""
    if nbytes > most_unpacked(path):
        raise DataError(f"{path}: unpacks to many times its size; save it with less packing if that is meant")

"""Arrays that take long to make, kept in the user's cache between runs."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lshexp.data._files import cache_folder
from lshexp.io import replacing

_DIGEST = 32  # bytes of SHA-256, before the values


def kept(
    dataset: str, fingerprint: str, shape: tuple[int, ...], make: Callable[[], NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    """Return uint8[shape] as make() gives it, from the cache where it is there in full and undamaged.

    The cache only saves time: what it can't hold or give back is made anew, and the values are the same.
    """
    path = cache_folder(dataset) / f"{hashlib.sha256(fingerprint.encode()).hexdigest()[:16]}.bytes"
    with contextlib.suppress(OSError):
        if path.stat().st_size == _DIGEST + math.prod(shape):
            content = memoryview(path.read_bytes())
            if hashlib.sha256(content[_DIGEST:]).digest() == content[:_DIGEST]:
                return np.frombuffer(content[_DIGEST:], np.uint8).reshape(shape)
    values = np.ascontiguousarray(make())
    with contextlib.suppress(OSError):
        _write(path, values)
    return values


def _write(path: Path, values: NDArray[np.uint8]) -> None:
    """Write digest and values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(hashlib.sha256(values.data).digest())
        file.write(values.data)

"""Arrays that take long to make, kept in the user's cache between runs."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from lshexp.datasets._files import cache_folder

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


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to be written under another name; it takes its own when all is on the disk.

    No reader meets half a file. When anything is raised within, nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)

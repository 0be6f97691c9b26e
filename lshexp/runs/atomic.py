"""Writing results: all or nothing, and an operating system's refusal in one line."""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from lshexp.errors import StoreError
from lshexp.io import replacing

STALE_S = 3600.0  # no write takes as long

_REMEDIES = {
    errno.ENOSPC: "free some disk space and run the same command again; nothing already written is lost",
    errno.EDQUOT: "free some of your quota and run the same command again; nothing already written is lost",
    errno.EACCES: "make it writable, or choose another folder with -o",
    errno.EPERM: "make it writable, or choose another folder with -o",
    errno.EROFS: "it is read-only; choose another folder with -o",
    errno.ENOTDIR: "a part of this path is a file; choose another folder with -o",
    errno.EEXIST: "a file of this name is in the way; move it, or choose another folder with -o",
}


def storage_error(verb: str, path: Path, error: OSError) -> StoreError:
    """Word an operating system's refusal in one line: what, where, how to mend it."""
    remedy = _REMEDIES.get(error.errno or 0, "check the disk and the path, then run the same command again")
    return StoreError(f"cannot {verb} {path}: {error.strerror or error}; {remedy}")


def make_folder(path: Path) -> None:
    """Create a folder and its parents. Raises StoreError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error("create", path, error) from error


def write_atomic(path: Path, data: bytes) -> None:
    """Replace the content of a file so that a reader sees all of the old or all of the new.

    Raises StoreError; the old content is then untouched and the temporary file is gone.
    """
    with atomic_file(path) as file:
        file.write(data)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file whose content takes the place of `path` once the block ends without an exception.

    The data reaches the disk under a temporary name in the same folder before it takes the final one.
    Raises StoreError; the old content is then untouched and the temporary file is gone.
    """
    try:
        with replacing(path) as file:
            yield file
    except OSError as error:
        raise storage_error("write", path, error) from error


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files of writers that were killed: those no writer can still be at."""
    horizon = time.time() - STALE_S
    with contextlib.suppress(OSError):
        for leftover in folder.glob(".*.tmp"):
            if leftover.stat().st_mtime < horizon:
                leftover.unlink(missing_ok=True)

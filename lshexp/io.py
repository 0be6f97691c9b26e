"""Files that are either there in full or not there at all, whenever the machine stops; and locks on files."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lshexp.errors import StoreError

STALE_S = 3600.0  # no write takes as long
POLL_S = 0.02  # between two attempts to get a lock

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


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file whose content takes the place of `path` once the block ends without an exception.

    The data reaches the disk under a temporary name in the same folder before it takes the final one. When
    anything is raised, the old content is untouched and the temporary file is gone. Raises OSError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Like `replacing`, for files of results: what the operating system refuses is a StoreError."""
    try:
        with replacing(path) as file:
            yield file
    except OSError as error:
        raise storage_error("write", path, error) from error


def write_atomic(path: Path, data: bytes) -> None:
    """Replace the content of a file so that a reader sees all of the old or all of the new.

    Raises StoreError; the old content is then untouched and the temporary file is gone.
    """
    with atomic_file(path) as file:
        file.write(data)


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files of writers that were killed: those older than any write takes."""
    horizon = time.time() - STALE_S
    with contextlib.suppress(OSError):
        for leftover in folder.glob(".*.tmp"):
            if leftover.stat().st_mtime < horizon:
                leftover.unlink(missing_ok=True)


@contextmanager
def file_lock(path: Path, wait_s: float | None = None) -> Iterator[bool]:
    """Hold the operating system's lock of a file, and tell whether it could be had within `wait_s` seconds.

    Without `wait_s` it waits as long as it takes; 0 tries once. The lock ends with its process, so none is
    ever stale. The file is created when it is missing, and is neither truncated, touched nor deleted: its
    time of change belongs to whoever uses it, and another process may be waiting for this very file.
    Raises OSError when the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        deadline = None if wait_s is None else time.monotonic() + wait_s
        while not (held := _try_lock(descriptor)) and (deadline is None or time.monotonic() < deadline):
            time.sleep(POLL_S)
        yield held
    finally:
        os.close(descriptor)  # gives the lock back


def _try_lock(descriptor: int) -> bool:
    import fcntl  # not on Windows, where no runs can be done

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; Windows has no such call and needs none."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

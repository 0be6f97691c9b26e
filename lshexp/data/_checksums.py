"""Checksums of files, remembered for as long as the files do not change.

Where nobody has published a checksum, the first download is the measure: its SHA-256 is written beside the
file, as `NAME.sha256`, and whatever is read later must agree with it.
"""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path

from lshexp.errors import DataError

Stamp = tuple[str, int, int]  # path, bytes, time of the last change: while these stay, so does the content
_BLOCK = 1 << 20


def stamp(path: Path) -> Stamp:
    """Identify a file's present content without reading it. Raises DataError when it is no regular file."""
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if not path.is_file():
        raise DataError(f"{path}: not a regular file; put the data file itself there")
    return str(path), status.st_size, status.st_mtime_ns


@functools.lru_cache(maxsize=64)
def sha256(content: Stamp) -> str:
    """Return the SHA-256 of the file with this stamp. Raises DataError when it cannot be read."""
    digest = hashlib.sha256()
    try:
        with Path(content[0]).open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise DataError(f"{content[0]}: cannot be read: {error.strerror}; check its permissions") from None
    return digest.hexdigest()


def recorded_at(path: Path) -> Path:
    """Return where the checksum of a first download is kept."""
    return path.with_name(f"{path.name}.sha256")


def check_recorded(path: Path) -> bool:
    """Compare a file with the checksum of its first download; False where none was recorded.

    Raises DataError when they differ, or the record is not one.
    """
    record = recorded_at(path)
    try:
        with record.open("rb") as file:
            text = file.read(200).decode("ascii", errors="replace")
    except FileNotFoundError:
        return False
    except OSError as error:
        raise DataError(f"{record}: cannot be read: {error.strerror}; delete it") from None
    expected = re.match(r"[0-9a-f]{64}\b", text)
    if not expected:
        raise DataError(f"{record}: holds no SHA-256; delete it, or fetch the file again")
    if sha256(stamp(path)) != expected[0]:
        raise DataError(
            f"{path}: differs from what was first fetched ({record.name}); fetch the file again, or "
            "delete that record if you changed the file yourself"
        )
    return True

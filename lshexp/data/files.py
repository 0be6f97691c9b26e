"""Where data files are looked for, checksums that are remembered, and arrays kept in the user's cache.

Where nobody has published a checksum, the first download is the measure: its SHA-256 is written beside the
file, as `NAME.sha256`, and whatever is read later must agree with it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from lshexp.data.reading import one_line
from lshexp.errors import DataError
from lshexp.io import replacing

ENVIRONMENT_VARIABLE = "LSHEXP_DATA"

Stamp = tuple[str, int, int]  # path, bytes, time of the last change: while these stay, so does the content
LARGE = 64 << 20  # bytes of a file whose checksum is remembered from one command to the next
_BLOCK = 1 << 20
_DIGEST = 32  # bytes of SHA-256, before the values of a cached array


def cache_folder(dataset: str) -> Path:
    """Return the folder of the user's cache that holds the files of `dataset`; it may not exist."""
    return Path(platformdirs.user_cache_dir("lshexp")) / "data" / dataset


def search_folders(dataset: str) -> list[Path]:
    """Folders searched for the files of `dataset`, first match wins: $LSHEXP_DATA, then the cache.

    Raises DataError when $LSHEXP_DATA names the home of an unknown user.
    """
    given = os.environ.get(ENVIRONMENT_VARIABLE)
    if not given:
        return [cache_folder(dataset)]
    try:
        folder = Path(given).expanduser()
    except RuntimeError as error:
        raise _unsearchable(given, error) from None
    return [folder / dataset, folder, cache_folder(dataset)]


def find_file(dataset: str, names: Sequence[str], fetched: bool = True) -> Path:
    """Return the first existing path among `names`, the accepted spellings of one file.

    `fetched` says whether `lshexp data fetch` can get it.

    Raises DataError, saying which folders were searched and what to do, when there is none.
    """
    folders = search_folders(dataset)
    for folder in folders:
        for name in names:
            path = folder / name
            try:
                if path.exists():
                    return path
            except OSError as error:
                raise _unsearchable(str(folder), error) from None
    searched = ", ".join(str(folder) for folder in folders)
    command = f"run `lshexp data fetch {dataset}`, " if fetched else ""
    raise DataError(
        f"{dataset}: found no file {' or '.join(names)} (searched {searched}); {command}set "
        f"{ENVIRONMENT_VARIABLE} to the folder that holds it, or put it into {folders[-1]}"
    )


def find_own_file(dataset: str, text: str) -> Path:
    """Return the file that a path given by the user means; a relative one starts at $LSHEXP_DATA or here.

    Raises DataError when there is none.
    """
    folders = [Path(folder) for folder in (os.environ.get(ENVIRONMENT_VARIABLE), ".") if folder]
    try:
        path = Path(text).expanduser()
        candidates = [path] if path.is_absolute() else [folder.expanduser() / path for folder in folders]
        for candidate in candidates:
            if candidate.exists():
                return candidate.resolve()
    except (OSError, RuntimeError) as error:
        raise DataError(f"{dataset}: path {text!r:.200}: {one_line(error)}") from None
    searched = " and ".join(str(candidate) for candidate in candidates)
    raise DataError(
        f"{dataset}: found no file {searched}; a relative path starts at {ENVIRONMENT_VARIABLE} or here"
    )


def _unsearchable(folder: str, error: Exception) -> DataError:
    reason = (error.strerror if isinstance(error, OSError) else None) or one_line(error)
    return DataError(
        f"{folder}: cannot be searched: {reason}; set {ENVIRONMENT_VARIABLE} to a folder of yours"
    )


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
    """Return the SHA-256 of the file with this stamp; of a large one, also a later command remembers it.

    Raises DataError when the file cannot be read.
    """
    if content[1] < LARGE:
        return _sha256(content)
    path = cache_folder("checksums") / hashlib.sha256(repr(content).encode()).hexdigest()[:32]
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if re.fullmatch(r"[0-9a-f]{64}", known := path.read_text(encoding="ascii")):
            return known
    digest = _sha256(content)
    with contextlib.suppress(OSError):  # the cache only saves time
        _write(path, digest.encode())
    return digest


def _sha256(content: Stamp) -> str:
    digest = hashlib.sha256()
    try:
        with Path(content[0]).open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise DataError(f"{content[0]}: cannot be read: {error.strerror}; check its permissions") from None
    return digest.hexdigest()


def contents_digest(paths: Iterable[Path]) -> str:
    """Return a short digest of the contents of files, in this order; where they lie does not matter.

    Raises DataError when one cannot be read.
    """
    digests = "".join(sha256(stamp(path)) for path in paths)
    return hashlib.sha256(digests.encode()).hexdigest()[:16]


def recorded_at(path: Path) -> Path:
    """Return where the checksum of a first download is kept."""
    return path.with_name(f"{path.name}.sha256")


def check_recorded(path: Path) -> bool:
    """Compare a file with the checksum of its first download; False where none was recorded.

    Raises DataError when they differ, or the record holds no checksum.
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


def cached_array(
    dataset: str, fingerprint: str, shape: tuple[int, ...], make: Callable[[], NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    """Return uint8[shape] as make() gives it, from the cache where it is there in full and undamaged.

    The cache only saves time: what it cannot hold or give back is made anew, and the values are the same.
    """
    path = cache_folder(dataset) / f"{hashlib.sha256(fingerprint.encode()).hexdigest()[:16]}.bytes"
    with contextlib.suppress(OSError):
        if path.stat().st_size == _DIGEST + math.prod(shape):
            content = memoryview(path.read_bytes())
            if hashlib.sha256(content[_DIGEST:]).digest() == content[:_DIGEST]:
                return np.frombuffer(content[_DIGEST:], np.uint8).reshape(shape)
    values = np.ascontiguousarray(make())
    with contextlib.suppress(OSError):
        _write(path, hashlib.sha256(values.data).digest(), values.data)
    return values


def _write(path: Path, *contents: bytes | memoryview) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        for content in contents:
            file.write(content)

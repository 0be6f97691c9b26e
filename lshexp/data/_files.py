"""Where data files are looked for, and how their bytes are read without trusting them."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

import platformdirs

from lshexp.errors import DataError

ENVIRONMENT_VARIABLE = "LSHEXP_DATA"
UNPACKERS: Mapping[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
# what reading a damaged or truncated file raises, packed or not
READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError)


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


def find_file(dataset: str, names: Sequence[str]) -> Path:
    """Return the first existing path among `names`, the accepted spellings of one file.

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
    raise DataError(
        f"{dataset}: found no file {' or '.join(names)} (searched {searched}); run `lshexp data fetch "
        f"{dataset}`, set {ENVIRONMENT_VARIABLE} to the folder that holds it, or put it into {folders[-1]}"
    )


def _unsearchable(folder: str, error: Exception) -> DataError:
    reason = (error.strerror if isinstance(error, OSError) else None) or one_line(error)
    return DataError(
        f"{folder}: cannot be searched: {reason}; set {ENVIRONMENT_VARIABLE} to a folder of yours"
    )


def open_plain(path: Path) -> IO[bytes]:
    """Open `path`, decompressing it when its name ends in .gz, .bz2 or .xz.

    Raises DataError when it is not a regular file or cannot be opened.
    """
    if not path.is_file():
        raise DataError(f"{path}: not a regular file; put the data file itself there")
    try:
        unpack = UNPACKERS.get(path.suffix)
        return cast(IO[bytes], unpack(path, "rb")) if unpack else path.open("rb")
    except OSError as error:
        raise DataError(f"{path}: cannot be opened: {error.strerror}; check its permissions") from None


def read_start(path: Path, size: int) -> bytes:
    """Return the first `size` bytes of the (decompressed) content of `path`, fewer when it ends before.

    Raises DataError when the file cannot be read or decompressed.
    """
    with open_plain(path) as file:
        try:
            return file.read(size)
        except READ_ERRORS as error:
            raise DataError(f"{path}: cannot be read: {one_line(error)}") from None


def require_readable(path: Path) -> None:
    """Raise DataError when `path` is no regular file, cannot be opened or decompressed, or is empty."""
    if not read_start(path, 1):
        raise DataError(f"{path}: the file is empty")


def read_bounded(path: Path, limit: int) -> bytes:
    """Return the (decompressed) content of `path`, at most `limit` bytes of it.

    Nothing beyond the limit is ever inflated, whatever the compressed header says.

    Raises DataError when there is more, or the file cannot be read or decompressed.
    """
    with open_plain(path) as file:
        try:
            content = file.read(limit + 1)
        except READ_ERRORS as error:
            raise DataError(f"{path}: cannot be read: {one_line(error)}; fetch the file again") from None
    if len(content) > limit:
        raise DataError(f"{path}: holds more than the {limit} bytes expected; fetch the file again")
    return content


def verify(path: Path, content: bytes, sha256: str) -> None:
    """Raise DataError when the content is not, byte for byte, what was published."""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(
            f"{path}: content differs from the published file (sha256 mismatch); fetch the file again"
        )


def one_line(error: Exception) -> str:
    """Return an exception's message as one printable line, or its class when it has none."""
    line = " ".join(str(error).split()) or type(error).__name__
    return "".join(c if c.isprintable() else "?" for c in line)

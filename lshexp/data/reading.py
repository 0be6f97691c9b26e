"""Bytes of data files, read without trusting them: compressed files, limits on memory, text streams."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import io
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import psutil

from lshexp.errors import DataError

UNPACKERS: Mapping[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
# what reading a damaged or truncated file raises, compressed or not
READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError)

SHARE = 0.5  # of the available memory that one array may take
MOST_FOLD = 200  # times its compressed size a file may expand; real tables and matrices stay below 50
FREE_BYTES = 32 << 20  # any file may expand to this, whatever its size
LONGEST_LINE = 32 << 20  # bytes
LINES_BYTES = 8 << 20  # bytes of whole lines that are looked at together
_BLOCK = 1 << 18


def one_line(error: Exception) -> str:
    """Return an exception's message as one printable line, or its class when it has none."""
    line = " ".join(str(error).split()) or type(error).__name__
    return "".join(c if c.isprintable() else "?" for c in line)


def _open_file(path: Path) -> IO[bytes]:
    if not path.is_file():
        raise DataError(f"{path}: not a regular file; put the data file itself there")
    try:
        return path.open("rb")
    except OSError as error:
        raise DataError(f"{path}: cannot be opened: {error.strerror}; check its permissions") from None


def _unpacked(path: Path, file: IO[bytes]) -> IO[bytes]:
    """The content of an open file, decompressed when its name ends in .gz, .bz2 or .xz."""
    unpack = UNPACKERS.get(path.suffix)
    return cast(IO[bytes], unpack(file, "rb")) if unpack else file


@contextlib.contextmanager
def open_plain(path: Path) -> Iterator[IO[bytes]]:
    """Open `path`, decompressing it when its name ends in .gz, .bz2 or .xz.

    Raises DataError when it is not a regular file or cannot be opened.
    """
    with _open_file(path) as file, _unpacked(path, file) as content:
        yield content


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


def require_memory(where: Path | str, nbytes: int, what: str) -> None:
    """Raise DataError when `nbytes` are more than SHARE of the memory that is available now."""
    available = int(psutil.virtual_memory().available)
    if nbytes > SHARE * available:
        raise DataError(
            f"{where}: {what} need {nbytes / 1e6:,.0f} MB, more than half of the "
            f"{available / 1e6:,.0f} MB of memory available; use fewer examples or features"
        )


def require_table(path: Path, examples: int, features: int) -> None:
    """Raise DataError when a dense float32 table of this size is too large to be loaded."""
    require_memory(path, 4 * examples * features, f"{examples:,} x {features:,} numbers")


def require_plausible_size(path: Path, nbytes: int) -> None:
    """Raise DataError when a file claims to hold `nbytes` and is too small for that to be plausible."""
    if nbytes > path.stat().st_size * MOST_FOLD + FREE_BYTES:
        raise DataError(
            f"{path}: expands to more than {MOST_FOLD} times its size; save it with less compression if that "
            "is intended"
        )


class _GuardedText(io.RawIOBase):
    """Passes bytes on as long as they can be those of a text table.

    A compressed file is given up as soon as what it expanded to is out of proportion to the bytes read from
    it so far, so that a decompression bomb costs FREE_BYTES and not its whole size.
    """

    def __init__(self, path: Path, file: IO[bytes], longest_line: int) -> None:
        self._path, self._file, self._longest = path, file, longest_line
        self._content = _unpacked(path, file)
        self._expanded = 0
        self._line = 0  # bytes since the last end of line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._content.read(min(len(buffer), _BLOCK))
        self._expanded += len(block)
        if self._content is not self._file and self._expanded > FREE_BYTES + MOST_FOLD * self._file.tell():
            raise DataError(
                f"{self._path}: expands to more than {MOST_FOLD} times its size; decompress it yourself if "
                "that is intended"
            )
        if b"\0" in block:
            raise DataError(f"{self._path}: holds zero bytes, so it is not text; text in UTF-8 is wanted")
        end = block.rfind(b"\n")
        self._line = self._line + len(block) if end < 0 else len(block) - end - 1
        if self._line > self._longest:
            raise DataError(f"{self._path}: a line is longer than {self._longest:,} bytes; is this a table?")
        buffer[: len(block)] = block
        return len(block)


@contextlib.contextmanager
def open_bytes(path: Path, longest_line: int = LONGEST_LINE) -> Iterator[IO[bytes]]:
    """Open a text file, plain or compressed, as a guarded stream of bytes.

    Raises DataError, also from within the block, when the file cannot be read, is damaged, or expands to far
    more than a table would.
    """
    with _open_file(path) as file:
        try:
            with io.BufferedReader(_GuardedText(path, file, longest_line), _BLOCK) as stream:
                yield cast(IO[bytes], stream)
        except READ_ERRORS as error:
            raise DataError(f"{path}: cannot be read: {one_line(error)}; fetch the file again") from None


@contextlib.contextmanager
def open_text(path: Path, longest_line: int = LONGEST_LINE) -> Iterator[io.TextIOWrapper]:
    """Open a UTF-8 file, with or without a byte order mark, as `open_bytes` does."""
    with open_bytes(path, longest_line) as stream:
        try:
            yield io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path}: byte {error.object[error.start]:#04x} is not UTF-8; save the file as UTF-8"
            ) from None


def line_blocks(path: Path, size: int = LINES_BYTES, longest_line: int = LONGEST_LINE) -> Iterator[bytes]:
    """Yield the bytes of a text file, plain or packed, in pieces of whole lines, about `size` bytes each.

    Raises DataError as `open_bytes` does.
    """
    with open_bytes(path, longest_line) as stream:
        held: list[bytes] = []
        length = 0
        while block := stream.read(min(size, _BLOCK)):
            lines, end, begun = block.rpartition(b"\n")
            if end and length + len(block) >= size:
                yield b"".join([*held, lines, end])
                held, length = [begun], len(begun)
            else:
                held.append(block)
                length += len(block)
        if length:
            yield b"".join(held)

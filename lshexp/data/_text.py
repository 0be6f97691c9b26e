"""Text files read as a stream, never further than a sane file would go."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from lshexp.data._budget import most_unpacked
from lshexp.data._files import READ_ERRORS, UNPACKERS, one_line, open_plain
from lshexp.errors import DataError

LONGEST_LINE = 32 << 20  # bytes
_BLOCK = 1 << 18


class _Guard(io.RawIOBase):
    """Passes bytes on while they can be those of a text table."""

    def __init__(self, path: Path, file: IO[bytes], longest_line: int) -> None:
        self._path, self._file, self._longest = path, file, longest_line
        self._left = most_unpacked(path) if path.suffix in UNPACKERS else None
        self._line = 0  # bytes since the last end of line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._file.read(min(len(buffer), _BLOCK))
        if self._left is not None:
            self._left -= len(block)
            if self._left < 0:
                raise DataError(
                    f"{self._path}: unpacks to many times its size; unpack it yourself if that is meant"
                )
        if b"\0" in block:
            raise DataError(f"{self._path}: holds bytes of no text file; text in UTF-8 is wanted")
        end = block.rfind(b"\n")
        self._line = self._line + len(block) if end < 0 else len(block) - end - 1
        if self._line > self._longest:
            raise DataError(f"{self._path}: a line is longer than {self._longest:,} bytes; is this a table?")
        buffer[: len(block)] = block
        return len(block)


@contextlib.contextmanager
def open_bytes(path: Path, longest_line: int = LONGEST_LINE) -> Iterator[IO[bytes]]:
    """Open a text file, plain or packed, as a guarded stream of bytes.

    Raises DataError, also from within the block, when the file cannot be read, is damaged, or unpacks to far
    more than a table would.
    """
    with open_plain(path) as file:
        try:
            with io.BufferedReader(_Guard(path, file, longest_line), _BLOCK) as stream:
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

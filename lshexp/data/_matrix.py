"""The binary matrix format of the NORB files: magic number, dimensions, then the values in C order.

The magic number says the type of the values; it and all that follows is written in the byte order of the
machine that wrote it, little-endian in the published files. Three dimensions at least are given, the surplus
ones of a smaller matrix being 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from lshexp.data._files import READ_ERRORS, one_line, open_plain
from lshexp.errors import DataError

BYTES, INTEGERS = 0x1E3D4C55, 0x1E3D4C54
TYPES = {BYTES: "u1", INTEGERS: "i4"}
_NAMES = {BYTES: "bytes", INTEGERS: "32-bit integers"}
_FEWEST_DIMENSIONS = 3


def matrix_blocks(path: Path, magic: int, shape: tuple[int, ...], most: int) -> Iterator[NDArray[np.integer]]:
    """Yield the matrix of a file, plain or .gz, `most` rows of the first dimension at a time.

    The header must announce exactly this type (BYTES or INTEGERS) and shape, and the values must fill it; no
    more than a block is read at a time, whatever the file says.

    Raises DataError, also after the last block where the file goes on.
    """
    with open_plain(path) as file:
        order = _read_header(file, path, magic, shape)
        row = np.dtype(f"{order}{TYPES[magic]}")
        for start in range(0, shape[0], most):
            block = (min(most, shape[0] - start), *shape[1:])
            content = _read(file, path, math.prod(block) * row.itemsize)
            yield np.frombuffer(content, dtype=row).reshape(block)
        if _read_some(file, path, 1):
            raise DataError(f"{path}: goes on after its {_times(shape)} values; fetch the file again")


def _read_header(file: IO[bytes], path: Path, magic: int, shape: tuple[int, ...]) -> str:
    """Check type and dimensions and return the byte order, "<" or ">"."""
    head = _read(file, path, 8)
    for order in "<>":
        found, dimensions = (int(number) for number in np.frombuffer(head, dtype=f"{order}u4"))
        if found in TYPES:
            break
    else:
        raise DataError(
            f"{path}: not the matrix file expected: it starts with {head[:4].hex(' ')}; fetch the file again"
        )
    if found != magic:
        raise DataError(
            f"{path}: holds {_NAMES[found]}, not {_NAMES[magic]}; is it another of the files, renamed?"
        )
    if dimensions == len(shape):
        padded = (*shape, *[1] * (_FEWEST_DIMENSIONS - len(shape)))
        sizes = tuple(int(size) for size in np.frombuffer(_read(file, path, 4 * len(padded)), f"{order}u4"))
        if sizes == padded:
            return order
        raise DataError(
            f"{path}: its header announces {_times(sizes)} values, not {_times(padded)}; fetch the file again"
        )
    raise DataError(
        f"{path}: its header announces {dimensions} dimensions, not {len(shape)}; fetch the file again"
    )


def _read(file: IO[bytes], path: Path, size: int) -> bytes:
    content = _read_some(file, path, size)
    if len(content) != size:
        raise DataError(f"{path}: ends too early; fetch the file again")
    return content


def _read_some(file: IO[bytes], path: Path, size: int) -> bytes:
    try:
        return file.read(size)
    except READ_ERRORS as error:
        raise DataError(f"{path}: cannot be read: {one_line(error)}; fetch the file again") from None


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in shape)

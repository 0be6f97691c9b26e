"""The IDX format of the MNIST files: magic number, dimensions, then the values in C order.

The magic number is four bytes: 0, 0, the type of the values (8 = uint8) and the number of dimensions;
each dimension is a big-endian uint32.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lshexp.data._files import UNPACKERS, read_start
from lshexp.errors import DataError

_UINT8 = 8


def idx_size(shape: tuple[int, ...]) -> int:
    """Return the bytes of an IDX file that holds a uint8 array of `shape`."""
    return 4 + 4 * len(shape) + math.prod(shape)


def parse_idx(content: bytes, shape: tuple[int, ...], path: Path) -> NDArray[np.uint8]:
    """Return the uint8 array of an IDX file as a read-only view of `content`.

    The header must announce exactly `shape` and the values must fill it; `path` is named in errors.

    Raises DataError when either does not hold.
    """
    _check_magic(content, shape, path)
    _check_size(len(content), shape, path)
    _check_shape(content, shape, path)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def check_idx(path: Path, shape: tuple[int, ...]) -> None:
    """Compare the header of an IDX file, and its size where it is not compressed, with `shape`.

    Raises DataError when it cannot be read or is another file.
    """
    header = read_start(path, 4 + 4 * len(shape))
    _check_magic(header, shape, path)
    if path.suffix not in UNPACKERS:
        _check_size(path.stat().st_size, shape, path)
    elif len(header) < 4 + 4 * len(shape):
        _check_size(len(header), shape, path)
    _check_shape(header, shape, path)


def _check_magic(content: bytes, shape: tuple[int, ...], path: Path) -> None:
    magic = bytes([0, 0, _UINT8, len(shape)])
    if content[:4] != magic:
        raise DataError(
            f"{path}: not the IDX file expected: it starts with {content[:4].hex(' ') or 'nothing'}, "
            f"not {magic.hex(' ')}; fetch the file again"
        )


def _check_size(nbytes: int, shape: tuple[int, ...], path: Path) -> None:
    if nbytes != idx_size(shape):
        raise DataError(
            f"{path}: holds {nbytes} bytes, not the {idx_size(shape)} of an array of "
            f"{_times(shape)}; fetch the file again"
        )


def _check_shape(content: bytes, shape: tuple[int, ...], path: Path) -> None:
    header = np.frombuffer(content, dtype=">u4", count=len(shape), offset=4)
    if tuple(header) != shape:
        raise DataError(
            f"{path}: its header announces {_times(header)} values, not {_times(shape)}; fetch the file again"
        )


def _times(shape: tuple[int, ...] | NDArray[np.uint32]) -> str:
    return " x ".join(str(size) for size in shape)

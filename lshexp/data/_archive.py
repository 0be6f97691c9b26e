"""NumPy archives (.npz) as untrusted files: sizes are checked before anything is unpacked.

Arrays of Python objects are refused, as reading them would run code.
"""

from __future__ import annotations

import contextlib
import math
import tokenize
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from lshexp.data._cells import CELLS
from lshexp.data.reading import READ_ERRORS, one_line, require_memory, require_plausible_size
from lshexp.errors import DataError

# what NumPy's parser of headers lets escape when it is given something else
HEADER_ERRORS = (
    SyntaxError,
    TypeError,
    KeyError,
    IndexError,
    RecursionError,
    MemoryError,
    tokenize.TokenError,
)


class ArrayHeader(NamedTuple):
    """What the header of an array says."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool  # whether the first index changes fastest


@contextlib.contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; whatever is wrong with it, also within the block, is a DataError."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (*READ_ERRORS, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError) as error:
        # NumPy raises ValueError for a damaged array, zipfile RuntimeError for one with a password
        raise DataError(f"{path}: not a readable .npz archive: {one_line(error)}") from None


@contextlib.contextmanager
def member(path: Path, archive: zipfile.ZipFile, name: str) -> Iterator[IO[bytes]]:
    """Open an array's file after checking what the archive says of its size."""
    known = [member.removesuffix(".npy") for member in archive.namelist()]
    if name not in known:
        raise DataError(
            f"{path}: holds no array '{name}'; there are {', '.join(sorted(known)[:20]) or 'none'}"
        )
    require_plausible_size(path, archive.getinfo(f"{name}.npy").file_size)
    with archive.open(f"{name}.npy") as file:
        yield file


def read_header(path: Path, archive: zipfile.ZipFile, name: str) -> ArrayHeader:
    """Read an array's header and compare it with the size of its file."""
    with member(path, archive, name) as file:
        version = npy.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"array '{name}' has format {version[0]}.{version[1]}")
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        try:
            shape, fortran, dtype = read(file)
        except HEADER_ERRORS:
            raise ValueError(f"array '{name}' has a header that NumPy cannot read") from None
        if dtype.hasobject:
            raise DataError(f"{path}: array '{name}' holds Python objects; save numbers or texts")
        nbytes = dtype.itemsize
        for length in shape:
            nbytes *= length
        if min(shape, default=0) < 0 or nbytes + file.tell() != archive.getinfo(f"{name}.npy").file_size:
            raise ValueError(f"array '{name}' is not as long as its header says")
    require_memory(path, nbytes, f"the numbers of '{name}'")
    return ArrayHeader(shape, dtype, fortran and len(shape) > 1)


def read_array(path: Path, archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Read a whole array."""
    read_header(path, archive, name)
    with member(path, archive, name) as file:
        return np.asarray(npy.read_array(file, allow_pickle=False))


def row_pieces(path: Path, archive: zipfile.ZipFile, name: str, array: ArrayHeader) -> Iterator[NDArray[Any]]:
    """The rows of an array, [n, features], some at a time."""
    width = math.prod(array.shape[1:])
    most = max(1, CELLS // max(1, width))
    if array.fortran:
        values = read_array(path, archive, name)
        for first in range(0, array.shape[0], most):
            yield values[first : first + most].reshape(-1, width)
        return
    with member(path, archive, name) as file:
        (npy.read_array_header_1_0 if npy.read_magic(file) == (1, 0) else npy.read_array_header_2_0)(file)
        for first in range(0, array.shape[0], most):
            rows = min(most, array.shape[0] - first)
            content = file.read(rows * width * array.dtype.itemsize)
            yield np.frombuffer(content, array.dtype, rows * width).reshape(rows, width)

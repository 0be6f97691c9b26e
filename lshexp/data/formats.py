"""File formats, read a piece at a time and checked: IDX (MNIST), binary matrices (NORB), LIBSVM text.

IDX: a magic number of four bytes (0, 0, the type of the values, 8 = uint8, and the number of dimensions),
each dimension as a big-endian uint32, then the values in C order.

Binary matrix: a magic number that says the type of the values, the number of dimensions and the dimensions,
in the byte order of the machine that wrote them (little-endian in the published files), then the values in
C order. At least three dimensions are written; the surplus ones of a smaller matrix are 1.

LIBSVM (and SVMlight) text: a line is a label and `index:value` for each feature that is not zero, indices
ascending; what follows a # is a comment (Chang and Lin, "LIBSVM: a library for support vector machines", ACM
TIST, 2011).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lshexp.arrays import CSR
from lshexp.data._rows import MOST_FEATURES, Piece, label_numbers, parse_piece, shown, sort_rows
from lshexp.data.reading import READ_ERRORS, UNPACKERS, line_blocks, one_line, open_plain, read_start
from lshexp.errors import DataError

_UINT8 = 8

MATRIX_BYTES, MATRIX_INTEGERS = 0x1E3D4C55, 0x1E3D4C54
_MATRIX_TYPES = {MATRIX_BYTES: "u1", MATRIX_INTEGERS: "i4"}
_NAMES = {MATRIX_BYTES: "bytes", MATRIX_INTEGERS: "32-bit integers"}
_FEWEST_DIMENSIONS = 3

MOST_LABEL = 2**31 - 1
LONGEST_LABEL = 64  # bytes
_SVM_BYTES = 4 << 20  # bytes of whole lines


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


def matrix_blocks(path: Path, magic: int, shape: tuple[int, ...], most: int) -> Iterator[NDArray[np.integer]]:
    """Yield the matrix of a file, plain or .gz, `most` rows of the first dimension at a time.

    The header must announce exactly this type (MATRIX_BYTES or MATRIX_INTEGERS) and shape, and the values
    must fill it; no more than a block is read at a time, whatever the file says.

    Raises DataError, also after the last block where the file goes on.
    """
    with open_plain(path) as file:
        order = _read_header(file, path, magic, shape)
        row = np.dtype(f"{order}{_MATRIX_TYPES[magic]}")
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
        if found in _MATRIX_TYPES:
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


class SvmChunk(NamedTuple):
    """Examples of consecutive lines: labels as text, or as sets of numbers, and sparse rows from index 0."""

    labels: NDArray[np.str_]  # one an example; none where there are `sets`
    counts: NDArray[np.int64]  # features stored for each example
    indices: NDArray[np.int32]
    data: NDArray[np.float32]
    sets: CSR | None = None  # labels of multi-label examples, as columns


def svm_chunks(path: Path, first_index: int, multilabel: bool = False) -> Iterator[SvmChunk]:
    """Read a file, plain or packed; `first_index` is what its first feature is called, 0 or 1.

    With `multilabel` an example has any number of labels, whole numbers with commas between, or none: then
    its line begins with a feature. Otherwise it has one, which may be any text.

    Raises DataError, naming the line, where a line is not of the format or a value is not finite.
    """
    line = 1
    for content in line_blocks(path, _SVM_BYTES):
        piece = parse_piece(path, content, line, first_index, MOST_FEATURES, ordered=True, comments=True)
        line += len(piece.lengths)
        rows = np.flatnonzero((piece.labels[:, 0] < piece.labels[:, 1]) | (piece.lengths > 0))
        kept = piece.data != 0
        owners = np.repeat(np.arange(len(piece.lengths)), piece.lengths)[kept]
        counts = np.bincount(owners, minlength=len(piece.lengths)).astype(np.int64)[rows]
        labels = _labels(piece, np.array([], np.int64) if multilabel else rows)
        sets = _label_sets(piece, rows) if multilabel else None
        yield SvmChunk(labels, counts, piece.indices[kept], piece.data[kept], sets)


def _label_sets(piece: Piece, rows: NDArray[np.int64]) -> CSR:
    """Labels of these rows, as the columns of a matrix of ones."""
    lengths, numbers = label_numbers(piece, MOST_LABEL)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    sets = CSR(indptr, numbers, np.ones(len(numbers), np.float32), (len(lengths), MOST_LABEL))
    if twice := sort_rows(sets):
        raise piece.refusal(twice[0], f"label {twice[1]} stands there twice")
    return sets[rows]


def _labels(piece: Piece, rows: NDArray[np.int64]) -> NDArray[np.str_]:
    """The one label of each of these rows."""
    texts = []
    for row in rows.tolist():
        label = piece.label(row)
        if not label:
            raise piece.refusal(row, "the line starts with a feature, no label")
        if b"," in label:
            what = f"{shown(label)}: the line has several labels; set `multilabel: true` to learn them"
            raise piece.refusal(row, what)
        if len(label) > LONGEST_LABEL:
            raise piece.refusal(row, f"a label longer than {LONGEST_LABEL} bytes")
        try:
            texts.append(label.decode())
        except UnicodeDecodeError:
            raise piece.refusal(row, "the label is not UTF-8; is this a LIBSVM file?") from None
    return np.array(texts, dtype=np.str_)


def _times(shape: Sequence[int] | NDArray[np.uint32]) -> str:
    return " x ".join(str(size) for size in shape)

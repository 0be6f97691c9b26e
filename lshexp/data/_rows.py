"""Text of sparse rows with labels, parsed in pieces: `labels index:value index:value ...`, a line a row.

This is the text of LIBSVM and of the extreme-classification repository. The kernels accept what is right and
stop at the first text that is not; why it is not is found out afterwards, of that text alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lshexp.arrays import CSR, FloatArray, IntArray, OffsetArray
from lshexp.errors import DataError

MOST_FEATURES = 10_000_000  # as many as a layer may have nodes
_SHOWN = 40  # characters of a text in messages
_DONE, _WRONG, _ORDER = 0, 1, 2
_UNSURE = 2.0**-50  # relative error of a number that was not computed exactly, at most


class Piece(NamedTuple):
    """Rows of consecutive whole lines, empty lines among them.

    `labels` int64[rows, 2] says where each row's labels stand in `text`: start and stop, equal where there
    are none.
    """

    path: Path
    text: NDArray[np.uint8]
    first_line: int
    labels: OffsetArray
    lengths: OffsetArray  # int64[rows], entries of each row
    indices: IntArray  # int32[entries], from 0
    data: FloatArray  # float32[entries]
    starts: OffsetArray  # int64[entries], where each entry stands in `text`

    def label(self, row: int) -> bytes:
        """The text of a row's labels."""
        first, stop = self.labels[row]
        return self.text[first:stop].tobytes()

    def refusal(self, row: int, what: str) -> DataError:
        """An error that names the line of a row."""
        return DataError(f"{self.path}:{self.first_line + row}: {what}")


def parse_piece(
    path: Path,
    content: bytes,
    first_line: int,
    first_index: int,
    features: int,
    *,
    ordered: bool,
    comments: bool,
) -> Piece:
    """Parse whole lines; `first_index` is what the first of `features` features is called.

    `ordered`: the features of a row must ascend. `comments`: what follows a # is none of the row.

    Raises DataError, naming the line, where one is not of the format or a value is not finite in float32.
    """
    text = np.frombuffer(content, dtype=np.uint8)
    rows, most = content.count(b"\n") + (not content.endswith(b"\n")), content.count(b":")
    piece = Piece(
        path,
        text,
        first_line,
        np.empty((rows, 2), np.int64),
        np.empty(rows, np.int64),
        np.empty(most, np.int32),
        np.empty(most, np.float32),
        np.empty(most, np.int64),
    )
    arrays = piece.labels, piece.lengths, piece.indices, piece.data, piece.starts
    entries, at, why = parse_rows(text, first_index, features, ordered, comments, *arrays)
    if why != _DONE:
        token = _token(content, at)
        what = "does not come in ascending order, or twice"
        if why == _WRONG:
            what = _why_not(token, first_index, features)
        raise piece.refusal(_row(content, at), f"{shown(token)} {what}")
    for entry in np.flatnonzero(np.isnan(piece.data[:entries])):  # numbers that need Python's exact reading
        token = _token(content, int(piece.starts[entry]))
        with np.errstate(over="ignore"):
            piece.data[entry] = np.float32(float(token.partition(b":")[2]))
    bad = np.flatnonzero(~np.isfinite(piece.data[:entries]))
    if len(bad):
        at = int(piece.starts[bad[0]])
        what = f"{shown(_token(content, at))} is not a finite number in float32"
        raise piece.refusal(_row(content, at), what)
    return piece._replace(
        indices=piece.indices[:entries], data=piece.data[:entries], starts=piece.starts[:entries]
    )


def label_numbers(piece: Piece, most: int) -> tuple[OffsetArray, IntArray]:
    """Read the labels of each row as whole numbers 0..most-1 with commas between.

    Returns how many each row has, int64[rows], and all of them, int32, in the order of the text.

    Raises DataError, naming the line, where a label is something else.
    """
    content = piece.text.tobytes()
    lengths = np.empty(len(piece.labels), np.int64)
    numbers = np.empty(content.count(b",") + len(lengths), np.int32)
    count, row = parse_labels(piece.text, piece.labels, most, lengths, numbers)
    if row >= 0:
        texts = piece.label(row).split(b",")
        wrong = [text for text in texts if not text.isdigit() or int(text[-20:]) >= most] or texts
        raise piece.refusal(row, f"label {shown(wrong[0])} is not a whole number from 0 to {most - 1:,}")
    return lengths, numbers[:count]


def sort_rows(x: CSR) -> tuple[int, int] | None:
    """Sort the entries of each row by column, in place.

    Returns a row and a column that occurs twice in it, None where there is no such.
    """
    from scipy.sparse import csr_array

    if x.nnz < 2:
        return None
    firsts = x.indptr[1:-1]
    steps = np.diff(x.indices) > 0
    steps[firsts[(firsts > 0) & (firsts < x.nnz)] - 1] = True  # a new row may start anywhere
    if steps.all():
        return None
    # SciPy sorts the arrays themselves when their types are its own
    whole = csr_array((x.data, x.indices.astype(np.int64), x.indptr), shape=x.shape)
    whole.sort_indices()
    x.data[:], x.indices[:] = whole.data, whole.indices
    twice = np.diff(x.indices) == 0
    twice[firsts[(firsts > 0) & (firsts < x.nnz)] - 1] = False
    if not twice.any():
        return None
    at = int(twice.argmax())
    return int(np.searchsorted(x.indptr, at, side="right")) - 1, int(x.indices[at])


def stacked(parts: Sequence[CSR], columns: int) -> CSR:
    """Put matrices of any widths up to `columns` one below the other; none at all give no rows."""
    lengths = [np.zeros(0, np.int64), *(part.row_lengths() for part in parts)]
    indices = [np.zeros(0, np.int32), *(part.indices for part in parts)]
    data = [np.zeros(0, np.float32), *(part.data for part in parts)]
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
    return CSR(indptr, np.concatenate(indices), np.concatenate(data), (len(indptr) - 1, columns))


def shown(token: bytes) -> str:
    """A text as messages show it: short, printable, in quotes."""
    text = token[:_SHOWN].decode(errors="replace")
    return "'" + "".join(c if c.isprintable() else "?" for c in text) + "'"


def _row(content: bytes, at: int) -> int:
    """The line that holds a place, counted from 0."""
    return content.count(b"\n", 0, at)


def _token(content: bytes, at: int) -> bytes:
    """The text between spaces that begins at a place."""
    words = content[at : at + 4096].split(None, 1)
    return words[0] if words else b""


def _why_not(token: bytes, first_index: int, features: int) -> str:
    index, _, value = token.partition(b":")
    try:
        number = float(index)
        float(value)
    except ValueError:
        return "is not index:value"
    if first_index == 1 and number == 0:
        return "is an index below the first; set `zero_based: true` where features count from 0"
    if not 0 <= number - first_index < features or number != number // 1:
        return f"has no whole index from {first_index} to {features - 1 + first_index:,}"
    if not np.isfinite(float(value)):
        return "is not a finite number in float32"
    return "is not index:value"


@njit(parallel=False, cache=True, fastmath=False)
def parse_rows(text, first_index, features, ordered, comments, labels, lengths, indices, data, starts):
    """Parse lines of `labels index:value ...`; the labels are left as text.

    A value is what rounding the decimal number to float64 and then to float32 gives. The few that this
    arithmetic cannot decide become NaN, to be read anew.

    Symbols: n bytes, R lines, P colons.

    Parameters
    ----------
    text : uint8[n]                     whole lines; the last one's end may be missing
    first_index, features : int         indices are first_index .. first_index + features - 1
    ordered : bool                      whether the indices of a row must ascend
    comments : bool                     whether # begins a comment
    labels : int64[R, 2], out           start and stop of the first word of each line, equal if it has a colon
    lengths : int64[R], out             entries of each line
    indices : int32[P], out             less first_index
    data : float32[P], out
    starts : int64[P], out              where each entry stands in `text`

    Returns (entries, at, why): why = 0 when all is read, 1 where `at` begins what is not index:value with an
    index in range, 2 where its index does not ascend.
    """
    size = len(text)
    at = row = count = 0
    while at < size:
        labels[row, 0] = labels[row, 1] = at
        lengths[row] = 0
        first, last = True, np.int64(-1)
        while at < size and text[at] != 10:
            byte = text[at]
            if _space(byte):
                at += 1
                continue
            if comments and byte == 35:
                while at < size and text[at] != 10:
                    at += 1
                break
            start = at
            index = np.int64(0)
            while at < size and 48 <= text[at] <= 57:
                index = min(10 * index + (text[at] - 48), np.int64(1 << 40))
                at += 1
            if start == at or at == size or text[at] != 58:
                while (
                    at < size
                    and not _space(text[at])
                    and text[at] != 58
                    and not (comments and text[at] == 35)
                ):
                    at += 1
                if first and (at == size or text[at] != 58):
                    labels[row, 0], labels[row, 1] = start, at
                    first = False
                    continue
                return count, start, 1
            first = False
            at, value, known = _number(text, at + 1)
            ended = at == size or _space(text[at]) or (comments and text[at] == 35)
            index -= first_index
            if not ended or not known or index < 0 or index >= features:
                return count, start, 1
            if ordered and index <= last:
                return count, start, 2
            last = index
            indices[count], data[count], starts[count] = index, value, start
            count += 1
            lengths[row] += 1
        row += 1
        at += 1
    return count, -1, 0


@njit(parallel=False, cache=True, fastmath=False)
def _space(byte):
    """Whether words end at this byte: a space, a tab, an end of line or of page."""
    return byte == 32 or 9 <= byte <= 13


@njit(parallel=False, cache=True, fastmath=False)
def _number(text, at):
    """Read a decimal number; return where it ends, its float32 value (NaN: undecided), whether it is one."""
    size = len(text)
    negative = at < size and text[at] == 45
    if at < size and (text[at] == 45 or text[at] == 43):
        at += 1
    digits, mantissa, exponent = 0, np.uint64(0), 0
    point, exact = False, True
    while at < size:
        byte = text[at]
        if byte == 46 and not point:
            point = True
        elif 48 <= byte <= 57:
            digits += 1
            if mantissa < np.uint64(900_000_000_000_000_000):
                mantissa = mantissa * np.uint64(10) + np.uint64(byte - 48)
                exponent -= point
            else:
                exact = exact and byte == 48
                exponent += not point
        else:
            break
        at += 1
    if digits == 0:
        return at, np.float32(0), False
    if at < size and (text[at] == 101 or text[at] == 69):
        at += 1
        below = at < size and text[at] == 45
        if at < size and (text[at] == 45 or text[at] == 43):
            at += 1
        begin, power = at, np.int64(0)
        while at < size and 48 <= text[at] <= 57:
            power = min(10 * power + (text[at] - 48), np.int64(100_000))
            at += 1
        if at == begin:
            return at, np.float32(0), False
        exponent += -power if below else power
    if mantissa == 0:
        return at, np.float32(-0.0 if negative else 0.0), True
    if exponent < -250 or exponent > 250:
        return at, np.float32(np.nan), True
    value = np.float64(mantissa)
    # powers up to 10**22 and whole numbers up to 2**53 are exact, so one operation rounds once
    value = value * 10.0**exponent if exponent >= 0 else value / 10.0 ** (-exponent)
    if not (exact and mantissa <= np.uint64(9007199254740992) and -22 <= exponent <= 22) and np.float32(
        value * (1 - _UNSURE)
    ) != np.float32(value * (1 + _UNSURE)):
        return at, np.float32(np.nan), True
    return at, np.float32(-value if negative else value), True


@njit(parallel=False, cache=True, fastmath=False)
def parse_labels(text, spans, most, lengths, numbers):
    """Read lists of whole numbers with commas between.

    Symbols: n bytes, R rows, C commas.

    Parameters
    ----------
    text : uint8[n]
    spans : int64[R, 2]                 start and stop of each row's list; equal where it has none
    most : int                          numbers are 0..most-1
    lengths : int64[R], out             numbers of each row
    numbers : int32[C + R], out

    Returns (count, row): the count of all numbers and -1, or the first row that holds something else.
    """
    count = 0
    for row in range(len(spans)):
        lengths[row] = 0
        at, stop = spans[row]
        while at < stop:
            begin, number = at, np.int64(0)
            while at < stop and 48 <= text[at] <= 57:
                number = min(10 * number + (text[at] - 48), np.int64(1 << 40))
                at += 1
            ended = at == stop or (text[at] == 44 and at + 1 < stop)
            if at == begin or not ended or number >= most:
                return count, row
            numbers[count] = number
            count += 1
            lengths[row] += 1
            at += 1
    return count, -1

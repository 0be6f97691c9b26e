"""The text format of LIBSVM and SVMlight, a block of lines at a time.

A line is a label and `index:value` for each feature that is not zero, indices ascending; what follows a # is
a comment (Chang and Lin, "LIBSVM: a library for support vector machines", ACM TIST, 2011).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lshexp.data._text import open_bytes
from lshexp.errors import DataError

MOST_FEATURES = 10_000_000  # as many as a layer may have nodes
LONGEST_LABEL = 64  # bytes
_BLOCK = 4 << 20  # bytes of whole lines
_SHOWN = 40


class Block(NamedTuple):
    """Examples of consecutive lines: labels as text, and sparse rows with indices from 0."""

    labels: NDArray[np.str_]
    counts: NDArray[np.int64]  # features of each example
    ids: NDArray[np.int32]
    values: NDArray[np.float32]


def svm_blocks(path: Path, first_index: int) -> Iterator[Block]:
    """Read a file, plain or packed; `first_index` is what its first feature is called, 0 or 1.

    Raises DataError, naming the line, where a line is not of the format or a value is not finite.
    """
    line = 1
    with open_bytes(path) as stream:
        while lines := stream.readlines(_BLOCK):
            yield _parse(path, lines, line, first_index)
            line += len(lines)


def _parse(path: Path, lines: list[bytes], first_line: int, first_index: int) -> Block:
    labels, tokens, counts, numbers = [], [], [], []
    for number, line in enumerate(lines, start=first_line):
        label, *features = line.partition(b"#")[0].split() or [b""]
        if label:
            labels.append(label)
            tokens += features
            counts.append(len(features))
            numbers.append(number)
    pairs = _pairs(tokens)
    if pairs is None:
        at = next(at for at, token in enumerate(tokens) if _pairs([token]) is None)
        raise _refusal(path, _line(numbers, counts, at), f"{_shown(tokens[at])} is not index:value")
    with np.errstate(over="ignore"):
        ids, values = pairs[:, 0] - first_index, pairs[:, 1].astype(np.float32)
    starts = np.cumsum(np.array([0, *counts], dtype=np.int64))
    steps = np.diff(ids, prepend=-1)
    steps[starts[starts < len(ids)]] = 1  # a new row may start anywhere
    for wrong, what in (
        (ids < 0, "is an index below the first; set `zero_based: true` where features count from 0"),
        ((ids != np.floor(ids)) | (ids >= MOST_FEATURES), f"has no whole index up to {MOST_FEATURES:,}"),
        (steps <= 0, "does not come in ascending order, or twice"),
        (~np.isfinite(values), "is not a finite number in float32"),
    ):
        if wrong.any():
            at = int(wrong.argmax())
            raise _refusal(path, _line(numbers, counts, at), f"{_shown(tokens[at])} {what}")
    kept = values != 0
    owners = np.repeat(np.arange(len(counts)), counts)[kept]
    rows = np.bincount(owners, minlength=len(counts)).astype(np.int64)
    return Block(_labels(path, labels, numbers), rows, ids[kept].astype(np.int32), values[kept])


def _pairs(tokens: list[bytes]) -> NDArray[np.float64] | None:
    """Indices and values of `index:value` texts, float64[n, 2]; None where some are none."""
    if any(token.count(b":") != 1 for token in tokens):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # older NumPy only warns of what is no number
        try:
            numbers = np.fromstring(b" ".join(tokens).replace(b":", b" "), sep=" ")
        except (ValueError, DeprecationWarning):
            return None
    return numbers.reshape(-1, 2) if len(numbers) == 2 * len(tokens) else None


def _labels(path: Path, labels: list[bytes], numbers: list[int]) -> NDArray[np.str_]:
    for label, number in zip(labels, numbers, strict=True):
        if b":" in label or b"," in label:
            what = "starts with a feature, no label" if b":" in label else "has several labels"
            raise _refusal(path, number, f"{_shown(label)}: the line {what}")
        if len(label) > LONGEST_LABEL:
            raise _refusal(path, number, f"a label longer than {LONGEST_LABEL} bytes")
    try:
        return np.array([label.decode() for label in labels], dtype=np.str_)
    except UnicodeDecodeError as error:
        number = numbers[labels.index(error.object)]
        raise _refusal(path, number, "the label is not UTF-8; is this a LIBSVM file?") from None


def _line(numbers: list[int], counts: list[int], at: int) -> int:
    """Number of the line that holds the token at a place."""
    return numbers[int(np.searchsorted(np.cumsum(counts), at, side="right"))]


def _refusal(path: Path, line: int, what: str) -> DataError:
    return DataError(f"{path}:{line}: {what}")


def _shown(token: bytes) -> str:
    text = token[:_SHOWN].decode(errors="replace")
    return "'" + "".join(c if c.isprintable() else "?" for c in text) + "'"

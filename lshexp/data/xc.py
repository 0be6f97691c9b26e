"""Extreme classification: sparse rows with any number of labels, in the text of the public repository."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from lshexp.arrays import CSR
from lshexp.data._own import require_plain_path
from lshexp.data._rows import MOST_FEATURES, Piece, label_numbers, parse_piece, shown, sort_rows
from lshexp.data.base import Dataset, DatasetInfo, Part, Splits, freeze
from lshexp.data.files import Stamp, contents_digest, find_file, find_own_file, stamp
from lshexp.data.reading import LINES_BYTES, line_blocks, read_start, require_memory
from lshexp.errors import DataError
from lshexp.registry import register

MOST_LABELS = 10_000_000
MOST_ROWS = 1_000_000_000
LONGEST_HEADER = 100  # bytes
LONGEST_ROW = 16 << 20  # bytes of a line
ENTRY_BYTES, ROW_BYTES = 8, 8  # of a number and its column; of a row's place
SPLITS = ("train", "test")
_REMEMBERED = 64  # files that have been counted


class XcHeader(NamedTuple):
    """The first line of a file."""

    rows: int
    features: int
    labels: int


class Amounts(NamedTuple):
    """What a file holds at most, by its punctuation: lines after the header, features, labels."""

    lines: int
    entries: int
    labels: int


class XcCorpus(NamedTuple):
    """A set with sizes that are known without its files."""

    train: int
    test: int
    features: int
    labels: int
    origin: str


CORPORA = {
    "delicious": XcCorpus(
        12_920, 3_185, 500, 983,
        "Delicious: tags of web pages (Tsoumakas, Katakis and Vlahavas, MMD 2008), Mulan's split",
    ),
    "bibtex": XcCorpus(
        4_880, 2_515, 1_836, 159,
        "Bibtex: tags of publications (Katakis, Tsoumakas and Vlahavas, ECML/PKDD 2008), Mulan's split",
    ),
    "citeulike_t": XcCorpus(
        20_756, 5_188, 20_000, 21_427,
        "citeulike-t: words to tags of articles (Wang, Chen and Li, IJCAI 2013), a fifth to test",
    ),
}  # fmt: skip


@register("dataset", "xc")
class ExtremeClassification(Dataset):
    """Sparse examples with any number of labels, in the extreme-classification repository's text.

    The first line of a file is `rows features labels`; each other line is `l1,l2,... f:v f:v ...`, ids from
    0, features in any order, and begins with a space or a feature where an example has no label. Files may
    be packed (.gz, .bz2, .xz). See Bhatia et al., "The extreme classification repository", 2016.

    Sets: `delicious` (983 labels), `bibtex` (159) and `citeulike_t` (21,427), read from the folders xc/NAME
    of $LSHEXP_DATA, files train.txt and test.txt; or `own`, any two files of that text, such as those of
    EURLex-4K, Wiki10-31K or Amazon-670K. Examples stay in the order of the file, and `validation_examples`
    holds out the last of them; examples without labels are kept.
    """

    location_options: ClassVar[tuple[str, ...]] = ("path", "test_path")
    generated_instead: ClassVar[str | None] = "xc_synthetic"

    corpus: Literal["delicious", "bibtex", "citeulike_t", "own"] = Field(
        default="delicious", description="set to learn from"
    )
    path: str | None = Field(default=None, description="your training file, with corpus: own")
    test_path: str | None = Field(default=None, description="your test file, with corpus: own")
    normalize: bool = Field(
        default=False, description="whether each example is divided by its Euclidean length"
    )

    @model_validator(mode="after")
    def _own_files_have_paths(self) -> ExtremeClassification:
        for text in (self.path, self.test_path):
            require_plain_path(text)
        if (self.corpus == "own") != (self.path is not None and self.test_path is not None):
            raise ValueError("corpus: own, and no other, takes the two files path and test_path")
        if self.corpus != "own" and (self.path or self.test_path):
            raise ValueError(f"path and test_path go with corpus: own, not with corpus: {self.corpus}")
        return self

    def locate(self) -> list[Path]:
        """Return the training file and the test file."""
        if self.corpus == "own":
            return [find_own_file(self.name, text) for text in (self.path, self.test_path) if text]
        names = [[f"{self.corpus}/{split}.txt", f"{self.corpus}/{split}.txt.gz"] for split in SPLITS]
        return [find_file(self.name, spellings, fetched=False) for spellings in names]

    def check_files(self) -> None:
        """Compare the headers with each other and with the number of lines. Raises DataError."""
        for path, header in zip(self.locate(), self._headers(), strict=True):
            _amounts_of(path, header)

    def info(self) -> DatasetInfo:
        """Return the sizes: of a known set without touching it, of your own as the headers give them."""
        if self.corpus == "own":
            train, test = self._headers()
            known = XcCorpus(*train[:1], *test, ", ".join(map(str, self.locate())))
        else:
            known = CORPORA[self.corpus]
        return DatasetInfo(
            features=known.features,
            classes=known.labels,
            train_examples=known.train,
            test_examples=known.test,
            origin=known.origin,
            sparse=True,
            multilabel=True,
            licence="yours" if self.corpus == "own" else "for research; none stated",
        )

    def memory_bytes(self) -> int:
        """Return the memory of both files' numbers, and of the piece that is being parsed."""
        files = zip(self.locate(), self._headers(), strict=True)
        return sum(_held(_amounts_of(path, header)) for path, header in files) + 6 * LINES_BYTES

    def fingerprint(self) -> str:
        """Return a checksum of the files' contents, and whether examples are normalised."""
        return f"{self.name}:{contents_digest(self.locate())}:normalize={self.normalize}"

    def load(self) -> Splits:
        """Read both files.

        Raises DataError, naming file and line, when one is absent, damaged, or too large for the memory.
        """
        files = zip(self.locate(), self._headers(), strict=True)
        train, test = (freeze(read_rows(path, header, self.normalize)) for path, header in files)
        return Splits(train, test)

    def _headers(self) -> list[XcHeader]:
        """The first lines of both files, which must agree with each other and with what is known."""
        paths = self.locate()
        train, test = (read_header(path) for path in paths)
        if train[1:] != test[1:]:
            raise DataError(
                f"{paths[1]}:1: announces {test.features:,} features and {test.labels:,} labels, "
                f"{paths[0]} has {train.features:,} and {train.labels:,}"
            )
        if self.corpus != "own":
            known = CORPORA[self.corpus]
            for path, header, rows in zip(paths, (train, test), known[:2], strict=True):
                published = XcHeader(rows, known.features, known.labels)
                if header != published:
                    raise DataError(
                        f"{path}:1: announces {_times(header)} rows, features and labels, '{self.corpus}' "
                        f"has {_times(published)}; use corpus: own for other files"
                    )
        return [train, test]


def read_header(path: Path) -> XcHeader:
    """Return the three numbers of the first line. Raises DataError where they are something else."""
    line, end, _ = read_start(path, LONGEST_HEADER).partition(b"\n")
    words = line.split()
    if not (len(words) == 3 and all(word.isdigit() for word in words)) or (not end and len(line) > 90):
        raise DataError(f"{path}:1: {shown(line)} is not `rows features labels`, three whole numbers")
    header = XcHeader(*(int(word) for word in words))
    for name, number, most in zip(
        header._fields, header, (MOST_ROWS, MOST_FEATURES, MOST_LABELS), strict=True
    ):
        if not 1 <= number <= most:
            raise DataError(f"{path}:1: announces {number:,} {name}; 1 to {most:,} are read")
    return header


@functools.lru_cache(maxsize=_REMEMBERED)
def amounts(content: Stamp) -> Amounts:
    """Count lines, colons and commas of the file with this stamp, which bounds what it holds."""
    path = Path(content[0])
    lines = colons = commas = 0
    for block in line_blocks(path, LINES_BYTES, LONGEST_ROW):
        lines += block.count(b"\n") + (not block.endswith(b"\n"))
        colons += block.count(b":")
        commas += block.count(b",")
    return Amounts(lines - 1, colons, commas + lines - 1)


def read_rows(path: Path, header: XcHeader, normalize: bool) -> Part:
    """Read a file as examples and labels; arrays of their final size are filled a piece at a time.

    Raises DataError, naming the line, where there are other rows than the header announces, an id is out of
    range or stands twice in a row, or a text is no number.
    """
    most = _amounts_of(path, header)
    require_memory(path, _held(most), f"{header.rows:,} rows with {most.entries:,} features")
    x = _Filled(header.rows, header.features, most.entries)
    y = _Filled(header.rows, header.labels, most.labels)
    for piece, rows in _pieces(path, header):
        lengths, numbers = label_numbers(piece, header.labels)
        ones = np.ones(len(numbers), np.float32)
        for filled, name, counts, columns, values in (
            (x, "feature", piece.lengths, piece.indices, piece.data),
            (y, "label", lengths, numbers, ones),
        ):
            part = CSR(_offsets(counts), columns, values, (len(counts), filled.columns))
            if twice := sort_rows(part):
                raise piece.refusal(twice[0], f"{name} {twice[1]} stands there twice")
            if name == "feature" and normalize:
                _to_unit_length(part)
            filled.append(part, rows)
    return Part(x.take(), y.take())


class _Filled:
    """A CSR whose size is known and whose rows come in pieces."""

    def __init__(self, rows: int, columns: int, most: int) -> None:
        self.columns = columns
        self._indptr = np.zeros(rows + 1, np.int64)
        self._indices, self._data = np.empty(most, np.int32), np.empty(most, np.float32)
        self._rows = 0

    def append(self, part: CSR, rows: int) -> None:
        """Copy the first `rows` rows of a matrix, which hold all its entries."""
        start = self._indptr[self._rows]
        self._indptr[self._rows + 1 : self._rows + rows + 1] = start + part.indptr[1 : rows + 1]
        self._indices[start : start + part.nnz], self._data[start : start + part.nnz] = (
            part.indices,
            part.data,
        )
        self._rows += rows

    def take(self) -> CSR:
        """The whole matrix; what was allocated beyond its entries is never touched."""
        entries = self._indptr[-1]
        shape = (len(self._indptr) - 1, self.columns)
        return CSR(self._indptr, self._indices[:entries], self._data[:entries], shape)


def _pieces(path: Path, header: XcHeader) -> Iterator[tuple[Piece, int]]:
    """Pieces of the file after its first line, and how many of each piece's lines are rows."""
    left, line = header.rows, 2
    for number, block in enumerate(line_blocks(path, LINES_BYTES, LONGEST_ROW)):
        content = block.partition(b"\n")[2] if number == 0 else block
        if not content:
            continue
        piece = parse_piece(path, content, line, 0, header.features, ordered=False, comments=False)
        surplus = (piece.labels[left:, 0] < piece.labels[left:, 1]) | (piece.lengths[left:] > 0)
        if surplus.any():
            raise piece.refusal(
                left + int(surplus.argmax()), f"goes on after the {header.rows:,} rows that line 1 announces"
            )
        rows = min(left, len(piece.lengths))
        left -= rows
        line += len(piece.lengths)
        yield piece, rows


def _amounts_of(path: Path, header: XcHeader) -> Amounts:
    """What the file holds at most. Raises DataError where it has fewer lines than the header announces."""
    found = amounts(stamp(path))
    if found.lines < header.rows:
        raise DataError(f"{path}:1: announces {header.rows:,} rows, the file has {found.lines:,}")
    return found


def _held(most: Amounts) -> int:
    return ENTRY_BYTES * (most.entries + most.labels) + 2 * ROW_BYTES * most.lines


def _offsets(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _to_unit_length(x: CSR) -> None:
    """Divide each row by its Euclidean length, in place; a row of zeros stays so."""
    rows = np.repeat(np.arange(len(x)), x.row_lengths())
    lengths = np.sqrt(np.bincount(rows, weights=np.square(x.data, dtype=np.float64), minlength=len(x)))
    x.data[:] = x.data / np.where(lengths > 0, lengths, 1)[rows]


def _times(header: XcHeader) -> str:
    return " x ".join(f"{number:,}" for number in header)

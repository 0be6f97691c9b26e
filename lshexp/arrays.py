"""Array types of the whole project, and its one sparse container.

A `CSR` holds a sparse float32 matrix as SciPy's `csr_array` does: the examples of a sparse dataset, the input
of a layer whose nodes below are mostly inactive, or the active (example, node) pairs of a layer. A `CSC` is
the same matrix's entries grouped by column. Kernels take the arrays themselves: `kernel(*x.arrays, ...)`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lshexp.buffers import empty

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]  # numbers of nodes, inputs, labels
OffsetArray = NDArray[np.int64]  # positions in other arrays, and numbers of examples
BoolArray = NDArray[np.bool_]


@functools.lru_cache(maxsize=256)
def equal_offsets(length: int, rows: int) -> OffsetArray:
    """Where so many rows of `length` entries each begin and end, int64[rows + 1]; not to be written to.

    They are asked for several times a step, and remembered.
    """
    return np.arange(rows + 1, dtype=np.int64) * length


@dataclass(frozen=True, eq=False, slots=True)
class CSR:
    """A sparse matrix by rows: row i has the columns `indices[indptr[i]:indptr[i + 1]]`.

    A column occurs at most once in a row. Columns ascend where a dataset or `from_dense` made the matrix; the
    active nodes of an example may come in any order. Stored values may be zero.
    """

    indptr: OffsetArray  # int64[rows + 1]
    indices: IntArray  # int32[entries]
    data: FloatArray  # float32[entries]
    shape: tuple[int, int]

    @classmethod
    def from_dense(cls, rows: FloatArray) -> CSR:
        """Keep the entries of float32[n, d] that are not zero."""
        examples, columns = np.nonzero(rows)
        indptr = np.searchsorted(examples, np.arange(len(rows) + 1)).astype(np.int64)
        data = np.ascontiguousarray(rows[examples, columns], dtype=np.float32)
        return cls(indptr, columns.astype(np.int32), data, (rows.shape[0], rows.shape[1]))

    @classmethod
    def from_classes(cls, labels: IntArray, classes: int) -> CSR:
        """Write one label an example, int32[n], as rows of a single 1 in the column of its class."""
        indptr, data = np.arange(len(labels) + 1, dtype=np.int64), np.ones(len(labels), dtype=np.float32)
        return cls(indptr, labels, data, (len(labels), classes))

    @classmethod
    def from_lengths(cls, lengths: NDArray[Any], columns: int) -> CSR:
        """Allocate a matrix whose row i has lengths[i] entries; columns and values are left to be written."""
        indptr = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(lengths, out=indptr[1:])
        entries = int(indptr[-1])
        indices, data = empty(entries, dtype=np.int32), empty(entries, dtype=np.float32)
        return cls(indptr, indices, data, (len(lengths), columns))

    @classmethod
    def of_equal_rows(cls, rows: int, length: int, columns: int) -> CSR:
        """As `from_lengths`, for rows that have `length` entries each."""
        entries = rows * length
        indices, data = empty(entries, dtype=np.int32), empty(entries, dtype=np.float32)
        return cls(equal_offsets(length, rows), indices, data, (rows, columns))

    @property
    def arrays(self) -> tuple[OffsetArray, IntArray, FloatArray]:
        """`indptr`, `indices` and `data`, as kernels take them."""
        return self.indptr, self.indices, self.data

    @property
    def nnz(self) -> int:
        """Number of stored entries, zeros among them included."""
        return len(self.indices)

    @property
    def nbytes(self) -> int:
        """Memory that the three arrays hold, in bytes."""
        return self.indptr.nbytes + self.indices.nbytes + self.data.nbytes

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __getitem__(self, rows: OffsetArray | slice) -> CSR:
        """Copy the rows with these numbers, in this order; the cost is in proportion to what they hold.

        Of a slice without a step the entries are not copied: they are views, as NumPy's are.
        """
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                return self._between(start, max(start, stop))
        numbers = np.arange(len(self))[rows] if isinstance(rows, slice) else rows
        first = self.indptr[numbers]
        indptr = np.zeros(len(numbers) + 1, dtype=np.int64)
        np.cumsum(self.indptr[numbers + 1] - first, out=indptr[1:])
        at = np.arange(indptr[-1]) + np.repeat(first - indptr[:-1], indptr[1:] - indptr[:-1])
        return CSR(indptr, self.indices[at], self.data[at], (len(numbers), self.shape[1]))

    def _between(self, start: int, stop: int) -> CSR:
        first, last = self.indptr[start], self.indptr[stop]
        entries = slice(first, last)
        shape = (stop - start, self.shape[1])
        return CSR(self.indptr[start : stop + 1] - first, self.indices[entries], self.data[entries], shape)

    def with_data(self, data: FloatArray) -> CSR:
        """Return the same entries with other values, float32[entries]."""
        return CSR(self.indptr, self.indices, data, self.shape)

    def where(self, keep: BoolArray) -> CSR:
        """Return only the entries that `keep`, bool[entries], picks."""
        before = np.concatenate(([0], np.cumsum(keep)))
        return CSR(before[self.indptr], self.indices[keep], self.data[keep], self.shape)

    def row_lengths(self) -> OffsetArray:
        """Number of entries of each row, int64[rows]."""
        return self.indptr[1:] - self.indptr[:-1]  # `np.diff` takes several times as long

    def to_dense(self) -> FloatArray:
        """All entries, float32[rows, columns], zero where none is stored."""
        dense = np.zeros(self.shape, dtype=np.float32)
        dense[np.repeat(np.arange(len(self)), self.row_lengths()), self.indices] = self.data
        return dense


class BSR(CSR):
    """A sparse matrix whose entries come in blocks of b neighbouring columns, as SciPy's `bsr_array`.

    Row i has the blocks `blocks[block_indptr[i]:block_indptr[i + 1]]`; block k holds columns k * b to
    k * b + b - 1, and `data` their values, b a block. The columns of a matrix are a whole number of blocks,
    of which the last may reach beyond the nodes of a layer; values there are zero. It can be used wherever
    a CSR can: `indptr` and `indices` list every column, and are made when they are first asked for.
    """

    __slots__ = ("block", "block_indptr", "blocks")

    block: int  # b
    block_indptr: OffsetArray  # int64[rows + 1]
    blocks: IntArray  # int32[blocks]

    def __init__(self, block_indptr: OffsetArray, blocks: IntArray, data: FloatArray, columns: int) -> None:
        """`data`: float32[blocks, b]; `columns`: at least those of the matrix."""
        block = data.shape[1]
        shape = (len(block_indptr) - 1, whole_blocks(columns, block) * block)
        values = {"block": block, "block_indptr": block_indptr, "blocks": blocks, "shape": shape}
        for name, value in (values | {"data": data.reshape(-1)}).items():
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        value: Any
        if name == "indptr":
            value = self.block_indptr * self.block
        elif name == "indices":
            first = self.blocks[:, None] * np.int32(self.block)
            value = empty((len(first), self.block), dtype=np.int32)
            value = np.add(first, np.arange(self.block, dtype=np.int32), out=value).reshape(-1)
        else:
            raise AttributeError(name)
        object.__setattr__(self, name, value)
        return value

    def _between(self, start: int, stop: int) -> BSR:
        first, last = self.block_indptr[start], self.block_indptr[stop]
        indptr = self.block_indptr[start : stop + 1] - first
        return BSR(indptr, self.blocks[first:last], self.by_block[first:last], self.shape[1])

    def __reduce__(self) -> tuple[Any, ...]:
        return BSR, (self.block_indptr, self.blocks, self.by_block, self.shape[1])

    @property
    def by_block(self) -> FloatArray:
        """The values of each block, float32[blocks, b], a view."""
        return self.data.reshape(-1, self.block)

    @property
    def nnz(self) -> int:
        """Number of stored entries, zeros among them included."""
        return len(self.data)

    def __len__(self) -> int:
        return len(self.block_indptr) - 1


def whole_blocks(columns: int, block: int) -> int:
    """Blocks that so many columns fill, the last one perhaps in part."""
    return -(-columns // block)


ALL_COLUMNS: IntArray = np.empty(0, dtype=np.int32)


class CSC(NamedTuple):
    """The entries of a CSR grouped by column: group j has `indices[indptr[j]:indptr[j + 1]]`.

    Group j is column j; or, of a matrix with so many columns that not even their number is to be a cost,
    column `columns[j]`, and columns without entries have no group.
    """

    indptr: OffsetArray  # int64[groups + 1]
    indices: IntArray  # int32[entries], row numbers, ascending within a group
    positions: IntArray  # int32[entries], where each entry stands in the arrays of the CSR
    columns: IntArray = ALL_COLUMNS  # int32[groups] where they are listed; empty: all columns, in their order

    def column_lengths(self) -> OffsetArray:
        """Number of entries of each group, int64[groups]."""
        return self.indptr[1:] - self.indptr[:-1]

    def entry_columns(self) -> IntArray:
        """Column of each entry, int32[entries]."""
        every = np.arange(len(self.indptr) - 1, dtype=np.int32)
        return np.repeat(self.columns if len(self.columns) else every, self.column_lengths())

    def filled_columns(self) -> IntArray:
        """Columns that have an entry, int32[:], ascending."""
        filled = np.flatnonzero(self.column_lengths()).astype(np.int32)
        return np.sort(self.columns[filled]) if len(self.columns) else filled


def like(arrays: Mapping[str, NDArray[Any]], name: str, known: NDArray[Any]) -> Any:
    """The array of this name, of the same shape and type as a known one.

    Raises KeyError when there is none, ValueError when it has another shape or type.
    """
    array = arrays[name]
    if array.shape != known.shape or array.dtype != known.dtype:
        raise ValueError(
            f"'{name}' is {array.dtype} {array.shape}, where {known.dtype} {known.shape} is wanted"
        )
    return array


Inputs = FloatArray | CSR  # a batch of examples, or a layer's input: float32[B, D] in either form
Targets = IntArray | CSR  # labels: one class an example, int32[B], or any number, CSR[B, classes] of ones


def joined(inputs: Sequence[Inputs]) -> Inputs:
    """The inputs of several batches as one."""
    rows = [part for part in inputs if not isinstance(part, CSR)]
    if len(rows) == len(inputs):
        return np.concatenate(rows)
    parts = [part if isinstance(part, CSR) else CSR.from_dense(part) for part in inputs]
    joined = CSR.from_lengths(np.concatenate([part.row_lengths() for part in parts]), parts[0].shape[1])
    np.concatenate([part.indices for part in parts], out=joined.indices)
    np.concatenate([part.data for part in parts], out=joined.data)
    return joined


def beside(a: CSR, b: CSR) -> tuple[CSR, BoolArray]:
    """Rows of `a` with those of `b` after them, row by row; and which entries are `a`'s, bool[entries].

    The columns are not shifted: one that both rows have is there twice.
    """
    lengths = np.column_stack([a.row_lengths(), b.row_lengths()])
    both = CSR.from_lengths(lengths.sum(axis=1), a.shape[1])
    of_a = np.repeat(np.tile([True, False], len(a)), lengths.ravel())
    for part, mine in ((a, of_a), (b, ~of_a)):
        both.indices[mine], both.data[mine] = part.indices, part.data
    return both, of_a

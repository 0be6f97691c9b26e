"""Densified winner-take-all hashing."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
from pydantic import Field, field_validator

from lshexp.arrays import CSR, FloatArray, Inputs, IntArray
from lshexp.buffers import empty
from lshexp.hashing.base import Codes, Hasher, HashFamily, Query
from lshexp.kernels.parallel import all_threads, balanced_bounds
from lshexp.kernels.winners import winner_codes, winner_codes_cost
from lshexp.registry import register
from lshexp.streams import stream, stream_key
from lshexp.work import LayerWork, Work, elementwise, indexed


@register("hash", "dwta")
class Dwta(HashFamily):
    """Which of a few random inputs is the largest (Yagnik et al., 2011; Chen & Shrivastava, 2018).

    A hash looks at `window` inputs and gives log2(window) bits; the K bits of a table are
    those of several hashes, the last of which looks at fewer inputs where K does not divide evenly. Vectors
    agree on a hash as often as they agree on the largest of `window` random inputs: codes depend on the order
    of values only, so that scale and every increasing map leave them alone. It takes comparisons and no
    multiplication. Zeros are absent values, windows without any value borrow from others. Biases are left
    out, and there are no margins to probe by.
    """

    has_margins: ClassVar[bool] = False

    window: int = Field(default=8, ge=2, le=1024, description="inputs that a hash looks at; a power of two")

    @field_validator("window")
    @classmethod
    def _power_of_two(cls, value: int) -> int:
        if value & (value - 1):
            raise ValueError("must be a power of two")
        return value

    def draw(self, K: int, L: int, nodes: int, fan_in: int, key: int) -> Hasher:
        """Draw windows for L tables of K bits."""
        bits = self.window.bit_length() - 1
        whole, rest = divmod(K, bits)
        sizes = [(self.window, whole * L)] * (whole > 0) + [(2**rest, L)] * (rest > 0)
        return _Winners([_draw_windows(w, n, fan_in, stream_key(key, "windows", w)) for w, n in sizes], L)


class _Windows(NamedTuple):
    """Hashes of one window size, so many of them, in windows of random orders of the inputs."""

    size: int
    hashes: int
    positions: IntArray  # int32[orders, fan-in]
    key: np.uint64


def _draw_windows(size: int, hashes: int, fan_in: int, key: int) -> _Windows:
    orders = -(-hashes // max(1, fan_in // size))
    random = stream(key, "orders")
    positions = np.array([random.permutation(fan_in) for _ in range(orders)], dtype=np.int32)
    return _Windows(size, hashes, positions, np.uint64(key))


class _Winners(Hasher):
    def __init__(self, windows: list[_Windows], tables: int) -> None:
        self._windows = windows
        self._tables = tables

    def hash_nodes(self, weights: FloatArray, bias: FloatArray, ids: IntArray, work: LayerWork) -> Codes:
        rows = weights[ids]
        work.count("rebuild", indexed(rows.size, ids.nbytes))
        return self._codes(_stored(rows, work, "rebuild"), work, "rebuild")

    def hash_inputs(self, inputs: Inputs, work: LayerWork, follow: bool = False) -> Query:
        sparse = inputs if isinstance(inputs, CSR) else _stored(inputs, work, "select")
        codes = self._codes(sparse, work, "select")
        return Query(codes, empty((*codes.shape, 0), dtype=np.float32))

    def _codes(self, sparse: CSR, work: LayerWork, phase: str) -> Codes:
        """Bits of each table's hashes side by side, uint32[B, L]."""
        examples = len(sparse)
        packed = np.zeros((examples, self._tables), dtype=np.uint32)
        work.count(phase, Work(0, 0, packed.nbytes))
        for size, n_hashes, positions, key in self._windows:
            codes = empty((examples, n_hashes), dtype=np.uint32)
            bounds = balanced_bounds(sparse.indptr, all_threads())
            winners = codes.view(np.int32)
            touched = winner_codes(*sparse.arrays, positions, size, key, bounds, winners)
            work.count(phase, winner_codes_cost(sparse.indices, positions, winners, touched))
            for column in np.split(codes, n_hashes // self._tables, axis=1):
                packed = (packed << np.uint32(size.bit_length() - 1)) | column
            work.count(phase, elementwise(codes.size) + elementwise(codes.size, 2))  # shifted, and joined
        return packed


def _stored(rows: FloatArray, work: LayerWork, phase: str) -> CSR:
    """Rows float32[N, D] as their entries that are not zero: all are looked at, and those are taken."""
    sparse = CSR.from_dense(rows)
    work.count(phase, Work(0, 0, 4 * rows.size) + indexed(sparse.nnz, 16 * sparse.nnz))
    return sparse

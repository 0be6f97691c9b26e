"""Examples of which most features are zero: only the others are kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lshexp.kernels.ragged import Lists, even_bounds, scatter_rows


@dataclass(frozen=True, eq=False, slots=True)
class SparseRows:
    """Compressed rows: slots starts[i]..starts[i + 1] - 1 hold the features and values of example i.

    Where only shapes, lengths and choosing examples matter, it stands in for the dense array of a `Part`;
    the network alone looks inside.

    starts: int64[n + 1]; ids: int32[P], ascending within a row; values: float32[P], none of them zero.
    """

    starts: NDArray[np.int64]
    ids: NDArray[np.int32]
    values: NDArray[np.float32]
    features: int

    @property
    def shape(self) -> tuple[int, int]:
        """Examples and features, as of the array that this stands for."""
        return len(self), self.features

    @property
    def nbytes(self) -> int:
        """Memory that is held."""
        return self.starts.nbytes + self.ids.nbytes + self.values.nbytes

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, which: NDArray[np.int64] | slice) -> SparseRows:
        """Copy the examples with these numbers, in this order; cost in proportion to what they hold."""
        examples = np.arange(len(self))[which] if isinstance(which, slice) else which
        first = self.starts[examples]
        starts = np.zeros(len(examples) + 1, dtype=np.int64)
        np.cumsum(self.starts[examples + 1] - first, out=starts[1:])
        at = np.arange(starts[-1]) + np.repeat(first - starts[:-1], np.diff(starts))
        return SparseRows(starts, self.ids[at], self.values[at], self.features)

    def lists(self) -> Lists:
        """The same rows as the first layer reads them."""
        return Lists(self.starts, self.ids, self.values)

    def dense(self) -> NDArray[np.float32]:
        """All features, float32[n, features]."""
        rows = np.empty(self.shape, dtype=np.float32)
        scatter_rows(self.starts, self.ids, self.values, even_bounds(len(self), 1), rows)
        return rows


def as_sparse(x: object) -> SparseRows | None:
    """Return the examples of a part where they are sparse rows, None where they are an array."""
    return x if isinstance(x, SparseRows) else None

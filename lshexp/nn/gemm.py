"""Dense matrix products through BLAS, in blocks that do not depend on the thread count.

Each product is cut into fixed column blocks. BLAS computes a block on one thread; the calling thread and
those of a pool take the blocks in turn. Every sum is therefore formed in the same order at any number of
threads, which a BLAS left to thread itself does not promise.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from lshexp.arrays import FloatArray
from lshexp.buffers import empty, release
from lshexp.work import Work, matrix_product

BLOCK = 256  # columns of a result computed by one call


@functools.cache
def _libraries() -> ThreadpoolController:
    """The numerical libraries that are loaded, looked for once, as that takes milliseconds."""
    return ThreadpoolController()


class Gemm:
    """A context in which BLAS itself is held to one thread and `threads` threads share the blocks."""

    def __init__(self, threads: int) -> None:
        self._helpers = threads - 1  # beside the thread that calls
        self._pool = ThreadPoolExecutor(self._helpers, thread_name_prefix="gemm") if threads > 1 else None
        self._limits: Any = _libraries().limit(limits=1, user_api="blas")

    def __enter__(self) -> Gemm:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()
        if self._limits is not None:
            self._limits.restore_original_limits()
        release()  # memory kept for the next step: after the last one nobody asks for it

    def __getstate__(self) -> dict[str, object]:
        """What a copy has: neither workers nor limits, so that it computes on the calling thread."""
        return {"_helpers": 0, "_pool": None, "_limits": None}

    def scores(self, x: FloatArray, weights: FloatArray, bias: FloatArray) -> FloatArray:
        """Return x @ weights.T + bias: float32[B, N] from float32[B, D], float32[N, D] and float32[N]."""
        out = empty((len(x), len(weights)), dtype=np.float32)

        def block(a: int, b: int) -> None:
            np.matmul(x, weights[a:b].T, out=out[:, a:b])
            out[:, a:b] += bias[a:b]

        self._share(len(weights), block)
        return out

    def product(self, rows: FloatArray, matrix: FloatArray) -> FloatArray:
        """Return rows @ matrix: float32[B, M] from float32[B, N] and float32[N, M]."""
        out = empty((len(rows), matrix.shape[1]), dtype=np.float32)
        self._share(matrix.shape[1], lambda a, b: np.matmul(rows, matrix[:, a:b], out=out[:, a:b]))
        return out

    def input_gradient(self, deltas: FloatArray, weights: FloatArray) -> FloatArray:
        """Return deltas @ weights: float32[B, D]."""
        return self.product(deltas, weights)

    def weight_gradient(self, deltas: FloatArray, x: FloatArray) -> FloatArray:
        """Return deltas.T @ x: float32[N, D]."""
        out = empty((deltas.shape[1], x.shape[1]), dtype=np.float32)
        self._share(deltas.shape[1], lambda a, b: np.matmul(deltas[:, a:b].T, x, out=out[a:b]))
        return out

    def _share(self, columns: int, block: Callable[[int, int], object]) -> None:
        """Compute all blocks: whichever thread is free takes the next one, the calling thread among them."""
        spans = [(a, min(a + BLOCK, columns)) for a in range(0, columns, BLOCK)]
        left = iter(spans)

        def compute() -> None:
            for a, b in left:
                block(a, b)

        helpers = min(self._helpers, len(spans) - 1)
        helping = [self._pool.submit(compute) for _ in range(helpers)] if self._pool else []
        compute()
        for helper in helping:
            helper.result()


def scores_cost(examples: int, fan_in: int, nodes: int) -> Work:
    """A product, and the biases added to it in place; biases are the sums' start and add no addition."""
    return matrix_product(examples, fan_in, nodes) + Work(0, 0, 4 * nodes * (2 * examples + 1))

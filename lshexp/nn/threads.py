"""How many threads kernels use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numba

from lshexp.errors import ConfigError, Problem


def most_threads() -> int:
    """Return how many threads Numba may start."""
    return int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]


@contextmanager
def using_threads(threads: int) -> Iterator[None]:
    """Set Numba's thread count and put it back.

    Raises ConfigError when more threads are asked for than Numba may start.
    """
    most = most_threads()
    if threads > most:
        message = f"{threads} is more than the {most} this machine offers; set NUMBA_NUM_THREADS to force it"
        raise ConfigError([Problem(("threads",), message)])
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        yield
    finally:
        numba.set_num_threads(before)

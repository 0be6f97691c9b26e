"""Two classes that any network tells apart, for tests of the bench; its processes import this module."""

from __future__ import annotations

import numpy as np

from lshexp.data.base import Part, Splits


def brightness(n):
    """Examples of the second class are bright where those of the first are dark."""
    x = np.random.default_rng(n).random((n, 784), dtype=np.float32) * 0.1
    y = (np.arange(n) % 2).astype(np.int32)
    x[y == 1, :200] += 0.5
    return Part(x, y)


def bright():
    """Splits and the number of classes, as the bench loads digits."""
    return Splits(brightness(160), brightness(40)), 2


def mislabelled():
    """Test labels that have nothing to do with the examples."""
    labels = np.ones(40, np.int32)
    labels[:20] = 0
    return Splits(brightness(160), Part(brightness(40).x, labels)), 2

"""Files in the format of the Convex and Rectangles sets, for tests that read them."""

from __future__ import annotations

import numpy as np


def rows(examples, seed=0):
    random = np.random.default_rng(seed)
    x = np.where(random.random((examples, 784)) < 0.5, 0, random.random((examples, 784)))
    return np.column_stack([x, np.arange(examples) % 2])


def text(table):
    return "".join(" ".join(f"{value:.10e}" for value in row) + " \n" for row in table).encode()

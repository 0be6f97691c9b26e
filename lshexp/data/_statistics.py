"""What kind of numbers a dataset holds: class balance, mean, non-zeros, principal spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lshexp.data.base import Dataset, Part

EXAMPLES = 5_000  # enough for two digits of every figure
COMPONENTS = (1, 8, 32)  # of whose variance the share is told; a sketch hashes 16 and ranks by 32


@dataclass(frozen=True)
class Statistics:
    """Figures of `examples` training examples, evenly spaced; all shares in per cent."""

    examples: int
    smallest_class_pct: float
    largest_class_pct: float
    mean: float
    nonzero_pct: float
    variance_pct: tuple[float, ...]  # in the first COMPONENTS principal components


def statistics(dataset: Dataset) -> Statistics:
    """Look at up to EXAMPLES training examples. Raises DataError when they cannot be read."""
    part = dataset.sample(EXAMPLES)
    ids = np.unique(np.linspace(0, len(part.y) - 1, EXAMPLES).astype(np.int64))
    return describe(Part(part.x[ids], part.y[ids]), dataset.info().classes)


def describe(part: Part, classes: int) -> Statistics:
    """Return the figures of all examples of a part that is not empty; classes of 0..classes-1."""
    balance = np.bincount(part.y, minlength=classes) * (100 / len(part.y))
    return Statistics(
        examples=len(part.y),
        smallest_class_pct=float(balance.min()),
        largest_class_pct=float(balance.max()),
        mean=float(part.rows.mean(dtype=np.float64)),
        nonzero_pct=100 * float(np.count_nonzero(part.rows)) / part.rows.size,
        variance_pct=_spectrum(part),
    )


def _spectrum(part: Part) -> tuple[float, ...]:
    """Per cent of the variance in the first principal components; 100 where nothing varies.

    The eigenvalues are those of the smaller of the covariance and the Gram matrix.
    """
    centred = part.rows - part.rows.mean(axis=0)
    examples, features = centred.shape
    gram = centred.T @ centred if features <= examples else centred @ centred.T
    variances = np.maximum(np.linalg.eigvalsh(gram.astype(np.float64))[::-1], 0)
    total = variances.sum()
    return tuple(100 * float(variances[:count].sum() / total) if total else 100.0 for count in COMPONENTS)

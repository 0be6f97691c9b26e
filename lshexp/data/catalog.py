"""Every registered dataset: whether it can be read, whether its files are whole, what numbers it holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lshexp import registry
from lshexp.arrays import CSR, Inputs
from lshexp.data.base import Dataset, DatasetInfo, Part
from lshexp.data.files import recorded_at
from lshexp.errors import ConfigError, DataError

EXAMPLES = 5_000  # enough for two digits of every figure
SPARSE_EXAMPLES = 1_000  # of a sparse dataset: what takes a product of each with each
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
    most = SPARSE_EXAMPLES if isinstance(part.x, CSR) else EXAMPLES
    return describe(
        part.batch(np.unique(np.linspace(0, part.size - 1, most).astype(np.int64))), dataset.info().classes
    )


def describe(part: Part, classes: int) -> Statistics:
    """Return the figures of all examples of a part that is not empty; classes of 0..classes-1.

    A multi-label example counts for each of its labels.
    """
    labels = part.y.indices if isinstance(part.y, CSR) else part.y
    balance = np.bincount(labels, minlength=classes) * (100 / part.size)
    cells = part.size * part.features
    stored = part.x.data if isinstance(part.x, CSR) else part.x
    return Statistics(
        examples=part.size,
        smallest_class_pct=float(balance.min()),
        largest_class_pct=float(balance.max()),
        mean=float(stored.sum(dtype=np.float64) / cells),
        nonzero_pct=100 * float(np.count_nonzero(stored)) / cells,
        variance_pct=_spectrum(part.x),
    )


def _spectrum(x: Inputs) -> tuple[float, ...]:
    """Per cent of the variance in the first principal components; 100 where nothing varies.

    The eigenvalues are those of the smaller of the covariance and the Gram matrix; of sparse examples, which
    stay so, of the Gram matrix.
    """
    if isinstance(x, CSR):
        from scipy.sparse import csr_array

        rows = csr_array((x.data.astype(np.float64), x.indices, x.indptr), shape=x.shape)
        gram = (rows @ rows.T).toarray()
        gram -= gram.mean(axis=0)
        gram -= gram.mean(axis=1)[:, None]
    else:
        centred = x - x.mean(axis=0)
        gram = centred.T @ centred if x.shape[1] <= len(x) else centred @ centred.T
    variances = np.maximum(np.linalg.eigvalsh(gram.astype(np.float64))[::-1], 0)
    total = variances.sum()
    return tuple(100 * float(variances[:count].sum() / total) if total else 100.0 for count in COMPONENTS)


@dataclass(frozen=True)
class Entry:
    """One dataset; `dataset` and `info` are None where options without a default must be given."""

    name: str
    summary: str
    state: str  # "generated", "present", "absent", or "give a path"
    dataset: Dataset | None
    info: DatasetInfo | None

    def statistics(self) -> Statistics | None:
        """Return the figures of a dataset that is there. Raises DataError when it is damaged."""
        if self.dataset is None or self.state == "absent":
            return None
        return statistics(self.dataset)


def catalog() -> list[Entry]:
    """Return all datasets by name. No example is read or drawn."""
    return [_entry(name, cls.summary()) for name, cls in registry.datasets.discover().items()]


def _entry(name: str, summary: str) -> Entry:
    try:
        dataset = registry.datasets.build(name)
    except ConfigError:
        return Entry(name, summary, "give a path", None, None)
    state = "absent" if not is_there(dataset) else "present" if dataset.locate() else "generated"
    return Entry(name, summary, state, dataset, dataset.info())


def is_there(dataset: Dataset) -> bool:
    """Tell whether every file of a dataset is found; none is read."""
    try:
        dataset.locate()
    except DataError:
        return False
    return True


def check(dataset: Dataset) -> str:
    """Read every file of a dataset and say in one line what that has shown.

    Raises DataError when a file is absent, damaged, or not the published one.
    """
    files = dataset.locate()
    if not files:
        return "generated, there is no file to verify"
    train, test = dataset.load()
    folders = ", ".join(sorted({str(file.parent) for file in files}))
    found = f"{train.size:,} + {test.size:,} examples from {len(files)} files in {folders}"
    if dataset.pinned:
        return f"as published: {found}"
    if all(recorded_at(file).exists() for file in files):
        return f"as first fetched: {found}"
    return f"readable, no checksum is known to compare with: {found}"

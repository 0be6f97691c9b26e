"""Every registered dataset at its default options: what is known of it, and whether it can be read."""

from __future__ import annotations

from dataclasses import dataclass

from lshexp.data._checksums import recorded_at
from lshexp.data._statistics import Statistics, statistics
from lshexp.data.base import Dataset, DatasetInfo
from lshexp.errors import ConfigError, DataError
from lshexp.registry import build, discover


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
    return [_entry(name, cls.summary()) for name, cls in discover("dataset").items()]


def _entry(name: str, summary: str) -> Entry:
    try:
        dataset = build("dataset", name)
    except ConfigError:
        return Entry(name, summary, "give a path", None, None)
    assert isinstance(dataset, Dataset)  # what the kind registers
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

"""Datasets: what there is, what they hold, what was made of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from lshexp.errors import DataError
from lshexp.render._console import err, out, print_table, say

if TYPE_CHECKING:
    from lshexp.data.catalog import Entry
    from lshexp.data.fetch import Watcher

ABSENT = "-"


def datasets(entries: list[Entry]) -> None:
    """Print what is known of each dataset without reading it."""
    rows, origins = [], []
    for entry in entries:
        info = entry.info
        if info is None:
            rows.append([entry.name, entry.state, *[ABSENT] * 4])
            origins.append([entry.name, entry.summary])
            continue
        sizes = (info.train_examples, info.test_examples, info.features, info.classes)
        rows.append([entry.name, entry.state, *(f"{size:,}" for size in sizes)])
        origins.append([entry.name, f"{info.origin}; licence: {info.licence}"])
    print_table(["dataset", "data", "train", "test", "features", "classes"], rows, text=2)
    print_table(["dataset", "origin and licence"], origins, text=2)


def statistics(entries: list[Entry]) -> None:
    """Print the figures of the datasets that are there; what cannot be read says so on stderr."""
    from lshexp.data.catalog import COMPONENTS

    names = ["dataset", "examples", "smallest class %", "largest class %", "mean", "non-zero %"]
    names += [f"variance in first {count} %" for count in COMPONENTS]
    rows = []
    for entry in entries:
        try:
            found = entry.statistics()
        except DataError as error:
            say(f"{entry.name}: {error}")
            continue
        if found is None:
            continue
        shares = (found.smallest_class_pct, found.largest_class_pct)
        row = [entry.name, f"{found.examples:,}", *(f"{share:.1f}" for share in shares), f"{found.mean:.3f}"]
        rows.append([*row, f"{found.nonzero_pct:.1f}", *(f"{share:.1f}" for share in found.variance_pct)])
    print_table(names, rows, title="Of the first training examples:")


def verified(name: str, what: str) -> None:
    """Print what verifying a dataset has shown."""
    out().print(f"{name}: {what}", markup=False)


def fetched(name: str, paths: list[Path], new: bool) -> None:
    """Tell which files are there now."""
    how = "fetched" if new else "already there"
    say(f"{name}: {how}: {', '.join(str(path) for path in paths)}")


@contextmanager
def downloads() -> Iterator[Watcher]:
    """Give a watcher that shows a bar for each file on a terminal, and a line for each elsewhere."""
    console = err()
    if not console.is_terminal:
        started: set[str] = set()

        def say(file: str, done: int, total: int | None) -> None:
            if file not in started:
                started.add(file)
                size = "" if total is None else f", {total:,} bytes"
                console.print(f"fetching {file}{size}", markup=False)

        yield say
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(file: str, done: int, total: int | None) -> None:
            if file not in tasks:
                tasks[file] = bars.add_task(file, total=total)
            bars.update(tasks[file], completed=done, total=total)

        yield show


def written(path: Path, what: str) -> None:
    """Tell that a file was written, and what it holds."""
    say(f"{path}: {what}")

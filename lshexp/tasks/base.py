"""What a task is: from the specification of a run to its result.

Every task has the sweep language, records, resuming and tables of the project. What it measures beside what
all runs have goes into a table of its own: rows of one dataclass, whose fields become columns.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from lshexp import registry
from lshexp.data.base import DatasetInfo
from lshexp.nn.result import Cell, Reporter, RunResult
from lshexp.registry import Plugin
from lshexp.spec import RunSpec


class RunTask(Plugin):
    """Base of every registered task.

    `table` names its CSV file, without the ending, and `row` the dataclass of its rows, whose fields are made
    by `column`; `keys` are those that tell the rows of a run apart, all others are measured. `shown` are the
    measured columns that a page has room for. A task without a table has none of these. `keeps_network` tells
    whether it trains a network that `save` could keep.
    """

    keeps_network: ClassVar[bool] = True
    table: ClassVar[str | None] = None
    keys: ClassVar[tuple[str, ...]] = ()
    shown: ClassVar[tuple[str, ...]] = ()
    row: ClassVar[type[Any] | None] = None

    def check(self, spec: RunSpec, info: DatasetInfo) -> None:
        """Raise ConfigError when a run of this specification and dataset cannot be of this task."""

    @abstractmethod
    def run(self, spec: RunSpec, report: Reporter | None = None, keep: Path | None = None) -> RunResult:
        """Do the run, which has been checked; `keep` names the file for its trained network, if any.

        Raises ConfigError when the machine cannot run the specification, DataError when the data cannot be
        read, StoreError when the network cannot be written.
        """


def column(meaning: str) -> Any:
    """Describe a field of a task's row, as `lshexp list columns` shows it."""
    return dataclasses.field(metadata={"meaning": meaning})


def cells(row: Any) -> dict[str, Cell]:
    """Turn a row into cells by the name of their columns."""
    return dataclasses.asdict(row)


def result_of(
    rows: list[dict[str, Cell]], measures: dict[str, float], diverged: str | None = None
) -> RunResult:
    """The result of a run that trains no network; `diverged` says in one line what did, if anything."""
    return RunResult(
        status="diverged" if diverged else "ok", error=diverged, epochs=[], work=[],
        mults_dense=0, mults_paper=0, mults_dense_paper=0,
        active_by_layer_pct=[], compile_s=0.0, peak_rss_mb=None, init_hash="", order_hash="",
        task_rows=rows, measures=measures,
    )  # fmt: skip


def run(spec: RunSpec, report: Reporter | None = None, keep: Path | None = None) -> RunResult:
    """Do a run: its task decides how. Raises ConfigError, DataError and StoreError as tasks do."""
    task = registry.tasks.build(spec.task, spec.task_options)
    task.check(spec, registry.datasets.build(spec.dataset, spec.dataset_options).info())
    return task.run(spec, report, keep)

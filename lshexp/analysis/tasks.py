"""What tasks found, in short: means over the repeats of each configuration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from lshexp import registry
from lshexp.analysis.figures.lines import labelled
from lshexp.analysis.results import Results


class TaskTable(NamedTuple):
    """A task's table over the runs of one configuration, a row for each value of the task's keys."""

    task: str
    title: str  # data, network and label of the configuration
    frame: pd.DataFrame  # its keys, then the means of the columns that the task shows


def task_tables_of(results: Results) -> Iterator[TaskTable]:
    """The tables that the tasks of these runs have filled, of runs that ended well."""
    for name, task in registry.tasks.discover().items():
        own = results.tasks.get(task.table or "")
        if own is None or not len(own):
            continue
        runs = labelled(results.runs)[["run_id", "data", "network", "label"]]
        whole = own.merge(runs, on="run_id")
        for (data, network, label), part in whole.groupby(
            ["data", "network", "label"], observed=True, sort=False
        ):
            keys = [key for key in task.keys if part[key].notna().any()]
            shown = [column for column in task.shown if part[column].notna().any()]
            means = part.groupby(keys, dropna=False, observed=True, sort=False)[shown].mean()
            yield TaskTable(name, f"{data}, hidden {network}, {label}", means.reset_index())

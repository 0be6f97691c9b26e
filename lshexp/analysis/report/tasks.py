"""What the tasks of a sweep found."""

from __future__ import annotations

import pandas as pd

from lshexp.analysis.report.sources import SweepResults
from lshexp.analysis.report.view import MISSING, Section, Table
from lshexp.analysis.tasks import task_tables_of


def tasks(sweep: SweepResults) -> list[Section]:
    """A section for each task that has filled a table; none for the plain one."""
    sections: dict[str, list[Table]] = {}
    for found in task_tables_of(sweep.results):
        rows = [[_cell(value) for value in row] for row in found.frame.to_numpy(dtype=object).tolist()]
        table = Table.of(found.title, [str(name) for name in found.frame.columns], rows)
        sections.setdefault(found.task, []).append(table)
    notes = ("Means over seeds.",)
    return [
        Section(name.replace("_", " ").capitalize(), tables=tables, notes=notes)
        for name, tables in sections.items()
    ]


def _cell(value: object) -> str:
    if value is None or value is pd.NA or value != value:
        return MISSING
    return f"{value:.4g}" if isinstance(value, float) else str(value)

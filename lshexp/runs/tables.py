"""The CSV files of a sweep, always rewritten in full: from its records, and from rows without one."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lshexp import registry
from lshexp.energy.base import EnergyModel
from lshexp.io import write_atomic
from lshexp.runs.columns import (
    DATASET_PREFIX,
    ENV,
    EPOCH,
    KEYS,
    MEASURE_PREFIX,
    NOTE_PREFIX,
    OPTION_PREFIX,
    OUTPUT_PREFIX,
    RUN_IDENTITY,
    RUN_OUTCOME,
    SELECTION,
    TASK_PREFIX,
    WORK,
    Cell,
    Column,
    R,
    RunRow,
    flatten,
    task_tables,
    text,
)
from lshexp.runs.record import SCHEMA_VERSION, Record
from lshexp.runs.store import Store
from lshexp.spec import ADDED_LATER, RunSpec

DEFAULT_ENERGY_MODEL = "horowitz45"
MAX_TABLE_BYTES = 2**31

Cells = dict[str, str]


@dataclass(frozen=True)
class OldRows:
    """What the CSV files of a sweep hold, as text, by run id; `env` is by environment id."""

    runs: dict[str, Cells]
    epochs: dict[str, list[Cells]]
    work: dict[str, list[Cells]]
    selection: dict[str, list[Cells]]
    env: dict[str, Cells]
    tasks: dict[str, dict[str, list[Cells]]]  # by the name of the table


def finished_rows(store: Store) -> dict[str, Cells]:
    """Rows of runs.csv, as it is, of the runs that ended `ok` or `diverged`, by run id."""
    rows = _rows_of(store.table_path("runs"))
    return {row.get("run_id", ""): row for row in rows if row.get("status") in ("ok", "diverged")}


def row_ids(store: Store) -> list[str]:
    """Ids of the runs that runs.csv, as it is, has a row of."""
    return [row["run_id"] for row in _rows_of(store.table_path("runs")) if row.get("run_id")]


def read_old_rows(store: Store) -> OldRows:
    """Read the tables as they are; files that are absent, damaged or of another schema have no rows."""
    return OldRows(
        runs={row.get("run_id", ""): row for row in _rows_of(store.table_path("runs"))},
        epochs=_by_run(_rows_of(store.table_path("epochs"))),
        work=_by_run(_rows_of(store.table_path("work"))),
        selection=_by_run(_rows_of(store.table_path("selection"))),
        env={row.get("env_id", ""): row for row in _rows_of(store.table_path("env"))},
        tasks={table: _by_run(_rows_of(store.table_path(table))) for table in task_tables()},
    )


def _by_run(rows: Iterable[Cells]) -> dict[str, list[Cells]]:
    groups: dict[str, list[Cells]] = {}
    for row in rows:
        groups.setdefault(row.get("run_id", ""), []).append(row)
    return groups


def _rows_of(path: Path) -> list[Cells]:
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            return []
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file, restval="") if None not in row]
    except (OSError, ValueError, csv.Error):
        return []
    return [row for row in rows if row.get("schema_version") == str(SCHEMA_VERSION)]


class ResultTables:
    """Rows of the runs of one sweep, kept as text so that each record is formatted once."""

    def __init__(self, store: Store, run_ids: Iterable[str]) -> None:
        self._store = store
        self._order = list(run_ids)
        self._energy = default_energy_model()
        self._runs: dict[str, _RunCells] = {}
        self._epochs: dict[str, str] = {}
        self._work: dict[str, str] = {}
        self._selection: dict[str, str] = {}
        self._envs: dict[str, str] = {}
        self._task_columns = task_tables()
        self._tasks: dict[str, dict[str, str]] = {table: {} for table in self._task_columns}

    def add(self, record: Record) -> None:
        """Take a record in, in place of an older one of the same run; a failure replaces no finished row."""
        if not record.finished and isinstance(self._runs.get(record.run_id), _OldCells):
            return
        result = record.result
        keys = [text(column.value(record)) for column in KEYS]
        self._runs[record.run_id] = _RunCells(record, self._energy)
        self._epochs[record.run_id] = _lines([*keys, *_row(EPOCH, row)] for row in result.epochs)
        self._work[record.run_id] = _lines([*keys, *_row(WORK, row)] for row in result.work)
        self._selection[record.run_id] = _lines([*keys, *_row(SELECTION, row)] for row in result.selection)
        self._envs[record.env.id()] = _lines([_row(ENV, record.env)])
        table = registry.tasks.lookup(record.spec.task).table
        if table:
            columns = self._task_columns[table]
            rows = ([*keys, *_row(columns, row)] for row in result.task_rows)
            self._tasks[table][record.run_id] = _lines(rows)

    def keep(self, old: OldRows, run_ids: Iterable[str]) -> None:
        """Keep the rows of runs that have no finished record here, until they have one."""
        for run_id in run_ids:
            self._runs[run_id] = _OldCells(old.runs[run_id])
            self._epochs[run_id] = _by_name([*KEYS, *EPOCH], old.epochs.get(run_id, []))
            self._work[run_id] = _by_name([*KEYS, *WORK], old.work.get(run_id, []))
            self._selection[run_id] = _by_name([*KEYS, *SELECTION], old.selection.get(run_id, []))
            for table, rows in old.tasks.items():
                own: list[Column[Any]] = [*KEYS, *self._task_columns[table]]
                self._tasks[table][run_id] = _by_name(own, rows.get(run_id, []))
            env_id = old.runs[run_id].get("env_id", "")
            self._envs[env_id] = _by_name(ENV, [old.env[env_id]] if env_id in old.env else [])

    def write(self) -> None:
        """Replace all files, rows in the order of the sweep.

        Without a probe there is no `selection`, and without its task no table of a task.

        Raises StoreError.
        """
        done = [run_id for run_id in self._order if run_id in self._runs]
        self._write("runs", self._runs_csv([self._runs[run_id] for run_id in done]))
        self._write("epochs", _header(KEYS, EPOCH) + "".join(self._epochs[run_id] for run_id in done))
        self._write("work", _header(KEYS, WORK) + "".join(self._work[run_id] for run_id in done))
        self._write_if_any("selection", _header(KEYS, SELECTION), (self._selection[i] for i in done))
        for table, columns in self._task_columns.items():
            rows = (self._tasks[table].get(run_id, "") for run_id in done)
            self._write_if_any(table, _header(KEYS, columns), rows)
        self._write("env", _header(ENV) + "".join(line for _, line in sorted(self._envs.items())))

    def _runs_csv(self, rows: Sequence[_RunCells]) -> str:
        options = sorted({name for row in rows for name in row.options})
        extras = sorted({name for row in rows for name in row.extras})
        header = [
            *(column.name for column in RUN_IDENTITY),
            *options,
            *(column.name for column in RUN_OUTCOME),
            *extras,
        ]
        return _lines([header]) + _lines(row.in_order(options, extras) for row in rows)

    def _write_if_any(self, table: str, header: str, rows: Iterable[str]) -> None:
        content = "".join(rows)
        if content:
            self._write(table, header + content)
        else:
            self._store.remove_table(table)

    def _write(self, table: str, content: str) -> None:
        write_atomic(self._store.table_path(table), content.encode())


class _RunCells:
    """The formatted cells of one row of runs.csv."""

    def __init__(self, record: Record, energy: EnergyModel) -> None:
        row = RunRow(record, energy)
        self.identity = _row(RUN_IDENTITY, row)
        self.outcome = _row(RUN_OUTCOME, row)
        self.options = _texts(flatten(OPTION_PREFIX, {**record.spec.method_options, **record.result.derived}))
        self.extras = _texts(
            flatten(DATASET_PREFIX, record.spec.dataset_options)
            | flatten(OUTPUT_PREFIX, {**record.spec.output_options, **record.result.derived_output})
            | flatten(TASK_PREFIX, record.spec.task_options)
            | flatten(MEASURE_PREFIX, record.result.measures)
            | flatten(NOTE_PREFIX, record.result.notes)
        )

    def in_order(self, options: Sequence[str], extras: Sequence[str]) -> list[str]:
        """The row under a header that may have columns which this run has not."""
        return [
            *self.identity,
            *(self.options.get(name, "") for name in options),
            *self.outcome,
            *(self.extras.get(name, "") for name in extras),
        ]


class _OldCells(_RunCells):
    """The same of a row that was read back."""

    def __init__(self, row: Cells) -> None:
        prefixes = tuple(
            f"{prefix}_"
            for prefix in (DATASET_PREFIX, OUTPUT_PREFIX, TASK_PREFIX, MEASURE_PREFIX, NOTE_PREFIX)
        )
        known = {column.name for column in RUN_OUTCOME}
        self.identity = [_old_cell(row, column.name) for column in RUN_IDENTITY]
        self.outcome = [_old_cell(row, column.name) for column in RUN_OUTCOME]
        self.options = {name: cell for name, cell in row.items() if name.startswith(f"{OPTION_PREFIX}_")}
        self.extras = {
            name: cell for name, cell in row.items() if name.startswith(prefixes) and name not in known
        }


def _old_cell(row: Cells, name: str) -> str:
    """A cell of a row that was read back; a setting that did not exist then has its default."""
    if not row.get(name) and name in ADDED_LATER:
        return text(RunSpec.model_fields[name].get_default(call_default_factory=True))
    return row.get(name, "")


def _texts(cells: dict[str, Cell]) -> Cells:
    return {name: text(cell) for name, cell in cells.items()}


def _row(columns: Sequence[Column[R]], source: R) -> list[str]:
    return [text(column.value(source)) for column in columns]


def _by_name(columns: Sequence[Column[Any]], rows: Iterable[Cells]) -> str:
    return _lines([row.get(column.name, "") for column in columns] for row in rows)


def _header(*groups: Sequence[Column[Any]]) -> str:
    return _lines([[column.name for columns in groups for column in columns]])


def _lines(rows: Iterable[Sequence[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def default_energy_model() -> EnergyModel:
    """The model that prices `energy_proxy_j`."""
    model = registry.energy_models.build(DEFAULT_ENERGY_MODEL)
    if not isinstance(model, EnergyModel):
        raise TypeError(f"{type(model).__name__} is registered as an energy model and is not one")
    return model

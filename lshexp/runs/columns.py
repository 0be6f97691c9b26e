"""The columns of the CSV files: name, type and meaning, each said once.

An empty cell means "not measured", never zero. Units are the end of the name: `_pct` per cent, `_s` seconds,
`_j` joules, `_mb` 10**6 bytes, `_gb` 2**30 bytes; `mults_*` and `adds` are operations, `bytes*` bytes.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

from lshexp import registry
from lshexp.energy.base import EnergyModel
from lshexp.energy.rapl import whole
from lshexp.nn.result import Cell as Cell
from lshexp.nn.result import EpochRow, SelectionRow, WorkRow
from lshexp.runs.environment import Environment
from lshexp.runs.record import SCHEMA_VERSION, Record
from lshexp.spec import RunSpec
from lshexp.work import PHASES, PREDICT, Work

Kind = Literal["text", "category", "int", "float", "bool"]
R = TypeVar("R")
OPTION_PREFIX, DATASET_PREFIX, OUTPUT_PREFIX, NOTE_PREFIX = "p", "dataset", "output", "note"
TASK_PREFIX, MEASURE_PREFIX = "task", "measure"
_PREFIXES = {
    "method_options": OPTION_PREFIX,
    "dataset_options": DATASET_PREFIX,
    "output_options": OUTPUT_PREFIX,
    "task_options": TASK_PREFIX,
}
_ESCAPED = ("=", "+", "-", "@", "\t", "\r", "'")


@dataclass(frozen=True)
class Column(Generic[R]):
    """One column: how pandas is to read it, and where its cell comes from."""

    name: str
    kind: Kind
    value: Callable[[R], Cell]


@dataclass(frozen=True)
class RunRow:
    """A record seen as one row of runs.csv."""

    record: Record
    energy: EnergyModel

    @property
    def last(self) -> EpochRow | None:
        """The last finished epoch."""
        epochs = self.record.result.epochs
        return epochs[-1] if epochs else None

    @cached_property
    def work(self) -> Mapping[str, Work] | None:
        """Work of training by phase over all layers; None when none was counted."""
        if not self.record.result.work:
            return None
        totals = dict.fromkeys(PHASES, Work(0, 0, 0))
        for row in self.record.result.work:
            if row.phase != PREDICT:
                totals[row.phase] += Work(row.mults, row.adds, row.bytes)
        return totals

    @property
    def mults_predict(self) -> int | None:
        """Multiplications of predicting the test examples once; None where they were not counted."""
        counts = [row.mults for row in self.record.result.work if row.phase == PREDICT]
        return sum(counts) if counts else None

    @property
    def total(self) -> Work | None:
        """Work over all layers and phases."""
        return None if self.work is None else sum(self.work.values(), Work(0, 0, 0))

    @property
    def mults_total(self) -> int | None:
        """Multiplications over all layers and phases."""
        return self.total.mults if self.total else None

    def mults(self, phase: str) -> int | None:
        """Multiplications of one phase."""
        return None if self.work is None else self.work[phase].mults

    def of_epochs(self, field: str) -> list[float]:
        """Values of a field of the finished epochs."""
        return [getattr(row, field) for row in self.record.result.epochs]

    def active_pct(self) -> float | None:
        """Active nodes in the last epoch, per cent; where their share falls, over all epochs."""
        shares = self.of_epochs("active_pct_achieved")
        if self.record.spec.active_from is not None and shares:
            return statistics.fmean(shares)
        return shares[-1] if shares else None

    def joules(self) -> float | None:
        """Energy of the counted work under the model."""
        return None if self.total is None else self.energy.joules(self.total)

    def metered(self) -> float | None:
        """A meter's reading of the whole machine, never an estimate; None unless this run was alone."""
        joules = self.record.result.rapl_j
        return whole(joules) if joules is not None and self.record.timing_valid else None

    def measured(self, value: Cell) -> Cell:
        """A value of the result, unless the run failed before it had one."""
        return None if self.record.status == "failed" else value


def share_pct(part: float | None, whole: float | None) -> float | None:
    """100 * part / whole; None where either is unknown or the whole is zero."""
    return None if part is None or not whole else 100 * part / whole


def joined(values: Iterable[object]) -> str:
    """Write a list as one word: `1000-1000`."""
    return "-".join(map(str, values))


def flatten(prefix: str, options: Mapping[str, Any]) -> dict[str, Cell]:
    """Turn nested options into cells: {"hash": {"name": "srp"}} becomes {prefix + "_hash_name": "srp"}."""
    cells: dict[str, Cell] = {}
    for key, value in options.items():
        name = f"{prefix}_{key}"
        if isinstance(value, Mapping):
            cells.update(flatten(name, value))
        else:
            cells[name] = _cell(value)
    return cells


def settings(spec: RunSpec) -> dict[str, Cell]:
    """All settings of a run by the names of their columns; options of the method begin with `p_`."""
    cells: dict[str, Cell] = {}
    for name in RunSpec.model_fields:
        value = getattr(spec, name)
        prefix = _PREFIXES.get(name, name)
        cells.update(flatten(prefix, value) if isinstance(value, Mapping) else {name: _cell(value)})
    return cells


def variant_columns() -> tuple[str, ...]:
    """Columns by whose value readers know the variants of a method."""
    return tuple(f"p_{name}" for name in registry.variants())


def text(cell: Cell) -> str:
    """Write a cell: empty for None, and a number so that reading it back gives the same number.

    Text that a spreadsheet would take for a formula gets an apostrophe before it, and so does text that
    begins with one; see `plain`.
    """
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, str):
        return f"'{cell}" if cell.startswith(_ESCAPED) else cell
    return repr(cell) if isinstance(cell, float) else str(cell)


def plain(cell: str) -> str:
    """Text as it was before `text` wrote it into a cell."""
    return cell.removeprefix("'")


def _cell(value: Any) -> Cell:
    if isinstance(value, list | tuple):
        simple = all(isinstance(item, str | int | float) for item in value)
        return (joined(value) or "none") if simple else json.dumps(value, sort_keys=True)
    cell: Cell = value
    return cell


def _spec(field: str, kind: Kind) -> Column[RunRow]:
    return Column(field, kind, lambda row: getattr(row.record.spec, field))


def _sum(field: str) -> Column[RunRow]:
    return Column(field, "float", lambda row: sum(row.of_epochs(field)) if row.last else None)


def _last(field: str) -> Column[RunRow]:
    return Column(field, "float", lambda row: getattr(row.last, field) if row.last else None)


def _mults(phase: str) -> Column[RunRow]:
    return Column(f"mults_{phase}", "int", lambda row: row.mults(phase))


def _result(field: str, kind: Kind) -> Column[RunRow]:
    return Column(field, kind, lambda row: row.measured(getattr(row.record.result, field)))


# Measures of the test examples beside accuracy, as named in EpochRow.
RANKINGS = tuple(
    field.name
    for field in dataclasses.fields(EpochRow)
    if field.name.startswith("test_") and field.name != "test_acc_pct"
)

RUN_IDENTITY: tuple[Column[RunRow], ...] = (
    Column("schema_version", "int", lambda row: SCHEMA_VERSION),
    Column("run_id", "text", lambda row: row.record.run_id),
    Column("sweep", "category", lambda row: row.record.sweep),
    Column("status", "category", lambda row: row.record.status),
    Column("error", "text", lambda row: row.record.result.error),
    _spec("dataset", "category"),
    _spec("method", "category"),
    Column("hidden", "category", lambda row: joined(row.record.spec.hidden) or "none"),
    _spec("active_pct", "float"),
    _spec("lr", "float"),
    _spec("optimizer", "category"),
    _spec("batch", "int"),
    _spec("epochs", "int"),
    _spec("threads", "int"),
    _spec("update", "category"),
    _spec("seed", "int"),
    _spec("repeat", "int"),
)  # followed by the method's options, p_*

RUN_OUTCOME: tuple[Column[RunRow], ...] = (
    _last("test_acc_pct"),  # after the last finished epoch
    # over all epochs: optimistic, because the test examples choose the epoch
    Column("best_test_acc_pct", "float", lambda row: max(row.of_epochs("test_acc_pct"), default=None)),
    _last("valid_acc_pct"),
    _last("train_loss"),
    Column("active_pct_achieved", "float", lambda row: row.active_pct()),
    *(_mults(phase) for phase in PHASES),
    Column("mults_total", "int", lambda row: row.mults_total),
    _result("mults_dense", "int"),
    Column(
        "mults_pct_of_dense",
        "float",
        lambda row: share_pct(row.mults_total, row.record.result.mults_dense),
    ),
    Column(
        "mults_pct_of_dense_paper",
        "float",
        lambda row: share_pct(row.record.result.mults_paper, row.record.result.mults_dense_paper),
    ),
    Column("bytes_touched", "int", lambda row: row.total.bytes if row.total else None),
    Column("energy_proxy_j", "float", lambda row: row.joules()),
    Column("energy_model", "category", lambda row: None if row.work is None else row.energy.name),
    Column("energy_rapl_j", "float", lambda row: row.metered()),
    _result("compile_s", "float"),
    _sum("select_s"),
    _sum("train_s"),
    _sum("eval_s"),
    _result("peak_rss_mb", "float"),
    Column("timing_valid", "bool", lambda row: row.measured(row.record.timing_valid)),
    _result("init_hash", "text"),
    _result("order_hash", "text"),
    Column("env_id", "category", lambda row: row.record.env.id()),
    Column("started_utc", "text", lambda row: row.record.started_utc),
    _spec("momentum", "float"),
    _spec("train_examples", "int"),
    _spec("test_examples", "int"),
    _spec("validation_examples", "int"),
    _spec("average_from", "int"),
    _spec("active_from", "float"),
    _spec("active_until", "int"),
    _spec("probe", "float"),
    _spec("input", "category"),
    _spec("inputs", "category"),
    _spec("simulate_workers", "int"),
    _spec("skip", "bool"),
    _spec("block", "int"),
    _spec("output_method", "category"),
    _spec("output_active_pct", "float"),
    _spec("tail_pct", "float"),
    _spec("correction", "category"),
    _spec("loss", "category"),
    _spec("tail", "category"),
    _spec("task", "category"),
    Column(
        "active_by_layer_pct", "text", lambda row: row.measured(joined(row.record.result.active_by_layer_pct))
    ),
    Column(
        "predict_mults_pct_of_dense",
        "float",
        lambda row: share_pct(row.mults_predict, row.record.result.mults_dense_predict),
    ),
    _result("predict_us", "float"),
    _result("predict_us_1", "float"),
    *(_last(name) for name in RANKINGS),
    _last("output_active_pct_achieved"),
    _result("mults_predict_retrieved", "int"),
    _result("predict_us_retrieved", "float"),
    _result("predict_us_1_retrieved", "float"),
)  # followed by options of dataset and output, dataset_* and output_*, and the counters of notes, note_*

KEYS: tuple[Column[Record], ...] = (
    Column("schema_version", "int", lambda record: SCHEMA_VERSION),
    Column("run_id", "text", lambda record: record.run_id),
)


def _fields(row_type: type[R], kinds: Mapping[str, Kind]) -> tuple[Column[R], ...]:
    """One column for each field of a dataclass, in its order."""

    def column(name: str) -> Column[R]:
        return Column(name, kinds.get(name, "float"), lambda row: getattr(row, name))

    return tuple(column(field.name) for field in dataclasses.fields(row_type))  # type: ignore[arg-type]


EPOCH: tuple[Column[EpochRow], ...] = _fields(EpochRow, {"epoch": "int", "mults_total": "int"})
WORK: tuple[Column[WorkRow], ...] = _fields(
    WorkRow,
    {"layer": "int", "phase": "category", "mults": "int", "adds": "int", "bytes": "int", "plan": "category"},
)
SELECTION: tuple[Column[SelectionRow], ...] = _fields(
    SelectionRow, dict.fromkeys(("epoch", "layer", "examples", "bucket_max"), "int")
)
TaskRow = Mapping[str, Cell]


def task_tables() -> dict[str, tuple[Column[TaskRow], ...]]:
    """Columns of the tables that tasks fill, by the name of the table."""
    tasks = registry.tasks.discover().values()
    return {task.table: _task_columns(task.row) for task in tasks if task.table and task.row}


def _task_columns(row_type: type) -> tuple[Column[TaskRow], ...]:
    kinds: dict[Any, Kind] = {int: "int", float: "float", bool: "bool", str: "category"}

    def column(name: str, kind: Any) -> Column[TaskRow]:
        plain = next((one for one in typing.get_args(kind) if one is not type(None)), kind)
        return Column(name, kinds[plain], lambda row: row.get(name))

    return tuple(column(name, kind) for name, kind in typing.get_type_hints(row_type).items())


ENV: tuple[Column[Environment], ...] = (
    Column("schema_version", "int", lambda env: SCHEMA_VERSION),
    Column("env_id", "category", lambda env: env.id()),
    Column("arithmetic_id", "category", lambda env: env.arithmetic_id),
    *_fields(
        Environment,
        {
            **dict.fromkeys((field.name for field in dataclasses.fields(Environment)), "text"),
            "git_dirty": "bool",
            "memory_gb": "float",
            **dict.fromkeys(
                ("kernel_revision", "blas_threads", "cores_physical", "cores_logical", "cores_usable"), "int"
            ),
        },
    ),
)

"""What a sweep has to do, and what is already done. Needs no data on disk."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

from lshexp import registry
from lshexp.data.base import Dataset
from lshexp.errors import ConfigError, DataError
from lshexp.runs.columns import Cell, plain, settings, text, variant_columns
from lshexp.runs.record import Record
from lshexp.runs.store import Store
from lshexp.runs.tables import finished_rows
from lshexp.spec import RunSpec

State = Literal["done", "failed", "missing"]
Retry = Literal["none", "failed", "diverged"]
_TOLD_FIRST = ("dataset", "hidden", "active_pct")  # of settings that go together, and a method's variant
SHOWN_VALUES = 3  # of a setting, in a message
_SPEAK_FOR_THEMSELVES = ("method", "dataset", "hidden", "optimizer")
_RETRIED: dict[Retry, tuple[str, ...]] = {
    "none": (),
    "failed": ("failed",),
    "diverged": ("failed", "diverged"),
}


class SweepLike(Protocol):
    """The part of a `lshexp.config.Sweep` that running it needs."""

    @property
    def name(self) -> str:
        """Name of the sweep and of its folder."""

    @property
    def runs(self) -> list[RunSpec]:
        """Runs in the order in which they are to be done."""

    @property
    def baseline(self) -> Mapping[str, object]:
        """Values that pick the rows others are compared with."""

    @property
    def timeout_s(self) -> float | None:
        """Seconds a run may take, None without a limit."""

    @property
    def save(self) -> bool:
        """Whether trained networks are kept."""

    @property
    def merged(self) -> int:
        """How many expanded runs were the same as another one."""


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep and the record it has, if any."""

    number: int  # 1-based place in the sweep
    run_id: str
    spec: RunSpec
    record: Record | None
    stamp: str | None = None  # of the record
    unsaved: bool = False  # whether it has ended well and its network, which is to be kept, was not

    @property
    def state(self) -> State:
        """`failed` runs are tried again by the next plain call; diverged ones are done."""
        if self.record is None or self.unsaved:
            return "missing"
        return "done" if self.record.finished else "failed"


@dataclass(frozen=True)
class Wanted:
    """Which runs of a sweep a call is to do."""

    force: bool = False  # also those that are done
    retry: Retry = "failed"  # what has a record and is to be done again
    only: tuple[str, ...] = ()  # ids, or how they begin; empty = all
    replace: bool = False  # let finished rows that the sweep no longer has leave the tables; force does too

    def has(self, run: PlannedRun) -> bool:
        """Whether the run is to be done."""
        if self.only and not run.run_id.startswith(self.only):
            return False
        if self.force or run.record is None or run.unsaved:
            return True
        return run.record.status in _RETRIED[self.retry]


WHAT_IS_LEFT = Wanted()


@dataclass(frozen=True)
class Plan:
    """All runs of a sweep, in order."""

    name: str
    folder: Path
    runs: list[PlannedRun]
    merged: int  # expanded runs that were the same as another one
    orphans: int  # records in the folder that belong to no run of the sweep
    leaving: str | None = None  # which finished rows of the tables the sweep no longer has, in words
    unrecorded: tuple[str, ...] = ()  # runs with a finished row and no record, as in a clone: done again

    @cached_property
    def swept(self) -> dict[str, list[Cell]]:
        """Settings that take several values, by the names of their columns, in the order of the runs."""
        values: dict[str, dict[Cell, None]] = {}
        for run in self.runs:
            for name, value in settings(run.spec).items():
                values.setdefault(name, {})[value] = None
        return {name: list(found) for name, found in values.items() if len(found) > 1 and name != "repeat"}

    @cached_property
    def distinguishing(self) -> tuple[str, ...]:
        """Few settings that tell any two runs apart, repeats aside: one that follows from others is left out.

        The method comes first, whether it differs or not.
        """
        cells = [settings(run.spec) for run in self.runs]
        known: list[tuple[Cell, ...]] = [(row["method"],) for row in cells]
        chosen = ["method"]
        first = {*_TOLD_FIRST, *variant_columns()}
        for name in sorted(self.swept, key=lambda name: name not in first):
            finer = [(*key, row.get(name)) for key, row in zip(known, cells, strict=True)]
            if len(set(finer)) > len(set(known)):
                known, chosen = finer, [*chosen, name]
        return tuple(chosen)

    def to_run(self, wanted: Wanted = WHAT_IS_LEFT) -> list[PlannedRun]:
        """Runs that a call of `run_sweep` would do. Raises ConfigError for an id that no run has."""
        for prefix in wanted.only:
            if not any(run.run_id.startswith(prefix) for run in self.runs):
                raise ConfigError(f"--only {prefix}: no run of this sweep has an id that begins so")
        return [run for run in self.runs if wanted.has(run)]


def label(run: PlannedRun, plan: Plan) -> str:
    """Name a run by what tells it from the others of its sweep: `lsh 5% K=6 #0`."""
    cells = settings(run.spec)
    words = [_word(name, cells[name]) for name in plan.distinguishing if cells.get(name) is not None]
    return " ".join([*words, f"#{run.spec.repeat}"])


def _word(name: str, value: Cell) -> str:
    if name == "active_pct":
        return f"{value:g}%"
    alone = name in (*_SPEAK_FOR_THEMSELVES, *variant_columns())
    return str(value) if alone else f"{name.removeprefix('p_')}={value}"


def plan_sweep(sweep: SweepLike, out: str | Path = "results") -> Plan:
    """Compare a sweep with the records under `out`/<sweep name>.

    Raises StoreError for a damaged record, ConfigError or DataError for a dataset that cannot be named.
    """
    store = Store(Path(out) / sweep.name)
    ids = _run_ids(sweep.runs)
    present = store.run_ids()
    runs = []
    for number, (run_id, spec) in enumerate(ids.items(), start=1):
        # the stamp before the record: one written between the two then counts as done since
        stamp = store.stamp(run_id) if run_id in present else None
        record = store.read(run_id, spec) if stamp else None
        unsaved = sweep.save and record is not None and record.status == "ok"
        unsaved = unsaved and not store.network_path(run_id).is_file()
        runs.append(PlannedRun(number, run_id, spec, record, stamp, unsaved))
    old = finished_rows(store)
    leaving = {run_id: row for run_id, row in old.items() if run_id not in ids}
    return Plan(
        sweep.name,
        store.folder,
        runs,
        sweep.merged,
        orphans=len(present - ids.keys()),
        leaving=_described(leaving.values(), ids.values()) if leaving else None,
        unrecorded=tuple(run.run_id for run in runs if run.run_id in old and run.state != "done"),
    )


def _described(leaving: Collection[Mapping[str, str]], specs: Collection[RunSpec]) -> str:
    """Say how finished rows differ from the runs that the sweep has now."""
    now = [{name: text(cell) for name, cell in settings(spec).items()} for spec in specs]
    number = f"{len(leaving)} finished run{'s' * (len(leaving) > 1)}"
    changed = []
    for name in {name: None for cells in now for name in cells}:
        before = {row[name] for row in leaving if name in row}
        if before and before.isdisjoint(cells.get(name, "") for cells in now):
            some = sorted(before)[:SHOWN_VALUES]
            changed.append(f"{name}={','.join(map(plain, some))}{',...' * (len(before) > len(some))}")
    if changed:
        return f"{number} with {' '.join(changed)}"
    same = [
        all(row.get(name, "") == cell for name, cell in cells.items()) for row in leaving for cells in now
    ]
    if any(same):
        return f"{number} made by another revision of the kernels, or from other data,"
    return f"{number} that the sweep no longer has"


def check_data(runs: Iterable[PlannedRun]) -> None:
    """Look once at the files that runs will read, before any is started.

    Raises DataError: of each dataset what is wrong, and the command that mends it.
    """
    datasets = {json.dumps([run.spec.dataset, run.spec.dataset_options]): run.spec for run in runs}
    complaints = []
    for spec in datasets.values():
        try:
            _dataset(spec).check()
        except DataError as error:
            complaints.append(str(error))
    if complaints:
        raise DataError("\n".join(complaints))


def _run_ids(specs: Iterable[RunSpec]) -> dict[str, RunSpec]:
    """Address every run by its content; each dataset is asked for its fingerprint once."""
    known: dict[str, tuple[str, tuple[str, ...]]] = {}
    ids: dict[str, RunSpec] = {}
    for spec in specs:
        key = json.dumps([spec.dataset, spec.dataset_options], sort_keys=True)
        if key not in known:
            dataset = _dataset(spec)
            known[key] = dataset.fingerprint(), dataset.location_options
        ids.setdefault(spec.run_id(*known[key]), spec)
    return ids


def _dataset(spec: RunSpec) -> Dataset:
    return registry.datasets.build(spec.dataset, spec.dataset_options, ("dataset",))

"""What a sweep has to do, and what is already done. Needs no data on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from lshexp import registry
from lshexp.data.base import Dataset
from lshexp.errors import ConfigError
from lshexp.runs.record import Record
from lshexp.runs.store import Store
from lshexp.spec import RunSpec

State = Literal["done", "failed", "missing"]
Retry = Literal["none", "failed", "diverged"]
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

    @property
    def state(self) -> State:
        """`failed` runs are tried again by the next plain call; diverged ones are done."""
        if self.record is None:
            return "missing"
        return "done" if self.record.finished else "failed"


@dataclass(frozen=True)
class Wanted:
    """Which runs of a sweep a call is to do."""

    force: bool = False  # also those that are done
    retry: Retry = "failed"  # what has a record and is to be done again
    only: tuple[str, ...] = ()  # ids, or how they begin; empty = all

    def has(self, run: PlannedRun) -> bool:
        """Whether the run is to be done."""
        if self.only and not run.run_id.startswith(self.only):
            return False
        if self.force or run.record is None:
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

    def to_run(self, wanted: Wanted = WHAT_IS_LEFT) -> list[PlannedRun]:
        """Runs that a call of `run_sweep` would do. Raises ConfigError for an id that no run has."""
        for prefix in wanted.only:
            if not any(run.run_id.startswith(prefix) for run in self.runs):
                raise ConfigError(f"--only {prefix}: no run of this sweep has an id that begins so")
        return [run for run in self.runs if wanted.has(run)]


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
        runs.append(PlannedRun(number, run_id, spec, store.read(run_id, spec) if stamp else None, stamp))
    return Plan(sweep.name, store.folder, runs, sweep.merged, orphans=len(present - ids.keys()))


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

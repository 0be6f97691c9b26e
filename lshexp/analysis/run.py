"""All that the tables of a sweep say about one run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lshexp.analysis.results import read_results
from lshexp.runs.meanings import meaning, unit
from lshexp.runs.store import Store
from lshexp.spec import RunSpec
from lshexp.work import PHASES, PREDICT

_FIRST = ("sweep", "status", "error", "started_utc")
_LEFT_OUT = ("schema_version", "run_id", "env_id", "init_hash", "order_hash", "repeat", "active_by_layer_pct")
_OPTIONS = ("p_", "dataset_")


class RunEntry(NamedTuple):
    """One column of a run: its value as text, its unit and what it means."""

    name: str
    value: str
    unit: str
    meaning: str


class LayerEntry(NamedTuple):
    """One layer: how it is stored and computed, its active nodes, and what it has multiplied by phase."""

    number: int
    plan: str
    active_pct: str  # empty where it was not measured, as for the output
    mults: dict[str, int]


class RunView(NamedTuple):
    """All about one run, in the order in which it is told."""

    run_id: str
    folder: Path
    state: list[RunEntry]
    settings: list[RunEntry]
    layers: list[LayerEntry]
    numbers: list[RunEntry]
    times: list[RunEntry]
    machine: list[RunEntry]
    files: dict[str, Path]  # record, log and network, those that there are
    command: str | None  # that repeats the run; None where the sweep's file is not beside its results


def view_run(folder: Path, run_id: str) -> RunView:
    """Read one run of the sweep whose results lie in `folder`. Raises StoreError."""
    results = read_results(folder)
    row = results.runs.set_index("run_id").loc[run_id]
    cells = {str(name): value for name, value in row.items() if pd.notna(value)}
    named = [name for name in cells if name not in _LEFT_OUT]
    settings = [name for name in named if name in RunSpec.model_fields or name.startswith(_OPTIONS)]
    times = [name for name in named if name.endswith(("_s", "_us", "_us_1")) and name not in settings]
    times += [name for name in ("timing_valid", "peak_rss_mb") if name in cells]
    told = {*settings, *times, *_FIRST}
    store = Store(folder)
    files = {
        "record": store.record_path(run_id),
        "log": store.log_path(run_id),
        "network": store.network_path(run_id),
    }
    env = results.env[results.env["env_id"] == cells.get("env_id")]
    return RunView(
        run_id=run_id,
        folder=folder,
        state=_entries(cells, [name for name in _FIRST if name in cells]),
        settings=_entries(cells, [*settings, *(["repeat"] if "repeat" in cells else [])]),
        layers=_layers(
            results.work[results.work["run_id"] == run_id], str(cells.get("active_by_layer_pct", ""))
        ),
        numbers=_entries(cells, [name for name in named if name not in told]),
        times=_entries(cells, times),
        machine=[] if env.empty else _machine(env.iloc[0]),
        files={name: path for name, path in files.items() if path.is_file()},
        command=_command(folder, run_id),
    )


def as_json(view: RunView) -> str:
    """Write a view as JSON."""
    content = {
        "run_id": view.run_id,
        "folder": str(view.folder),
        **{
            part: {entry.name: entry.value for entry in getattr(view, part)}
            for part in ("state", "settings", "numbers", "times", "machine")
        },
        "layers": [layer._asdict() for layer in view.layers],
        "files": {name: str(path) for name, path in view.files.items()},
        "command": view.command,
    }
    return json.dumps(content, indent=1)


def _entries(cells: dict[str, Any], names: list[str]) -> list[RunEntry]:
    return [RunEntry(name, _text(cells[name]), unit(name), meaning("runs.csv", name)) for name in names]


def _machine(row: pd.Series[Any]) -> list[RunEntry]:
    cells = {str(name): value for name, value in row.items() if pd.notna(value)}
    return [
        RunEntry(name, _text(value), unit(name), meaning("env.csv", name))
        for name, value in cells.items()
        if name != "schema_version"
    ]


def _layers(work: pd.DataFrame, active: str) -> list[LayerEntry]:
    shares = [f"{float(share):.4g}" for share in active.split("-")] if active else []
    layers = []
    for number, rows in work.groupby("layer", sort=True):
        place = int(str(number))
        plan = rows["plan"].dropna()
        mults = {
            phase: int(rows.loc[rows["phase"] == phase, "mults"].sum())
            for phase in (*PHASES, PREDICT)
            if (rows["phase"] == phase).any()
        }
        share = shares[place] if place < len(shares) else ""
        layers.append(LayerEntry(place, str(plan.iloc[0]) if len(plan) else "", share, mults))
    return layers


def _text(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _command(folder: Path, run_id: str) -> str | None:
    """The command that repeats a run; its results go to a folder of their own."""
    if not (folder / "sweep.yaml").is_file():
        return None
    return f"lshexp sweep {shlex.quote(str(folder / 'sweep.yaml'))} --only {run_id} -o repeated"

"""Result files read back as typed frames; at other prices; and whether their machines round alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from lshexp.config import read_resolved
from lshexp.config.energy import NamedModel
from lshexp.errors import ConfigError, Problem, StoreError
from lshexp.runs.columns import (
    ENV,
    EPOCH,
    KEYS,
    RUN_IDENTITY,
    RUN_OUTCOME,
    SELECTION,
    WORK,
    Column,
    Kind,
    plain,
    task_tables,
)
from lshexp.runs.environment import ARITHMETIC
from lshexp.runs.meanings import unit
from lshexp.runs.record import SCHEMA_VERSION
from lshexp.spec import ADDED_LATER, RunSpec
from lshexp.work import PREDICT, Work

DTYPES: dict[Kind, str] = {
    "text": "string",
    "category": "category",
    "int": "Int64",
    "float": "float64",
    "bool": "boolean",
}
MAX_TABLE_BYTES = 2**31


class Results(NamedTuple):
    """The tables of a sweep. Missing means not measured; options are columns `p_*` of `runs`.

    `.attrs["units"]` of a table has the unit of each of its columns that has one, by name.
    """

    runs: pd.DataFrame  # a row a run
    epochs: pd.DataFrame  # a row a run and epoch; join on run_id
    work: pd.DataFrame  # a row a run, layer and phase
    selection: pd.DataFrame  # a row a run, hidden layer and epoch, of runs that have a probe; join on run_id
    env: pd.DataFrame  # a row a machine and code state; join on env_id
    tasks: Mapping[str, pd.DataFrame] = {}  # tables that tasks fill, by name; join on run_id


def read_results(path: str | Path) -> Results:
    """Read the folder of a sweep, such as results/quickstart, or of several, such as results/paper.

    Rows of several sweeps are told apart by the column `sweep` of `runs`.

    Raises StoreError when a table is missing, damaged or of another schema version.
    """
    found = [_read_folder(folder) for folder in folders_of(Path(path))]
    if len(found) == 1:
        return found[0]
    own = ("runs", "epochs", "work", "selection", "env")
    tables: dict[str, Any] = {name: _together_once([getattr(one, name) for one in found]) for name in own}
    names = {name: None for one in found for name in one.tasks}
    tasks = {name: _together_once([one.tasks[name] for one in found if name in one.tasks]) for name in names}
    return Results(tasks=tasks, **tables)


def _together_once(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return together(tables).drop_duplicates(ignore_index=True)


def folders_of(folder: Path) -> list[Path]:
    """The sweep's folder itself, or the folders of sweeps in it, by name. Raises StoreError."""
    if not folder.is_dir():
        raise StoreError(f"{folder} is not a folder; give the folder of a sweep, such as results/quickstart")
    if (folder / "runs.csv").exists():
        return [folder]
    found = sorted(path.parent for path in folder.glob("*/runs.csv"))
    if not found:
        raise StoreError(f"{folder} holds no runs.csv and no folder that does; run a sweep first")
    return found


def _read_folder(folder: Path) -> Results:
    return Results(
        runs=read_runs(folder),
        epochs=_read_table(folder / "epochs.csv", KEYS, EPOCH),
        work=_read_table(folder / "work.csv", KEYS, WORK),
        selection=_read_selection(folder / "selection.csv"),
        env=read_env(folder),
        tasks={
            table: _read_table(folder / f"{table}.csv", KEYS, columns)
            for table, columns in task_tables().items()
            if (folder / f"{table}.csv").exists()
        },
    )


def together(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table below the other, with the types that they agree on.

    Where they do not, as for an option that is `12` in one and `1.5` or `auto` in another, all are numbers or
    all are text.
    """
    types: dict[str, set[str]] = {}
    for table in tables:
        for name in table:
            types.setdefault(str(name), set()).add(table[name].dtype.name)
    whole = pd.concat([table.astype(object) for table in tables], ignore_index=True)
    made = whole.astype({name: next(iter(found)) for name, found in types.items() if len(found) == 1})
    for name in [name for name, found in types.items() if len(found) > 1]:
        column = whole[name].convert_dtypes()
        words = whole[name].map(str, na_action="ignore").astype("string")
        made[name] = words if column.dtype == object else column
    made.attrs = tables[0].attrs if all(table.attrs == tables[0].attrs for table in tables) else {}
    return made


def read_runs(path: str | Path) -> pd.DataFrame:
    """Read runs.csv alone, given its path or the folder it lies in.

    What the sweep.yaml beside it asks, if there is one, is in `.attrs`: title, baseline and margin.

    Raises StoreError, and ConfigError for a sweep.yaml that cannot be read.
    """
    path = Path(path)
    file = path / "runs.csv" if path.is_dir() else path
    runs = _read_table(file, RUN_IDENTITY, RUN_OUTCOME)
    resolved = file.parent / "sweep.yaml"
    if resolved.exists():
        header = read_resolved(resolved)
        runs.attrs |= {"title": header.title, "baseline": dict(header.baseline), "margin": header.margin}
    return runs


def read_work(folder: Path) -> pd.DataFrame:
    """Read work.csv alone. Raises StoreError."""
    return _read_table(folder / "work.csv", KEYS, WORK)


def read_env(folder: Path) -> pd.DataFrame:
    """Read env.csv alone. Raises StoreError."""
    return _read_table(folder / "env.csv", ENV[:2], ENV[2:])


def _read_selection(path: Path) -> pd.DataFrame:
    """Read selection.csv, which is there only where a run had a probe."""
    if path.exists():
        return _read_table(path, KEYS, SELECTION)
    columns: tuple[Column[Any], ...] = (*KEYS, *SELECTION)
    empty = pd.DataFrame({column.name: pd.Series(dtype=DTYPES[column.kind]) for column in columns})
    empty.attrs["units"] = {column.name: unit(column.name) for column in columns if unit(column.name)}
    return empty


def _read_table(
    path: Path, columns: Sequence[Column[Any]], measured: Sequence[Column[Any]] = ()
) -> pd.DataFrame:
    """Read a table that must have `columns`; of `measured`, those it was written without are left empty."""
    kinds = {column.name: DTYPES[column.kind] for column in (*columns, *measured)}
    frame = _read_text(path, kinds)
    for name in ADDED_LATER:  # rows of before a setting existed have its default
        if name in kinds and name not in frame:
            frame[name] = RunSpec.model_fields[name].get_default(call_default_factory=True)
            frame = frame.astype({name: kinds[name]})
    missing = [column.name for column in columns if column.name not in frame]
    if missing:
        raise StoreError(f"{path} is not a table of this lshexp: it has no column {', '.join(missing[:5])}")
    versions = set(frame["schema_version"].dropna()) - {SCHEMA_VERSION}
    if versions or frame["schema_version"].isna().any():
        found = ", ".join(map(str, sorted(versions))) or "missing"
        raise StoreError(
            f"{path} has schema_version {found} and this lshexp reads {SCHEMA_VERSION}; "
            "use the version that wrote it"
        )
    for column in measured:
        if column.name not in frame:
            frame[column.name] = pd.Series(index=frame.index, dtype=kinds[column.name])
    others = [name for name in frame if name not in kinds]
    typed = frame.astype(dict(frame[others].convert_dtypes().dtypes))
    typed.attrs["units"] = {name: unit(name) for name in kinds if unit(name)}
    return typed


def _read_text(path: Path, kinds: Mapping[str, str]) -> pd.DataFrame:
    """Read a CSV file; columns named in `kinds` get these types. Raises StoreError."""
    # pandas reads a category whose cells look like numbers as numbers, so categories are read as text
    asked = {name: "string" if kind == "category" else kind for name, kind in kinds.items()}
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise StoreError(f"{path} is larger than {MAX_TABLE_BYTES} bytes; it is no table of lshexp")
        if not _ends_a_line(path):
            raise ValueError("it breaks off in the middle of a line")
        frame = pd.read_csv(path, dtype=asked, keep_default_na=False, na_values=[""], encoding="utf-8")
        for name in frame.select_dtypes(["string", "object"]):
            frame[name] = [plain(cell) if isinstance(cell, str) else cell for cell in frame[name]]
        return frame.astype({name: kind for name, kind in kinds.items() if name in frame})
    except FileNotFoundError:
        raise StoreError(f"{path} does not exist{_what_is_there(path.parent)}") from None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}; make it readable") from error
    except ValueError as error:  # also what pandas raises for bad text, bad numbers and bad shapes
        reason = " ".join(str(error).split())
        raise StoreError(f"{path} is damaged ({reason}); run its sweep again to rewrite it") from None


def _ends_a_line(path: Path) -> bool:
    """Whether the last byte is a line's end, as in every table written whole."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 1))
        return file.read() == b"\n"


def _what_is_there(folder: Path) -> str:
    """Point to the sweeps in a folder that holds several."""
    sweeps = sorted(str(path.parent) for path in folder.glob("*/runs.csv"))
    return f"; did you mean {' or '.join(sweeps[:3])}?" if sweeps else "; give the folder of a sweep"


def priced_runs(source: pd.DataFrame | Results | str | Path, energy: NamedModel) -> pd.DataFrame:
    """The runs of a sweep's folder, of its runs.csv or of its `Results`, at the prices of a model.

    `energy_proxy_j` and `energy_model` are replaced; a run without counted work has neither. A path must have
    work.csv beside runs.csv.

    Raises StoreError when a table cannot be read, ConfigError for a frame of runs, which counts no additions.
    """
    if isinstance(source, pd.DataFrame):
        message = "a frame of runs alone cannot be priced again; give a folder, or what read_results returns"
        raise ConfigError([Problem(("energy",), message)])
    if isinstance(source, Results):
        return reprice(source.runs, source.work, energy)
    path = Path(source)
    return reprice(read_runs(path), read_work(path if path.is_dir() else path.parent), energy)


def reprice(runs: pd.DataFrame, work: pd.DataFrame, energy: NamedModel) -> pd.DataFrame:
    """A copy of `runs` with joules by `energy` of their rows in `work` that count training."""
    training = work[work["phase"] != PREDICT]
    totals = training.groupby("run_id")[["mults", "adds", "bytes"]].sum()
    joules = {
        str(run): energy.model.joules(Work(int(mults), int(adds), int(nbytes)))
        for run, mults, adds, nbytes in totals.itertuples()
    }
    priced = runs.copy()
    priced["energy_proxy_j"] = runs["run_id"].map(joules).astype("float64")
    label = pd.Series(energy.label, index=runs.index, dtype="string")
    priced["energy_model"] = label.where(priced["energy_proxy_j"].notna()).astype("category")
    return priced


def rounding_notes(runs: pd.DataFrame, sources: Iterable[pd.DataFrame | Results | str | Path]) -> list[str]:
    """A sentence that names what differs, if `runs` come from machines or libraries that round differently.

    `sources` are the folders, tables runs.csv and `Results` that the runs were read from. Nothing is known of
    a frame of runs alone, of a runs.csv without env.csv, and of rows written before `arithmetic_id` was.

    Raises StoreError for an env.csv that cannot be read.
    """
    tables = [table for table in map(_environments, sources) if table is not None]
    if not tables:
        return []
    used = set(runs["env_id"].dropna())
    known = pd.concat([table[["env_id", "arithmetic_id", *ARITHMETIC]].astype(object) for table in tables])
    known = known[known["env_id"].isin(used) & known["arithmetic_id"].notna()]
    count = known["arithmetic_id"].nunique()
    if count < 2:
        return []
    differing = [name for name in ARITHMETIC if known[name].nunique(dropna=False) > 1]
    return [
        f"the runs come from {count} environments that round differently "
        f"({', '.join(differing) or 'arithmetic_id'} in env.csv): equal runs may differ in their last bits"
    ]


def _environments(source: pd.DataFrame | Results | str | Path) -> pd.DataFrame | None:
    """The rows of env.csv that belong to a source; None where there are none."""
    if isinstance(source, Results):
        return source.env
    if isinstance(source, pd.DataFrame):
        return None
    path = Path(source)
    folder = path if path.is_dir() else path.parent
    return read_env(folder) if (folder / "env.csv").exists() else None

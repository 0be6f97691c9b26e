"""Which runs are repeats of one configuration, and which configuration each is to be compared with.

Runs that differ only in seed and repeat are repeats of one configuration. Its baseline is the baseline
configuration on the same data and network. Where there are several, those are kept that agree with it in the
first of `SHARED` in which any do, then in the second, and so on; if several are left, it has no baseline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lshexp.errors import ConfigError, Problem
from lshexp.runs.columns import RUN_IDENTITY
from lshexp.validation import suggest

PAIR = ["seed", "repeat"]
START = ["run_id", "init_hash", "order_hash", "epochs"]  # what tells whether two runs began alike
NETWORK = ["dataset", "hidden"]
SIZES = ["train_examples", "test_examples", "validation_examples"]
SHARED = [
    "active_pct", "epochs", "threads", "batch", "update", "simulate_workers", "optimizer", "lr", "momentum",
    "average_from",
]  # fmt: skip
NOT_SETTINGS = {"schema_version", "run_id", "sweep", "status", "error", *PAIR}

Settings = dict[str, Any]


@dataclass
class Configuration:
    """The repeats of one configuration."""

    settings: Settings
    runs: pd.DataFrame
    is_baseline: bool = False
    baseline: Configuration | None = None

    @property
    def ok(self) -> pd.DataFrame:
        """The repeats that ended well."""
        return self.runs[self.runs["status"] == "ok"]

    @property
    def label(self) -> str:
        """Where it stands, for messages: `mnist 1000-1000`."""
        return f"{self.settings['dataset']} {self.settings['hidden']}"


def setting_columns(runs: pd.DataFrame) -> list[str]:
    """Columns that say what was asked of a run, in the order of the table."""
    fixed = {column.name for column in RUN_IDENTITY} - NOT_SETTINGS | {
        *SIZES,
        "momentum",
        "average_from",
        "input",
        "inputs",
        "simulate_workers",
    }
    return [name for name in runs.columns if name in fixed or name.startswith(("p_", "dataset_"))]


def configurations(runs: pd.DataFrame) -> list[Configuration]:
    """Group runs into configurations, in the order in which they appear."""
    names = setting_columns(runs)
    parts = runs.groupby(names, dropna=False, observed=True, sort=False)
    return [Configuration(dict(zip(names, key, strict=True)), part) for key, part in parts]


def match_baselines(configs: list[Configuration], wanted: Mapping[str, object]) -> list[str]:
    """Set `is_baseline` and `baseline` of every configuration; return a sentence for each that has none."""
    for config in configs:
        config.is_baseline = all(equal(config.settings[name], value) for name, value in wanted.items())
    candidates = [config for config in configs if config.is_baseline]
    named = ", ".join(f"{name}={value}" for name, value in wanted.items())
    notes: dict[str, None] = {}  # a set that keeps its order
    for config in configs:
        found = [config] if config.is_baseline else _closest(config, candidates)
        if len(found) == 1:
            config.baseline = found[0]
        elif found:
            apart = ", ".join(telling_apart([candidate.settings for candidate in found]))
            notes[f"{config.label}: several configurations are {named}; they differ in {apart}: add it"] = (
                None
            )
        else:
            notes[f"{config.label}: no run has {named} on the same data, so nothing is compared with it"] = (
                None
            )
    return list(notes)


def baseline_settings(baseline: str | Mapping[str, object], known: Iterable[str]) -> dict[str, object]:
    """Turn `dense`, `method=dense,lr=0.01` or a sweep's mapping into columns and values.

    Keys may be columns, or keys of a sweep file: `lsh.K` is the column p_K. Raises ConfigError.
    """
    if isinstance(baseline, str):
        parts = [part.partition("=") for part in baseline.split(",")]
        pairs = (
            {key.strip(): value.strip() for key, _, value in parts}
            if "=" in baseline
            else {"method": baseline}
        )
        baseline = dict(pairs)
    wanted: dict[str, object] = {}
    names = list(known)
    for key, value in baseline.items():
        column = key if key in names else "p_" + key.partition(".")[2].replace(".", "_")
        if column not in names:
            raise ConfigError([Problem(("baseline",), f"no column '{key}'{suggest(key, names)}")])
        wanted[column] = "-".join(map(str, value)) if isinstance(value, list | tuple) else value
    return wanted


def paired(config: Configuration, columns: Iterable[str] | None = None) -> pd.DataFrame:
    """Ok runs beside the baseline's ok run of the same seed and repeat, whose columns end in `_base`.

    `columns` are those that are wanted, by default all; a merge of all takes most of a comparison's time.

    Raises ConfigError for pairs that began from other weights or saw another order.
    """
    base = config.baseline.ok if config.baseline is not None else config.ok.iloc[:0]
    wanted = list(dict.fromkeys([*PAIR, *START, *(base.columns if columns is None else columns)]))
    pairs = config.ok[wanted].merge(base[wanted], on=PAIR, suffixes=("", "_base"))
    _check_pairs(pairs)
    return pairs


def _check_pairs(pairs: pd.DataFrame) -> None:
    """Refuse pairs that did not begin alike: their difference would not be the method's."""
    other_start = pairs["init_hash"] != pairs["init_hash_base"]
    same_length = pairs["epochs"] == pairs["epochs_base"]
    other_order = same_length & (pairs["order_hash"] != pairs["order_hash_base"])
    for what, rows in (("initial weights", other_start), ("order of examples", other_order)):
        odd = pairs[rows.fillna(False).astype(bool)]
        if len(odd):
            ids = ", ".join(f"{a} and {b}" for a, b in zip(odd["run_id"], odd["run_id_base"], strict=True))
            raise ConfigError(
                [Problem((), f"runs {ids} are no pairs: their {what} differ; run one of them again")]
            )


def telling_apart(settings: Iterable[Settings]) -> list[str]:
    """Names of the settings that are not the same everywhere."""
    values: dict[str, set[object]] = {}
    for setting in settings:
        for name, value in setting.items():
            values.setdefault(name, set()).add(None if pd.isna(value) else value)
    return [name for name, different in values.items() if len(different) > 1]


def equal(cell: Any, value: object) -> bool:
    """Compare a table's cell with a value that may come from a command line: 5, 5.0 and "5" are the same."""
    if pd.isna(cell) or value is None or value is pd.NA or value != value:
        return bool(pd.isna(cell)) and (value is None or value is pd.NA or value != value)
    try:
        return float(cell) == float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(cell).casefold() == str(value).casefold()


def _closest(config: Configuration, candidates: list[Configuration]) -> list[Configuration]:
    """Baselines on the same data and network that agree with a configuration in as much as they can."""

    def agreeing(names: list[str]) -> list[Configuration]:
        mine = config.settings
        return [
            candidate
            for candidate in found
            if all(equal(mine.get(name), candidate.settings.get(name)) for name in names)
        ]

    found = candidates
    found = agreeing([*NETWORK, *SIZES, *(name for name in config.settings if name.startswith("dataset_"))])
    for name in SHARED:
        found = agreeing([name]) or found
    return found

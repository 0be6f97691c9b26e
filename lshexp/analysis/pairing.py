"""Which configuration each one is held against, and which of their runs are pairs.

A baseline is the best of the configurations that the user means by it, such as `method=dense`, on the same
data and network. Where they agree with a row in its conditions (threads, epochs and so on), only those
count; in how they are trained (optimiser, learning rate) they may differ, as each method is to be at its
best. The best is chosen by validation accuracy; without one by test accuracy, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from lshexp.analysis.configurations import PAIR, data_columns, named, network_columns, setting_columns, words
from lshexp.errors import ConfigError, Problem
from lshexp.spec import OUTPUT
from lshexp.validation import suggest

START = ("run_id", "init_hash", "order_hash", "epochs")  # what tells whether two runs began alike
CONDITIONS = ("active_pct", "epochs", "threads", "batch", "update", "simulate_workers")

Settings = dict[str, Any]
ChosenBy = Literal["", "validation", "test"]


@dataclass
class Configuration:
    """The repeats of one configuration, and the one it is held against."""

    settings: Settings
    runs: pd.DataFrame
    place: tuple[str, ...]  # the settings that say which data and network
    baseline: Configuration | None = None
    chosen_by: ChosenBy = ""  # how the baseline was chosen, where there were several

    @property
    def ok(self) -> pd.DataFrame:
        """The repeats that ended well."""
        return self.runs[self.runs["status"] == "ok"]

    @property
    def is_baseline(self) -> bool:
        """Whether it is held against itself."""
        return self.baseline is self

    @property
    def label(self) -> str:
        """What it is called among these runs: `lsh hybrid`."""
        return str(self.runs["label"].iloc[0])

    @property
    def where(self) -> str:
        """Its data and network, as `mnist 1000-1000`."""
        return f"{self.runs['data'].iloc[0]} {self.runs['network'].iloc[0]}"

    def agrees(self, other: Configuration, names: Iterable[str]) -> bool:
        """Whether both have the same values of these settings."""
        return all(equal(self.settings.get(name), other.settings.get(name)) for name in names)

    def differs(self) -> str:
        """How it differs from its baseline beside method, active share, and the options of another method."""
        if self.baseline is None or self.is_baseline:
            return ""
        ours, theirs = self.settings, self.baseline.settings
        kin = ours["method"] == theirs["method"]
        alike = equal(ours.get("output_method"), theirs.get("output_method"))
        names = [
            name
            for name in ours
            if name not in ("method", "active_pct", *self.place)
            and (kin or not name.startswith("p_"))
            and (alike or not name.startswith("output_") or name in OUTPUT)
            and not equal(ours[name], theirs[name])
        ]
        names.sort(key=lambda name: not isinstance(ours[name], str))  # choices in words come first
        return ", ".join(f"{words(name, ours[name])} (baseline {_value(theirs[name])})" for name in names)


def configurations(runs: pd.DataFrame) -> list[Configuration]:
    """Group runs into configurations, in the order in which they appear."""
    names = setting_columns(runs)
    place = (*data_columns(runs), *network_columns(runs))
    groups = named(runs).groupby(names, dropna=False, observed=True, sort=False)
    return [Configuration(dict(zip(names, key, strict=True)), part, place) for key, part in groups]


def match_baselines(
    configs: Sequence[Configuration], wanted: Mapping[str, object], shared: Sequence[str] = ()
) -> list[str]:
    """Set `baseline` and `chosen_by` of every configuration.

    Candidates agree with a configuration in each of `CONDITIONS` and `shared` in which any of them does.
    Returns sentences: how a baseline was chosen among several, and which configurations have none.
    """
    candidates = [config for config in configs if picks(wanted, config.settings)]
    asked = ", ".join(f"{name}={_value(value)}" for name, value in wanted.items())
    notes: dict[str, None] = {}  # a set that keeps its order
    for config in configs:
        found = [one for one in candidates if config.agrees(one, config.place)]
        for name in (*CONDITIONS, *shared):
            found = [one for one in found if config.agrees(one, [name])] or found
        if not found:
            notes[f"{config.where}: no run has {asked} on the same data, so nothing is compared with it"] = (
                None
            )
            continue
        config.baseline, config.chosen_by = best(found)
        if config.chosen_by:
            notes[_choice(config.baseline, config.chosen_by, len(found), asked)] = None
    return list(notes)


def best(found: Sequence[Configuration]) -> tuple[Configuration, ChosenBy]:
    """The most accurate of some configurations, and by which examples: validation where all have them."""
    if len(found) == 1:
        return found[0], ""
    for column, by in (("valid_acc_pct", "validation"), ("test_acc_pct", "test")):
        means = [one.ok[column].mean() for one in found]
        if by == "test" or not any(pd.isna(mean) for mean in means):
            order = [float("-inf") if pd.isna(mean) else float(mean) for mean in means]
            return found[order.index(max(order))], by  # type: ignore[return-value]
    raise AssertionError("unreachable")


def _choice(chosen: Configuration, by: ChosenBy, among: int, asked: str) -> str:
    what = f"{chosen.where}: `{chosen.label}` is the baseline, the best of {among} with {asked}"
    if by == "validation":
        return f"{what} by validation accuracy"
    return f"{what} by TEST accuracy, as they have no validation accuracy; name one with --baseline to choose"


def baseline_settings(baseline: str | Mapping[str, object], known: Iterable[str]) -> Settings:
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
    wanted: Settings = {}
    names = list(known)
    for key, value in baseline.items():
        column = key if key in names else "p_" + key.partition(".")[2].replace(".", "_")
        if column not in names:
            raise ConfigError([Problem(("baseline",), f"no column '{key}'{suggest(key, names)}")])
        wanted[column] = "-".join(map(str, value)) if isinstance(value, list | tuple) else value
    return wanted


def picks(wanted: Mapping[str, object], settings: Mapping[str, object]) -> bool:
    """Whether settings have all the wanted values."""
    return all(equal(settings[name], value) for name, value in wanted.items())


def paired(config: Configuration, columns: Iterable[str] | None = None) -> pd.DataFrame:
    """Ok runs beside the baseline's ok run of the same seed and repeat, whose columns end in `_base`.

    `columns` are those that are wanted, by default all; a merge of all takes most of a comparison's time.

    Raises ConfigError for pairs that began from other weights or saw another order.
    """
    base = config.baseline.ok if config.baseline is not None else config.ok.iloc[:0]
    wanted = list(dict.fromkeys([*PAIR, *START, *(base.columns if columns is None else columns)]))
    pairs = config.ok[wanted].merge(base[wanted], on=list(PAIR), suffixes=("", "_base"))
    _check_pairs(pairs)
    return pairs


def _check_pairs(pairs: pd.DataFrame) -> None:
    """Refuse pairs that did not begin alike: their difference would not be the method's."""
    known = pairs["init_hash"].notna() & pairs["init_hash_base"].notna()  # unknown where weights are left out
    other_start = known & (pairs["init_hash"] != pairs["init_hash_base"])
    same_length = pairs["epochs"] == pairs["epochs_base"]
    other_order = same_length & (pairs["order_hash"] != pairs["order_hash_base"])
    for what, rows in (("initial weights", other_start), ("order of examples", other_order)):
        odd = pairs[rows.fillna(False).astype(bool)]
        if len(odd):
            ids = ", ".join(f"{a} and {b}" for a, b in zip(odd["run_id"], odd["run_id_base"], strict=True))
            raise ConfigError(
                [Problem((), f"runs {ids} are no pairs: their {what} differ; run one of them again")]
            )


def equal(cell: Any, value: object) -> bool:
    """Compare a table's cell with a value that may come from a command line: 5, 5.0 and "5" are the same."""
    if pd.isna(cell) or value is None or value is pd.NA or value != value:
        return bool(pd.isna(cell)) and (value is None or value is pd.NA or value != value)
    try:
        return float(cell) == float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(cell).casefold() == str(value).casefold()


def _value(value: Any) -> str:
    """A setting's value in a sentence."""
    if value is None or value is pd.NA or value != value:
        return "none"
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()  # as a sweep file has it
    return f"{value:g}" if isinstance(value, float) else str(value)

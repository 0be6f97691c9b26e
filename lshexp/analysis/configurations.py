"""What a configuration is, and what it is called: the one key that tables, figures and reports group by.

Runs that differ only in their seed and repeat are repeats of one configuration. A configuration is named in
three parts, so that each can be shown where it belongs: the data (`mnist`), the network (`1000-1000`) and a
label (`lsh hybrid L=100`). Rows that agree in all three parts, and in the settings that a reader sees
elsewhere, such as the active share on an axis, are repeats of one configuration: see `named`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from lshexp.runs.columns import variant_columns
from lshexp.spec import OUTPUT, RunSpec

PAIR = ("seed", "repeat")  # what repeats of one configuration differ in, and what pairs are matched by
SIZES = ("train_examples", "test_examples", "validation_examples")
NETWORK = ("hidden", "inputs", "block")  # what holds for every method on a network
MEASURED = ("output_active_pct_achieved",)  # a result, though it begins as options of the output do
PARTS = ("data", "network", "label")  # of the name of a configuration
WATCHING = ("probe", "save")  # keys of a run that change none of its numbers
PLAIN = re.compile(r"[^\s'\"]+")  # text that needs no quotes in a name


def setting_columns(runs: pd.DataFrame) -> list[str]:
    """Columns that say what was asked of a run, in the order of the table."""
    fixed = set(RunSpec.model_fields) - {*PAIR, *WATCHING}
    options = ("p_", "dataset_", "output_", "task_")
    return [
        name for name in runs.columns if name in fixed or (name.startswith(options) and name not in MEASURED)
    ]


def data_columns(runs: pd.DataFrame) -> list[str]:
    """The settings that say which examples a run saw."""
    return [
        name
        for name in setting_columns(runs)
        if name == "dataset" or name in SIZES or name.startswith("dataset_")
    ]


def network_columns(runs: pd.DataFrame) -> list[str]:
    """The settings that say which network was trained, whatever the method."""
    return [name for name in NETWORK if name in runs]


def named(runs: pd.DataFrame, apart: Iterable[str] = ("active_pct",)) -> pd.DataFrame:
    """A copy of `runs` with the text columns `data`, `network` and `label`.

    `apart` are settings that a reader sees elsewhere, as on an axis or in a column; no label speaks of them.
    Two rows that agree in the three columns and in `apart` are repeats of one configuration.
    """
    return runs.assign(data=data_of(runs), network=network_of(runs), label=label_of(runs, apart))


def data_of(runs: pd.DataFrame) -> pd.Series:
    """The data of each run in short: the dataset's name, and what else tells the data of these runs apart."""
    others = [name for name in data_columns(runs) if name != "dataset"]
    return _names(runs, ["dataset"], others, known=[])


def network_of(runs: pd.DataFrame) -> pd.Series:
    """The network of each run in short: its hidden widths, and what else tells these networks apart."""
    others = [name for name in network_columns(runs) if name != "hidden"]
    return _names(runs, ["hidden"], others, known=[])


def label_of(runs: pd.DataFrame, apart: Iterable[str] = ("active_pct",)) -> pd.Series:
    """A short name of each run's method and settings, such as `lsh hybrid L=100`.

    On one dataset and network, configurations that differ in more than `apart` have different names. A name
    tells no more than it must: the method; its variant, such as a preset, and the output's method, where
    these runs have several; and each setting that is needed to tell runs of those apart, left out where it
    has the value of most of them.
    """
    stem = ["method", *(name for name in (*variant_columns(), "output_method") if name in runs)]
    known = [*data_columns(runs), *network_columns(runs), *(name for name in apart if name in runs)]
    others = [name for name in setting_columns(runs) if name not in {*known, *stem}]
    return _names(runs, stem, _in_reading_order(runs, others), known)


def telling_apart(runs: pd.DataFrame, names: Sequence[str], known: Sequence[str] = ()) -> list[str]:
    """The columns of `names`, in order, that split rows which agree in `known` and in those before."""
    keys, needed = list(known), []
    groups = len(runs[keys].drop_duplicates()) if keys else min(1, len(runs))
    for name in names:
        split = len(runs[[*keys, name]].drop_duplicates())
        if split > groups:
            keys.append(name)
            needed.append(name)
            groups = split
    return needed


def words(name: str, value: Any) -> str:
    """A setting in words: `lr=0.1`, `hash=srp`; a choice for the hidden layers by its value, `adagrad`.

    A missing setting is `K=-`; text that could be read as that, or as two words, stands in quotes.
    """
    if pd.isna(value):
        return f"{_short(name)}=-"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, bool):
        text = text.lower()
    elif isinstance(value, str) and (value == "-" or not PLAIN.fullmatch(value)):
        text = repr(value)
    bare = name in ("dataset", "hidden", "method", *variant_columns()) or (
        name in RunSpec.model_fields and name not in OUTPUT and isinstance(value, str)
    )
    return text if bare else f"{_short(name)}={text}"


def _short(name: str) -> str:
    return name.removeprefix("p_").removeprefix("dataset_").removesuffix("_name").removesuffix("_method")


def _in_reading_order(runs: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Settings of the run before options of its method, and in each words before numbers, gaps last."""
    return sorted(
        names,
        key=lambda name: (
            name.startswith("p_"),
            pd.api.types.is_numeric_dtype(runs[name]),
            bool(runs[name].isna().any()),
        ),
    )


def _names(runs: pd.DataFrame, stem: Sequence[str], others: Sequence[str], known: Sequence[str]) -> pd.Series:
    """Name rows by `stem` and by what must be added of `others`.

    Rows that agree in `known` and differ in `stem` or `others` have different names.
    """
    if runs.empty:
        return pd.Series("", index=runs.index, dtype="string")
    first, *rest = stem
    asked = runs[[*dict.fromkeys([*known, *stem, *others])]]
    plain = asked.astype(object).where(asked.notna(), None)
    made = pd.Series("", index=runs.index, dtype="string")
    for _, kin in plain.groupby(first, dropna=False, sort=False):
        spoken = [name for name in rest if kin[name].nunique(dropna=False) > 1]
        groups = kin.groupby([first, *spoken], dropna=False, sort=False) if spoken else [((), kin)]
        for _, rows in groups:
            made[rows.index] = _within(rows, [first, *spoken], others, known)
    return _distinct(made, plain, [*stem, *others], known)


def _within(
    rows: pd.DataFrame, stem: Sequence[str], others: Sequence[str], known: Sequence[str]
) -> pd.Series:
    """Names of rows that agree in `stem`."""
    lead = [words(name, value) for name in stem if (value := rows[name].iloc[0]) is not None]
    needed = telling_apart(rows, others, known)
    once = rows[[*known, *needed]].drop_duplicates()
    usual = {name: _of_most(once[name]) for name in needed}
    cells = rows[needed].to_numpy().tolist() if needed else [[]] * len(rows)

    def called(values: Sequence[Any]) -> str:
        told = [
            words(name, value)
            for name, value in zip(needed, values, strict=True)
            if value is not None and (value,) != usual[name]
        ]
        return " ".join([*lead, *told])

    return pd.Series([called(values) for values in cells], index=rows.index, dtype="string")


def _of_most(column: pd.Series) -> tuple[Any] | None:
    """The value that more than half of the cells have, if there is one."""
    counts = column.value_counts(dropna=False)
    return (counts.index[0],) if counts.iloc[0] > len(column) / 2 and not pd.isna(counts.index[0]) else None


def _distinct(
    made: pd.Series, plain: pd.DataFrame, settings: Sequence[str], known: Sequence[str]
) -> pd.Series:
    """Add what is missing, as `dims=-`, to names that different settings share."""
    frame = plain[[*dict.fromkeys([*known, *settings])]].assign(called=made)
    once = frame.drop_duplicates()
    clashing = once[once.duplicated([*known, "called"], keep=False)]
    for name in dict.fromkeys(clashing["called"]):
        rows = frame[frame["called"] == name]
        needed = telling_apart(rows, settings, known)
        cells = rows[needed].to_numpy().tolist()
        more = [[words(key, value) for key, value in zip(needed, values, strict=True)] for values in cells]
        made[rows.index] = [" ".join(dict.fromkeys([str(name), *added])) for added in more]
    return made

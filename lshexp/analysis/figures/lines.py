"""Which runs make one line of a figure: no point is ever a mean over two configurations.

Lines are called as `lshexp.analysis.configurations` calls configurations. Settings that differ and that
neither a label nor an axis shows are told in a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from lshexp.analysis.configurations import (
    data_columns,
    named,
    network_columns,
    setting_columns,
    telling_apart,
    words,
)
from lshexp.analysis.results import Results

PLACE = ("data", "network")  # what a panel shows


class NothingToDrawError(Exception):
    """A figure has nothing for these results, and why, as a phrase."""


def labelled(runs: pd.DataFrame, along: Sequence[str] = (), points: bool = False) -> pd.DataFrame:
    """Runs that ended well, with `data`, `network`, `label`, and `layers` and `width` of the network.

    Runs that agree in data, network, label and the settings `along` which a line goes are repeats of one
    configuration. Labels are categories in the order of the sweep, failed runs included, so that a line keeps
    its colour; `width` is 0 where layers differ. With `points`, a line goes along settings that are numbers,
    and the column `point` has those that tell its runs apart. `.attrs["notes"]` has sentences on settings
    that differ otherwise.

    Raises NothingToDrawError when no run ended well.
    """
    if not (runs["status"] == "ok").any():
        raise NothingToDrawError("no run ended well")
    if points:
        along = [name for name in method_settings(runs) if pd.api.types.is_numeric_dtype(runs[name])]
        if (runs.groupby("method", observed=True)["optimizer"].nunique() > 1).any():
            along.remove("lr")  # it goes with the optimiser, which must be told
    whole = named(runs, along)
    # a network may have no hidden layer
    nodes = [[int(c) for c in str(hidden).split("-") if c.isdecimal()] for hidden in runs["hidden"]]
    whole["layers"] = [len(each) for each in nodes]
    whole["width"] = [each[0] if len(set(each)) == 1 else 0 for each in nodes]
    sizes = dict(zip(whole["network"], ((len(each), each) for each in nodes), strict=True))
    order = {
        "data": list(dict.fromkeys(whole["data"])),
        "network": sorted(sizes, key=lambda name: (sizes[name], name)),
        "label": list(dict.fromkeys(whole["label"])),
    }
    for name, categories in order.items():
        whole[name] = pd.Categorical(whole[name].astype(object), categories=categories, ordered=True)
    if points:
        whole["point"] = _points(whole, along)
    good = whole[whole["status"] == "ok"].copy()
    good.attrs["notes"] = _notes(good, along)
    return good


def method_settings(runs: pd.DataFrame) -> list[str]:
    """Settings that are neither of the data nor of the network."""
    known = {*data_columns(runs), *network_columns(runs), "method"}
    return [name for name in setting_columns(runs) if name not in known]


def _points(runs: pd.DataFrame, numbers: Sequence[str]) -> pd.Series:
    """The numbers that tell the runs of each label apart, in words."""
    points = dict.fromkeys(runs.index, "")
    for _, part in runs.groupby("label", observed=True):
        for index, row in part[telling_apart(part, numbers, PLACE)].iterrows():
            told = [_point(str(name), value) for name, value in row.items() if pd.notna(value)]
            points[index] = " ".join(told)
    return pd.Series(points, dtype=object)


def _point(name: str, value: Any) -> str:
    return f"{value:g} %" if name == "active_pct" else words(name, value)


def _notes(runs: pd.DataFrame, along: Sequence[str]) -> list[str]:
    """Which settings change along a line, and which differ between lines and are in no label."""
    changing, differing = [], []
    for name in method_settings(runs):
        if name in along and name != "lr":
            continue
        lines = runs.groupby([*PLACE, "label"], observed=True)[name].nunique(dropna=False)
        told = [
            words(name, value) in label.split()
            for label, value in runs[["label", name]].drop_duplicates().itertuples(index=False)
        ]
        if (lines > 1).any() and name not in along:
            changing.append(name)
        elif not name.startswith(("p_", "output_")) and name != "active_pct" and not any(told):
            panels = runs.groupby(list(PLACE), observed=True)[name].nunique(dropna=False)
            differing += [name] if (panels > 1).any() else []
    told_changing = [name.removeprefix("p_").replace("_", " ") for name in changing]
    return [f"Along a line there also changes: {', '.join(told_changing)}."] * bool(changing) + [
        f"Lines also differ in: {', '.join(differing)}."
    ] * bool(differing)


def mean_and_range(frame: pd.DataFrame, by: list[str], value: str) -> pd.DataFrame:
    """Columns `by`, then mean, least and greatest of `value` over repeats, and their number."""
    groups = frame.groupby(by, observed=True, sort=False)[value]
    table = groups.agg(mean="mean", low="min", high="max", runs="count").reset_index()
    table = table[table["runs"] > 0].sort_values(by, kind="stable", ignore_index=True)
    table.attrs["notes"] = frame.attrs.get("notes", [])
    return table


def by_share(results: Results, value: str, fewest: int) -> pd.DataFrame:
    """Mean and range of a column of runs by place, label and share; some label has `fewest` shares."""
    runs = labelled(results.runs, along=["active_pct"])
    frame = mean_and_range(runs, [*PLACE, "label", "active_pct"], value)
    shares = frame.groupby([*PLACE, "label"], observed=True)["active_pct"].nunique()
    if not len(shares) or shares.max() < fewest:
        raise NothingToDrawError(f"no configuration was run at {fewest} shares of active nodes or more")
    return frame

"""What several figures do to the tables: name methods, average over repeats."""

from __future__ import annotations

import pandas as pd

FEWEST_SHARES = 3


def ok_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs that ended well, with `label`: the method, and the preset of LSH."""
    good = runs[runs["status"] == "ok"].copy()
    preset = good["p_preset"] if "p_preset" in good else pd.Series(pd.NA, index=good.index, dtype="string")
    method = good["method"].astype("string")
    good["label"] = (method + " " + preset.astype("string")).fillna(method)
    good["layers"] = good["hidden"].astype("string").str.count("-") + 1
    return good


def mean_and_range(frame: pd.DataFrame, by: list[str], value: str) -> pd.DataFrame:
    """Columns `by`, then mean, least and greatest of `value` and the number of runs."""
    groups = frame.groupby(by, observed=True, sort=True)[value]
    table = groups.agg(mean="mean", low="min", high="max", runs="count").reset_index()
    return table[table["runs"] > 0].reset_index(drop=True)


def by_share(runs: pd.DataFrame, value: str) -> pd.DataFrame:
    """Mean and range of a column of runs by network, method and share; empty below three shares."""
    sparse = ok_runs(runs)
    sparse = sparse[sparse["method"] != "dense"]
    table = mean_and_range(sparse, ["dataset", "hidden", "label", "active_pct"], value)
    shares = table.groupby(["dataset", "hidden", "label"], observed=True)["active_pct"].nunique()
    return table if len(table) and shares.max() >= FEWEST_SHARES else table.iloc[:0]


def panels(frame: pd.DataFrame, column: str) -> list[str]:
    """Values of a column in order of appearance."""
    return [str(value) for value in frame[column].drop_duplicates()]

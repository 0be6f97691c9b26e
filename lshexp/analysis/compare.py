"""Configurations against a baseline, paired by repeat.

Differences are means over pairs of runs with the same seed and repeat; ratios are ratios of sums over the
same pairs, so that a configuration and its baseline always stand for the same seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from lshexp.analysis.pairing import (
    NETWORK,
    NOT_SETTINGS,
    PAIR,
    Configuration,
    Settings,
    baseline_settings,
    configurations,
    match_baselines,
    setting_columns,
    telling_apart,
)
from lshexp.analysis.results import Results, read_runs
from lshexp.errors import ConfigError, Problem
from lshexp.registry import suggest

Source = pd.DataFrame | Results | str | Path
MEANS = ("active_pct_achieved", "mults_pct_of_dense", "mults_pct_of_dense_paper")
SUMMARY = (
    "is_baseline", "runs", "failed", "diverged", "metric", "mean", "sd", "pairs", "difference", *MEANS,
    "energy_ratio", "time_ratio",
)  # fmt: skip


def compare(
    source: Source | list[Source],
    baseline: str | Mapping[str, object] = "dense",
    metric: str = "test_acc_pct",
) -> pd.DataFrame:
    """Compare configurations with a baseline; one row for each dataset, network, method and setting.

    `source` is one or more of: a sweep's folder, its runs.csv, its `Results`, a frame of runs. `baseline` is
    a method's name, or the settings that pick a configuration, as text (`method=dense,lr=0.01`) or a mapping.

    Columns: dataset, hidden, method, active_pct and whatever else tells rows apart; `runs`, of which
    `failed` and `diverged` enter no mean; the `metric` with its `mean` and `sd`; `difference` to the
    baseline in the metric's own unit over `pairs` of runs; the means of active_pct_achieved,
    mults_pct_of_dense and mults_pct_of_dense_paper; `energy_ratio` and, where both times are valid,
    `time_ratio` (train_s) to the baseline. Missing means that it was not measured or has no baseline;
    `.attrs["notes"]` is a list of sentences that say which and why.

    Raises StoreError for results that cannot be read, ConfigError for an unknown metric or baseline setting.
    """
    sources: list[Source] = source if isinstance(source, list) else [source]
    runs, notes = _once(pd.concat([_runs_of(one) for one in sources], ignore_index=True))
    _check_metric(runs, metric)
    configs = configurations(runs)
    notes += match_baselines(configs, baseline_settings(baseline, setting_columns(runs)))
    notes += [] if runs[metric].notna().any() else [f"no run has a {metric}"]
    leading = [*NETWORK, "method", "active_pct"]
    shown = [*leading, *(name for name in _varying(configs) if name not in leading)]
    rows = [{name: config.settings[name] for name in shown} | _summary(config, metric) for config in configs]
    frame = pd.DataFrame(rows, columns=[*shown, *SUMMARY])
    order = [*NETWORK, "is_baseline", "method", "active_pct"]
    frame = frame.sort_values(
        order, ascending=[True, True, False, True, True], kind="stable", ignore_index=True
    )
    frame.attrs["notes"] = notes
    return frame


def _runs_of(source: Source) -> pd.DataFrame:
    if isinstance(source, Results):
        return source.runs
    return source if isinstance(source, pd.DataFrame) else read_runs(source)


def _once(runs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Count a configuration and seed once, however many folders hold it; the latest run stands for it."""
    runs = runs.sort_values("started_utc", kind="stable")
    doubled = runs.duplicated([*setting_columns(runs), *PAIR], keep="last")
    notes = [f"{doubled.sum()} runs are there more than once; the latest counts"] if doubled.any() else []
    return runs[~doubled].sort_index(), notes


def _check_metric(runs: pd.DataFrame, metric: str) -> None:
    numeric = [
        name
        for name in runs.columns
        if name not in NOT_SETTINGS and is_numeric_dtype(runs[name]) and not is_bool_dtype(runs[name])
    ]
    if metric in numeric:
        return
    problem = "is not a number" if metric in runs.columns else "is not a column"
    raise ConfigError(
        [Problem(("metric",), f"'{metric}' {problem} of the results{suggest(metric, numeric)}")]
    )


def _varying(configs: list[Configuration]) -> list[str]:
    """Settings of which some method has several values on one network."""
    groups: dict[tuple[object, ...], list[Settings]] = {}
    for config in configs:
        key = tuple(config.settings[name] for name in (*NETWORK, "method"))
        groups.setdefault(key, []).append(config.settings)
    names = {name for group in groups.values() for name in telling_apart(group)}
    return [name for name in configs[0].settings if name in names] if configs else []


def _summary(config: Configuration, metric: str) -> dict[str, object]:
    """The numbers of one row."""
    ok = config.ok
    counts = config.runs["status"].value_counts()
    pairs = _pairs(config)
    measured = pairs[pairs[metric].notna() & pairs[f"{metric}_base"].notna()]
    timed = pairs[(pairs["timing_valid"] & pairs["timing_valid_base"]).fillna(False).astype(bool)]
    return {
        "is_baseline": config.is_baseline,
        "runs": len(config.runs),
        "failed": int(counts.get("failed", 0)),
        "diverged": int(counts.get("diverged", 0)),
        "metric": metric,
        "mean": _number(ok[metric].mean()),
        "sd": _number(ok[metric].std()),
        "pairs": len(measured),
        "difference": _number((measured[metric] - measured[f"{metric}_base"]).mean()),
        **{name: _number(ok[name].mean()) for name in MEANS},
        "energy_ratio": _ratio(pairs, "energy_proxy_j"),
        "time_ratio": _ratio(timed, "train_s"),
    }


def _pairs(config: Configuration) -> pd.DataFrame:
    """Ok runs beside the baseline's ok run of the same seed and repeat, whose columns end in `_base`."""
    base = config.baseline.ok if config.baseline is not None else config.ok.iloc[:0]
    return config.ok.merge(base, on=PAIR, suffixes=("", "_base"))


def _ratio(pairs: pd.DataFrame, column: str) -> float:
    both = pairs[pairs[column].notna() & pairs[f"{column}_base"].notna()]
    base = both[f"{column}_base"].sum()
    return float(both[column].sum() / base) if base > 0 else float("nan")


def _number(value: object) -> float:
    """A mean as a plain float; not-a-number where nothing was measured."""
    return float("nan") if pd.isna(value) else float(value)  # type: ignore[call-overload, arg-type]

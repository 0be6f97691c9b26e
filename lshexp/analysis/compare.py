"""Configurations against a baseline, paired by repeat.

Differences are means over pairs of runs with the same seed and repeat; ratios are ratios of sums over the
same pairs, so that a configuration and its baseline always stand for the same seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    paired,
    setting_columns,
    telling_apart,
)
from lshexp.analysis.pricing import priced_runs
from lshexp.analysis.results import Results, read_runs
from lshexp.analysis.statistics import Interval, holm, interval, non_inferior, sign_flip_p, verdict
from lshexp.config.energy import energy_model
from lshexp.errors import ConfigError, Problem
from lshexp.validation import suggest

Source = pd.DataFrame | Results | str | Path
FEWEST_FOR_A_TEST = 6  # sign flips of six differences can reach p = 0.03
MEANS = ("active_pct_achieved", "mults_pct_of_dense", "mults_pct_of_dense_paper")
SUMMARY = (
    "is_baseline", "runs", "failed", "diverged", "metric", "mean", "sd", "pairs", "difference", "ci_low",
    "ci_high", "p", "verdict", "non_inferior", *MEANS, "energy_ratio", "time_ratio",
)  # fmt: skip


def compare(
    source: Source | list[Source],
    baseline: str | Mapping[str, object] = "dense",
    metric: str = "test_acc_pct",
    margin: float = 1.0,
    energy: str | None = None,
) -> pd.DataFrame:
    """Compare configurations with a baseline; one row for each dataset, network, method and setting.

    `source` is one or more of: a sweep's folder, its runs.csv, its `Results`, a frame of runs. `baseline` is
    a method's name, or the settings that pick a configuration, as text (`method=dense,lr=0.01`) or a mapping.
    `energy` prices the runs anew: a model, or a file, as `lshexp.config.energy.energy_model` reads it.

    Columns: dataset, hidden, method, active_pct and whatever else tells rows apart; `runs`, of which
    `failed` and `diverged` enter no mean; the `metric` with its `mean` and `sd`; `difference` to the
    baseline in the metric's own unit over `pairs` of runs, with the 95 % interval `ci_low` to `ci_high` and
    the sign-flip `p` (Holm's correction over all rows); the `verdict` (better, worse, equivalent within
    `margin`, undetermined) and whether it is `non_inferior`, no worse than by `margin`, all as
    `lshexp.analysis.statistics` defines them; the means of active_pct_achieved,
    mults_pct_of_dense and mults_pct_of_dense_paper; `energy_ratio` and, where both times are valid,
    `time_ratio` (train_s) to the baseline. Missing means that it was not measured or has no baseline;
    `.attrs["notes"]` is a list of sentences that say which and why.

    Raises StoreError for results that cannot be read, ConfigError for an unknown metric or baseline setting,
    for a margin that is not above zero, and for pairs that began from other weights or saw another order.
    """
    runs, notes = gather(source if isinstance(source, list) else [source], energy)
    _check_metric(runs, metric)
    if not margin > 0:
        raise ConfigError([Problem(("margin",), f"{margin} is not above zero")])
    configs = configurations(runs)
    notes += match_baselines(configs, baseline_settings(baseline, setting_columns(runs)))
    notes += [] if runs[metric].notna().any() else [f"no run has a {metric}"]
    leading = [*NETWORK, "method", "active_pct"]
    shown = [*leading, *(name for name in _varying(configs) if name not in leading)]
    rows = [
        {name: config.settings[name] for name in shown} | _summary(config, metric, margin)
        for config in configs
    ]
    frame = pd.DataFrame(rows, columns=[*shown, *SUMMARY])
    order = [*NETWORK, "is_baseline", "method", "active_pct"]
    frame = frame.sort_values(
        order, ascending=[True, True, False, True, True], kind="stable", ignore_index=True
    )
    frame["p"] = holm([None if pd.isna(p) else p for p in frame["p"]])
    frame.attrs["notes"] = notes + too_few(frame)
    return frame


def gather(sources: Sequence[Source], energy: str | None = None) -> tuple[pd.DataFrame, list[str]]:
    """Read the runs of all sources as one frame, each run once, and what there is to say about that.

    `energy` names a model that prices them anew.
    """
    model = energy_model(energy) if energy else None
    tables = [priced_runs(one, model) if model else _runs_of(one) for one in sources]
    return _once(pd.concat(tables, ignore_index=True))


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


def too_few(frame: pd.DataFrame) -> list[str]:
    """Say it when there are too few seeds for a test to find anything."""
    pairs = frame.loc[~frame["is_baseline"].astype(bool) & (frame["pairs"] > 0), "pairs"]
    if pairs.empty or pairs.min() >= FEWEST_FOR_A_TEST:
        return []
    least = int(pairs.min())
    told = "no interval and no verdict" if least < 2 else f"no p below {2.0 ** (1 - least):g}"
    return [
        f"{least} {'pair' if least == 1 else 'pairs'} of runs can give {told}; "
        f"{FEWEST_FOR_A_TEST} seeds or more (--repeats) let the test decide"
    ]


def _summary(config: Configuration, metric: str, margin: float) -> dict[str, object]:
    """The numbers of one row."""
    ok = config.ok
    counts = config.runs["status"].value_counts()
    pairs = paired(config, [metric, "timing_valid", "train_s", "energy_proxy_j"])
    measured = pairs[pairs[metric].notna() & pairs[f"{metric}_base"].notna()]
    differences = (measured[metric] - measured[f"{metric}_base"]).to_numpy(dtype=float)
    if config.is_baseline:
        differences = differences[:0]  # of itself there is nothing to tell
    found = interval(differences)
    gain = found if metric.endswith("acc_pct") or found is None else Interval(-found.high, -found.low, "")
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
        "ci_low": found.low if found else None,
        "ci_high": found.high if found else None,
        "p": sign_flip_p(differences) if found else None,
        "verdict": verdict(gain, margin) if found else None,
        "non_inferior": non_inferior(gain, margin),
        **{name: _number(ok[name].mean()) for name in MEANS},
        "energy_ratio": _ratio(pairs, "energy_proxy_j"),
        "time_ratio": _ratio(timed, "train_s"),
    }


def _ratio(pairs: pd.DataFrame, column: str) -> float:
    both = pairs[pairs[column].notna() & pairs[f"{column}_base"].notna()]
    base = both[f"{column}_base"].sum()
    return float(both[column].sum() / base) if base > 0 else float("nan")


def _number(value: object) -> float:
    """A mean as a plain float; not-a-number where nothing was measured."""
    return float("nan") if pd.isna(value) else float(value)  # type: ignore[call-overload, arg-type]

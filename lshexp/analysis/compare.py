"""Configurations held against a baseline, paired by seed.

Differences are means over pairs of runs with the same seed and repeat; ratios are ratios of sums over the
same pairs, so that a configuration and its baseline always stand for the same seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from lshexp.analysis.configurations import PAIR, setting_columns, telling_apart
from lshexp.analysis.pairing import (
    Configuration,
    baseline_settings,
    configurations,
    match_baselines,
    paired,
    picks,
)
from lshexp.analysis.results import Results, folders_of, priced_runs, read_runs, rounding_notes, together
from lshexp.analysis.statistics import FEWEST, Inference, infer, kind, non_inferior, verdict
from lshexp.config.claims import higher_is_better
from lshexp.config.energy import energy_model
from lshexp.errors import ConfigError, Problem
from lshexp.registry import methods
from lshexp.validation import suggest

Source = pd.DataFrame | Results | str | Path
DEFAULT_BASELINE = "dense"
DEFAULT_MARGIN = 1.0
COUNTED = ("mults_", "bytes_", "active_pct", "predict_mults")  # beginnings of metrics that are counts
LEADING = ("dataset", "hidden", "method", "active_pct")
MEANS = ("active_pct_achieved", "mults_pct_of_dense", "mults_pct_of_dense_paper")
PREDICTING = "predict_"  # beginning of columns that say what predicting costs
SUMMARY = (
    "data", "network", "label", "is_baseline", "baseline", "chosen_by", "differs", "runs", "failed",
    "diverged", "metric", "mean", "sd", "pairs", "difference", "ci_low", "ci_high", "p", "verdict",
    "non_inferior",
)  # fmt: skip


def compare(
    source: Source | Sequence[Source],
    baseline: str | Mapping[str, object] | None = None,
    metric: str = "test_acc_pct",
    margin: float | None = None,
    energy: str | None = None,
) -> pd.DataFrame:
    """Compare configurations with a baseline; one row for each dataset, network, method and setting.

    `source` is one or more of: a folder of a sweep or of several, a runs.csv, `Results`, a frame of runs.
    `baseline` is a method's name, or the settings that pick a configuration, as text
    (`method=dense,lr=0.01`) or a mapping; of several that fit, it is the one with the best validation
    accuracy on the same data and network. `margin` is the difference that counts as none. Left out, both
    are what the sweep.yaml of the results says, or else dense and 1. `energy` prices the runs anew: a
    model, or a file, as `lshexp.config.energy.energy_model` reads it.

    Columns: dataset, hidden, method, active_pct and whatever else tells rows apart; `data`, `network` and
    `label`, which name the configuration in short; the label of its `baseline`, how that was `chosen_by`
    where there were several, and how a row `differs` from it in training; `runs`, of which `failed` and
    `diverged` enter no mean; the `metric` with its `mean` and `sd`; `difference` to the baseline in the
    metric's own unit over `pairs` of runs, with an interval `ci_low` to `ci_high` and `p`, corrected over
    all rows, the `verdict` in words and whether a row is `non_inferior`, all as
    `lshexp.analysis.statistics` defines them; the means of active_pct_achieved, mults_pct_of_dense,
    mults_pct_of_dense_paper and what predicting costs; `energy_ratio` and, where both times are valid,
    `time_ratio` (train_s) to the baseline. Missing means that it was not measured or has no baseline;
    `.attrs["notes"]` is a list of sentences that say which and why, `.attrs["choices"]` those of them that
    are about runs and baselines, such as that the runs come from machines that round differently.

    Raises StoreError for results that cannot be read, ConfigError for an unknown metric or baseline, for a
    margin that is not above zero, and for pairs that began from other weights or saw another order.
    """
    sources = [source] if isinstance(source, pd.DataFrame | Results | str | Path) else list(source)
    runs, notes = once(gather(sources, energy))
    check_metric(runs, metric)
    margin = margin if margin is not None else runs.attrs.get("margin") or DEFAULT_MARGIN
    if not margin > 0:
        raise ConfigError([Problem(("margin",), f"{margin} is not above zero")])
    configs = configurations(runs)
    asked = baseline if baseline is not None else runs.attrs.get("baseline") or DEFAULT_BASELINE
    wanted = baseline_settings(asked, setting_columns(runs))
    if baseline is not None:
        _check_baseline(configs, wanted)
    notes += [*runs.attrs.get("notes", []), *match_baselines(configs, wanted)]
    notes += rounding_notes(runs, [part for source in sources for part in _parts(source)])
    notes += [] if runs[metric].notna().any() else [f"no run has a {metric}"]
    shown = [*LEADING, *(name for name in _varying(runs) if name not in LEADING)]
    frame = pd.DataFrame(
        [
            {name: config.settings[name] for name in shown} | row
            for config, row in zip(configs, _summaries(configs, metric, margin), strict=True)
        ],
        columns=[*shown, *SUMMARY, *_means(runs), "energy_ratio", "time_ratio"],
    )
    frame = frame.sort_values(
        ["dataset", "hidden", "data", "network", "is_baseline", "method", "active_pct"],
        ascending=[True, True, True, True, False, True, True], kind="stable", ignore_index=True,
    )  # fmt: skip
    frame.attrs = {
        "notes": [*notes, *_what_is_missing(frame)],
        "choices": notes,
        "margin": margin,
        "unit": unit_of(metric),
    }
    return frame


def gather(sources: Sequence[Source], energy: str | None = None) -> pd.DataFrame:
    """Read the runs of all sources as one frame; `energy` names a model that prices them anew."""
    model = energy_model(energy) if energy else None
    each = [part for source in sources for part in _parts(source)]
    tables = [priced_runs(part, model) if model else _runs_of(part) for part in each]
    whole = together(tables)
    if any(table.attrs != tables[0].attrs for table in tables):
        what = f"{DEFAULT_BASELINE} and {DEFAULT_MARGIN:g} are taken; --baseline and --margin choose"
        whole.attrs = {"notes": [f"the sweeps name different baselines or margins: {what}"]}
    return whole


def _parts(source: Source) -> Sequence[Source]:
    """A folder as the folders of sweeps in it, anything else as it is."""
    if isinstance(source, str | Path) and Path(source).is_dir():
        return folders_of(Path(source))
    return [source]


def _runs_of(source: Source) -> pd.DataFrame:
    if isinstance(source, Results):
        return source.runs
    return source if isinstance(source, pd.DataFrame) else read_runs(source)


def once(runs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Count a configuration and seed once, however many sweeps hold it; the latest run stands for it."""
    runs = runs.sort_values("started_utc", kind="stable")
    doubled = runs.duplicated([*setting_columns(runs), *PAIR], keep="last")
    notes = [f"{doubled.sum()} runs are there more than once; the latest counts"] if doubled.any() else []
    kept = runs[~doubled].sort_index()
    kept.attrs = runs.attrs
    return kept, notes


def check_metric(runs: pd.DataFrame, metric: str, where: tuple[str | int, ...] = ("metric",)) -> None:
    """Raise ConfigError unless `metric` is a column of numbers."""
    numeric = [
        name
        for name in runs.columns
        if name not in ("schema_version", *PAIR)
        and is_numeric_dtype(runs[name])
        and not is_bool_dtype(runs[name])
    ]
    if metric in numeric:
        return
    problem = "is not a number" if metric in runs.columns else "is not a column"
    raise ConfigError([Problem(where, f"'{metric}' {problem} of the results{suggest(metric, numeric)}")])


def is_counted(metric: str) -> bool:
    """Whether a metric is a count, in which runs need not vary."""
    return metric.startswith(COUNTED)


def unit_of(metric: str) -> str:
    """The unit of a difference in a metric: `pt` for per cent, `s`, `J`, or nothing."""
    return {"pct": "pt", "s": "s", "j": "J", "mb": "MB", "us": "us"}.get(metric.rpartition("_")[2], "")


def _check_baseline(configs: Sequence[Configuration], wanted: Mapping[str, object]) -> None:
    """Raise ConfigError for a value that no run has, unless it is a method that was just not run."""
    for name, value in wanted.items():
        if not configs or any(picks({name: value}, config.settings) for config in configs):
            continue
        there = sorted({str(config.settings[name]) for config in configs})
        known = set(methods.discover()) if name == "method" else set()
        if str(value) not in known:
            what = f"no run has {name}={value}{suggest(str(value), sorted({*there, *known}))}"
            raise ConfigError([Problem(("baseline",), f"{what}; there are {', '.join(there[:12])}")])


def _varying(runs: pd.DataFrame) -> list[str]:
    """Settings in which runs of one method, data and network differ, beside those that follow from others."""
    known = [name for name in setting_columns(runs) if name in LEADING]
    return telling_apart(runs, [name for name in setting_columns(runs) if name not in known], known)


def _summaries(configs: Sequence[Configuration], metric: str, margin: float) -> list[dict[str, object]]:
    """The numbers of each row; intervals and p values are those of the whole table."""
    pairs = [paired(config, [metric, "timing_valid", "train_s", "energy_proxy_j"]) for config in configs]
    differences = [(part[metric] - part[f"{metric}_base"]).dropna().to_numpy(dtype=float) for part in pairs]
    judged = [i for i, config in enumerate(configs) if not config.is_baseline]
    found = dict(zip(judged, infer([differences[i] for i in judged], is_counted(metric)), strict=True))
    return [
        _summary(config, metric, margin, pairs[i], differences[i], found.get(i))
        for i, config in enumerate(configs)
    ]


def _summary(
    config: Configuration,
    metric: str,
    margin: float,
    pairs: pd.DataFrame,
    differences: np.ndarray,
    found: Inference | None,
) -> dict[str, object]:
    """The numbers of one row."""
    ok = config.ok
    counts = config.runs["status"].value_counts()
    timed = pairs[(pairs["timing_valid"] & pairs["timing_valid_base"]).fillna(False).astype(bool)]
    upward = higher_is_better(metric)
    judged = len(differences) > 0 and not config.is_baseline
    words = verdict(kind(found, margin, upward), margin, unit_of(metric)) if judged else None
    return {
        **{name: config.runs[name].iloc[0] for name in ("data", "network", "label")},
        "is_baseline": config.is_baseline,
        "baseline": config.baseline.label if config.baseline else None,
        "chosen_by": config.chosen_by,
        "differs": config.differs(),
        "runs": len(config.runs),
        "failed": int(counts.get("failed", 0)),
        "diverged": int(counts.get("diverged", 0)),
        "metric": metric,
        "mean": _number(ok[metric].mean()),
        "sd": _number(ok[metric].std()),
        "pairs": len(differences),
        "difference": float(differences.mean()) if len(differences) else float("nan"),
        "ci_low": found.low if found else None,
        "ci_high": found.high if found else None,
        "p": found.p if found else None,
        "verdict": words,
        "non_inferior": non_inferior(found, margin, upward),
        **{name: _number(ok[name].mean()) for name in _means(ok)},
        "energy_ratio": _ratio(pairs, "energy_proxy_j"),
        "time_ratio": _ratio(timed, "train_s"),
    }


def _means(runs: pd.DataFrame) -> list[str]:
    """Columns of which a row has the mean: shares, and what predicting costs where it was measured."""
    return [*MEANS, *(name for name in map(str, runs) if name.startswith(PREDICTING))]


def _what_is_missing(frame: pd.DataFrame) -> list[str]:
    """Say which rows have no verdict for want of seeds, and which no time, and why."""
    rows = frame[~frame["is_baseline"].astype(bool) & (frame["pairs"] > 0)]
    few = rows[rows["verdict"] == "too few seeds"]
    notes = []
    if (few["pairs"] < FEWEST).any():
        least = int(few["pairs"].min())
        notes.append(
            f"{least} {'pair' if least == 1 else 'pairs'} of runs cannot settle anything: {FEWEST} seeds "
            "(--repeats) are the fewest that give an interval, five or more make it useful"
        )
    if (few["pairs"] >= FEWEST).any():
        notes.append("where all differences are equal, their spread is not known; more seeds may tell")
    untimed = int(rows["time_ratio"].isna().sum())
    if untimed:
        notes.append(
            f"{untimed} of {len(rows)} rows have no time ratio: their runs, or the baseline's, were not "
            "alone on the machine (timing_valid in runs.csv); -j 1 on an idle machine measures times"
        )
    return notes


def _ratio(pairs: pd.DataFrame, column: str) -> float:
    both = pairs[pairs[column].notna() & pairs[f"{column}_base"].notna()]
    base = both[f"{column}_base"].sum()
    return float(both[column].sum() / base) if base > 0 else float("nan")


def _number(value: object) -> float:
    """A mean as a plain float; not-a-number where nothing was measured."""
    return float("nan") if pd.isna(value) else float(value)  # type: ignore[call-overload, arg-type]

"""What each change to the selection does to the test error, recall and multiplications.

Drawn where a sweep varies several options of one method at one share. A row is a configuration, named by the
options in which it differs from the one that has the most usual value of each; dots are means over repeats,
bars their range.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from lshexp.analysis.figures import _style
from lshexp.analysis.figures._frames import ok_runs
from lshexp.analysis.results import Results

FEWEST_ROWS = 5
MEASURES = {
    "test_error_pct": "test error (%), logarithmic",
    "recall_pct": "recall of the true top k (%)",
    "mults_pct_of_dense": "multiplications (% of dense)",
}


def tidy(results: Results) -> pd.DataFrame:
    """One row a configuration and measure: `name`, `label`, `measure`, mean, low, high, runs."""
    runs = ok_runs(results.runs)
    runs = runs.merge(_last_recall(results.selection), on="run_id", how="left")
    runs["name"] = _names(runs)
    runs["test_error_pct"] = 100 - runs["test_acc_pct"]
    parts = []
    for measure in MEASURES:
        table = (
            runs.groupby(["label", "name"], observed=True, sort=False)[measure]
            .agg(mean="mean", low="min", high="max", runs="count")
            .reset_index()
        )
        parts.append(table.assign(measure=measure))
    frame = pd.concat(parts, ignore_index=True)
    same_place = runs[["dataset", "hidden", "active_pct"]].drop_duplicates()
    places = same_place[same_place["active_pct"] < 100]
    if len(places) != 1 or frame["name"].nunique() < FEWEST_ROWS:
        return frame.iloc[:0]
    return frame[frame["runs"] > 0].reset_index(drop=True)


def _last_recall(selection: pd.DataFrame) -> pd.DataFrame:
    """Mean over layers of the recall after each run's last epoch."""
    last = selection.groupby("run_id")["epoch"].transform("max")
    return selection[selection["epoch"] == last].groupby("run_id")["recall_pct"].mean().reset_index()


def _names(runs: pd.DataFrame) -> pd.Series:
    """Each run named by the settings in which it differs from the most usual ones of its method."""
    options = [str(name) for name in runs if str(name).startswith("p_")] + ["optimizer"]
    names: dict[Any, str] = {}
    for label, part in runs.groupby("label", observed=True):
        usual = {name: _usual(part[name]) for name in options}
        rows: list[dict[Any, Any]] = part[options].to_dict("records")
        for index, run in zip(part.index, rows, strict=True):
            differ = [
                f"{name.removeprefix('p_').removeprefix('hash_')} {_word(run[name])}"
                for name in options
                if usual[name] is not None and pd.notna(run[name]) and str(run[name]) != usual[name]
            ]
            family = run.get("p_hash_name")
            if pd.notna(family) and family != usual.get("p_hash_name"):
                differ = [f"hash {family}"]
            names[index] = f"{label}: {', '.join(differ) or 'as it is'}"
    return pd.Series(names, dtype="string").reindex(runs.index)


def _word(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _usual(column: pd.Series) -> str | None:
    """The most usual value; of several as usual, that of the earliest row."""
    counts = column.dropna().astype(str).value_counts(sort=False)
    return None if counts.empty else str(counts.idxmax())


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    """A panel for each measure, rows in the order of the sweep from the top."""
    names = list(frame["name"].drop_duplicates())
    place = {name: len(names) - 1 - row for row, name in enumerate(names)}
    measures = [measure for measure in MEASURES if (frame["measure"] == measure).any()]
    axes = _style.grid(figure, 1, len(measures), width=2.7, height=0.24 * len(names))[0]
    for axis, measure in zip(axes, measures, strict=True):
        part = frame[frame["measure"] == measure]
        rows = part["name"].map(place)
        bars = [part["mean"] - part["low"], part["high"] - part["mean"]]
        axis.errorbar(part["mean"], rows, xerr=bars, fmt="o", color="#0072B2", ecolor="#888888", markersize=4)
        reference = part.loc[part["name"] == names[0], "mean"]
        if len(reference):
            axis.axvline(reference.iloc[0], color="#000000", linewidth=0.8, linestyle=(0, (5, 2)))
        axis.set_yticks(list(place.values()), list(place))
        axis.set_xlabel(MEASURES[measure])
        if measure == "test_error_pct":  # a change that breaks the selection must not flatten all others
            _style.log_axis(axis)

"""Test accuracy after each epoch; bands are the range over repeats.

Drawn where runs have three epochs or more, a network has at most eight configurations, and those differ in
method, preset, share and rate alone.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from lshexp.analysis.figures import _style
from lshexp.analysis.figures._frames import mean_and_range, ok_runs, panels
from lshexp.analysis.results import Results

FEWEST_EPOCHS, MOST_LINES = 3, 8


def tidy(results: Results) -> pd.DataFrame:
    """Mean and range of accuracy by network, method, share and epoch."""
    runs = ok_runs(results.runs)
    if "simulate_workers" in runs:  # they have a figure of their own
        runs = runs[runs["simulate_workers"].isna()]
    keys = ["dataset", "hidden", "label", "active_pct", "lr", "epoch"]
    if runs.duplicated([*keys[:-1], "seed", "repeat"]).any():  # a line would be the mean of different things
        return results.epochs.iloc[:0]
    runs = runs[["run_id", *keys[:-1]]]
    frame = mean_and_range(results.epochs.merge(runs, on="run_id"), keys, "test_acc_pct")
    lines = frame[keys[:-1]].drop_duplicates().groupby(["dataset", "hidden"], observed=True).size()
    fits = len(frame) and frame["epoch"].max() >= FEWEST_EPOCHS and lines.max() <= MOST_LINES
    return frame if fits else frame.iloc[:0]


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    """A panel for each dataset and network."""
    places = frame[["dataset", "hidden"]].drop_duplicates().to_numpy().tolist()
    axes = _style.grid(figure, 1, len(places), width=3.6, height=2.8)[0]
    for axis, (dataset, hidden) in zip(axes, places, strict=True):
        part = frame[(frame["dataset"] == dataset) & (frame["hidden"] == hidden)]
        for label in panels(part, "label"):
            lines = part[part["label"] == label]
            for (share, rate), line in lines.groupby(["active_pct", "lr"], sort=True):
                look = _style.look(label)
                name = label if label == "dense" else f"{label}, {share:g} %"
                name += f", lr {rate:g}" if lines["lr"].nunique() > 1 else ""
                axis.plot(line["epoch"], line["mean"], **look._asdict(), markersize=4, label=name)
                axis.fill_between(
                    line["epoch"], line["low"], line["high"], color=look.color, alpha=0.15, linewidth=0
                )
        axis.set_title(f"{dataset}, {hidden.count('-') + 1} hidden")
        axis.set_xlabel("epoch")
    axes[0].set_ylabel("test accuracy (%)")
    _style.legend(figure, axes)

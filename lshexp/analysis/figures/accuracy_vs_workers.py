"""Test accuracy after each epoch of asynchronous training, by simulated workers.

Drawn where a sweep has two numbers of simulated workers or more.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from lshexp.analysis.figures import _style
from lshexp.analysis.figures._frames import mean_and_range, ok_runs, panels
from lshexp.analysis.results import Results

COLOURS = ("#000000", "#0072B2", "#E69F00", "#D55E00", "#CC79A7", "#009E73")
MARKERS = ("o", "s", "^", "v", "D", "X")


def tidy(results: Results) -> pd.DataFrame:
    """Mean accuracy of each method, optimiser, number of workers and epoch."""
    keys = ["dataset", "label", "optimizer", "lr", "active_pct", "simulate_workers", "epoch"]
    runs = ok_runs(results.runs)
    if "simulate_workers" not in runs or runs["simulate_workers"].nunique() < 2:
        return pd.DataFrame(columns=keys)
    runs = runs[runs["simulate_workers"].notna()]
    return mean_and_range(
        results.epochs.merge(runs[["run_id", *keys[:-1]]], on="run_id"), keys, "test_acc_pct"
    )


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    """A row for each optimiser and rate, a panel for each method; a line for each number of workers."""
    setting = ["dataset", "optimizer", "lr"]
    # the row with the most lines first, so that the legend names them in order
    sizes = frame.groupby(setting, observed=True)["simulate_workers"].nunique()
    rows = sizes.sort_values(ascending=False, kind="stable").index.tolist()
    labels = panels(frame, "label")
    counts = sorted(frame["simulate_workers"].unique())
    axes = _style.grid(figure, len(rows), len(labels), width=3.4, height=2.6)
    for line_of_axes, (dataset, optimizer, lr) in zip(axes, rows, strict=True):
        part = frame[(frame["dataset"] == dataset) & (frame["optimizer"] == optimizer) & (frame["lr"] == lr)]
        for axis, label in zip(line_of_axes, labels, strict=True):
            own = part[part["label"] == label]
            for workers, line in own.groupby("simulate_workers", sort=True):
                at = counts.index(workers) % len(COLOURS)
                name = f"{workers} worker{'s' if workers != 1 else ''}"
                axis.plot(
                    line["epoch"],
                    line["mean"],
                    color=COLOURS[at],
                    marker=MARKERS[at],
                    markersize=4,
                    label=name,
                )
            axis.set_xticks(sorted(frame["epoch"].unique()))
            axis.set_title(f"{label}, {optimizer} {lr:g}, {dataset}")
        line_of_axes[0].set_ylabel("test accuracy (%)")
    for axis in axes[-1]:
        axis.set_xlabel("epoch")
    _style.legend(figure, [axis for row in axes for axis in row])

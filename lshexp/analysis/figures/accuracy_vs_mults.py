"""Test accuracy against counted multiplications; the line joins what nothing else beats on both.

Drawn where a sweep has several configurations; labels are shares of active nodes.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from lshexp.analysis.figures import _style
from lshexp.analysis.figures._frames import ok_runs, panels
from lshexp.analysis.results import Results

FEWEST = 4
DEEPEST = 20.0  # points below the best that are in view
CLOSEST = 1.3  # times as many multiplications: points on the front that are closer share a label


def tidy(results: Results) -> pd.DataFrame:
    """Means over repeats by configuration, and whether it is on the Pareto front of its network."""
    runs = ok_runs(results.runs)
    options = [str(name) for name in runs if str(name).startswith("p_")]
    keys = ["dataset", "hidden", "label", "active_pct", "lr", "optimizer", *options]
    groups = runs.groupby(keys, observed=True, dropna=False, sort=False)
    frame = groups[["test_acc_pct", "mults_pct_of_dense"]].mean().reset_index()
    frame = frame[["dataset", "hidden", "label", "active_pct", "test_acc_pct", "mults_pct_of_dense"]].dropna()
    parts = frame.groupby(["dataset", "hidden"], observed=True, sort=False)
    frame["on_front"] = False
    for _, part in parts:
        frame.loc[part.index, "on_front"] = [
            not (
                (part["test_acc_pct"] >= row["test_acc_pct"])
                & (part["mults_pct_of_dense"] <= row["mults_pct_of_dense"])
                & (part.index != index)
            ).any()
            for index, row in part.iterrows()
        ]
    return frame.reset_index(drop=True) if len(frame) >= FEWEST * max(1, len(parts)) else frame.iloc[:0]


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    """A panel for each dataset and network; accuracies far below the best are left out of view."""
    panes = _style.by_place(figure, frame, "test accuracy (%)")
    for axis, whole in panes:
        part = whole[whole["test_acc_pct"] >= whole["test_acc_pct"].max() - DEEPEST]
        for label in panels(part, "label"):
            points = part[part["label"] == label]
            look = _style.look(label)
            axis.plot(
                points["mults_pct_of_dense"], points["test_acc_pct"], linestyle="", color=look.color,
                marker=look.marker or "*", label=label,
            )  # fmt: skip
        front = part[part["on_front"]].sort_values("mults_pct_of_dense")
        axis.plot(
            front["mults_pct_of_dense"], front["test_acc_pct"], color="#999999", linewidth=0.8, zorder=0
        )
        labelled = front[front["mults_pct_of_dense"] <= front["mults_pct_of_dense"].shift() * CLOSEST]
        for _, point in front.drop(labelled.index).iterrows():
            place = (point["mults_pct_of_dense"], point["test_acc_pct"])
            text = f"{point['active_pct']:g} %"
            axis.annotate(text, place, textcoords="offset points", xytext=(4, -9), fontsize=7)
        _style.log_axis(axis)
        axis.set_xlabel("multiplications (% of dense, log scale)")
    _style.legend(figure, [axis for axis, _ in panes])

"""Test accuracy against the share of active nodes, by dataset and depth, as in the paper.

Above dropout, adaptive dropout and winner-take-all, below the three readings of LSH; dense in both.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from lshexp.analysis.figures import _style
from lshexp.analysis.figures._frames import mean_and_range, ok_runs, panels
from lshexp.analysis.results import Results

BY = ["dataset", "hidden", "label", "active_pct"]
OTHERS = {"dropout", "adaptive_dropout", "winner_take_all"}


def tidy(results: Results) -> pd.DataFrame:
    """Mean accuracy of each method and share; empty unless some method was run at several shares."""
    runs = ok_runs(results.runs)
    table = mean_and_range(runs, BY, "test_acc_pct")
    shares = table[table["label"] != "dense"].groupby(["dataset", "hidden", "label"], observed=True)
    return table if len(table) and (shares["active_pct"].nunique() > 1).any() else table.iloc[:0]


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    """A column of panels for each dataset and network."""
    columns = frame[["dataset", "hidden"]].drop_duplicates().to_numpy().tolist()
    axes = _style.grid(figure, 2, len(columns), width=2.6)
    for column, (dataset, hidden) in enumerate(columns):
        part = frame[(frame["dataset"] == dataset) & (frame["hidden"] == hidden)]
        for row, others in enumerate((True, False)):
            axis = axes[row][column]
            for label in panels(part, "label"):
                if label == "dense":
                    level = part.loc[part["label"] == label, "mean"].mean()
                    axis.axhline(level, **_style.look(label)._asdict(), linewidth=1.2, label=label)
                elif (label in OTHERS) == others:
                    line = part[part["label"] == label]
                    axis.plot(line["active_pct"], line["mean"], **_style.look(label)._asdict(), label=label)
                    if (line["runs"] > 1).any():
                        axis.fill_between(
                            line["active_pct"], line["low"], line["high"], alpha=0.15,
                            color=_style.look(label).color, linewidth=0,
                        )  # fmt: skip
            layers = hidden.count("-") + 1
            axis.set_title(f"{dataset}, {layers} hidden" if row == 0 else "")
            axis.set_xticks([5, 25, 50, 75, 90])
            if row == 1:
                axis.set_xlabel("active nodes (%)")
            if column == 0:
                axis.set_ylabel("test accuracy (%)")
    _style.legend(figure, [axis for row in axes for axis in row])

"""Test accuracy against the number of hidden layers.

Drawn where a sweep has networks of several depths and one share of active nodes.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from lshexp.analysis.figures import _style
from lshexp.analysis.figures._frames import mean_and_range, ok_runs, panels
from lshexp.analysis.results import Results


def tidy(results: Results) -> pd.DataFrame:
    """Mean accuracy of each method and depth; empty with fewer than three depths."""
    runs = ok_runs(results.runs)
    table = mean_and_range(runs, ["dataset", "label", "active_pct", "layers"], "test_acc_pct")
    return table if table["layers"].nunique() > 2 else table.iloc[:0]


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    """A panel for each dataset."""
    datasets = panels(frame, "dataset")
    axes = _style.grid(figure, 1, len(datasets), width=4.2, height=2.9)[0]
    for axis, dataset in zip(axes, datasets, strict=True):
        part = frame[frame["dataset"] == dataset]
        for label in panels(part, "label"):
            line = part[part["label"] == label]
            shown = label if label == "dense" else f"{label}, {line['active_pct'].iloc[0]:g} % active"
            axis.plot(line["layers"], line["mean"], **_style.look(label)._asdict(), label=shown)
            axis.fill_between(
                line["layers"],
                line["low"],
                line["high"],
                color=_style.look(label).color,
                alpha=0.15,
                linewidth=0,
            )
        axis.set_xticks(sorted(part["layers"].unique()))
        axis.set_xlabel("hidden layers")
        axis.set_title(dataset)
    axes[0].set_ylabel("test accuracy (%)")
    _style.legend(figure, axes)

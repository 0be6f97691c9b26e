"""What the selection probe saw: recall, dead nodes and turnover against epochs, layer by layer.

Drawn where runs had a probe; a column of panels for each method, a line for each hidden layer, means of runs.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from lshexp.analysis.figures import _style
from lshexp.analysis.figures._frames import ok_runs, panels
from lshexp.analysis.results import Results

MEASURES = {
    "recall_pct": "recall of the true\ntop k (%)",
    "dead_pct": "nodes nobody\nactivates (%)",
    "turnover_pct": "active nodes not active\nan epoch before (%)",
}
MOST_COLUMNS = 6
GREYS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "v", "D", "X", "P")


def tidy(results: Results) -> pd.DataFrame:
    """Mean of each measure by network, method, layer and epoch; empty for too many networks and methods."""
    runs = ok_runs(results.runs)[["run_id", "dataset", "hidden", "label"]]
    seen = results.selection.merge(runs, on="run_id")
    seen = seen[seen["label"] != "dense"]
    keys = ["dataset", "hidden", "label", "layer", "epoch"]
    frame = seen.groupby(keys, observed=True)[list(MEASURES)].mean().reset_index()
    columns = frame[["dataset", "hidden", "label"]].drop_duplicates()
    return frame if 0 < len(columns) <= MOST_COLUMNS else frame.iloc[:0]


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    """Rows of panels are measures."""
    columns = frame[["dataset", "hidden", "label"]].drop_duplicates().to_numpy().tolist()
    axes = _style.grid(figure, len(MEASURES), len(columns), width=3.0, height=1.9)
    for column, (dataset, hidden, label) in enumerate(columns):
        part = frame[(frame["dataset"] == dataset) & (frame["hidden"] == hidden) & (frame["label"] == label)]
        for row, (measure, words) in enumerate(MEASURES.items()):
            axis = axes[row][column]
            for place, layer in enumerate(panels(part, "layer")):
                line = part[part["layer"].astype(str) == layer]
                axis.plot(
                    line["epoch"], line[measure], color=GREYS[place % len(GREYS)], markersize=4,
                    marker=MARKERS[place % len(MARKERS)], label=f"hidden layer {int(layer) + 1}",
                )  # fmt: skip
            if row == 0:
                axis.set_title(f"{label}\n{dataset}, {hidden.count('-') + 1} hidden")
            if row == len(MEASURES) - 1:
                axis.set_xlabel("epoch")
            if column == 0:
                axis.set_ylabel(words)
    _style.legend(figure, [axis for row in axes for axis in row])

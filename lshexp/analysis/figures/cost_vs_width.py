"""Multiplications and seconds of an epoch against the width of the hidden layers.

Drawn where a sweep has a method on networks of three widths or more, each with all its layers of one width.
Seconds are those of runs that were alone on the machine.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from lshexp.analysis.figures import _style
from lshexp.analysis.figures._frames import mean_and_range, ok_runs
from lshexp.analysis.results import Results

FEWEST_WIDTHS = 3
LINE = ["dataset", "label", "layers"]
MEASURES = {"mults": "multiplications an epoch", "seconds": "training seconds an epoch"}


def tidy(results: Results) -> pd.DataFrame:
    """Columns dataset, label, layers, width, active_nodes, measure, mean, low, high, runs."""
    runs = ok_runs(results.runs)
    widths = runs["hidden"].astype("string").str.split("-").map(lambda each: {int(one) for one in each})
    runs = runs[widths.map(len) == 1].copy()
    runs["width"] = [min(width) for width in widths[runs.index]]
    runs["active_nodes"] = (runs["active_pct"] / 100 * runs["width"]).round().astype(int)
    runs["mults"] = runs["mults_total"] / runs["epochs"]
    runs["seconds"] = (runs["train_s"] / runs["epochs"]).where(runs["timing_valid"].astype(bool))
    by = [*LINE, "width", "active_nodes"]
    frame = pd.concat([mean_and_range(runs, by, measure).assign(measure=measure) for measure in MEASURES])
    frame = frame[frame["mean"].notna()].reset_index(drop=True)
    found = frame.groupby([*LINE, "measure"], observed=True)["width"].transform("nunique")
    return frame if len(frame) and found.max() >= FEWEST_WIDTHS else frame.iloc[:0]


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    """A panel for each measure; markers tell methods apart, and how much is drawn of a line the depth."""
    measures = [measure for measure in MEASURES if (frame["measure"] == measure).any()]
    axes = _style.grid(figure, 1, len(measures), width=4.2, height=3.2, sharey=False)[0]
    deepest = frame["layers"].max()
    for axis, measure in zip(axes, measures, strict=True):
        part = frame[frame["measure"] == measure]
        for _, line in part.groupby(LINE, observed=True, sort=False):
            label, layers = str(line["label"].iloc[0]), int(line["layers"].iloc[0])
            look = _style.look(label)._asdict()
            nodes = line["active_nodes"].unique()
            active = f", {nodes[0]} active nodes" if len(nodes) == 1 else ""
            depth = f"{layers} layer{'s' if layers > 1 else ''}"
            axis.plot(
                line["width"], line["mean"], **look, alpha=1.0 if layers == deepest else 0.55,
                label=f"{label}, {depth}{active}", markersize=5 if layers == deepest else 3,
            )  # fmt: skip
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        ticks = sorted(part["width"].unique())
        axis.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axis.set_xlabel("nodes in each hidden layer")
        axis.set_ylabel(MEASURES[measure])
    _style.legend(figure, axes, entry=3.0)

"""Where the multiplications go: choosing, forward, backward, update and table upkeep, by configuration.

Drawn for sweeps of at most 24 configurations; means over repeats, in per cent of the dense network's work.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from lshexp.analysis.figures import _style
from lshexp.analysis.figures._frames import ok_runs
from lshexp.analysis.results import Results
from lshexp.work import PHASES

MOST_ROWS = 24
SHADES = {
    "select": "#0072B2",
    "forward": "#009E73",
    "backward": "#E69F00",
    "update": "#CC79A7",
    "rebuild": "#D55E00",
}
HATCHES = {"select": "", "forward": "//", "backward": "..", "update": "xx", "rebuild": "\\\\"}


def tidy(results: Results) -> pd.DataFrame:
    """One row a configuration below full width and phase."""
    runs = ok_runs(results.runs)
    runs = runs[runs["label"] != "dense"]
    totals = results.work.groupby(["run_id", "phase"], observed=True)["mults"].sum().reset_index()
    joined = totals.merge(
        runs[["run_id", "dataset", "hidden", "label", "active_pct", "mults_dense"]], on="run_id"
    )
    joined["share_pct"] = 100 * joined["mults"].astype(float) / joined["mults_dense"].astype(float)
    keys = ["dataset", "hidden", "label", "active_pct", "phase"]
    frame = joined.groupby(keys, observed=True, sort=False)["share_pct"].mean().reset_index()
    rows = frame[keys[:-1]].drop_duplicates()
    return frame if 0 < len(rows) <= MOST_ROWS else frame.iloc[:0]


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    """Stacked bars, one a configuration."""
    keys = ["dataset", "hidden", "label", "active_pct"]
    rows = frame[keys].drop_duplicates().to_numpy().tolist()
    axis = _style.grid(figure, 1, 1, width=5.5, height=0.5 + 0.28 * len(rows))[0][0]
    names = [
        f"{label}, {share:g} %  ({dataset}, {hidden.count('-') + 1} hidden)"
        for dataset, hidden, label, share in rows
    ]
    left = [0.0] * len(rows)
    for phase in PHASES:
        found = frame[frame["phase"] == phase].set_index(keys)["share_pct"]
        widths = [float(found.get(tuple(row), 0.0)) for row in rows]
        axis.barh(
            names,
            widths,
            left=left,
            color=SHADES[phase],
            hatch=HATCHES[phase],
            edgecolor="white",
            label=phase,
        )
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axis.invert_yaxis()
    axis.set_xlabel("multiplications (% of dense)")
    _style.legend(figure, [axis])

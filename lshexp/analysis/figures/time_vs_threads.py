"""Seconds an epoch against threads, and the speed-up over one; the dashed line is as many times as threads.

Drawn where a sweep has several numbers of threads and its times are valid.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from lshexp.analysis.figures import _style
from lshexp.analysis.figures._frames import ok_runs, panels
from lshexp.analysis.results import Results


def tidy(results: Results) -> pd.DataFrame:
    """Median seconds an epoch and speed-up by network, method, update and threads."""
    runs = ok_runs(results.runs)
    runs = runs[runs["timing_valid"].fillna(False).astype(bool)]
    runs = runs.assign(seconds=runs["train_s"] / runs["epochs"].astype("float64"))
    runs["name"] = runs["label"] + ", " + runs["update"].astype("string")
    keys = ["dataset", "hidden", "label", "name", "threads"]
    frame = runs.groupby(keys, observed=True, sort=True)["seconds"].median().reset_index()
    if frame["threads"].nunique() < 2:
        return frame.iloc[:0]
    alone = frame[frame["threads"] == 1].rename(columns={"seconds": "alone"}).drop(columns="threads")
    frame = frame.merge(alone, on=keys[:-1])
    return frame.assign(speed_up=frame["alone"] / frame["seconds"]).drop(columns="alone")


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    """Seconds on the left, speed-up on the right."""
    left, right = _style.grid(figure, 1, 2, width=3.4, height=2.8, sharey=False)[0]
    for name in panels(frame, "name"):
        line = frame[frame["name"] == name]
        look = _style.look(str(line["label"].iloc[0]))._asdict()
        if name.endswith("hogwild"):
            look |= {"linestyle": ":", "marker": "P"}
        left.plot(line["threads"], line["seconds"], **look, label=name)
        right.plot(line["threads"], line["speed_up"], **look, label=name)
    most = frame["threads"].max()
    right.plot([1, most], [1, most], color="#999999", linewidth=0.8, linestyle=(0, (5, 2)), zorder=0)
    for axis, words in ((left, "seconds an epoch"), (right, "times as fast as one thread")):
        axis.set_xlabel("threads")
        axis.set_ylabel(words)
        axis.set_xticks(sorted(frame["threads"].unique()))
        axis.set_ylim(bottom=0)
    _style.legend(figure, [left])

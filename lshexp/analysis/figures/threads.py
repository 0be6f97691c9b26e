"""Seconds an epoch against threads, measured and predicted."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from lshexp.analysis.figures import figure, style
from lshexp.analysis.figures.canvas import Canvas, looks
from lshexp.analysis.figures.lines import NothingToDrawError, labelled
from lshexp.analysis.results import Results
from lshexp.analysis.scaling import KEYS, scaling

PAPER = (56, 50_254 / 1_637)  # threads and speed-up, of the paper's LSH at 5 % on MNIST8M


def _scaling(results: Results) -> pd.DataFrame:
    """The scaling table: measured and predicted seconds an epoch by place, label and threads."""
    runs = labelled(results.runs, along=["threads", "update"])
    runs = runs[runs["timing_valid"].fillna(False).astype(bool)]
    seconds = runs["train_s"] / runs["epochs"].astype("float64")
    named = runs.assign(
        seconds=seconds, method=runs["label"].astype(str), dataset=runs["data"].astype(str),
        hidden=runs["network"].astype(str),
    )  # fmt: skip
    frame = scaling(named)
    if frame.empty:
        raise NothingToDrawError("no configuration was timed on one thread and on more")
    frame = frame.rename(columns={"method": "label", "dataset": "data", "hidden": "network"})
    order = [str(label) for label in runs["label"].cat.categories]
    frame["label"] = pd.Categorical(frame["label"], categories=order, ordered=True)
    frame.attrs["notes"] = runs.attrs["notes"]
    return frame


@figure(_scaling, table="scaling")
def time_vs_threads(frame: pd.DataFrame, canvas: Canvas) -> None:
    """Seconds an epoch against threads, and the speed-up over one; dashed beyond those there were: predicted.

    The predictions, their intervals and the law they follow are those of `lshexp.analysis.scaling`. The star
    is the paper's: 50,254 seconds an epoch of MNIST8M on one thread and 1,637 on 56, LSH at 5 % (Spring &
    Shrivastava, KDD 2017).
    """
    left, right = canvas.grid(1, 2, height=4.0)[0]
    places = len(frame[["data", "network"]].drop_duplicates())
    updates = frame.groupby(["data", "network", "label"], observed=True)["update"].nunique().max() > 1
    keys = ["data", "network", "label", "update"]
    assert len(keys) == len(KEYS)
    shown = looks(frame)
    for key, part in frame.groupby(keys, sort=False, observed=True):
        data, network, label, update = (str(word) for word in key)
        name = label + (f", {update}" if updates else "") + (f", {data} {network}" if places > 1 else "")
        _line(left, part, "seconds", shown[label], name)
        _line(right, part, "speed_up", shown[label], name)
    counts = sorted(frame["threads"].unique())
    right.plot([1, counts[-1]], [1, counts[-1]], color=style.INK, linewidth=0.9, zorder=0,
               label="as many times as threads")  # fmt: skip
    if counts[-1] >= PAPER[0]:
        right.plot(*PAPER, "*", color=style.INK, markersize=11, label="the paper's, on MNIST8M")
    law = frame["law"].dropna()
    if len(law):
        words = "Amdahl's law" if (law == "Amdahl").all() else "Universal Scalability Law"
        right.plot([], [], color=style.INK, linestyle=style.DASHED, label=f"predicted ({words})")
    for axis, words in ((left, "seconds an epoch"), (right, "times as fast as one thread")):
        axis.set_title(words)
        axis.set_xlabel("threads")
        axis.set_xscale("log", base=2)
        axis.set_xticks(counts, [str(count) for count in counts])
        axis.xaxis.minorticks_off()
        style.log_ticks(axis, "y")
    style.legend(canvas.figure, [right])


def _line(axis: Axes, part: pd.DataFrame, column: str, look: style.Look, label: str) -> None:
    """Measured points, and from the last of them on a dashed line with the interval of the prediction."""
    measured, beyond = part[part["kind"] == "measured"], part[part["kind"] == "predicted"]
    axis.plot(measured["threads"], measured[column], color=look.color, marker=look.marker, label=label)
    if beyond.empty:
        return
    onward = pd.concat([measured.tail(1), beyond])
    axis.plot(onward["threads"], onward[column], color=look.color, linestyle=style.DASHED, linewidth=1.2)
    if onward[f"{column}_low"].notna().all():
        low, high = onward[f"{column}_low"], onward[f"{column}_high"]
        axis.fill_between(onward["threads"], low, high, color=look.color, alpha=0.12, linewidth=0)

"""Seconds an epoch against threads, and the speed-up over one; dashed beyond those there were: predicted.

Drawn where a sweep has several numbers of threads and its times are valid. The predictions, their intervals
and the law they follow are those of `lshexp.analysis.scaling`. The star is the paper's own: 50,254 seconds an
epoch of MNIST8M on one thread and 1,637 on 56, LSH at 5 % (Spring & Shrivastava, KDD 2017).
"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lshexp.analysis.figures import _style
from lshexp.analysis.figures._frames import ok_runs
from lshexp.analysis.results import Results
from lshexp.analysis.scaling import KEYS, scaling

TABLE = "scaling"  # name of its CSV file
PAPER = (56, 50_254 / 1_637)  # threads and speed-up
DASHED = (0, (4, 2))


def tidy(results: Results) -> pd.DataFrame:
    """The scaling table: measured and predicted seconds an epoch, by network, method, update and threads."""
    runs = ok_runs(results.runs)
    runs = runs[runs["timing_valid"].fillna(False).astype(bool)]
    seconds = runs["train_s"] / runs["epochs"].astype("float64")
    return scaling(runs.assign(seconds=seconds, method=runs["label"]))


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    """Seconds on the left, speed-up on the right; both axes are logarithmic."""
    left, right = _style.grid(figure, 1, 2, width=3.8, height=3.2, sharey=False)[0]
    places = len(frame[["dataset", "hidden"]].drop_duplicates())
    for key, part in frame.groupby(KEYS, sort=False):
        dataset, hidden, method, update = (str(word) for word in key)
        label = f"{method}, {update}" + (f", {dataset} {hidden}" if places > 1 else "")
        look = _style.look(method)._asdict() | {"linestyle": "-", "markersize": 4}
        look |= {"marker": "P"} if update == "hogwild" else {"marker": look["marker"] or "s"}
        _line(left, part, "seconds", look, label)
        _line(right, part, "speed_up", look, label)
    counts = sorted(frame["threads"].unique())
    right.plot(
        *[[1, counts[-1]]] * 2, color="#999999", linewidth=0.8, zorder=0, label="as many times as threads"
    )
    if counts[-1] >= PAPER[0]:
        right.plot(*PAPER, "*", color="#777777", markersize=10, label="the paper's, on MNIST8M")
    law = frame["law"].dropna()
    if len(law):
        name = "Amdahl's law" if (law == "Amdahl").all() else "Universal Scalability Law"
        right.plot([], [], color="#555555", linestyle=DASHED, label=f"predicted ({name})")
    for axis, words in ((left, "seconds an epoch"), (right, "times as fast as one thread")):
        axis.set_xlabel("threads")
        axis.set_ylabel(words)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xticks(counts, [str(count) for count in counts])
        axis.xaxis.minorticks_off()
        _style.plain_numbers(axis)
    _style.legend(figure, [right], entry=2.3)


def _line(axis: Axes, part: pd.DataFrame, column: str, look: dict[str, object], label: str) -> None:
    """Measured points, and from the last of them on a dashed line with the interval of the prediction."""
    measured, beyond = part[part["kind"] == "measured"], part[part["kind"] == "predicted"]
    axis.plot(measured["threads"], measured[column], label=label, **look)  # type: ignore[arg-type]
    if beyond.empty:
        return
    onward = pd.concat([measured.tail(1), beyond])
    axis.plot(onward["threads"], onward[column], color=str(look["color"]), linestyle=DASHED, linewidth=1.2)
    if onward[f"{column}_low"].notna().all():
        low, high = onward[f"{column}_low"], onward[f"{column}_high"]
        axis.fill_between(onward["threads"], low, high, color=str(look["color"]), alpha=0.12, linewidth=0)

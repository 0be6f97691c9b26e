"""Accuracy and seconds an epoch against the size of the blocks that nodes are chosen in."""

from __future__ import annotations

import pandas as pd

from lshexp.analysis.figures import figure
from lshexp.analysis.figures.canvas import Canvas, check_lines, draw_lines, looks
from lshexp.analysis.figures.lines import NothingToDrawError, labelled, mean_and_range
from lshexp.analysis.results import Results

FEWEST_SIZES = 2
MEASURES = {"test_acc_pct": "test accuracy (%)", "seconds": "seconds an epoch"}
_BLOCK = r"\s*\bblock=\d+"  # in the name of a network
STORED = ("block", "input", "p_where_sparse", "lr")  # what may change with the blocks


def _blocks(results: Results) -> pd.DataFrame:
    """Accuracy and time by data, label with its network, and block; a part for each measure."""
    if "block" not in results.runs or results.runs["block"].nunique() < FEWEST_SIZES:
        raise NothingToDrawError("no runs that differ in `block`")
    runs = labelled(results.runs, along=[name for name in STORED if name in results.runs])
    several = runs["label"].nunique() > 1
    networks = runs["network"].astype(str).str.replace(_BLOCK, "", regex=True)
    names = [
        f"{label} {network}" if several else network
        for label, network in zip(runs["label"], networks, strict=True)
    ]
    runs["label"] = pd.Categorical(names, categories=list(dict.fromkeys(names)), ordered=True)
    alone = runs["timing_valid"].fillna(False).astype(bool)
    runs["seconds"] = (runs["train_s"] / runs["epochs"].astype("float64")).where(alone)
    parts = [mean_and_range(runs, ["data", "label", "block"], name).assign(measure=name) for name in MEASURES]
    frame = pd.concat(parts, ignore_index=True).dropna(subset="mean")
    sizes = frame.groupby(["label", "measure"], observed=True)["block"].transform("nunique")
    lines = sizes.groupby(frame["measure"]).transform("max") >= FEWEST_SIZES
    frame = frame[lines].reset_index(drop=True)
    if frame.empty:
        raise NothingToDrawError("no runs that differ in nothing but `block`")
    frame.attrs["notes"] = runs.attrs["notes"]
    return check_lines(frame, ["data", "measure"])


@figure(_blocks)
def accuracy_and_time_by_block(frame: pd.DataFrame, canvas: Canvas) -> None:
    """Test accuracy, and seconds of training an epoch, against the nodes of a block.

    As many nodes are active in all runs of a line. Seconds are those of runs that were alone on the
    machine.
    """
    shown = looks(frame)
    measures = [name for name in MEASURES if (frame["measure"] == name).any()]
    places = list(frame["data"].drop_duplicates())
    rows = canvas.grid(len(places), len(measures), height=3.4)
    for row, data in zip(rows, places, strict=True):
        for axis, name in zip(row, measures, strict=True):
            here = frame[(frame["data"] == data) & (frame["measure"] == name)]
            sizes = sorted(here["block"].unique())
            axis.set_title(str(data))
            axis.set_ylabel(MEASURES[name])
            axis.set_xlabel("nodes of a block")
            draw_lines(canvas, axis, here, "block", shown)
            axis.set_xscale("log", base=2)
            axis.set_xticks(sizes, [str(size) for size in sizes])
            axis.xaxis.minorticks_off()
            if name == "seconds":
                axis.set_yscale("log")

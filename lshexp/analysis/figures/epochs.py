"""What happens as training goes on: accuracy, simulated workers, what the selection probe sees."""

from __future__ import annotations

import pandas as pd
from matplotlib.ticker import MaxNLocator

from lshexp.analysis.figures import figure, style
from lshexp.analysis.figures.canvas import Canvas, check_lines, draw_lines, looks, split
from lshexp.analysis.figures.lines import PLACE, NothingToDrawError, labelled, mean_and_range
from lshexp.analysis.results import Results

FEWEST_EPOCHS = 3


def _epochs(results: Results) -> pd.DataFrame:
    """Mean and range of accuracy by place, label and epoch, of runs without simulated workers."""
    runs = results.runs
    if "simulate_workers" in runs:  # they have a figure of their own
        runs = runs[runs["simulate_workers"].isna()]
    named = labelled(runs)
    joined = results.epochs.merge(named[["run_id", *PLACE, "label"]], on="run_id")
    joined.attrs = named.attrs
    frame = mean_and_range(joined, [*PLACE, "label", "epoch"], "test_acc_pct")
    if frame.empty or frame["epoch"].max() < FEWEST_EPOCHS:
        raise NothingToDrawError(f"no run has {FEWEST_EPOCHS} epochs")
    return check_lines(frame)


@figure(_epochs)
def accuracy_vs_epochs(frame: pd.DataFrame, canvas: Canvas) -> None:
    """Test accuracy after each epoch; bands are ranges over repeats."""
    shown = looks(frame)
    for axis, part in canvas.panels(frame, "test accuracy (%)"):
        draw_lines(canvas, axis, part, "epoch", shown)
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    style.accuracy_scale(canvas.axes, [*frame["low"], *frame["high"]])


def _workers(results: Results) -> pd.DataFrame:
    """Mean and range of accuracy by place, configuration, number of simulated workers and epoch."""
    runs = results.runs
    if "simulate_workers" not in runs or runs["simulate_workers"].nunique() < 2:
        raise NothingToDrawError("no two numbers of simulated workers")
    named = labelled(runs[runs["simulate_workers"].notna()], along=["simulate_workers"])
    named = named.rename(columns={"label": "configuration"})
    keys = [*PLACE, "configuration", "simulate_workers", "epoch"]
    joined = results.epochs.merge(named[["run_id", *keys[:-1]]], on="run_id")
    joined.attrs = named.attrs
    frame = mean_and_range(joined, keys, "test_acc_pct")
    workers = frame.pop("simulate_workers").astype(int)
    words = workers.map(lambda count: f"{count} worker{'s' if count != 1 else ''}")
    order = [words[workers == count].iloc[0] for count in sorted(workers.unique())]
    frame["label"] = pd.Categorical(words, categories=order, ordered=True)
    return check_lines(frame, [*PLACE, "configuration"])


@figure(_workers)
def accuracy_vs_workers(frame: pd.DataFrame, canvas: Canvas) -> None:
    """Test accuracy after each epoch of asynchronous training, by the number of simulated workers."""
    shown = looks(frame)
    by = ["configuration"] if len(frame[list(PLACE)].drop_duplicates()) == 1 else ["configuration", *PLACE]
    for axis, part in canvas.panels(frame, "test accuracy (%)", by=by):
        draw_lines(canvas, axis, part, "epoch", shown)
        axis.set_xlabel("epoch")
        axis.set_xticks(sorted(part["epoch"].unique()))
    style.accuracy_scale(canvas.axes, [*frame["low"], *frame["high"]])


MEASURES = {
    "recall_pct": "recall of the\ntrue top k (%)",
    "dead_pct": "nodes that are\nnever active (%)",
    "turnover_pct": "active nodes not active\nan epoch before (%)",
}
MOST_PROBED = 6


def _selection(results: Results) -> pd.DataFrame:
    """Mean of each measure by place, configuration, hidden layer and epoch, of runs that had a probe."""
    named = labelled(results.runs)
    named = named[named["active_pct"] < 100].rename(columns={"label": "configuration"})
    seen = results.selection.merge(named[["run_id", *PLACE, "configuration"]], on="run_id")
    keys = [*PLACE, "configuration", "layer", "epoch"]
    frame = seen.groupby(keys, observed=True)[list(MEASURES)].mean().reset_index()
    found = len(frame[keys[:3]].drop_duplicates())
    if not 0 < found <= MOST_PROBED:
        raise NothingToDrawError(
            f"{found} configurations had a probe; there is room for {MOST_PROBED}"
            if found
            else "no run had a probe"
        )
    frame.attrs["notes"] = named.attrs["notes"]
    return frame


@figure(_selection)
def selection_quality(frame: pd.DataFrame, canvas: Canvas) -> None:
    """What the selection probe saw: recall, dead nodes and turnover against epochs, layer by layer."""
    by = ["configuration"] if len(frame[list(PLACE)].drop_duplicates()) == 1 else ["configuration", *PLACE]
    rows = split(frame, by)
    axes = canvas.grid(len(rows), len(MEASURES), height=2.1, sharey="col")
    for row, (title, part) in zip(axes, rows, strict=True):
        for axis, (measure, words) in zip(row, MEASURES.items(), strict=True):
            for layer, line in part.groupby("layer", sort=True):
                axis.plot(line["epoch"], line[measure], **style.look(int(str(layer)))._asdict(),
                          label=f"hidden layer {int(str(layer)) + 1}")  # fmt: skip
            axis.set_title(title, fontsize=9)
            axis.set_ylabel(words, fontsize=9)
            axis.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    for axis in axes[-1]:
        axis.set_xlabel("epoch")
    style.legend(canvas.figure, canvas.axes)

"""What each change to a selection does."""

from __future__ import annotations

import pandas as pd

from lshexp.analysis.figures import figure, style
from lshexp.analysis.figures.canvas import Canvas
from lshexp.analysis.figures.lines import PLACE, NothingToDrawError, labelled, mean_and_range
from lshexp.analysis.results import Results

FEWEST_ROWS, MOST_ROWS = 5, 60
MEASURES = {
    "test_error_pct": "test error (%)",
    "recall_pct": "recall of the true top k (%)",
    "mults_pct_of_dense": "multiplications (% of dense)",
}


def _changes(results: Results) -> pd.DataFrame:
    """One row a configuration and measure, of a sweep of several options at one place and share."""
    runs = labelled(results.runs)
    sparse = runs[runs["active_pct"] < 100]
    if len(sparse[[*PLACE, "active_pct"]].drop_duplicates()) != 1:
        raise NothingToDrawError("not one network and share of active nodes alone")
    rows, of_one = runs["label"].nunique(), sparse.groupby("method", observed=True)["label"].nunique().max()
    if of_one < FEWEST_ROWS or rows > MOST_ROWS:
        raise NothingToDrawError(f"{of_one} configurations of one method and {rows} of all; "
                                 f"from {FEWEST_ROWS} of one to {MOST_ROWS} of all are drawn")  # fmt: skip
    selection = results.selection
    last = selection.groupby("run_id")["epoch"].transform("max")
    recall = selection[selection["epoch"] == last].groupby("run_id")["recall_pct"].mean()
    runs = runs.assign(recall_pct=runs["run_id"].map(recall), test_error_pct=100 - runs["test_acc_pct"])
    parts = [mean_and_range(runs, ["label"], measure).assign(measure=measure) for measure in MEASURES]
    frame = pd.concat(parts, ignore_index=True).dropna(subset="mean").reset_index(drop=True)
    frame.attrs["notes"] = runs.attrs["notes"]
    return frame


@figure(_changes)
def ablation(frame: pd.DataFrame, canvas: Canvas) -> None:
    """What each change to the selection does to the test error, recall and multiplications.

    A row is a configuration, named by the settings in which it differs from what is usual in the sweep; dots
    are means over repeats, bars their range, and the dashed line is the first row.
    """
    names = [str(label) for label in frame["label"].cat.categories if (frame["label"] == label).any()]
    place = {name: len(names) - 1 - row for row, name in enumerate(names)}
    measures = [measure for measure in MEASURES if (frame["measure"] == measure).any()]
    axes = canvas.grid(1, len(measures), height=0.4 + 0.25 * len(names), sharey="row")[0]
    for axis, measure in zip(axes, measures, strict=True):
        part = frame[frame["measure"] == measure]
        rows = part["label"].astype(str).map(place)
        bars = [part["mean"] - part["low"], part["high"] - part["mean"]]
        axis.errorbar(part["mean"], rows, xerr=bars, fmt="o", color=style.COLOURS[0], ecolor=style.INK)
        reference = part.loc[part["label"] == names[0], "mean"]
        if len(reference):
            axis.axvline(reference.iloc[0], color=style.INK, linewidth=1.0, linestyle=style.DASHED)
        axis.set_yticks(list(place.values()), list(place))
        axis.set_xlabel(MEASURES[measure])
        if part["mean"].max() > 4 * part["mean"].min() > 0:  # one bad change must not flatten all others
            style.log_ticks(axis, "x")

"""Accuracy against what a method may compute: the share of active nodes, multiplications, layers."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

from lshexp.analysis.figures import figure, style
from lshexp.analysis.figures.canvas import Canvas, check_lines, draw_by_share, draw_lines, looks
from lshexp.analysis.figures.lines import (
    PLACE,
    NothingToDrawError,
    by_share,
    labelled,
    mean_and_range,
)
from lshexp.analysis.figures.placing import Label, beside_points
from lshexp.analysis.results import Results

FEWEST_POINTS = 3
FEWEST_DEPTHS = 3
MOST_NAMED = 15  # points in a panel that can have their texts beside them


@figure(lambda results: check_lines(by_share(results, "test_acc_pct", fewest=2)))
def accuracy_vs_active(frame: pd.DataFrame, canvas: Canvas) -> None:
    """Test accuracy against the share of active nodes, all methods side by side, with ranges over repeats."""
    panels = draw_by_share(frame, canvas, "test accuracy (%)")
    style.accuracy_scale([axis for axis, _ in panels], [*frame["low"], *frame["high"]])


def _points(results: Results) -> pd.DataFrame:
    """Means over repeats by configuration, and whether it is on the Pareto front of its place."""
    runs = labelled(results.runs, points=True)
    keys = [*PLACE, "label", "point"]
    groups = runs.groupby(keys, observed=True, sort=False)
    accuracy = groups["test_acc_pct"].agg(test_acc_pct="mean", low="min", high="max", runs="count")
    frame = accuracy.join(groups["mults_pct_of_dense"].mean()).dropna().reset_index()
    if frame.groupby(list(PLACE), observed=True).size().max() < FEWEST_POINTS or frame.empty:
        raise NothingToDrawError(
            f"no network has {FEWEST_POINTS} configurations whose multiplications were counted"
        )
    frame["on_front"] = False
    for _, part in frame.groupby(list(PLACE), observed=True):
        cheapest = part.sort_values(["mults_pct_of_dense", "test_acc_pct"], ascending=[True, False])
        best_before = cheapest["test_acc_pct"].cummax().shift(fill_value=float("-inf"))
        frame.loc[cheapest.index, "on_front"] = cheapest["test_acc_pct"] > best_before
    frame.attrs["notes"] = runs.attrs["notes"]
    return check_lines(frame)


@figure(_points)
def accuracy_vs_mults(frame: pd.DataFrame, canvas: Canvas) -> None:
    """Test accuracy against counted multiplications; the grey line joins what nothing else beats on both.

    Every configuration has a mark, a mean over repeats with their range. A mark's text is what tells it from
    the others of its colour, where there is room for it; the CSV file names all.
    """
    shown = looks(frame)
    panels = canvas.panels(frame, "test accuracy (%)", height=3.2)
    for axis, part in panels:
        for label in part["label"].drop_duplicates():
            points = part[part["label"] == label]
            mark = shown[str(label)]
            x, mean = points["mults_pct_of_dense"], points["test_acc_pct"]
            axis.plot(
                x, mean, linestyle="", color=mark.color, marker=mark.marker, markersize=6, label=str(label)
            )
            axis.vlines(x, points["low"], points["high"], color=mark.color, linewidth=1.0, alpha=0.5)
        front = part[part["on_front"]].sort_values("mults_pct_of_dense")
        axis.plot(
            front["mults_pct_of_dense"], front["test_acc_pct"], color=style.INK, linewidth=0.9, zorder=1
        )
        style.log_ticks(axis, "x")
        axis.margins(x=0.12, y=0.1)
        axis.set_xlabel("multiplications (% of dense, logarithmic)")
    style.accuracy_scale(canvas.axes, [*frame["low"], *frame["high"]])
    crowded = max(len(part) for _, part in panels) > MOST_NAMED
    if crowded:
        style.legend(canvas.figure, canvas.axes)
    canvas.when_laid_out(lambda: _name_points(canvas, panels, shown, crowded))


def _name_points(
    canvas: Canvas, panels: list[tuple[Axes, pd.DataFrame]], shown: Mapping[str, style.Look], crowded: bool
) -> None:
    """Names at the best point of each label, then what its points differ in, those on the front first.

    In a crowded figure names are in a legend, and only points on the front have a text. A figure in which a
    name finds no room is drawn as a crowded one.
    """
    lacking = False
    for axis, part in panels:
        front = part[part["on_front"]].sort_values("mults_pct_of_dense")
        line = list(zip(front["mults_pct_of_dense"], front["test_acc_pct"], strict=True))
        places = list(zip(part["mults_pct_of_dense"], part["test_acc_pct"], strict=True))
        left_out = beside_points(axis, _texts(part, shown, crowded), places, line)
        lacking |= any(label.far for label in left_out)
    if lacking:
        for axis, _ in panels:
            for text in list(axis.texts):
                text.remove()
        style.legend(canvas.figure, canvas.axes)
        _name_points(canvas, panels, shown, crowded=True)


def _texts(part: pd.DataFrame, shown: Mapping[str, style.Look], crowded: bool) -> list[Label]:
    names: list[Label] = []
    rest: list[Label] = []
    ordered = part.sort_values(["on_front", "test_acc_pct"], ascending=False, kind="stable")
    for label, points in ordered.groupby("label", observed=True, sort=False):
        for place, point in enumerate(points.to_dict("records")):
            first = place == 0 and not crowded
            words = ", ".join(filter(None, [str(label) if first else "", point["point"]]))
            if words and (point["on_front"] or not crowded):
                x, y = point["mults_pct_of_dense"], point["test_acc_pct"]
                (names if first else rest).append(Label(words, x, y, shown[str(label)].color, far=first))
    return names + rest


def _depths(results: Results) -> pd.DataFrame:
    """Mean and range of accuracy by data, label and number of hidden layers."""
    runs = labelled(results.runs)
    runs = runs[runs["width"] > 0]
    frame = mean_and_range(runs, ["data", "label", "width", "layers"], "test_acc_pct")
    lines = frame.groupby(["data", "label", "width"], observed=True)["layers"]
    if frame.empty or lines.nunique().max() < FEWEST_DEPTHS:
        raise NothingToDrawError(f"no configuration was run at {FEWEST_DEPTHS} depths of one width or more")
    return _named_by_width(frame)


def _named_by_width(frame: pd.DataFrame) -> pd.DataFrame:
    """Give each width a line of its own, named where there are several."""
    if frame["width"].nunique() > 1:
        lines = frame["label"].astype(str) + ", width " + frame["width"].astype(str)
        frame["label"] = pd.Categorical(lines, categories=list(dict.fromkeys(lines)), ordered=True)
    return check_lines(frame, ["data"])


@figure(_depths)
def accuracy_vs_depth(frame: pd.DataFrame, canvas: Canvas) -> None:
    """Test accuracy against the number of hidden layers; bands are ranges over repeats."""
    shown = looks(frame)
    for axis, part in canvas.panels(frame, "test accuracy (%)", by=["data"]):
        draw_lines(canvas, axis, part, "layers", shown)
        axis.set_xticks(sorted(part["layers"].unique()))
        axis.set_xlabel("hidden layers")
    style.accuracy_scale(canvas.axes, [*frame["low"], *frame["high"]])

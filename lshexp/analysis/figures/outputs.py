"""Outputs that compute some of their classes: quality against cost, cost against the number of classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from lshexp.analysis.figures import figure, style
from lshexp.analysis.figures.canvas import Canvas, check_lines, draw_lines, looks, split
from lshexp.analysis.figures.lines import PLACE, NothingToDrawError, labelled, mean_and_range
from lshexp.analysis.figures.placing import Label, beside_points
from lshexp.analysis.results import Results

COSTS = {"mults_pct_of_dense": "multiplications (% of dense)", "train_s": "training seconds"}
QUALITIES = {"test_perplexity": "test perplexity", "test_acc_pct": "test P@1 (%)"}  # the first that all have
FEWEST_POINTS = 3
CLASSES, EXAMPLES = "dataset_labels", "dataset_train"  # options of generated data, by which its size is known
FEWEST_SIZES = 3
EACH = {"mults": "multiplications an example", "us": "microseconds an example"}


def _selecting(results: Results, **how: Any) -> pd.DataFrame:
    """Runs that ended well, labelled, of results in which outputs select classes in several ways."""
    runs = labelled(results.runs, **how)
    if "output_method" not in runs or runs["output_method"].nunique() < 2:
        raise NothingToDrawError("the output has one method in all runs")
    return runs


def _quality(results: Results) -> pd.DataFrame:
    """Mean quality by place, label and cost, with its range, and whether nothing is better on both."""
    runs = _selecting(results, points=True)
    runs["train_s"] = runs["train_s"].where(runs["timing_valid"].fillna(False).astype(bool))
    parts = [part for _, place in runs.groupby(list(PLACE), observed=True) for part in _costs(place)]
    whole = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*PLACE, "against"])
    counts = whole.groupby([*PLACE, "against"], observed=True)["cost" if parts else "against"].transform(
        "size"
    )
    frame = whole[counts >= FEWEST_POINTS].reset_index(drop=True)
    if frame.empty:
        raise NothingToDrawError(f"no network has {FEWEST_POINTS} outputs whose cost is known")
    frame["on_front"] = False
    for _, part in frame.groupby([*PLACE, "against"], observed=True):
        better = part["mean"] if part["quality"].iloc[0] == "test_acc_pct" else -part["mean"]
        order = part.assign(better=better).sort_values(["cost", "better"], ascending=[True, False])
        before = order["better"].cummax().shift(fill_value=float("-inf"))
        frame.loc[order.index, "on_front"] = order["better"] > before
    frame.attrs["notes"] = runs.attrs["notes"]
    return check_lines(frame, [*PLACE, "against"])


def _costs(place: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Quality and cost of the configurations on one network, a part for each measure of cost."""
    quality = next((name for name in QUALITIES if name in place and place[name].notna().all()), None)
    if quality is None:
        return
    groups = place.groupby([*PLACE, "label", "point"], observed=True, sort=False)
    means = groups[quality].agg(mean="mean", low="min", high="max", runs="count").reset_index()
    for against in COSTS:
        cost = groups[against].mean().to_numpy(dtype=float)
        yield means.assign(quality=quality, against=against, cost=cost).dropna(subset="cost")


@figure(_quality)
def output_quality_vs_cost(frame: pd.DataFrame, canvas: Canvas) -> None:
    """Quality against the cost of training, by the way of choosing classes; the grey line joins the best.

    Quality is the perplexity, of which less is better, or P@1, with all classes scored. Seconds are those of
    runs that were alone on the machine.
    """
    shown = looks(frame)
    costs = [cost for cost in COSTS if (frame["against"] == cost).any()]
    places = split(frame)
    rows = canvas.grid(len(places), len(costs), height=3.4)
    panels = []
    for row, (title, part) in zip(rows, places, strict=True):
        for axis, cost in zip(row, costs, strict=True):
            here = part[part["against"] == cost]
            axis.set_title(title)
            axis.set_xlabel(f"{COSTS[cost]}, logarithmic")
            axis.set_ylabel(QUALITIES[str(part["quality"].iloc[0])])
            for label in here["label"].drop_duplicates():
                points, mark = here[here["label"] == label], shown[str(label)]
                axis.plot(points["cost"], points["mean"], linestyle="", color=mark.color, marker=mark.marker,
                          markersize=6, label=str(label))  # fmt: skip
                axis.vlines(points["cost"], points["low"], points["high"], color=mark.color, linewidth=1.0,
                            alpha=0.5)  # fmt: skip
            front = here[here["on_front"]].sort_values("cost")
            axis.plot(front["cost"], front["mean"], color=style.INK, linewidth=0.9, zorder=1)
            if len(here):
                style.log_ticks(axis, "x")
            axis.margins(x=0.15, y=0.12)
            panels.append((axis, here))
    style.legend(canvas.figure, canvas.axes)
    canvas.when_laid_out(lambda: _name_points(panels, shown))


def _name_points(panels: list[tuple[Axes, pd.DataFrame]], shown: Mapping[str, style.Look]) -> None:
    """What the points of one label differ in, where there is room; the CSV file names all."""
    for axis, part in panels:
        points = part.to_dict("records")
        places = [(point["cost"], point["mean"]) for point in points]
        texts = [
            Label(point["point"], point["cost"], point["mean"], shown[str(point["label"])].color)
            for point in points
            if point["point"]
        ]
        beside_points(axis, texts, places)


def _classes(results: Results) -> pd.DataFrame:
    """Cost of training on an example by label and number of classes; a part for each measure."""
    sized = [CLASSES, EXAMPLES, "dataset_features", "output_active_pct", "tail_pct"]
    runs = _selecting(results, along=[name for name in sized if name in results.runs])
    if CLASSES not in runs or EXAMPLES not in runs:
        raise NothingToDrawError("no data that was generated in several numbers of labels")
    seen = runs["train_examples"].fillna(runs[EXAMPLES]).astype("float64") * runs["epochs"]
    alone = runs["timing_valid"].fillna(False).astype(bool)
    runs["classes"] = runs[CLASSES].astype("float64")
    runs["full"] = runs["output_active_pct"] == 100
    runs["mults"] = runs["mults_total"].astype("float64") / seen
    runs["us"] = (1e6 * runs["train_s"] / seen).where(alone)
    parts = [
        mean_and_range(runs, ["network", "label", "full", "classes"], name).assign(measure=name)
        for name in EACH
    ]
    frame = pd.concat(parts, ignore_index=True).dropna(subset="mean").reset_index(drop=True)
    sizes = frame.groupby(["network", "label", "measure"], observed=True)["classes"].nunique()
    if not len(sizes) or sizes.max() < FEWEST_SIZES:
        raise NothingToDrawError(f"no output was run at {FEWEST_SIZES} numbers of classes")
    frame["break_even"] = np.nan
    for _, part in frame.groupby(["network", "measure"], observed=True):
        for at, value in _break_evens(part).items():
            frame.loc[at, "break_even"] = value
    frame.attrs["notes"] = runs.attrs["notes"]
    return check_lines(frame, ["network", "measure"])


def _break_evens(part: pd.DataFrame) -> dict[int, float]:
    """From which number of classes on each row's label costs less than the dense output, by row.

    Between two sizes it is where straight lines through them, both axes logarithmic, meet. The smallest size
    stands for one at which it already costs less; a label that never does, or is cheap at some size and dear
    at a larger one, has none.
    """
    dense = part[part["full"]].set_index("classes")["mean"]
    found: dict[int, float] = {}
    for _, line in part.groupby("label", observed=True):
        both = line[line["classes"].isin(dense.index)].sort_values("classes")
        over = np.log(both["mean"].to_numpy() / dense[both["classes"]].to_numpy())
        size = np.log(both["classes"].to_numpy())
        dear = np.flatnonzero(over >= 0)
        if not len(over) or over[-1] >= 0:
            continue
        if len(dear) == 0:
            value = float(both["classes"].iloc[0])
        else:
            k = dear[-1]
            value = float(np.exp(size[k] + (size[k + 1] - size[k]) * over[k] / (over[k] - over[k + 1])))
        found |= dict.fromkeys(line.index, value)
    return found


@figure(_classes)
def output_cost_vs_classes(frame: pd.DataFrame, canvas: Canvas) -> None:
    """Cost of training on an example against the number of classes; an upright line marks the break-even.

    From the number of classes at the upright line of its colour on, a way of choosing costs less than the
    dense output. Microseconds are those of runs that were alone on the machine.
    """
    shown = looks(frame)
    measures = [name for name in EACH if (frame["measure"] == name).any()]
    places = split(frame, ["network"])
    rows = canvas.grid(len(places), len(measures), height=3.4)
    for row, (title, part) in zip(rows, places, strict=True):
        for axis, name in zip(row, measures, strict=True):
            here = part[part["measure"] == name]
            axis.set_title(f"hidden {title}")
            axis.set_ylabel(EACH[name])
            axis.set_xlabel("classes")
            draw_lines(canvas, axis, here, "classes", shown)
            axis.set_xscale("log")
            axis.set_yscale("log")
            _mark_break_evens(axis, here, shown)


def _mark_break_evens(axis: Axes, part: pd.DataFrame, shown: Mapping[str, style.Look]) -> None:
    """An upright line with its number of classes where a label begins to cost less than dense."""
    least = part["classes"].min()
    for label, value in part.groupby("label", observed=True)["break_even"].first().dropna().items():
        if value > least:
            color = shown[str(label)].color
            axis.axvline(value, color=color, linewidth=1.0, linestyle=style.DASHED, alpha=0.7)
            axis.annotate(
                f"{float(f'{value:.2g}'):,.0f}", (value, 1), xycoords=("data", "axes fraction"),
                xytext=(-3, -2), textcoords="offset points", color=color, fontsize=9, ha="right", va="top",
            )  # fmt: skip

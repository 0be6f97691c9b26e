"""Tasks beside plain training: a memory's queries, descent on drawn examples, partition functions."""

from __future__ import annotations

import pandas as pd

from lshexp.analysis.figures import figure, style
from lshexp.analysis.figures.canvas import Canvas, check_lines, draw_lines, looks, split
from lshexp.analysis.figures.lines import PLACE, NothingToDrawError, labelled, mean_and_range
from lshexp.analysis.results import Results

FEWEST_SIZES = 3
COSTS = {"mults_query": "multiplications a query", "us": "microseconds a query, 256 at a time"}


def _rows(results: Results, table: str) -> pd.DataFrame:
    """A task's rows with the data, network and label of their runs.

    `apart` is what tells labels apart, nothing where there is one.
    """
    if table not in results.tasks:
        raise NothingToDrawError(f"no run has filled {table}.csv")
    runs = labelled(results.runs)
    rows = results.tasks[table].merge(runs[["run_id", *PLACE, "label"]], on="run_id")
    several = rows["label"].nunique() > 1
    rows["apart"] = [f"{label}".partition(" ")[2] if several else "" for label in rows["label"]]
    rows.attrs["notes"] = runs.attrs["notes"]
    return rows


def _joined(*words: str) -> str:
    return ", ".join(word for word in words if word)


def _queries(results: Results) -> pd.DataFrame:
    """Cost of a query by search and number of keys, a part for each measure."""
    rows = _rows(results, "one_shot")
    rows = rows[rows["mode"] == "made_up"]
    # the exact search has no settings, so all runs have one line of it
    rows = rows.assign(
        label=[
            search if search == "exact" else _joined(search, apart)
            for search, apart in zip(rows["search"], rows["apart"], strict=True)
        ]
    )
    if rows["used"].nunique() < FEWEST_SIZES:
        raise NothingToDrawError(f"no memory was asked at {FEWEST_SIZES} sizes")
    parts = [
        mean_and_range(rows, [*PLACE, "label", "used"], name).assign(measure=name)
        for name in COSTS
        if rows[name].notna().any()
    ]
    return check_lines(pd.concat(parts, ignore_index=True), [*PLACE, "measure"])


@figure(_queries)
def memory_query_cost(frame: pd.DataFrame, canvas: Canvas) -> None:
    """Cost of finding the nearest key against the number of keys, by looking at all or through hash tables.

    The keys are drawn so that they lie as the embeddings of unseen characters do.
    """
    shown = looks(frame)
    places = split(frame)
    rows = canvas.grid(len(places), len(COSTS), height=3.4)
    for row, (title, part) in zip(rows, places, strict=True):
        for axis, name in zip(row, COSTS, strict=True):
            axis.set_title(title)
            axis.set_xlabel("keys in the memory")
            axis.set_ylabel(COSTS[name])
            draw_lines(canvas, axis, part[part["measure"] == name], "used", shown)
            axis.set_xscale("log")
            axis.set_yscale("log")


def _descents(results: Results) -> pd.DataFrame:
    """Training loss by data, loss, sampler and multiplications."""
    rows = _rows(results, "descent")
    rows["label"] = rows["sampler"]
    cells = zip(rows["data"].astype(str), rows["apart"], rows["loss"].astype(str), strict=True)
    rows["data"] = [_joined(*cell) for cell in cells]
    return check_lines(mean_and_range(rows, ["data", "label", "mults"], "train_loss"), ["data"])


@figure(_descents)
def loss_vs_mults(frame: pd.DataFrame, canvas: Canvas) -> None:
    """Training loss of a regression against multiplications, by how examples are drawn.

    Projecting all examples, once, is counted.
    """
    shown = looks(frame)
    for axis, part in canvas.panels(frame, "training loss", ["data"]):
        axis.set_xlabel("multiplications")
        draw_lines(canvas, axis, part, "mults", shown)
        axis.set_yscale("log")


def _partitions(results: Results) -> pd.DataFrame:
    """Error of an estimate by estimator and work."""
    rows = _rows(results, "log_partition")
    rows["label"] = [_joined(*cell) for cell in zip(rows["estimator"], rows["apart"], strict=True)]
    keys = [*PLACE, "label", "budget_pct", "K"]
    groups = rows.groupby(keys, dropna=False, observed=True, sort=False)
    cost = groups["mults_pct_of_exact"].mean().rename("cost_pct")
    errors = groups["error_pct"].agg(mean="mean", low="min", high="max", runs="count")
    frame = errors.join(cost).reset_index()
    frame.attrs["notes"] = rows.attrs["notes"]
    return check_lines(frame[frame["runs"] > 0].reset_index(drop=True))


@figure(_partitions)
def partition_error_vs_work(frame: pd.DataFrame, canvas: Canvas) -> None:
    """Error of the estimated logarithm of a partition function against the work of estimating it.

    Finding classes is counted: what scores all of them to find the largest costs more than the exact sum.
    """
    shown = looks(frame)
    for axis, part in canvas.panels(frame, "error of log Z (%)", height=3.4):
        axis.set_xlabel("multiplications (% of the exact sum)")
        axis.axhline(1, color=style.INK, linewidth=1.0, linestyle=style.DASHED, zorder=1.5)
        draw_lines(canvas, axis, part, "cost_pct", shown)
        axis.set_xscale("log")
        axis.set_yscale("log")

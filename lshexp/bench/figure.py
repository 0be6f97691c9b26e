"""The figures of a bench."""

from __future__ import annotations

import textwrap
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lshexp.analysis.figures import style
from lshexp.bench.machine import Machine
from lshexp.bench.target import RUN, best, kinds, reached

# each family has a colour and marker of its own, and a dash for each further batch size
_FAMILIES = ("lsh", "dense", "pytorch_fp32", "pytorch_bf16", "scikit_learn", "winner_take_all", "pytorch_lsh")
_DASHES = ("-", (0, (5, 2)), (0, (3, 1, 1, 1)), (0, (1, 1)))


def draw(summary: pd.DataFrame, machine: Machine | None = None) -> Figure:
    """Draw time a training example against width, a panel for each thread count, on logarithmic axes."""
    figure = style.new_figure()
    counts = sorted(summary["threads"].unique())
    panels = [(_threads(count), summary[summary["threads"] == count]) for count in counts]
    axes = style.grid(figure, 1, len(panels), height=3.4)[0]
    _against_width(figure, axes, panels, "microseconds a training example", machine)
    return figure


def draw_predictions(summary: pd.DataFrame, machine: Machine | None = None) -> Figure:
    """Draw time a predicted example against width, a panel for each thread count and batch size."""
    figure = style.new_figure()
    panels = [
        (f"{_threads(threads)}, batch {batch}", part)
        for (threads, batch), part in summary.groupby(["threads", "batch"])
    ]
    columns = min(len(panels), summary["batch"].nunique())
    rows = style.grid(figure, -(-len(panels) // columns), columns, height=3.0)
    axes = [axis for row in rows for axis in row]
    _against_width(figure, axes, panels, "microseconds a predicted example", machine)
    return figure


def _against_width(
    figure: Figure,
    axes: list[Axes],
    panels: list[tuple[str, pd.DataFrame]],
    ylabel: str,
    machine: Machine | None,
) -> None:
    for axis, (title, part) in zip(axes, panels, strict=True):
        used: dict[str, int] = {}
        for name in part["competitor"].drop_duplicates():
            line = part[part["competitor"] == name].sort_values("width")
            family = _family(name)
            dash = _DASHES[used.get(family, 0) % len(_DASHES)]
            used[family] = used.get(family, 0) + 1
            emulated = " (emulated)" if "emulated" in line["arithmetic"].iloc[0] else ""
            look = _look(name) | {"linestyle": dash}
            label = name.replace("_", " ") + emulated
            axis.plot(line["width"], line["us_per_example"], **look, label=label)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        ticks = sorted(part["width"].unique())
        axis.set_xticks(ticks, [str(tick) for tick in ticks])
        axis.set_xlabel(f"nodes in each of {part['layers'].iloc[0]} hidden layers")
        axis.set_title(f"{title}, {part['dataset'].iloc[0]}")
    axes[0].set_ylabel(ylabel)
    style.legend(figure, axes)
    if machine is not None:
        lines = [part for line in machine.lines() for part in textwrap.wrap(line, 100)]
        figure.suptitle("\n".join(lines), fontsize=6, x=0.01, ha="left", color=style.INK)


def draw_approach(points: pd.DataFrame, to: float) -> Figure:
    """Draw test accuracy against training seconds, a panel for each network and thread count.

    Of each kind of competitor the recipe that is first at `to` % is drawn strongly, its others faintly.
    """
    figure = style.new_figure()
    first = best(reached(points, to))
    panels = list(points.groupby(["width", "layers", "threads"], sort=False))
    axes = style.grid(figure, 1, len(panels), height=3.6)[0]
    for axis, ((width, layers, threads), part) in zip(axes, panels, strict=True):
        here = (first[["width", "layers", "threads"]] == [width, layers, threads]).all(axis=1)
        _approaches(axis, part, first[here])
        axis.axhline(to, color=style.INK, linewidth=0.8, linestyle=(0, (5, 2)), zorder=0)
        axis.set_ylim(bottom=max(0.0, to - 7))
        axis.set_xlim(left=0)
        axis.set_xlabel("seconds of training")
        axis.set_title(f"{layers}x{width}, {_threads(threads)}, mnist")
    axes[0].set_ylabel("test accuracy (%)")
    style.legend(figure, axes)
    return figure


def _approaches(axis: Axes, points: pd.DataFrame, first: pd.DataFrame) -> None:
    """A line for each recipe and repeat; labelled are the best of each kind, or a kind without one."""
    winners = set(first[["competitor", "optimizer", "lr"]].itertuples(index=False, name=None))
    lacking = set(kinds(points["competitor"])) - set(first["kind"])
    labelled: set[str] = set()
    for key, line in points.groupby(RUN, sort=False):
        run: dict[str, Any] = dict(zip(RUN, key, strict=True))
        name, recipe = run["competitor"], (run["competitor"], run["optimizer"], run["lr"])
        kind = str(kinds(pd.Series([name])).iloc[0])
        label = None
        if recipe in winners:
            label = f"{name.replace('_', ' ')}, {run['optimizer']} {run['lr']:g}"
        elif kind in lacking:
            label = f"{kind.replace('_', ' ')}: not reached"
        strong = recipe in winners and run["repeat"] == 0
        shown = label if label not in labelled else None
        labelled |= {label} if label else set()
        look = _look(name) | ({} if strong else {"alpha": 0.35, "linewidth": 0.8, "marker": ""})
        axis.plot(line["seconds"], line["accuracy_pct"], **look, label=shown)


def _family(name: str) -> str:
    return next((known for known in _FAMILIES if name.startswith(known)), name)


def _look(name: str) -> dict[str, Any]:
    family = _family(name)
    look = style.look(_FAMILIES.index(family) if family in _FAMILIES else len(_FAMILIES))
    return {"color": look.color, "marker": look.marker, "markersize": 4}


def _threads(count: object) -> str:
    return f"{count} thread{'' if count == 1 else 's'}"

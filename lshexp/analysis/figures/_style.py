"""The look that all figures share: safe for the colour-blind, told apart in grey, always the same bytes."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

# Okabe and Ito, "Color universal design" (2008), its yellow too pale on white and darkened
COLOURS = {
    "lsh lshexp": "#0072B2",
    "lsh hybrid": "#9A8B00",
    "lsh authors_code": "#56B4E9",
    "lsh paper": "#D55E00",
    "winner_take_all": "#009E73",
    "adaptive_dropout": "#CC79A7",
    "dropout": "#E69F00",
    "dense": "#000000",
}
MARKERS = {
    "lsh lshexp": "o",
    "lsh hybrid": "p",
    "lsh authors_code": "s",
    "lsh paper": "v",
    "winner_take_all": "^",
    "adaptive_dropout": "D",
    "dropout": "X",
    "dense": "",
}
DASHES: dict[str, Any] = {
    "dense": (0, (5, 2)),
    "lsh hybrid": (0, (6, 1)),
    "lsh paper": (0, (1, 1)),
    "lsh authors_code": (0, (4, 1, 1, 1)),
}
RC: Any = {
    "svg.hashsalt": "lshexp",
    "svg.fonttype": "path",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


MOST_COLUMNS = 3


class Look(NamedTuple):
    """How a line is drawn."""

    color: str
    marker: str
    linestyle: Any


def look(label: str) -> Look:
    """The look of a method; methods that have none of their own are grey."""
    known = label if label in COLOURS else label.split(" ", maxsplit=1)[0]
    return Look(COLOURS.get(known, "#777777"), MARKERS.get(known, "P"), DASHES.get(known, "-"))


def new_figure() -> Figure:
    """An empty figure with the shared style; its drawer sets the size."""
    with mpl.rc_context(RC):
        return Figure()


def log_axis(axis: Axes) -> None:
    """Make the x axis logarithmic, with plain numbers at 1, 2 and 5 of each decade."""
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axis.xaxis.set_minor_formatter(NullFormatter())


def grid(
    figure: Figure, rows: int, columns: int, width: float = 3.2, height: float = 2.6, sharey: bool = True
) -> list[list[Axes]]:
    """Axes in rows and columns that share their y axis within a row; sizes in inches a panel."""
    with mpl.rc_context(RC):
        figure.set_size_inches(0.6 + width * columns, 0.9 + height * rows)
        axes = figure.subplots(rows, columns, squeeze=False, sharey="row" if sharey else "none")
    return [list(row) for row in axes]


def by_place(
    figure: Figure, frame: pd.DataFrame, ylabel: str, width: float = 3.6, height: float = 2.8
) -> list[tuple[Axes, pd.DataFrame]]:
    """A titled panel for each dataset and network, at most three in a row, with its part of the frame."""
    places = frame[["dataset", "hidden"]].drop_duplicates().to_numpy().tolist()
    columns = min(MOST_COLUMNS, len(places))
    rows = grid(figure, -(-len(places) // columns), columns, width, height)
    axes = [axis for row in rows for axis in row]
    for row in rows:
        row[0].set_ylabel(ylabel)
    for axis in axes[len(places) :]:
        axis.set_visible(False)
    found = []
    for axis, (dataset, hidden) in zip(axes, places, strict=False):
        axis.set_title(f"{dataset}, {hidden.count('-') + 1} hidden")
        found.append((axis, frame[(frame["dataset"] == dataset) & (frame["hidden"] == hidden)]))
    return found


def lines_by_share(figure: Figure, frame: pd.DataFrame, ylabel: str) -> list[Axes]:
    """Lines of `mean` over `active_pct`, one for each `label`, a panel for each dataset and network."""
    panels = by_place(figure, frame, ylabel, width=3.0, height=2.4)
    for axis, part in panels:
        for label in part["label"].drop_duplicates():
            line = part[part["label"] == label]
            axis.plot(
                line["active_pct"], line["mean"], **look(str(label))._asdict(), markersize=4, label=label
            )
        axis.set_xlabel("active nodes asked for (%)")
    axes = [axis for axis, _ in panels]
    legend(figure, axes)
    return axes


def plain_numbers(axis: Axes) -> None:
    """Make the ticks of a logarithmic y axis plain numbers at 1, 2 and 5 of each decade."""
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axis.yaxis.set_minor_formatter(NullFormatter())


def legend(figure: Figure, axes: list[Axes], entry: float = 1.7) -> None:
    """One legend for all panels, below them, each label once; `entry` is the width of a label in inches."""
    entries: dict[Any, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    figure.legend(
        entries.values(),
        entries.keys(),
        loc="outside lower center",
        frameon=False,
        ncols=max(1, int(figure.get_figwidth() / entry)),
    )


def rendered(figure: Figure, kind: str) -> bytes:
    """The figure as bytes, without date or version."""
    buffer = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    with mpl.rc_context(RC):
        figure.savefig(buffer, format=kind, dpi=150, metadata=metadata)
    return buffer.getvalue()

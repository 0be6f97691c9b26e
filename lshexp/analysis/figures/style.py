"""The look that all figures share: readable at 846 px, on white and on black, told apart without colour.

A figure is 846 CSS pixels wide, the width of a page on a code host, with text of 12 pixels and more. Its
ground is transparent. In SVG, text and axes follow the reader's colour scheme; in PNG they are of a grey that
can be read on both. The same numbers give the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FormatStrFormatter, LogLocator, NullFormatter, NullLocator

WIDTH = 846 / 96  # inches; a CSS pixel is 1/96 of an inch
MOST_COLUMNS = 2
INK = "#787a7c"  # text, axes and reference lines; a contrast of 4 and more on white and on #14181c
INK_LIGHT, INK_DARK = "#24292f", "#e1e6eb"
DASHED: Any = (0, (5, 2))

# Okabe and Ito, "Color universal design" (2008), those that are pale darkened until they have a contrast of
# 3 on white; markers and then dashes tell lines apart without colour
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#c669a0", "#b07c00", "#3a96cc", "#8a8000", "#7a6fd0")
MARKERS = ("o", "s", "^", "D", "v", "p", "X", "P")
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)))
MOST_LINES = 12  # in one panel

RC: Any = {
    "svg.hashsalt": "lshexp",
    "svg.fonttype": "path",
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.labelsize": 10,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.labelcolor": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "savefig.transparent": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": INK,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "hatch.linewidth": 0.6,
}


class Look(NamedTuple):
    """How a line is drawn."""

    color: str
    marker: str
    linestyle: Any


def look(place: int) -> Look:
    """The look of the line that is `place`-th among all lines of a sweep, from 0."""
    return Look(COLOURS[place % 8], MARKERS[(place + place // 8) % 8], DASHES[place // 8 % 3])


def new_figure() -> Figure:
    """An empty figure in the shared style; its drawer sets the height."""
    with mpl.rc_context(RC):
        return Figure()


def grid(
    figure: Figure,
    rows: int,
    columns: int,
    height: float = 2.6,
    sharey: Literal["none", "row", "col"] = "none",
) -> list[list[Axes]]:
    """Axes in rows and columns, `height` inches a row and a little for what stands around them."""
    with mpl.rc_context(RC):
        figure.set_size_inches(WIDTH, 0.5 + height * rows)
        axes = figure.subplots(rows, columns, squeeze=False, sharey=sharey)
    return [list(row) for row in axes]


def log_ticks(axis: Axes, which: str, ticks: Sequence[float] | None = None) -> None:
    """Make an axis (`x` or `y`) logarithmic with plain numbers, at `ticks` or at 1, 2, 5 of a decade."""
    (axis.set_xscale if which == "x" else axis.set_yscale)("log")
    line = axis.xaxis if which == "x" else axis.yaxis
    line.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)) if ticks is None else FixedLocator(list(ticks)))
    line.set_major_formatter(FormatStrFormatter("%g"))
    line.set_minor_locator(NullLocator())
    line.set_minor_formatter(NullFormatter())


ACCURACIES = (0, 20, 40, 50, 60, 70, 80, 85, 90, 93, 95, 96, 97, 98, 99, 99.5, 99.8, 99.9, 100)
WIDE = 12.0  # points between the worst and the best, from which a linear scale would press the best together


def accuracy_scale(axes: Sequence[Axes], values: Sequence[float]) -> None:
    """Scale the y axes of accuracies in per cent: by the logarithm of the error where they are far apart.

    Call it when everything is drawn: limits follow what is there.
    """
    if not len(values) or max(values) - min(values) < WIDE:
        return
    for axis in axes:
        low, high = _to_error(np.clip([axis.dataLim.y0, axis.dataLim.y1], 0.0, 100.0))
        margin = 0.08 * (high - low) + 0.02
        axis.set_yscale("function", functions=(_to_error, _from_error))
        axis.set_ylim(
            max(float(_from_error(low - margin)), 0.0), min(float(_from_error(high + margin)), 100.0)
        )
        axis.yaxis.set_major_locator(FixedLocator(_accuracy_ticks(*axis.get_ylim())))
        axis.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        axis.yaxis.set_minor_locator(NullLocator())


def _accuracy_ticks(low: float, high: float) -> list[float]:
    """Round accuracies in a range, those that lie too close together on the scale left out."""
    inside = [accuracy for accuracy in ACCURACIES if low <= accuracy <= high]
    least = 0.07 * float(_to_error(high) - _to_error(low))
    kept: list[float] = []
    for accuracy in sorted(inside, reverse=True):
        if not kept or float(_to_error(kept[-1]) - _to_error(accuracy)) >= least:
            kept.append(accuracy)
    return sorted(kept)


def _to_error(accuracy: Any) -> Any:
    return -np.log10(np.clip(100.02 - np.asarray(accuracy, dtype=float), 1e-3, None))


def _from_error(place: Any) -> Any:
    return 100.02 - 10.0 ** -np.asarray(place, dtype=float)


def legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend for all panels, below them, each label once."""
    entries: dict[Any, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if entries:
        inches = 0.6 + 0.085 * max(len(str(label)) for label in entries)
        with mpl.rc_context(RC):
            figure.legend(
                entries.values(), entries.keys(), loc="outside lower center",
                ncols=max(1, min(len(entries), int(figure.get_figwidth() / inches))),
            )  # fmt: skip


SCHEMES = (
    f"<style>svg{{color:{INK_LIGHT}}}@media (prefers-color-scheme:dark){{svg{{color:{INK_DARK}}}}}</style>"
)


def rendered(figure: Figure, kind: str) -> bytes:
    """The figure as `svg` or `png` bytes, without date or version."""
    buffer = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    with mpl.rc_context(RC):
        figure.savefig(buffer, format=kind, dpi=192, transparent=True, metadata=metadata)
    return buffer.getvalue() if kind == "png" else _following_the_scheme(buffer.getvalue())


def _following_the_scheme(svg: bytes) -> bytes:
    """Put text and axes in the reader's colour; a viewer without style sheets shows the grey of the PNG."""
    source = svg.decode().replace(INK, "currentColor")
    return re.sub(r"(<svg\b)([^>]*>)", rf'\1 color="{INK}"\2{SCHEMES}', source, count=1).encode()

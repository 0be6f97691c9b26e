"""What figures draw on: panels that say what they show, and lines with their names at their ends."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lshexp.analysis.figures import style
from lshexp.analysis.figures.lines import PLACE, NothingToDrawError
from lshexp.analysis.figures.placing import Label, at_line_ends
from lshexp.errors import ConfigError, Problem

MOST_PANELS = 24


class Canvas:
    """A figure, and the axes to draw on where the caller has brought some."""

    def __init__(self, figure: Figure, given: Sequence[Axes] = ()) -> None:
        self.figure = figure
        self.given = list(given)
        self.axes: list[Axes] = []  # panels that are drawn on
        self._ends: dict[Axes, list[Label]] = {}
        self._last: list[Callable[[], None]] = []

    def grid(self, rows: int, columns: int, height: float = 2.6, **options: Any) -> list[list[Axes]]:
        """Axes in rows and columns, or those that were given. Raises ConfigError for too few or too many."""
        if not self.given:
            made = style.grid(self.figure, rows, columns, height, **options)
        elif len(self.given) == rows * columns:
            made = [self.given[row * columns : (row + 1) * columns] for row in range(rows)]
        else:
            message = f"this figure has {rows * columns} panels and {len(self.given)} axes were given"
            raise ConfigError([Problem(("axes",), message)])
        self.axes = [axis for row in made for axis in row]
        return made

    def panels(
        self, frame: pd.DataFrame, ylabel: str, by: Sequence[str] = PLACE, height: float = 2.9
    ) -> list[tuple[Axes, pd.DataFrame]]:
        """A titled panel for each place, with its part. Raises NothingToDrawError for too many."""
        parts = split(frame, by)
        if len(parts) > MOST_PANELS:
            raise NothingToDrawError(
                f"{len(parts)} panels are more than {MOST_PANELS}; give a part of the runs"
            )
        columns = len(parts) if self.given else min(style.MOST_COLUMNS, len(parts))
        rows = -(-len(parts) // columns)
        single = 1.35 if len(parts) == 1 else 1.0
        made = self.grid(rows, columns, height * single)
        for row in made:
            row[0].set_ylabel(ylabel)
        for axis in self.axes[len(parts) :]:
            axis.set_visible(False)
        self.axes = self.axes[: len(parts)]
        for axis, (title, _) in zip(self.axes, parts, strict=True):
            axis.set_title(title)
        return [(axis, part) for axis, (_, part) in zip(self.axes, parts, strict=True)]

    def name(self, axis: Axes, label: Label) -> None:
        """Have a line's name written at its end, once the panel's scales are final."""
        self._ends.setdefault(axis, []).append(label)

    def when_laid_out(self, write: Callable[[], None]) -> None:
        """Have something written whose place depends on where panels end up."""
        self._last.append(write)

    def finish(self) -> None:
        """Write the names of all lines, and what waited for the layout."""
        for axis, labels in self._ends.items():
            at_line_ends(axis, labels)
        for write in self._last:
            write()


def split(frame: pd.DataFrame, by: Sequence[str] = PLACE) -> list[tuple[str, pd.DataFrame]]:
    """Parts of a frame by their place, each with a title that no other has."""
    keys, parts = [], []
    for key, part in frame.groupby(list(by), observed=True, sort=True):
        keys.append(", ".join(str(word) for word in key))
        parts.append(part)
    short = [_PATH.sub(r"\1\2", EQUAL_LAYERS.sub(_as_product, title)) for title in keys]
    return list(zip(short if len(set(short)) == len(keys) else keys, parts, strict=True))


EQUAL_LAYERS = re.compile(r"\b(\d+)((?:-\1)+)\b(?!-)")
_PATH = re.compile(r"(^|[ =])[^ =]*/([^ /]+)")  # a file without its folders


def _as_product(layers: re.Match[str]) -> str:
    return f"{layers[2].count('-') + 1} x {layers[1]}"


def looks(frame: pd.DataFrame, column: str = "label") -> dict[str, style.Look]:
    """The look of each line: by its place among all lines of the sweep, the same in every figure."""
    labels = frame[column]
    known = list(labels.cat.categories) if labels.dtype == "category" else list(labels.drop_duplicates())
    return {str(label): style.look(place) for place, label in enumerate(known)}


def check_lines(frame: pd.DataFrame, by: Sequence[str] = PLACE, what: str = "label") -> pd.DataFrame:
    """The frame, if no panel has more lines than can be told apart. Raises NothingToDrawError."""
    most = max((part[what].nunique() for _, part in split(frame, by)), default=0)
    if most > style.MOST_LINES:
        raise NothingToDrawError(
            f"{most} lines in one panel; {style.MOST_LINES} can be told apart, so give a part of the runs"
        )
    return frame


def draw_lines(
    canvas: Canvas,
    axis: Axes,
    part: pd.DataFrame,
    x: str,
    shown: Mapping[str, style.Look],
    level: float | None = None,
) -> None:
    """A line of `mean` over `x` for each label, its range over repeats, and its name at its end.

    A label that has nothing but a point at `level` is a reference: a dashed line across the panel.
    """
    for label in part["label"].drop_duplicates():
        line = part[part["label"] == label].sort_values(x)
        look = shown[str(label)]
        at, mean = line[x].astype(float), line["mean"].astype(float)
        if len(line) == 1 and float(at.iloc[0]) == level:
            axis.axhline(mean.iloc[0], color=style.INK, linestyle=style.DASHED, linewidth=1.2, zorder=1.5)
            canvas.name(axis, Label(str(label), math.nan, float(mean.iloc[0]), style.INK))
            continue
        axis.plot(at, mean, **look._asdict())
        if (line["runs"] > 1).any():
            low, high = line["low"].astype(float), line["high"].astype(float)
            axis.fill_between(at, low, high, color=look.color, alpha=0.15, linewidth=0)
        canvas.name(axis, Label(str(label), float(at.iloc[-1]), float(mean.iloc[-1]), look.color))


def draw_by_share(frame: pd.DataFrame, canvas: Canvas, ylabel: str) -> list[tuple[Axes, pd.DataFrame]]:
    """A panel for each place and a line for each label over shares, logarithmic where they are far apart."""
    shown = looks(frame)
    panels = canvas.panels(frame, ylabel)
    for axis, part in panels:
        draw_lines(canvas, axis, part, "active_pct", shown, level=100.0)
        lines = part[part.groupby("label", observed=True)["active_pct"].transform("nunique") > 1]
        shares = sorted((lines if len(lines) else part)["active_pct"].unique())
        if shares[-1] >= 5 * shares[0] > 0:
            style.log_ticks(axis, "x", shares)
        axis.set_xlabel("active nodes asked for (%)")
    return panels

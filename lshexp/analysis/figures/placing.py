"""Labels beside what they name, so that no legend has to be looked up and no label covers another."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from lshexp.analysis.figures.style import INK

SIZE = 9.0  # points of a label; a CSS pixel is 3/4 of a point
LINE_HEIGHT = 1.3
# where a label may stand, from its point, in points: close by first, then further off with a line to it
NEAR = ((7, 0), (-7, 0), (0, 9), (0, -9), (6, 7), (6, -7), (-6, 7), (-6, -7))
FAR = tuple((x * step, y * step) for step in (2, 3, 4.5, 6) for x, y in NEAR)


class Label(NamedTuple):
    """A label of a point, in data coordinates; an `x` that is not a number stands for the right edge."""

    text: str
    x: float
    y: float
    color: str
    far: bool = False  # whether it may stand away from its point, with a line to it


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places near the wanted ones, `gap` apart, from `low` to `high` if they fit."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    places = [0.0] * len(wanted)
    floor = low
    for i in order:
        places[i] = max(wanted[i], floor)
        floor = places[i] + gap
    ceiling = high
    for i in reversed(order):
        places[i] = min(places[i], ceiling)
        ceiling = places[i] - gap
    return places


def at_line_ends(axis: Axes, labels: Sequence[Label]) -> None:
    """Write labels in a column at the right of a panel, each level with the end of its line where it can be.

    Call it when the limits and scales of the panel are final.
    """
    if not labels:
        return
    figure = axis.get_figure()
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    box = axis.get_window_extent()
    gap = SIZE * LINE_HEIGHT / 72 * figure.dpi / box.height
    to_axes = axis.transAxes.inverted()
    right = axis.get_xlim()[1]
    labels = [label._replace(x=right) if math.isnan(label.x) else label for label in labels]
    ends = [axis.transData.transform((label.x, label.y)) for label in labels]
    wanted = [float(to_axes.transform(end)[1]) for end in ends]
    for label, place in zip(labels, spread(wanted, gap, 0.02, 0.98), strict=True):
        axis.annotate(
            label.text, (label.x, label.y), xytext=(1.045, place), textcoords="axes fraction",
            fontsize=SIZE, color=label.color, va="center", ha="left", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": label.color, "linewidth": 0.7, "alpha": 0.6,
                        "shrinkA": 1, "shrinkB": 3},
        )  # fmt: skip


def beside_points(
    axis: Axes,
    labels: Sequence[Label],
    points: Sequence[tuple[float, float]],
    line: Sequence[tuple[float, float]] = (),
) -> list[Label]:
    """Write labels beside their points, first come first placed; return those for which there is no room.

    No label covers another, nor one of `points`, nor the `line`, nor leaves the panel. All of it is in data
    coordinates, and the layout must be final.
    """
    figure = axis.get_figure()
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    renderer = RendererAgg(figure.bbox.width, figure.bbox.height, figure.dpi)  # type: ignore[no-untyped-call]
    panel = axis.get_window_extent()
    half = 3.5 / 72 * figure.dpi
    taken = [
        Bbox.from_extents(x - half, y - half, x + half, y + half)
        for x, y in (axis.transData.transform(point) for point in points)
    ]
    corners = np.asarray([axis.transData.transform(point) for point in line]).reshape(-1, 2)
    for start, end in itertools.pairwise(corners):
        steps = np.linspace(start, end, max(2, int(np.hypot(*(end - start)) / half)))
        taken += [Bbox.from_extents(x - 1, y - 1, x + 1, y + 1) for x, y in steps]
    left_out = []
    for label in labels:
        for offset in NEAR + (FAR if label.far else ()):
            text = _written(axis, label, offset)
            text.update_positions(renderer)
            box = Text.get_window_extent(text, renderer)  # of the words, without the line to the point
            inside = panel.x0 <= box.x0 and box.x1 <= panel.x1 and panel.y0 <= box.y0 and box.y1 <= panel.y1
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()
        else:
            left_out.append(label)
    return left_out


def _written(axis: Axes, label: Label, offset: tuple[float, float]) -> Any:
    x, y = offset
    line = {
        "arrowstyle": "-",
        "color": label.color,
        "linewidth": 0.6,
        "alpha": 0.7,
        "shrinkA": 0,
        "shrinkB": 3,
    }
    text = axis.annotate(
        label.text, (label.x, label.y), xytext=offset, textcoords="offset points", fontsize=SIZE,
        color=label.color or INK, ha="left" if x > 0 else "right" if x < 0 else "center",
        va="bottom" if y > 0 and abs(y) > abs(x) else "top" if y < 0 and abs(y) > abs(x) else "center",
        arrowprops=None if offset in NEAR else line,
    )  # fmt: skip
    text.set_in_layout(False)
    return text

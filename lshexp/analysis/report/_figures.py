"""The figures of a sweep, each with its numbers beside it."""

from __future__ import annotations

import base64

import pandas as pd

from lshexp.analysis.figures import Drawing, drawings
from lshexp.analysis.report._html import Html, data_url, element, join
from lshexp.analysis.report._sources import Sweep
from lshexp.analysis.report._tables import commands, paragraph, table

MOST_ROWS = 200  # of a figure's numbers on the page; its CSV file has all


def section(sweep: Sweep) -> Html:
    """All figures that these results have numbers for."""
    found = [drawing for drawing in drawings(sweep.results) if not drawing.reason]
    made = [_figure(drawing, sweep) for drawing in found]
    return join(made) if made else paragraph("These results have nothing for any of the figures.")


def _figure(drawing: Drawing, sweep: Sweep) -> Html:
    frame = drawing.frame
    svg = base64.b64encode(drawing.rendered("svg")["svg"]).decode()
    file = base64.b64encode(drawing.csv()).decode()
    name = f"{sweep.name}_{drawing.plot.table}.csv"
    heads = [str(column) for column in frame.columns]
    rows = [[_number(value) for value in row] for row in frame.head(MOST_ROWS).to_numpy().tolist()]
    more = (
        f"The first {MOST_ROWS} of {len(frame):,} rows; the CSV file has all. "
        if len(frame) > MOST_ROWS
        else ""
    )
    numbers = element(
        "details",
        element("summary", "The numbers drawn, and how to draw it again"),
        paragraph(more, element("a", f"Save {name}", href=data_url("text/csv", file), download=name)),
        table(f"{drawing.name}, the numbers drawn", heads, rows),
        commands(f"lshexp figures {sweep.typed} --only {drawing.name}"),
    )
    image = element(
        "img",
        src=data_url("image/svg+xml", svg),
        alt=f"{drawing.caption} Drawn from sweep {sweep.name}; its numbers are in the table below.",
    )
    return join([element("figure", image, element("figcaption", drawing.caption)), numbers, "\n"])


def _number(value: object) -> str:
    if value is None or value is pd.NA or value != value:
        return "-"
    return f"{value:.5g}" if isinstance(value, float) else str(value)

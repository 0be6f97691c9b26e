"""The table of `lshexp compare`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lshexp.analysis.presentation import TEXT, cell, in_short, legend, narrow, parts
from lshexp.render._console import err, print_lines, print_markdown, print_narrow, print_table

if TYPE_CHECKING:
    import pandas as pd


def comparison(frame: pd.DataFrame, form: str, wide: bool = False) -> None:
    """Print the comparison: one table for each dataset and network, or all of it as csv or json.

    Tables have what most readers want, in 80 columns; `wide` has every column that says something.
    """
    if form == "csv":
        sys.stdout.write(frame.to_csv(index=False, lineterminator="\n"))
    elif form == "json":
        sys.stdout.write(frame.to_json(orient="records", indent=1) + "\n")
    elif wide:
        _wide(frame, form)
    else:
        _narrow(frame, form)
    for note in frame.attrs.get("notes", []):
        err().print(f"note: {note}", markup=False)


def _wide(frame: pd.DataFrame, form: str) -> None:
    for part in parts(frame):
        rows = [
            [cell(name, row[name], "" if form == "md" else "-") for name in part.shown]
            for _, row in part.frame.iterrows()
        ]
        if form == "md":
            text = [i for i, name in enumerate(part.shown) if name in TEXT]
            print_markdown(part.title, part.heads(), rows, text)
        else:
            print_table(part.heads(), rows, title=part.title)


def _narrow(frame: pd.DataFrame, form: str) -> None:
    show = print_markdown if form == "md" else print_narrow
    short = form != "md"
    for part in parts(frame):
        table = narrow(part, short)
        show(part.title, table.heads, table.rows, text=(0, 4), below=table.below)
    lines = legend(frame, short)
    if form == "md" and lines:
        sys.stdout.write("; ".join(lines) + "\n\n")
    else:
        print_lines(lines)
        if said := in_short(frame):
            print_lines(["", *said])

"""The table of `lshexp compare`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lshexp.analysis.presentation import cell, parts
from lshexp.render._console import err, print_markdown, print_table

if TYPE_CHECKING:
    import pandas as pd


def comparison(frame: pd.DataFrame, form: str) -> None:
    """Print the comparison: one table for each dataset and network, or all of it as md, csv or json."""
    if form == "csv":
        sys.stdout.write(frame.to_csv(index=False, lineterminator="\n"))
    elif form == "json":
        sys.stdout.write(frame.to_json(orient="records", indent=1) + "\n")
    else:
        missing = "" if form == "md" else "-"
        for part in parts(frame):
            rows = [
                [cell(name, row[name], missing) for name in part.shown] for _, row in part.frame.iterrows()
            ]
            if form == "md":
                print_markdown(part.title, part.heads(), rows)
            else:
                print_table(part.heads(), rows, title=part.title, text=1)
    for note in frame.attrs.get("notes", []):
        err().print(f"note: {note}", markup=False)

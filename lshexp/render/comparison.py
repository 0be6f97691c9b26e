"""The tables of `lshexp compare` and `lshexp energy`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lshexp.analysis.presentation import TEXT, cell, in_short, legend, narrow, parts
from lshexp.render._console import print_lines, print_markdown, print_narrow, print_table, say

if TYPE_CHECKING:
    import pandas as pd

    from lshexp.analysis.energy import Sensitivity


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
        say(f"note: {note}")


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


def energies(found: Sensitivity, form: str) -> None:
    """Print joules by configuration and table, in brackets over the baseline; then ranks that change."""
    if form == "csv":
        sys.stdout.write(found.frame().to_csv(index=False, lineterminator="\n"))
    elif form == "json":
        sys.stdout.write(found.frame().to_json(orient="records", indent=1) + "\n")
    else:
        _tables(found, form)
    for note in found.notes:
        say(f"note: {note}")


def _tables(found: Sensitivity, form: str) -> None:
    from lshexp.analysis.energy import short_names

    show = print_markdown if form == "md" else print_narrow
    heads = ["configuration", *short_names(found.models)]
    for network in found.networks:
        show(f"{network.title}: joules (times the baseline)", heads, network.cells(found.models))
        ranks = network.ranks(found.models)
        if ranks:
            show(network.finding(found.models), heads, ranks)
        else:
            sys.stdout.write(network.finding(found.models) + "\n\n")
    meant = [
        f"{short}: {model}" for short, model in zip(heads[1:], found.models, strict=True) if short != model
    ]
    if meant and form == "md":
        sys.stdout.write("; ".join(meant) + "\n\n")
    else:
        print_lines(meant)

"""The tables of `lshexp energy`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lshexp.render._console import err, print_lines, print_markdown, print_narrow

if TYPE_CHECKING:
    from lshexp.analysis.energy import Sensitivity


def energies(found: Sensitivity, form: str) -> None:
    """Print joules by configuration and table, in brackets over the baseline; then ranks that change."""
    if form == "csv":
        sys.stdout.write(found.frame().to_csv(index=False, lineterminator="\n"))
    elif form == "json":
        sys.stdout.write(found.frame().to_json(orient="records", indent=1) + "\n")
    else:
        _tables(found, form)
    for note in found.notes:
        err().print(f"note: {note}", markup=False)


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

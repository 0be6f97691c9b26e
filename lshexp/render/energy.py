"""The tables of `lshexp energy`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lshexp.render._console import err, print_markdown, print_table

if TYPE_CHECKING:
    from lshexp.analysis.energy import Sensitivity


def energies(found: Sensitivity, form: str) -> None:
    """Print joules by configuration and table, in brackets their ratio to the baseline; then what turns."""
    if form == "csv":
        sys.stdout.write(found.frame().to_csv(index=False, lineterminator="\n"))
    elif form == "json":
        sys.stdout.write(found.frame().to_json(orient="records", indent=1) + "\n")
    else:
        for network in found.networks:
            title = f"{network.title}: joules (times the baseline)"
            heads = ["configuration", *found.models]
            rows = network.cells(found.models)
            if form == "md":
                print_markdown(title, heads, rows)
            else:
                print_table(heads, rows, title=title)
            sys.stdout.write("\n".join(network.sentences(found.models)) + "\n\n")
    for note in found.notes:
        err().print(f"note: {note}", markup=False)

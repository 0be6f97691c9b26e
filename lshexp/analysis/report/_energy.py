"""Energy of a sweep under several tables of prices."""

from __future__ import annotations

from lshexp.analysis.energy import sensitivity
from lshexp.analysis.report._html import Html, join, text
from lshexp.analysis.report._sources import Question, Sweep
from lshexp.analysis.report._tables import commands, notes, paragraph, table


def section(sweep: Sweep, question: Question) -> Html:
    """Joules by configuration, and whether their order hangs on the table."""
    if sweep.comparison is None:
        return paragraph("Without a comparison there is nothing to set side by side.")
    found = sensitivity(sweep.results, baseline=question.baseline)
    tables = [
        table(
            f"{network.title}: joules (times the baseline)",
            ["configuration", *map(text, found.models)],
            network.cells(found.models),
            sortable=False,
        )
        + notes(network.sentences(found.models))
        for network in found.networks
    ]
    again = "" if question.baseline == Question().baseline else f" --baseline {question.baseline}"
    return join(
        [
            paragraph(
                "A proxy from counted operations, not a meter's reading: published prices of a 45 nm "
                "process, for the arithmetic alone (horowitz45) and with every byte fetched from one level "
                "of memory."
            ),
            *tables,
            commands(f"lshexp energy {sweep.shown}{again}"),
        ]
    )

"""Energy of a sweep under several tables of prices."""

from __future__ import annotations

from shlex import quote

import pandas as pd

from lshexp.analysis.energy import Network, sensitivity
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
        + notes([network.finding(found.models)])
        + _ranks(network, found.models)
        for network in found.networks
    ]
    again = "" if question.baseline == Question().baseline else f" --baseline {quote(question.baseline)}"
    return join(
        [
            paragraph(
                "A proxy from counted operations, not a meter's reading: published prices of a 45 nm "
                "process, for the arithmetic alone (horowitz45) and with every byte fetched from one level "
                "of memory."
            ),
            *tables,
            paragraph(_metered(sweep.results.runs)),
            commands(f"lshexp energy {sweep.typed}{again}"),
        ]
    )


def _ranks(network: Network, models: list[str]) -> Html:
    """The configurations whose rank is not the same under all tables; nothing where there are none."""
    rows: list[list[object]] = [list(row) for row in network.ranks(models)]
    heads = ["configuration", *map(text, models)]
    return table(f"{network.title}: ranks that change", heads, rows, sortable=False) if rows else Html()


def _metered(runs: pd.DataFrame) -> str:
    """Whether there are readings of a meter beside the proxy."""
    read = int(runs["energy_rapl_j"].notna().sum())
    if read:
        return f"Of {len(runs)} runs, {read} have a reading of the machine's own counters (energy_rapl_j)."
    return (
        "No run has a reading of the machine's own counters (energy_rapl_j): they could not be read, or the "
        "machine was shared."
    )

"""What the comparison says: a line for each network on top, and the tables of each sweep."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from lshexp.analysis.presentation import Part, row_label
from lshexp.analysis.report._html import Html, element, join
from lshexp.analysis.report._sources import Question, Sweep, Unread
from lshexp.analysis.report._tables import cell, commands, notes, paragraph, table, verdict
from lshexp.analysis.statistics import FEWEST, Kind, kind_of

JUDGED: tuple[Kind, ...] = ("better", "within", "worse", "not settled", "too few seeds")


def summary(sweeps: Sequence[Sweep | Unread], anchors: Sequence[str], question: Question) -> Html:
    """How many configurations got which verdict, and the cheapest that is no worse than by the margin."""
    rows: list[list[object]] = []
    for sweep, anchor in zip(sweeps, anchors, strict=True):
        link = element("a", sweep.name, href=f"#{anchor}")
        if isinstance(sweep, Unread):
            rows.append([link, "could not be read", *["-"] * (3 + len(JUDGED))])
            continue
        found = list(sweep.parts())
        rows += [[link, part.title, _cheapest(part), *_counts(part)] for part in found]
        if not found:
            rows.append(
                [link, "cannot be compared" if sweep.problem else "no runs", *["-"] * (3 + len(JUDGED))]
            )
    heads = ["sweep", "network", "cheapest, no worse", *JUDGED, "no verdict", "failed or diverged runs"]
    unit = "percentage point" if question.metric.endswith("_pct") else "unit of the metric"
    unit += "" if question.margin == 1 else "s"
    return join(
        [
            paragraph(
                f"Every configuration is compared with {question.baseline} by {question.metric}, over runs "
                "with the same seed and repeat, with intervals that hold at 95 % for all rows of a sweep "
                "together. A difference is ",
                verdict("within"),
                f" the margin when its whole interval lies within {question.margin:g} {unit} of zero, else ",
                verdict("better"),
                " when all of it is above zero, ",
                verdict("worse"),
                " when all of it is further below zero than the margin, and ",
                verdict("not settled"),
                f" otherwise. It takes {FEWEST} pairs of runs to have a verdict at all.",
            ),
            table("Verdicts by sweep and network", heads, rows),
            paragraph(
                "Cheapest, no worse: the configuration with the fewest multiplications, selection included, "
                f"whose interval lies above -{question.margin:g}.",
                quiet=True,
            ),
        ]
    )


def _counts(part: Part) -> list[object]:
    rows = part.frame[~part.frame["is_baseline"].astype(bool)]
    kinds = [kind_of(word) for word in rows["verdict"].dropna().astype(str)]
    counted: list[object] = [kinds.count(kind) for kind in JUDGED]
    return [
        *counted,
        int(rows["verdict"].isna().sum()),
        int((part.frame["failed"] + part.frame["diverged"]).sum()),
    ]


def _cheapest(part: Part) -> str:
    rows = part.frame[~part.frame["is_baseline"].astype(bool)]
    sound = rows[rows["non_inferior"].eq(True) & rows["mults_pct_of_dense"].notna()]
    if sound.empty:
        return "none" if rows["p"].notna().any() else "-"
    row = sound.sort_values("mults_pct_of_dense", kind="stable").iloc[0]
    return f"{row_label(part, row)}: {row['mults_pct_of_dense']:.3g} % of the multiplications"


def section(sweep: Sweep, question: Question) -> Html:
    """The comparison in full, what is missing from it and why, and the command that prints it."""
    if sweep.comparison is None:
        return paragraph("This sweep cannot be compared: ", sweep.problem)
    made = [_table(part) for part in sweep.parts()] or [paragraph("This sweep has no runs yet.")]
    return join(
        [
            *made,
            notes(str(note) for note in sweep.comparison.attrs.get("notes", [])),
            commands(f"lshexp compare {sweep.typed}{question.options()}"),
        ]
    )


def _table(part: Part) -> Html:
    rows = [[_value(name, row) for name in part.shown] for _, row in part.frame.iterrows()]
    return table(part.title, part.heads(), rows)


def _value(name: str, row: pd.Series) -> object:
    value = cell(name, row[name])
    if name == "verdict":
        return element("span", "baseline", class_="quiet") if row["is_baseline"] else verdict(value)
    return value

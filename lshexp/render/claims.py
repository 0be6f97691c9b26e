"""Claim cards in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lshexp.render._console import err, print_markdown, print_table

if TYPE_CHECKING:
    from lshexp.analysis.claims import Judgement


def claims(judgements: Sequence[Judgement], form: str) -> None:
    """Print a row for each claim and variant: under the claim's title, or all together in other forms."""
    heads = ["variant", "verdict", "ours", "interval", "asked", "samples", "paper"]
    if form in ("csv", "json"):
        _machine(judgements, form)
        return
    if form == "md":
        rows = [[card.claim.title, *_row(card)] for card in judgements]
        print_markdown("Claims", ["claim", *heads], rows)
    else:
        for title in dict.fromkeys(card.claim.title for card in judgements):
            rows = [_row(card) for card in judgements if card.claim.title == title]
            print_table(heads, rows, title=title, text=2)
    for card in judgements:
        if card.note:
            err().print(f"note: {card.name}: {card.note}", markup=False)
    counts = {name: sum(card.verdict == name for card in judgements) for name in ("supported", "refuted")}
    rest = len(judgements) - sum(counts.values())
    err().print(
        f"{counts['supported']} supported, {counts['refuted']} refuted, {rest} undetermined", markup=False
    )


def _row(card: Judgement) -> list[str]:
    mean = "" if card.mean is None else f"{card.mean:+.2f}" if card.claim.relative else f"{card.mean:.2f}"
    span = "" if card.found is None else f"{card.found.low:.2f} to {card.found.high:.2f}"
    return [
        card.variant or "-",
        card.verdict,
        mean,
        span,
        f"{card.claim.asked}, gate" if card.gate else card.claim.asked,
        str(card.samples),
        card.claim.paper,
    ]


def _machine(judgements: Sequence[Judgement], form: str) -> None:
    import pandas as pd

    rows = [
        {
            "claim": card.claim.id,
            "variant": card.variant,
            "verdict": card.verdict,
            "mean": card.mean,
            "ci_low": card.found.low if card.found else None,
            "ci_high": card.found.high if card.found else None,
            "samples": card.samples,
            "places": "; ".join(card.places),
            "gate": card.gate,
            "note": card.note,
        }
        for card in judgements
    ]
    frame = pd.DataFrame(rows)
    if form == "csv":
        sys.stdout.write(frame.to_csv(index=False, lineterminator="\n"))
    else:
        sys.stdout.write(frame.to_json(orient="records", indent=1) + "\n")

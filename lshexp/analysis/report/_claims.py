"""Claim cards: each says what was claimed, what the rows say, and what the paper says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lshexp.analysis.claims import Judgement
from lshexp.analysis.report._html import Html, element, join
from lshexp.analysis.report._tables import described, paragraph, verdict


class Card(NamedTuple):
    """One claim as the page shows it."""

    title: str
    verdict: str  # supported, refuted or undetermined
    statement: str
    facts: Sequence[tuple[str, object]] = ()  # names and values, such as ours beside the paper's
    note: str = ""


def claim_cards(judgements: Iterable[Judgement]) -> list[Card]:
    """A card for each claim and variant."""
    return [_card(judgement) for judgement in judgements]


def _card(judgement: Judgement) -> Card:
    claim, found = judgement.claim, judgement.found
    facts: list[tuple[str, object]] = [("claim", claim.id)]
    if judgement.variant:
        facts.append(("of", judgement.variant))
    if judgement.mean is not None:
        facts.append(("ours", f"{judgement.mean:.2f}: {claim.figure}"))
    if found is not None:
        facts.append(("95 % interval", f"{found.low:.2f} to {found.high:.2f}"))
    asked = f"{claim.asked}, a gate" if judgement.gate else claim.asked
    facts += [("asked", asked), ("the paper", claim.paper or "no figure")]
    facts.append(("samples", f"{judgement.samples} on {', '.join(judgement.places) or 'nothing'}"))
    return Card(claim.title, judgement.verdict, claim.statement, facts, judgement.note)


def section_of(cards: Sequence[Card]) -> Html:
    """The cards under a heading; nothing where there are none."""
    if not cards:
        return Html()
    items = [
        element(
            "li",
            element("h3", card.title),
            verdict(card.verdict),
            paragraph(card.statement),
            described(card.facts) if card.facts else Html(),
            paragraph(card.note, quiet=True) if card.note else Html(),
        )
        for card in cards
    ]
    return join([element("h2", "Claims"), element("ul", *items, class_="cards")])

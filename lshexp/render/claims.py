"""Claims in a terminal: a matrix of claims and variants, with a row for each dataset under its claim."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from lshexp.render._console import print_lines, print_markdown, print_narrow, say

if TYPE_CHECKING:
    import pandas as pd

    from lshexp.analysis.claims import Judgement

GATE = "*"


class _Matrix(NamedTuple):
    """Claims that are made of the same variants, side by side."""

    key: str  # the setting that the variants differ in, empty where there is one card a claim
    variants: list[str]
    claims: list[list[Judgement]]  # the cards of each claim, in the order of `variants`


def claims(judgements: Sequence[Judgement], form: str) -> None:
    """Print what rows say of each claim: a column a variant, such as a preset; or csv or json, a row each."""
    if form == "csv":
        sys.stdout.write(_frame(judgements).to_csv(index=False, lineterminator="\n"))
    elif form == "json":
        sys.stdout.write(_frame(judgements).to_json(orient="records", indent=1) + "\n")
    else:
        from lshexp.analysis.claims import ABOUT, by_variants

        for variants, cards in by_variants(judgements).items():
            _show(_Matrix(*_headings(variants), cards), form)
        legend = [
            f"±: half of the 95 % interval {ABOUT}; it holds for all variants of a claim together",
            "indented: the mean on one dataset; -: nothing to judge by",
        ]
        if any(card.gate for card in judgements):
            legend.append(f"{GATE}: a gate, which must be supported")
        if form == "md":
            sys.stdout.write("; ".join(legend).replace(GATE, f"\\{GATE}") + "\n\n")
        else:
            print_lines(legend)
    for card in judgements:
        if card.note:
            say(f"note: {card.name}: {card.note}")
    counts = {name: sum(card.verdict == name for card in judgements) for name in ("supported", "refuted")}
    rest = len(judgements) - sum(counts.values())
    say(f"{counts['supported']} supported, {counts['refuted']} refuted, {rest} undetermined")


def _headings(variants: Sequence[str]) -> tuple[str, list[str]]:
    """`lsh.preset=paper`, `lsh.preset=lshexp` as the key `lsh.preset` and the values alone."""
    keys = {variant.partition("=")[0] for variant in variants}
    if len(keys) == 1 and all("," not in variant for variant in variants):
        return keys.pop(), [variant.partition("=")[2] or "result" for variant in variants]
    return "", list(variants)


def _show(matrix: _Matrix, form: str) -> None:
    title = f"Claims, by {matrix.key}" if matrix.key else "Claims"
    rows = [row for cards in matrix.claims for row in _rows(cards, form)]
    if form == "md":
        print_markdown(title, ["claim", *matrix.variants], rows)
    else:
        print_narrow(title, ["", *matrix.variants], rows[:-1])


def _rows(cards: Sequence[Judgement], form: str) -> list[list[str]]:
    """A claim: verdicts, figures, and the mean on each dataset where there are several."""
    claim = cards[0].claim
    asked = f"asked {claim.asked}" + (f"; paper: {claim.paper}" if claim.paper else "")
    verdicts = [card.verdict + (GATE if card.gate else "") for card in cards]
    if form == "md":
        pairs = zip(verdicts, cards, strict=True)
        cells = [f"{word} {_figure(card)}".replace(GATE, f"\\{GATE}") for word, card in pairs]
        rows = [[f"{claim.title} ({asked})", *cells]]
    else:
        rows = [[claim.title, *verdicts], [asked, *(_figure(card) for card in cards)]]
    places = list(dict.fromkeys(place.name for card in cards for place in card.by_place))
    if len(places) > 1:
        rows += [[f"  on {said}", *(_on(card, name) for card in cards)] for name, said in _short(places)]
    return rows if form == "md" else [*rows, [""] * (1 + len(cards))]


def _short(places: Sequence[str]) -> list[tuple[str, str]]:
    """Each place, and the same without its network where all have the same: `mnist` of `mnist 1000-1000`."""
    networks = {place.rpartition(" ")[2] for place in places}
    return [(place, place.rpartition(" ")[0] if len(networks) == 1 else place) for place in places]


def _figure(card: Judgement) -> str:
    if card.mean is None:
        return "-"
    half = "" if card.found is None else f" ±{(card.found.high - card.found.low) / 2:.2f}"
    return _number(card, card.mean) + half


def _on(card: Judgement, name: str) -> str:
    return next((_number(card, place.mean) for place in card.by_place if place.name == name), "-")


def _number(card: Judgement, value: float) -> str:
    return f"{value:+.2f}" if card.claim.relative else f"{value:.2f}"


def _frame(judgements: Sequence[Judgement]) -> pd.DataFrame:
    """A row for each card, and one more for each dataset; `place` is empty in rows about the mean."""
    import pandas as pd

    rows: list[dict[str, object]] = []
    for card in judgements:
        named = {"claim": card.claim.id, "variant": card.variant}
        found = card.found
        rows.append(
            named
            | {
                "place": None,
                "verdict": card.verdict,
                "mean": card.mean,
                "ci_low": found.low if found else None,
                "ci_high": found.high if found else None,
                "seeds": card.samples,
                "baseline": None,
                "gate": card.gate,
                "note": card.note,
            }
        )
        rows += [
            named
            | {"place": place.name, "mean": place.mean, "seeds": place.seeds, "baseline": place.baseline}
            for place in card.by_place
        ]
    return pd.DataFrame(rows)

"""What was found: sentences, the claims as a matrix, and a line of verdicts for each network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from lshexp.analysis.claims import ABOUT, Judgement, by_variants
from lshexp.analysis.presentation import TablePart, cell, row_label
from lshexp.analysis.report.sources import SweepResults, Unread
from lshexp.analysis.report.view import MISSING, Link, Section, Table, Verdict
from lshexp.analysis.statistics import kind_of

MOST_SENTENCES = 4
KINDS = ("better", "within", "worse", "not settled", "too few seeds")


def findings(sweeps: Sequence[SweepResults | Unread], judgements: Sequence[Judgement]) -> list[str]:
    """A sentence on the claims, and one for each network on its cheapest sufficient configuration."""
    told = [_of_claims(judgements)] if judgements else []
    parts = [(part, sweep) for sweep in sweeps if isinstance(sweep, SweepResults) for part in sweep.parts()]
    parts.sort(key=lambda pair: cheapest(pair[0]) is None)  # what was found before what was not
    told += [_finding(part, sweep) for part, sweep in parts[:MOST_SENTENCES]]
    if len(parts) > MOST_SENTENCES:
        told.append(f"For {len(parts) - MOST_SENTENCES} more comparisons see the verdicts below.")
    failed = sum(len(sweep.unsound) for sweep in sweeps if isinstance(sweep, SweepResults))
    told += [f"{failed} runs failed or diverged; they enter no mean."] * bool(failed)
    return told or ["There is nothing to compare: no run ended well, or no two configurations make a pair."]


def _of_claims(judgements: Sequence[Judgement]) -> str:
    counts = Counter(card.verdict for card in judgements)
    parts = ", ".join(f"{count} {word}" for word, count in counts.most_common())
    return f"Of {len(judgements)} judgements on the claims: {parts}."


def _finding(part: TablePart, sweep: SweepResults) -> str:
    """What the cheapest configuration is that is no worse than the baseline, or that there is none."""
    rows = part.frame[~part.frame["is_baseline"].astype(bool)]
    row = cheapest(part)
    size = _margin(sweep)
    if row is not None:
        return (
            f"{part.title}: {row_label(part, row)}, is {_distance(row, sweep)} {row['baseline']} "
            f"({row['verdict']}), with {row['mults_pct_of_dense']:.3g} % of the multiplications of dense."
        )
    judged = rows[rows["mean"].notna() & rows["mults_pct_of_dense"].lt(100) & rows["difference"].notna()]
    if judged.empty:
        return f"{part.title}: nothing to compare that ended well and computes less than all."
    best = judged.sort_values("difference", ascending=False, kind="stable").iloc[0]
    return (
        f"{part.title}: no configuration is shown to be at most {size} worse than its baseline. The closest, "
        f"{row_label(part, best)}, is {_distance(best, sweep)} {best['baseline']} "
        f"({best['verdict'] if pd.notna(best['verdict']) else 'no verdict'}), with "
        f"{best['mults_pct_of_dense']:.3g} % of the multiplications of dense."
    )


def _margin(sweep: SweepResults) -> str:
    attrs = sweep.comparison.attrs if sweep.comparison is not None else {}
    return f"{attrs.get('margin', 1.0):g} {attrs.get('unit', '')}".rstrip()


def _distance(row: pd.Series, sweep: SweepResults) -> str:
    attrs = sweep.comparison.attrs if sweep.comparison is not None else {}
    unit = attrs.get("unit", "")
    side = "above" if row["difference"] > 0 else "below"
    return f"{abs(row['difference']):.2f} {unit} {side}".replace("  ", " ")


def cheapest(part: TablePart) -> pd.Series | None:
    """The row with the fewest multiplications of those shown to be no worse by the margin."""
    rows = part.frame[~part.frame["is_baseline"].astype(bool)]
    sound = rows[rows["non_inferior"].eq(True).fillna(False) & rows["mults_pct_of_dense"].notna()]
    return None if sound.empty else sound.sort_values("mults_pct_of_dense", kind="stable").iloc[0]


def claims(judgements: Sequence[Judgement]) -> list[Section]:
    """A matrix of claims and variants for each set of variants, with what each rests on below it."""
    made = []
    for variants, by_claim in by_variants(judgements).items():
        rows = []
        for cards in by_claim:
            claim = cards[0].claim
            asked = f"{claim.asked}" + (f"; paper: {claim.paper}" if claim.paper else "")
            rows.append(
                [
                    claim.title,
                    *(Verdict(card.verdict + "*" * card.gate, _figure(card)) for card in cards),
                    asked,
                ]
            )
        heads = ["claim", *(variant.rpartition("=")[2] or "verdict" for variant in variants), "asked"]
        notes = [f"{card.name}: {card.note}" for cards in by_claim for card in cards if card.note]
        key = variants[0].partition("=")[0]
        made.append(
            Section(
                f"By {key}" if key else "About all",
                tables=[Table.of("Claims, and what the runs say of them", heads, rows, sortable=False)],
                notes=notes,
            )
        )
        statements = [
            [cards[0].claim.title, cards[0].claim.statement, _evidence(cards)] for cards in by_claim
        ]
        detail = Table.of("What each claim says, and its runs", ["claim", "statement", "judged by"],
                          statements, sortable=False)  # fmt: skip
        made.append(Section("What they rest on", tables=[detail], folded="Statements and samples"))
    legend = (
        f"±: half of the 95 % interval {ABOUT}. *: a gate, which must be supported. {MISSING}: not measured."
    )
    return [Section(made[0].title, [legend], made[0].tables, made[0].notes), *made[1:]] if made else []


def _figure(card: Judgement) -> str:
    if card.mean is None:
        return ""
    sign = "+" if card.claim.relative else ""
    half = "" if card.found is None else f" ±{(card.found.high - card.found.low) / 2:.2f}"
    return f"{card.mean:{sign}.2f}{half}"


def _evidence(cards: Sequence[Judgement]) -> str:
    places = list(dict.fromkeys(place for card in cards for place in card.places))
    seeds = sorted({card.samples for card in cards})
    count = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    return f"{count} samples on {', '.join(places) or 'nothing'}; {cards[0].claim.figure}"


def verdicts(sweeps: Sequence[SweepResults | Unread], anchors: Sequence[str]) -> Section:
    """How many configurations of each network got which verdict, and the cheapest that is good enough."""
    rows: list[list[object]] = []
    read = [sweep for sweep in sweeps if isinstance(sweep, SweepResults)]
    words = [word for sweep in read for part in sweep.parts() for word in part.frame["verdict"].dropna()]
    seen = {kind_of(str(word)) for word in words}
    kinds = [kind for kind in KINDS if kind in seen] + sorted(seen - set(KINDS))
    blank = [MISSING] * (len(kinds) + 2)
    for sweep, anchor in zip(sweeps, anchors, strict=True):
        link = Link(sweep.name, anchor)
        if isinstance(sweep, Unread):
            rows.append([link, "could not be read", *blank])
            continue
        found = list(sweep.parts())
        rows += [[link, part.title, _cheapest(part), *_counts(part, kinds)] for part in found]
        if not found:
            rows.append([link, "cannot be compared" if sweep.problem else "no runs", *blank])
    margins = sorted(
        {
            _margin(sweep)
            for sweep in sweeps
            if isinstance(sweep, SweepResults) and sweep.comparison is not None
        }
    )
    return Section(
        "Verdicts",
        tables=[Table.of("Verdicts by sweep and network",
                         ["sweep", "network", "cheapest, no worse", *kinds, "failed or diverged"], rows)],
        notes=[
            f"Counted are configurations by their verdict against the baseline, with a margin of "
            f"{' or '.join(margins)}; "
            "cheapest is the one with the fewest multiplications, selection included, whose whole "
            "interval lies above "
            "minus the margin."
        ] if margins else [],
    )  # fmt: skip


def _counts(part: TablePart, kinds: Sequence[str]) -> list[object]:
    rows = part.frame[~part.frame["is_baseline"].astype(bool)]
    counts = Counter(kind_of(str(word)) for word in rows["verdict"].dropna())
    return [*(counts[kind] for kind in kinds), int((part.frame["failed"] + part.frame["diverged"]).sum())]


def _cheapest(part: TablePart) -> str:
    row = cheapest(part)
    if row is None:
        return "none"
    share = cell("mults_pct_of_dense", row["mults_pct_of_dense"])
    return f"{row_label(part, row)}: {share} % of the multiplications"

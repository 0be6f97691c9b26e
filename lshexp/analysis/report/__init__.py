"""One self-contained HTML page about a sweep or several: verdicts, claims, figures, tables, failures, origin.

The page loads nothing, and says so to the browser; it is read without its script, which only sorts tables.
The same results, and the same datasets at hand, give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import NamedTuple

import lshexp
from lshexp.analysis.claims import judge
from lshexp.analysis.report import _data, _energy, _figures, _provenance, _runs, _verdicts
from lshexp.analysis.report._claims import Card, claim_cards, section_of
from lshexp.analysis.report._html import Html, element, join
from lshexp.analysis.report._look import SCRIPT, style_sheet
from lshexp.analysis.report._sources import Question, Sweep, Unread, read_all, shown_path
from lshexp.analysis.report._tables import commands, paragraph
from lshexp.config.claims import Claim
from lshexp.io import make_folder, write_atomic

__all__ = ["Question", "Written", "write_report"]


class Written(NamedTuple):
    """The page, how many sweeps are on it, and a sentence for each that could not be read or compared."""

    path: Path
    sweeps: int
    problems: list[str]


def write_report(
    folder: str | Path,
    out: str | Path | None = None,
    question: Question | None = None,
    claims: Sequence[Claim] = (),
) -> Written:
    """Write the page about a sweep's folder, or about all sweeps in a folder, to `out` or FOLDER/report.html.

    `claims` are judged by all the sweeps together and shown as cards.

    Raises StoreError when there are no results, when those of a single sweep cannot be read, or when the page
    cannot be written; ConfigError for a question that cannot be asked.
    """
    root, asked = Path(folder), question or Question()
    target = Path(out) if out is not None else root / "report.html"
    sweeps = read_all(root, asked)
    cards = claim_cards(judge(claims, root)) if claims else []
    make_folder(target.parent)
    write_atomic(target, page(sweeps, shown_path(root), asked, cards).encode())
    problems = [f"{sweep.shown}: {sweep.problem}" for sweep in sweeps if sweep.problem]
    return Written(target, len(sweeps), problems)


def page(sweeps: Sequence[Sweep | Unread], shown: str, question: Question, cards: Sequence[Card]) -> str:
    """The whole page as text."""
    title = f"Report on {shown}" if len(sweeps) > 1 else f"Report on {sweeps[0].name}"
    anchors = [f"sweep-{number}" for number in range(1, len(sweeps) + 1)]
    body = [
        element("h2", "Verdicts"),
        _verdicts.summary(sweeps, anchors, question),
        section_of(cards),
        element("h2", "Data"),
        _data.section(sweeps),
        *(_section(sweep, anchor, shown, question) for sweep, anchor in zip(sweeps, anchors, strict=True)),
    ]
    again = f"lshexp report {quote(shown)}{question.options()}"
    about = (
        f"Written by lshexp {lshexp.__version__} from the CSV files of the sweeps; the page loads nothing."
    )
    content = [
        element("header", element("h1", title)),
        element("main", *body),
        element("footer", paragraph(about, quiet=True), commands(again)),
        element("script", Html(SCRIPT)),
    ]
    return f"<!DOCTYPE html>\n{element('html', _head(title), element('body', *content), lang='en')}\n"


def _head(title: str) -> Html:
    style = style_sheet()
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(SCRIPT)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Html(style)),
    )


def _hash(content: str) -> Html:
    return Html("sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode())


def _section(sweep: Sweep | Unread, anchor: str, shown: str, question: Question) -> Html:
    heading = element("h2", f"Sweep {sweep.name}", id=anchor)
    if isinstance(sweep, Unread):
        return join([heading, paragraph(f"{sweep.shown} could not be read: {sweep.problem}")])
    return join(
        [
            heading,
            element("h3", "Compared with the baseline"),
            _verdicts.section(sweep, question),
            element("h3", "Figures"),
            _figures.section(sweep),
            element("h3", "Energy"),
            _energy.section(sweep, question),
            element("h3", "Runs by configuration"),
            _runs.section(sweep),
            element("h3", "Failures"),
            _runs.failures(sweep),
            element("h3", "Provenance"),
            _provenance.section(sweep),
            element("h3", "To repeat it"),
            _runs.repeat_commands(sweep, shown),
        ]
    )

"""One self-contained HTML page about a sweep or several: what was found, claims, figures, tables, provenance.

The page loads nothing, and says so to the browser; it is read without its script, which only sorts tables.
The same results, and the same datasets at hand, give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import NamedTuple

import lshexp
from lshexp.analysis.claims import Judgement, judge
from lshexp.analysis.report import data, sections, summary
from lshexp.analysis.report.sources import Question, SweepResults, Unread, read_all, shown_path
from lshexp.analysis.report.view import Section, write_page
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

    `claims` are judged by all the sweeps together and shown as a matrix.

    Raises StoreError when there are no results, when those of a single sweep cannot be read, or when the page
    cannot be written; ConfigError for a question that cannot be asked.
    """
    root, asked = Path(folder), question or Question()
    target = Path(out) if out is not None else root / "report.html"
    sweeps = read_all(root, asked)
    judgements = judge(claims, root) if claims else []
    make_folder(target.parent)
    write_atomic(target, _page(sweeps, shown_path(root), asked, judgements).encode())
    problems = [f"{sweep.shown}: {sweep.problem}" for sweep in sweeps if sweep.problem]
    return Written(target, len(sweeps), problems)


def _page(
    sweeps: Sequence[SweepResults | Unread], shown: str, question: Question, judgements: Sequence[Judgement]
) -> str:
    anchors = [f"sweep-{number}" for number in range(1, len(sweeps) + 1)]
    read = [sweep for sweep in sweeps if isinstance(sweep, SweepResults)]
    return write_page(
        title=f"Report on {shown}" if len(sweeps) > 1 else f"Report on {sweeps[0].name}",
        findings=summary.findings(sweeps, judgements),
        claims=summary.claims(judgements),
        verdicts=summary.verdicts(sweeps, anchors),
        sweeps=[_parts(sweep, at, question, shown) for sweep, at in zip(sweeps, anchors, strict=True)],
        data=data.section(sweeps),
        provenance=[sections.provenance(sweep) for sweep in read],
        about=f"Written by lshexp {lshexp.__version__} from the sweeps' CSV files; the page loads nothing.",
        again=f"lshexp report {quote(shown)}{question.options()}",
    )


def _parts(sweep: SweepResults | Unread, anchor: str, question: Question, shown: str) -> dict[str, object]:
    if isinstance(sweep, Unread):
        unread = Section("Not read", [f"{sweep.shown} could not be read: {sweep.problem}"])
        return {"name": sweep.name, "anchor": anchor, "pictures": [], "undrawn": [], "sections": [unread]}
    drawn, undrawn = sections.pictures(sweep)
    return {
        "name": sweep.name, "anchor": anchor, "pictures": drawn, "undrawn": undrawn,
        "sections": sections.sections(sweep, question, shown),
    }  # fmt: skip

"""`lshexp report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lshexp.cli._app import Baseline, Margin, Metric, Plugins, app


@app.command()
def report(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="The folder of a sweep, or of several.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Where to write; by default DIR/report.html."),
    ] = None,
    baseline: Baseline = None,
    metric: Metric = "test_acc_pct",
    margin: Margin = None,
    claims: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="Judge these claims and show them as a matrix.")
    ] = None,
    plugins: Plugins = None,
) -> None:
    """Write one HTML page: what was found, claims, figures, tables.

    The page is a single file that loads nothing from any network. A folder of several sweeps gives one page
    with a section for each.

    Example: lshexp report results/shares
    """
    from lshexp import render
    from lshexp.analysis.report import Question, write_report
    from lshexp.config.claims import load_claims

    judged = load_claims(claims) if claims is not None else []
    render.report_written(write_report(folder, out, Question(baseline, metric, margin), judged))

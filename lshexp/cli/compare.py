"""`lshexp compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lshexp.cli._app import Baseline, Form, Format, Margin, Metric, app


@app.command()
def compare(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="DIR|CSV...", help="Folders of a sweep or of several, or runs.csv files."),
    ],
    baseline: Baseline = None,
    metric: Metric = "test_acc_pct",
    margin: Margin = None,
    wide: Annotated[bool, typer.Option("--wide", help="Show every column, however wide.")] = False,
    claims: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="Judge the claims in this file instead.")
    ] = None,
    energy: Annotated[
        str | None,
        typer.Option(metavar="MODEL|FILE", help="Price energy anew: horowitz45_mem, or my_table.yaml."),
    ] = None,
    form: Form = Format.table,
) -> None:
    """Compare accuracy, multiplications and time with a baseline.

    Means are over seeds; differences and ratios are over pairs of runs with the same seed. Of several
    configurations that the baseline names, the most accurate is taken, by validation examples where there
    are any. With three pairs or more, a difference has an interval, which holds at 95 % for all rows
    together, and a verdict. --wide and --format csv or json have every column.

    With --claims, says of each claim in the file whether the rows support it, refute it or cannot tell. Exit
    code: 4 when a claim that is marked as a gate is not supported.

    Example: lshexp compare results/mnist --format md
    """
    from lshexp import render

    if claims is not None:
        from lshexp.analysis.claims import judge, require_gates
        from lshexp.config.claims import load_claims

        judgements = judge(load_claims(claims), list(paths))
        render.claims(judgements, form.value)
        require_gates(judgements)
        return
    from lshexp.analysis.compare import compare as compare_runs

    render.comparison(compare_runs(list(paths), baseline, metric, margin, energy), form.value, wide)

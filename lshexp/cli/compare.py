"""`lshexp compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lshexp.cli._app import Baseline, Format, Margin, Metric, app


@app.command()
def compare(
    paths: Annotated[
        list[Path], typer.Argument(metavar="DIR|CSV...", help="Folders of sweeps, or runs.csv files.")
    ],
    baseline: Baseline = "dense",
    metric: Metric = "test_acc_pct",
    margin: Margin = 1.0,
    claims: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="Judge these claims instead, one card each.")
    ] = None,
    energy: Annotated[
        str | None,
        typer.Option(metavar="MODEL|FILE", help="Price energy anew: horowitz45_mem, or my_table.yaml."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="Form of the table.")] = Format.table,
) -> None:
    """Compare configurations with a baseline: accuracy, active nodes, multiplications, energy, time.

    Means are over repeats; differences and ratios are over pairs of runs with the same seed and repeat.
    With two pairs or more, differences have a 95 % interval and a verdict at the margin.

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

    render.comparison(compare_runs(list(paths), baseline, metric, margin, energy), form.value)

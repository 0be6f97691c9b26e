"""`lshexp sweep`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lshexp import errors
from lshexp.cli._app import app


class ProgressStyle(StrEnum):
    """How a sweep shows that it is alive."""

    auto = "auto"
    bars = "bars"
    lines = "lines"
    none = "none"


@app.command()
def sweep(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="The sweep file.", show_default=False)],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Results go to DIR/<sweep name>/.")
    ] = Path("results"),
    settings: Annotated[
        list[str] | None,
        typer.Option("-s", "--set", metavar="KEY=VALUE", help="Override a key; `a,b` replaces an axis."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="Show what would run and what is done; run nothing.")
    ] = False,
    force: Annotated[bool, typer.Option("-f", "--force", help="Run again what is already done.")] = False,
    repeats: Annotated[
        int | None, typer.Option("-r", "--repeats", min=1, help="Repeats of each configuration.")
    ] = None,
    fail_fast: Annotated[
        bool, typer.Option("-x", "--fail-fast", help="Stop after the first run that fails.")
    ] = False,
    progress: Annotated[ProgressStyle, typer.Option(help="How to show progress.")] = ProgressStyle.auto,
) -> None:
    """Run every configuration of a sweep file and write tidy CSV files.

    Finished runs are skipped, so the same command resumes a sweep that was interrupted. A run that fails
    leaves a row with its status, and the sweep goes on.

    Exit code: 0 all runs ok, 3 some failed or diverged, 2 the file or an option is wrong (nothing ran), 5 the
    data or the disk.

    Example: lshexp sweep experiments/mnist.yaml -s epochs=10 -s active_pct=5,10
    """
    from lshexp import render
    from lshexp.config import load_sweep
    from lshexp.execution.plan import plan_sweep
    from lshexp.execution.sweep import run_sweep

    loaded = load_sweep(file, settings or [], repeats)
    if dry_run:
        render.plan(plan_sweep(loaded, out), force)
        return
    with render.watch(progress.value) as listener:
        summary = run_sweep(loaded, out, force=force, fail_fast=fail_fast, listener=listener)
    render.summary(summary)
    if not summary.complete:
        raise typer.Exit(errors.RunError.exit_code)

"""`lshexp show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lshexp.cli._app import ResultsFolder, app
from lshexp.cli._complete import run_ids


@app.command()
def show(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN_ID",
            help="The run's id, or how it begins.",
            autocompletion=run_ids,
            show_default=False,
        ),
    ],
    results: ResultsFolder = Path("results"),
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show all about one run: settings, layers, numbers, times, machine, and the command that repeats it.

    Example: lshexp show 0a1b2c --results results/quickstart
    """
    from lshexp import render
    from lshexp.analysis.run import as_json, view_run
    from lshexp.runs.find import find_run

    found = view_run(*find_run(run, results))
    if json:
        typer.echo(as_json(found))
    else:
        render.run(found)

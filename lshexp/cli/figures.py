"""`lshexp figures`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lshexp.cli._app import Plugins, SweepFolder, app


@app.command()
def figures(
    folder: SweepFolder,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DIR", help="Where to write; by default DIR/figures."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Draw this figure alone; repeatable.")
    ] = None,
    plugins: Plugins = None,
) -> None:
    """Draw the figures of a sweep, each with the numbers it shows.

    NAME.svg and NAME.png are pictures, NAME.csv has what is drawn.

    A figure for which the sweep has no numbers is not drawn, and the reason is said.

    Example: lshexp figures results/shares
    """
    from lshexp import render
    from lshexp.analysis.figures import draw_figures

    render.drawn(draw_figures(folder, out, only))

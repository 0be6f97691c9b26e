"""Commands that show finished sweeps: `lshexp figures`, `lshexp report` and `lshexp energy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lshexp.cli._app import Baseline, Form, Format, Margin, Metric, Plugins, SweepFolder, app


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


@app.command()
def energy(
    folder: SweepFolder,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--model",
            metavar="NAME|FILE",
            help="A model, with options as in horowitz45_mem,memory=sram_8kb, or a .yaml file; repeatable.",
        ),
    ] = None,
    baseline: Baseline = None,
    form: Form = Format.table,
) -> None:
    """Price finished runs under several energy models.

    Joules come from the counted work, so nothing is run again. Without --model: the arithmetic alone
    (horowitz45), and with all memory traffic from a cache of 8 KB, of 1 MB, and from DRAM. A table of your
    own is a file with the keys title and picojoules: {mult: 3.7, add: 0.9, access: 20}, the last for each
    access_bytes (8) of traffic.

    Example: lshexp energy results/shares -m horowitz45 -m my_table.yaml
    """
    from lshexp import render
    from lshexp.analysis.energy import sensitivity

    render.energies(sensitivity(folder, models or [], baseline), form.value)

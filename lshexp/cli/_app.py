"""The Typer application that each command's file adds itself to. Nothing heavy is imported here."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

app = typer.Typer(
    name="lshexp",
    help="How few nodes of a fully connected network must be computed, and how should they be chosen?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


# what is compared, asked alike by every command that compares
Baseline = Annotated[
    str, typer.Option(help="Method to compare with, or settings such as method=dense,lr=0.01.")
]
Metric = Annotated[str, typer.Option(help="Column of runs.csv to compare.")]
Margin = Annotated[float, typer.Option(help="Largest difference that counts as equal, in the metric's unit.")]


class Format(StrEnum):
    """Form of a printed table."""

    table = "table"
    md = "md"
    csv = "csv"
    json = "json"


def _version(wanted: bool) -> None:
    if wanted:
        from lshexp import __version__

        typer.echo(f"lshexp {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass

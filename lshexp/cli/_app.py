"""The Typer application that commands add themselves to, and the options that several of them have.

Nothing heavy is imported here.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from lshexp.errors import ConfigError

if TYPE_CHECKING:
    from lshexp.runs.sweep import SweepSummary


class Interrupted(Exception):  # noqa: N818 - it is not a mistake
    """The interrupt key was pressed; `summary` says where a sweep stands, None where none was running."""

    def __init__(self, summary: SweepSummary | None) -> None:
        super().__init__()
        self.summary = summary


FIRST = ("sweep", "compare")  # in `lshexp --help`; other commands follow by name


class Commands(TyperGroup):
    """The commands; an interrupt reaches `main` with what it interrupted, which Typer would forget."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the commands in the order of the help."""
        return [*FIRST, *sorted(set(super().list_commands(ctx)) - set(FIRST))]

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Interrupted(getattr(error, "summary", None)) from error


app = typer.Typer(
    name="lshexp",
    cls=Commands,
    help="How few nodes of a fully connected network must be computed, and how should they be chosen?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Format(StrEnum):
    """Form of a printed table."""

    table = "table"
    md = "md"
    csv = "csv"
    json = "json"


# options that several commands have
def _load_plugins(paths: list[Path] | None) -> list[Path] | None:
    if paths:
        from lshexp.outside import name_files

        name_files(paths)
    return paths


Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin", metavar="FILE.py", is_eager=True, callback=_load_plugins,
        help="Load plug-ins from this file; repeatable. LSHEXP_PLUGINS does the same.",
    ),
]  # fmt: skip
ResultsFolder = Annotated[
    Path, typer.Option("--results", metavar="DIR", help="Where runs are looked for, at any depth.")
]
SweepFolder = Annotated[
    Path, typer.Argument(metavar="DIR", help="The folder of a sweep.", show_default=False)
]
Baseline = Annotated[
    str | None,
    typer.Option(
        help="Method to compare with, or settings such as method=dense,lr=0.01; by default the sweep's."
    ),
]
Metric = Annotated[str, typer.Option(help="Column of runs.csv to compare.")]
Margin = Annotated[
    float | None,
    typer.Option(help="Difference that counts as none, in the metric's unit; by default the sweep's, or 1."),
]
Form = Annotated[Format, typer.Option("--format", help="Form of the table.")]


def span(option: str, text: str | None) -> float | None:
    """Seconds of a span of time such as 30m; None = not given. Raises ConfigError, which names the option."""
    if text is None:
        return None
    from lshexp.config.keys import duration

    try:
        return duration(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None


def dataset_names(incomplete: str) -> list[str]:
    """Names of datasets that the shell offers after a tab."""
    from lshexp import registry

    return [name for name in registry.datasets.discover() if name.startswith(incomplete)]


def run_ids(context: typer.Context, incomplete: str) -> list[str]:
    """Ids that the shell offers after a tab: of runs with a record under the results folder named so far."""
    folder = context.params.get("out") or context.params.get("results") or "results"
    records = Path(folder).glob("**/records/*.json")
    return sorted({path.stem for path in records if path.stem.startswith(incomplete)})


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

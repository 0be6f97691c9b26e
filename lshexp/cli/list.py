"""What is there to choose from, and what this machine is: `lshexp list` and `lshexp info`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from lshexp.cli._app import Plugins, app


class Listable(StrEnum):
    """What `lshexp list` can list."""

    methods = "methods"
    datasets = "datasets"
    tasks = "tasks"
    hashes = "hashes"
    energy = "energy"
    optimizers = "optimizers"
    keys = "keys"
    columns = "columns"


def _names(context: typer.Context, incomplete: str) -> list[str]:
    """Names that the shell offers for the kind before them."""
    from lshexp.render.listing import names

    return [name for name in names(str(context.params.get("kind"))) if name.startswith(incomplete)]


@app.command(name="list")
def list_(
    kind: Annotated[Listable, typer.Argument(help="What to list.", show_default=False)],
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Show this one alone, in full.", autocompletion=_names),
    ] = None,
    plugins: Plugins = None,
) -> None:
    """List methods, datasets, tasks, keys, columns, and more.

    With a NAME: the options of one method, dataset, task, hash family or energy model, each with its type,
    default, range and meaning; or one key; or one column, or the columns of one file.

    Example: lshexp list methods lsh

    Example: lshexp list columns runs.csv
    """
    from lshexp import render

    render.listing(kind.value, name)


@app.command()
def info() -> None:
    """Show versions, cores, BLAS, and whether MNIST is here."""
    from lshexp import render
    from lshexp.runs.environment import capture

    render.environment(capture())

"""`lshexp list`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from lshexp.cli._app import app


class Kind(StrEnum):
    """What `lshexp list` can list."""

    methods = "methods"
    datasets = "datasets"
    hashes = "hashes"
    energy = "energy"
    optimizers = "optimizers"


@app.command(name="list")
def list_(kind: Annotated[Kind, typer.Argument(help="What to list.")]) -> None:
    """List methods, datasets, hashes, energy models or optimizers, with their options."""
    from lshexp import render

    render.listing(kind.value)

"""`lshexp info`."""

from __future__ import annotations

from lshexp.cli._app import app


@app.command()
def info() -> None:
    """Show versions, cores, BLAS, and whether MNIST is here."""
    from lshexp import render
    from lshexp.runs.environment import capture

    render.environment(capture())

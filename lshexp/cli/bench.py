"""`lshexp bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lshexp.cli._app import app


@app.command()
def bench(
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Where to write bench.csv and its figure.")
    ] = Path("results/bench"),
    widths: Annotated[
        str, typer.Option(metavar="N,N", help="Nodes in each hidden layer.")
    ] = "1000,2000,4000",
    layers: Annotated[int, typer.Option(min=1, help="Hidden layers.")] = 3,
    threads: Annotated[str, typer.Option(metavar="N,N", help="Thread counts.")] = "1",
    examples: Annotated[int, typer.Option(min=1, help="Examples in a timed pass, at most.")] = 5120,
    repeats: Annotated[int, typer.Option(min=1, help="Timed passes of each network.")] = 5,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="Cut passes that would take longer than this.")
    ] = 10.0,
    active_pct: Annotated[float, typer.Option(min=0.01, max=100, help="Active nodes of our LSH.")] = 5.0,
    batch: Annotated[int, typer.Option(min=1, help="Batch size of our own networks.")] = 128,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="Time this competitor or family alone; repeatable."),
    ] = None,
) -> None:
    """Time a training example: our LSH and dense networks beside PyTorch's and scikit-learn's.

    All run in this process, in turn, repeat after repeat; the table gives medians and ratios to LSH.
    What is not installed is left out: pip install lshexp[bench].

    Example: lshexp bench --widths 1000,4000 --threads 1,2
    """
    from lshexp import render
    from lshexp.analysis.bench import Plan, measure
    from lshexp.analysis.bench._files import write

    plan = Plan(
        widths=_numbers("widths", widths),
        layers=layers,
        threads=_numbers("threads", threads),
        examples=examples,
        repeats=repeats,
        seconds=seconds,
        active_pct=active_pct,
        batch=batch,
        only=tuple(only or ()),
    )
    summary, files = write(measure(plan, render.say), out)
    render.bench(summary, files)


def _numbers(option: str, text: str) -> tuple[int, ...]:
    """Read `1000,2000`; raises BadParameter, exit code 2."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 0 < int(part) <= 10_000_000 for part in parts):
        raise typer.BadParameter(f"--{option}: '{text}' is no list of whole numbers such as 1000,2000")
    return tuple(int(part) for part in parts)

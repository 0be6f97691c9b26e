"""The `lshexp` command: parse, call, render. Nothing heavy is imported until a command needs it."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lshexp import errors

app = typer.Typer(
    name="lshexp",
    help="How few nodes of a fully connected network must be computed, and how should they be chosen?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class ProgressStyle(StrEnum):
    """How a sweep shows that it is alive."""

    auto = "auto"
    bars = "bars"
    lines = "lines"
    none = "none"


class Format(StrEnum):
    """Form of a printed table."""

    table = "table"
    md = "md"
    csv = "csv"
    json = "json"


class Kind(StrEnum):
    """What `lshexp list` can list."""

    methods = "methods"
    datasets = "datasets"
    hashes = "hashes"
    energy = "energy"
    optimizers = "optimizers"


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


@app.command()
def compare(
    paths: Annotated[
        list[Path], typer.Argument(metavar="DIR|CSV...", help="Folders of sweeps, or runs.csv files.")
    ],
    baseline: Annotated[
        str, typer.Option(help="Method to compare with, or settings such as method=dense,lr=0.01.")
    ] = "dense",
    metric: Annotated[str, typer.Option(help="Column of runs.csv to compare.")] = "test_acc_pct",
    form: Annotated[Format, typer.Option("--format", help="Form of the table.")] = Format.table,
) -> None:
    """Compare configurations with a baseline: accuracy, active nodes, multiplications, energy, time.

    Means are over repeats; differences and ratios are over pairs of runs with the same seed and repeat.

    Example: lshexp compare results/mnist --format md
    """
    from lshexp import render
    from lshexp.analysis.compare import compare as compare_runs

    render.comparison(compare_runs(list(paths), baseline, metric), form.value)


@app.command(name="list")
def list_(kind: Annotated[Kind, typer.Argument(help="What to list.")]) -> None:
    """List methods, datasets, hashes, energy models or optimizers, with their options."""
    from lshexp import render

    render.listing(kind.value)


@app.command()
def info() -> None:
    """Show versions, cores, BLAS, threading layer and where MNIST is found."""
    from lshexp import render
    from lshexp.execution.environment import capture

    render.environment(capture())


def main() -> int:
    """Run the command line and return its exit code; a user's mistake ends in one line, not a traceback."""
    try:
        result = app(standalone_mode=False)
    except errors.LshexpError as error:
        from lshexp import render

        render.fail(error)
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; finished runs are kept, and the same command goes on\n")
        return errors.EXIT_INTERRUPTED
    except BrokenPipeError:
        # the reader has gone; keep Python from complaining again when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return errors.EXIT_OK
    except Exception as error:
        return _usage(error)
    return int(result or 0)


def _usage(error: Exception) -> int:
    """Exit code of click's own exceptions; anything else is a bug and goes on up."""
    show, code = getattr(error, "show", None), getattr(error, "exit_code", None)
    if code is None:
        raise error
    if show is not None:
        show()
    elif type(error).__name__ == "Abort":
        return errors.EXIT_INTERRUPTED
    return int(code)

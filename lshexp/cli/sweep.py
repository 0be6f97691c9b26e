"""`lshexp sweep`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lshexp import errors
from lshexp.cli._app import Plugins, app, run_ids


class ProgressStyle(StrEnum):
    """How a sweep shows that it is alive."""

    auto = "auto"
    bars = "bars"
    lines = "lines"
    none = "none"


class Workplace(StrEnum):
    """Where runs are done."""

    local = "local"
    inline = "inline"
    dask = "dask"
    slurm = "slurm"


class Retry(StrEnum):
    """What is done again although it has a record."""

    none = "none"
    failed = "failed"
    diverged = "diverged"


@app.command()
def sweep(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="The sweep file.", show_default=False)],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Results go to DIR/<sweep name>/.")
    ] = Path("results"),
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "-s",
            "--set",
            metavar="KEY=VALUE",
            help="Override a key; `a,b` replaces an axis. Keys: lshexp list keys.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="Show what would run, and its cost; run nothing.")
    ] = False,
    jobs: Annotated[int | None, typer.Option("-j", "--jobs", min=1, help="Runs at a time.")] = None,
    oversubscribe: Annotated[
        bool, typer.Option("--oversubscribe", help="Let -j use more threads than there are cores.")
    ] = False,
    executor: Annotated[Workplace, typer.Option(help="Where runs are done.")] = Workplace.local,
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Dask scheduler; by default one is started.")
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Slurm: submit and leave; the same command collects.")
    ] = False,
    force: Annotated[bool, typer.Option("-f", "--force", help="Run again what is already done.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Let rows that the sweep no longer has leave its tables.")
    ] = False,
    retry: Annotated[
        Retry, typer.Option(help="Do again what has failed, also what has diverged, or neither.")
    ] = Retry.failed,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="RUN_ID", help="Do this run alone; repeatable.", autocompletion=run_ids
        ),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Start no run after this long: 90s, 30m, 2h.")
    ] = None,
    repeats: Annotated[
        int | None, typer.Option("-r", "--repeats", min=1, help="Repeats of each configuration.")
    ] = None,
    fail_fast: Annotated[
        bool, typer.Option("-x", "--fail-fast", help="Start no run after the first that fails.")
    ] = False,
    save: Annotated[
        bool, typer.Option("--save", help="Keep trained networks in networks/, for lshexp predict.")
    ] = False,
    plugins: Plugins = None,
    progress: Annotated[ProgressStyle, typer.Option(help="How to show progress.")] = ProgressStyle.auto,
) -> None:
    """Run what a sweep file says, and write tidy CSV files.

    Finished runs are skipped, so the same command resumes a sweep that was interrupted. Each run has a
    process of its own: one that fails, crashes or runs out of the file's `timeout` leaves a row with its
    status, and the sweep goes on. Several drivers may be at one folder.

    Exit code: 0 all runs ok, 3 some failed, diverged or are left, 2 the file or an option is wrong (nothing
    ran), 5 the data or the disk.

    Example: lshexp sweep experiments/mnist.yaml -s epochs=10 -s active_pct=5,10
    """
    from lshexp import render
    from lshexp.config import load_sweep
    from lshexp.config.keys import duration
    from lshexp.runs.executors import build_executor
    from lshexp.runs.plan import Wanted, check_data, plan_sweep
    from lshexp.runs.sweep import run_sweep

    try:
        budget_s = None if budget is None else duration(budget)
    except ValueError as error:
        raise errors.ConfigError(f"--budget: {error}") from None
    loaded = load_sweep(file, [*(settings or []), *(["save=true"] if save else [])], repeats)
    wanted = Wanted(force, retry.value, tuple(only or ()), replace)
    plan = plan_sweep(loaded, out)
    place = build_executor(
        executor.value,
        plan.to_run(wanted),
        jobs,
        oversubscribe=oversubscribe,
        address=address,
        detach=detach,
        limited="--fail-fast" if fail_fast else "--budget" if budget else None,
    )
    if place.here:
        check_data(plan.to_run(wanted))
    if dry_run:
        from lshexp.runs.estimate import estimate
        from lshexp.runs.pace import keep_expected
        from lshexp.runs.tables import default_energy_model

        costs = estimate(plan.to_run(wanted), default_energy_model())
        keep_expected(plan.name, {cost.run.run_id: cost.seconds for cost in costs})
        render.plan(plan, costs, jobs or 1)
        return
    with render.watch(progress.value, f"lshexp sweep {file}") as listener:
        summary = run_sweep(
            loaded,
            out,
            wanted=wanted,
            fail_fast=fail_fast,
            budget_s=budget_s,
            listener=listener,
            executor=place,
        )
    render.summary(summary)
    if not summary.complete:
        raise typer.Exit(errors.RunError.exit_code)

"""`lshexp bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lshexp.cli._app import Plugins, app, span

if TYPE_CHECKING:
    from lshexp.bench.task import BenchPlan, Question

DEFAULT_OUT = Path("results/bench")
WIDTHS = "by default 1000,2000,4000,8000; with --to and --profile 1000, with --memory 4000"


@app.command()
def bench(
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="DIR",
            help=f"Where tables and figures go; by default {DEFAULT_OUT}, unless one is there already.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Replace the tables that are in the default folder.")
    ] = False,
    to: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=100, metavar="PCT", help="Measure the time to this test accuracy on MNIST instead."
        ),
    ] = None,
    memory: Annotated[bool, typer.Option("--memory", help="Measure peak memory instead.")] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Measure each kernel's share of our own time instead.")
    ] = False,
    output: Annotated[
        str | None,
        typer.Option(
            metavar="N,N",
            help="Time an output layer of N classes instead, beside the ways PyTorch has.",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Shorten passes, and leave out repeats, to fit into 5m or 1h."),
    ] = None,
    widths: Annotated[
        str | None, typer.Option(metavar="N,N", help=f"Nodes in each hidden layer; {WIDTHS}.")
    ] = None,
    layers: Annotated[int, typer.Option(min=1, help="Hidden layers.")] = 3,
    threads: Annotated[
        str | None,
        typer.Option(metavar="N,N", help="Thread counts; by default 1,2, or 1 with another question."),
    ] = None,
    examples: Annotated[
        int | None,
        typer.Option(min=1, help="Examples in a timed pass, at most; by default 5120, with --output 4096."),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Timed passes of each network, by default 5; with --to runs, 1.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="End a pass after this time, by default 1; with --to give up after it, by default 120.",
        ),
    ] = None,
    active_pct: Annotated[
        float | None,
        typer.Option(
            min=0.0001,
            max=100,
            help="Active nodes of our networks, by default 5; with --output classes, no more than 500.",
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Batch size of our own networks.")] = 128,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="Measure this competitor or family alone; repeatable."),
    ] = None,
    reference: Annotated[
        str, typer.Option(metavar="NAME", help="The competitor that ratios are to.")
    ] = "lsh",
    plugins: Plugins = None,
) -> None:
    """Time training and prediction beside PyTorch and scikit-learn.

    Each library has a process of its own; networks take turns, repeat after repeat. The tables give medians
    and ratios to a reference, and say what the machine is. What is not installed is left out: pip install
    lshexp[bench]. --to, --memory and --profile measure something else of the same networks, --output the time
    of an output layer of N classes.

    Example: lshexp bench --budget 5m --widths 1000,4000 --only lsh --only pytorch
    """
    from lshexp import render
    from lshexp.bench.summary import check_free
    from lshexp.bench.task import resolved

    questions: dict[Question, bool] = {
        "to": to is not None,
        "memory": memory,
        "profile": profile,
        "output": output is not None,
    }
    asked = [question for question, on in questions.items() if on]
    if len(asked) > 1:
        raise typer.BadParameter(
            "--to, --memory, --profile and --output exclude each other; give one at a time"
        )
    if asked and not output and budget is not None:
        raise typer.BadParameter(f"--budget does not go with --{asked[0]}; --seconds bounds a pass there")
    given = {
        "widths": _numbers("output", output) or _numbers("widths", widths),
        "layers": layers,
        "threads": _numbers("threads", threads),
        "examples": examples,
        "repeats": repeats,
        "seconds": seconds,
        "active_pct": active_pct,
        "batch": batch,
        "only": tuple(only) if only else None,
        "reference": reference,
        "budget_s": span("--budget", budget),
    }
    plan, said = resolved(asked[0] if asked else "time", given)
    if out is None and not force:
        table = f"bench_to_{to:g}" if to is not None else f"bench_{asked[0]}" if asked else "bench"
        check_free(DEFAULT_OUT, table)
    folder = out or DEFAULT_OUT
    if said:
        render.say(said)
    if to is not None:
        _to(plan, to, folder)
    elif memory:
        _memory(plan, folder)
    elif profile:
        _profile(plan, folder)
    elif output:
        _output(plan, folder)
    else:
        _time(plan, folder)


def _time(plan: BenchPlan, out: Path) -> None:
    from lshexp import render
    from lshexp.bench import summary
    from lshexp.bench.competitors.ours import NAMES
    from lshexp.bench.figure import draw, draw_predictions
    from lshexp.bench.machine import describe, rates
    from lshexp.bench.timing import measure

    machine = describe()
    best = [rates(threads) for threads in plan.threads]
    render.machine(machine)
    measured = measure(plan, render.say)
    trained = summary.summarise(measured.training, plan.reference)
    predicted = summary.summarise_predictions(measured.prediction, plan.reference)
    ratios = summary.against_pytorch(measured.training, [plan.reference, *NAMES])
    tables = {
        "bench": trained,
        "bench_passes": measured.training,
        "bench_ratios": ratios,
        "bench_predict": predicted,
        "bench_predict_passes": measured.prediction,
        "bench_machine": machine.table(best),
    }
    figures = {"bench": draw(trained, machine), "bench_predict": draw_predictions(predicted, machine)}
    files = summary.write(out, tables, figures)
    render.bench(trained, predicted, ratios, best)
    render.bench_written(files)


def _to(plan: BenchPlan, to: float, out: Path) -> None:
    from lshexp import render
    from lshexp.bench import summary
    from lshexp.bench.figure import draw_approach
    from lshexp.bench.target import approach, best, check_digits, load_digits, reached

    check_digits()
    points = approach(plan, to, load_digits, render.say)
    table, name = reached(points, to), f"bench_to_{to:g}"
    files = summary.write(out, {name: table, f"{name}_curves": points}, {name: draw_approach(points, to)})
    render.bench_to(table, best(table), plan.reference)
    render.bench_written(files)


def _memory(plan: BenchPlan, out: Path) -> None:
    from lshexp import render
    from lshexp.bench import summary
    from lshexp.bench.memory import memory

    usage = memory(plan, render.say)
    files = summary.write(out, {"bench_memory": usage}, {})
    render.bench_memory(usage)
    render.bench_written(files)


def _profile(plan: BenchPlan, out: Path) -> None:
    from lshexp import render
    from lshexp.bench import summary
    from lshexp.bench.profile import profile

    rows = profile(plan, render.say)
    files = summary.write(out, {"bench_profile": rows}, {})
    render.bench_profile(rows)
    render.bench_written(files)


def _output(plan: BenchPlan, out: Path) -> None:
    from lshexp import render
    from lshexp.bench import summary
    from lshexp.bench.machine import describe, rates
    from lshexp.bench.output import PLACE, measure

    machine, best = describe(), [rates(threads) for threads in plan.threads]
    render.machine(machine)
    measured = measure(plan, render.say)
    place = [*PLACE, "active"]
    trained = summary.summarise(measured.training, plan.reference, place)
    predicted = summary.summarise(measured.prediction, plan.reference, [*place, "batch"])
    tables = {
        "bench_output": trained,
        "bench_output_passes": measured.training,
        "bench_output_predict": predicted,
        "bench_output_predict_passes": measured.prediction,
        "bench_output_machine": machine.table(best),
    }
    files = summary.write(out, tables, {})
    render.bench_output(trained, predicted)
    render.bench_written(files)


def _numbers(option: str, text: str | None) -> tuple[int, ...] | None:
    """Read `1000,2000`; raises BadParameter, exit code 2."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 0 < int(part) <= 10_000_000 for part in parts):
        raise typer.BadParameter(f"--{option}: '{text}' is not a list of whole numbers such as 1000,2000")
    return tuple(int(part) for part in parts)

"""`lshexp bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lshexp.cli._app import app

if TYPE_CHECKING:
    from lshexp.bench import Plan

WIDTHS = "by default 1000,2000,4000,8000; with --to and --profile 1000, with --memory 4000"


@app.command()
def bench(
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Where to write tables and figures.")
    ] = Path("results/bench"),
    to: Annotated[
        float | None,
        typer.Option(min=0.01, max=100, metavar="PCT", help="Time to this test accuracy on MNIST instead."),
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Peak memory instead, each network in a process of its own.")
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Where the time of our own network goes instead, by kernel.")
    ] = False,
    widths: Annotated[
        str | None, typer.Option(metavar="N,N", help=f"Nodes in each hidden layer; {WIDTHS}.")
    ] = None,
    layers: Annotated[int, typer.Option(min=1, help="Hidden layers.")] = 3,
    threads: Annotated[
        str | None,
        typer.Option(metavar="N,N", help="Thread counts; by default 1,2, or 1 with another question."),
    ] = None,
    examples: Annotated[int, typer.Option(min=1, help="Examples in a timed pass, at most.")] = 5120,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Timed passes of each network, by default 5; with --to runs, 1.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Cut longer passes, by default at 1; with --to give up after, by default 120.",
        ),
    ] = None,
    active_pct: Annotated[float, typer.Option(min=0.01, max=100, help="Active nodes of our LSH.")] = 5.0,
    batch: Annotated[int, typer.Option(min=1, help="Batch size of our own networks.")] = 128,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="This competitor or family alone; repeatable."),
    ] = None,
    reference: Annotated[
        str, typer.Option(metavar="NAME", help="The competitor that ratios are to.")
    ] = "lsh",
) -> None:
    """Time a training example: our LSH and dense networks beside PyTorch's and scikit-learn's.

    All run in this process, in turn, repeat after repeat; the table gives medians and ratios to a reference.
    What is not installed is left out: pip install lshexp[bench]. --to, --memory and --profile ask something
    else of the same networks.

    Example: lshexp bench --widths 1000,4000 --threads 1,2 --only lsh --only pytorch
    """
    from lshexp import render
    from lshexp.bench import Question, resolved

    questions: dict[Question, bool] = {"to": to is not None, "memory": memory, "profile": profile}
    asked = [question for question, on in questions.items() if on]
    if len(asked) > 1:
        raise typer.BadParameter("--to, --memory and --profile are three questions; ask one at a time")
    given = {
        "widths": _numbers("widths", widths),
        "layers": layers,
        "threads": _numbers("threads", threads),
        "examples": examples,
        "repeats": repeats,
        "seconds": seconds,
        "active_pct": active_pct,
        "batch": batch,
        "only": tuple(only) if only else None,
        "reference": reference,
    }
    plan, said = resolved(asked[0] if asked else "time", given)
    if said:
        render.say(said)
    if to is not None:
        _to(plan, to, out)
    elif memory:
        _memory(plan, out)
    elif profile:
        _profile(plan, out)
    else:
        _time(plan, out)


def _time(plan: Plan, out: Path) -> None:
    from lshexp import render
    from lshexp.bench import measure, summarise
    from lshexp.bench._figure import draw
    from lshexp.bench._files import write
    from lshexp.bench._ratios import against_pytorch
    from lshexp.bench.lsh import NAMES

    timings = measure(plan, render.say)
    summary, ratios = summarise(timings, plan.reference), against_pytorch(timings, [plan.reference, *NAMES])
    tables = {"bench": summary, "bench_passes": timings, "bench_ratios": ratios}
    render.bench(summary, ratios, write(out, tables, {"bench": draw(summary)}))


def _to(plan: Plan, to: float, out: Path) -> None:
    from lshexp import render
    from lshexp.bench._figure import draw_approach
    from lshexp.bench._files import write
    from lshexp.bench._target import approach, best, load_digits, reached

    points = approach(plan, to, *load_digits(), render.say)
    table, name = reached(points, to), f"bench_to_{to:g}"
    files = write(out, {name: table, f"{name}_curves": points}, {name: draw_approach(points, to)})
    render.bench_to(table, best(table), plan.reference, files)


def _memory(plan: Plan, out: Path) -> None:
    from lshexp import render
    from lshexp.bench._files import write
    from lshexp.bench._memory import memory

    usage = memory(plan, render.say)
    render.bench_memory(usage, write(out, {"bench_memory": usage}, {}))


def _profile(plan: Plan, out: Path) -> None:
    from lshexp import render
    from lshexp.bench._files import write
    from lshexp.bench._profile import profile

    rows = profile(plan, render.say)
    render.bench_profile(rows, write(out, {"bench_profile": rows}, {}))


def _numbers(option: str, text: str | None) -> tuple[int, ...] | None:
    """Read `1000,2000`; raises BadParameter, exit code 2."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 0 < int(part) <= 10_000_000 for part in parts):
        raise typer.BadParameter(f"--{option}: '{text}' is no list of whole numbers such as 1000,2000")
    return tuple(int(part) for part in parts)

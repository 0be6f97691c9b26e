"""Seconds a training example, side by side in one process: our networks and those of other libraries.

A competitor is one file of this folder, as `_task.Family` describes it. All networks of one width and thread
count are built and warmed first; then each trains a pass in turn, repeat after repeat, in an order that
turns, so that a slow moment of the machine hits all alike and ratios within a repeat stay true.
"""

from __future__ import annotations

import importlib
import pkgutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import pandas as pd

from lshexp.analysis.bench._task import Data, Family, Task, Trainee, load_examples
from lshexp.errors import ConfigError, Problem, RunError
from lshexp.registry import suggest

REFERENCE = "lsh"  # ratios are to it
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What to time. `examples` a pass at most, fewer where a pass would take longer than `seconds`."""

    widths: tuple[int, ...] = (1000, 2000, 4000)
    layers: int = 3
    threads: tuple[int, ...] = (1,)
    examples: int = 5120
    repeats: int = 5
    seconds: float = 10.0
    active_pct: float = 5.0
    batch: int = 128
    only: tuple[str, ...] = ()


class Timing(NamedTuple):
    """One timed pass."""

    width: int
    layers: int
    threads: int
    competitor: str
    batch: int
    repeat: int
    dataset: str
    examples: int
    seconds: float


def families() -> dict[str, Family]:
    """All competitors' modules by name."""
    names = sorted(
        module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")
    )
    return {name: cast(Family, importlib.import_module(f"{__name__}.{name}")) for name in names}


def measure(plan: Plan, say: Say) -> pd.DataFrame:
    """Time every competitor that can run here and return one row a pass, as `Timing` names them.

    `say` is told, a line at a time, what is timed and what is left out. Raises ConfigError for an unknown
    name in `plan.only` or too many threads, RunError when a loss is no finite number.
    """
    wanted = _wanted(plan.only, say)
    data = load_examples(plan.examples)
    say(f"data: {data.origin}, {plan.examples} examples")
    rows = [
        row
        for threads in plan.threads
        for width in plan.widths
        for row in _cell(plan, wanted, data, width, threads, say)
    ]
    return pd.DataFrame(rows, columns=list(Timing._fields))


def summarise(timings: pd.DataFrame) -> pd.DataFrame:
    """One row a network and competitor: median, least and greatest time, and the median ratio to our LSH.

    Columns: width, layers, threads, competitor, batch, dataset, examples, repeats, us_per_example,
    us_per_example_min, us_per_example_max, ratio_to_lsh (within a repeat; above 1 = slower than LSH).
    """
    frame = timings.assign(us=1e6 * timings["seconds"] / timings["examples"])
    cell = ["width", "layers", "threads"]
    reference = frame[frame["competitor"] == REFERENCE][[*cell, "repeat", "us"]]
    frame = frame.merge(reference, on=[*cell, "repeat"], how="left", suffixes=("", "_lsh"))
    frame["ratio"] = frame["us"] / frame["us_lsh"]
    groups = frame.groupby([*cell, "competitor", "batch", "dataset", "examples"], sort=False)
    return groups.agg(
        repeats=("repeat", "count"),
        us_per_example=("us", "median"),
        us_per_example_min=("us", "min"),
        us_per_example_max=("us", "max"),
        ratio_to_lsh=("ratio", "median"),
    ).reset_index()


def _wanted(only: tuple[str, ...], say: Say) -> list[tuple[Family, tuple[str, ...]]]:
    """The families that can run here, with the names wanted of each."""
    known = families()
    every = [name for family in known.values() for name in family.NAMES]
    unknown = [name for name in only if name not in every and name not in known]
    if unknown:
        hints = [f"no competitor '{name}'{suggest(name, [*known, *every])}" for name in unknown]
        raise ConfigError([Problem(("only",), hint) for hint in hints])
    wanted = []
    for key, family in known.items():
        names = tuple(name for name in family.NAMES if not only or name in only or key in only)
        reason = family.missing() if names else None
        if reason:
            say(f"left out: {', '.join(names)}: {reason}")
        elif names:
            wanted.append((family, names))
    return wanted


def _cell(
    plan: Plan,
    wanted: list[tuple[Family, tuple[str, ...]]],
    data: Data,
    width: int,
    threads: int,
    say: Say,
) -> Iterator[Timing]:
    """All passes of one width and thread count."""
    hidden = (width,) * plan.layers
    task = Task(data.part.x.shape[1], data.classes, hidden, plan.active_pct, plan.batch, threads)
    with ExitStack() as stack:
        trainees = [
            trainee
            for family, names in wanted
            for trainee in stack.enter_context(family.trainees(task, names))
        ]
        sizes = [_warm(trainee, plan, data) for trainee in trainees]
        for repeat in range(plan.repeats):
            for turn in range(len(trainees)):
                at = (turn + repeat) % len(trainees)
                trainee, n = trainees[at], sizes[at]
                seconds = _timed(trainee, data, n)
                say(f"{plan.layers}x{width}, threads {threads}, repeat {repeat + 1}: {trainee.name} "
                    f"{1e6 * seconds / n:.1f} us an example")  # fmt: skip
                cell = (width, plan.layers, threads)
                yield Timing(*cell, trainee.name, trainee.batch, repeat, data.origin, n, seconds)


def _warm(trainee: Trainee, plan: Plan, data: Data) -> int:
    """Compile and settle; return how many examples a pass may have, in whole batches."""
    most = len(data.part.y)
    first = min(most, trainee.batch)
    _timed(trainee, data, first)
    rate = first / _timed(trainee, data, first)
    n = int(min(most, max(first, rate * plan.seconds)))
    n -= n % trainee.batch if n > trainee.batch else 0
    if rate * plan.seconds > most:
        _timed(trainee, data, n)  # what a network learns at its start is not what it goes on costing
    return n


def _timed(trainee: Trainee, data: Data, examples: int) -> float:
    """Seconds of one pass."""
    x, y = data.part.x[:examples], data.part.y[:examples]
    started = time.perf_counter()
    loss = trainee.train(x, y)
    seconds = time.perf_counter() - started
    if not np.isfinite(loss):
        raise RunError(f"{trainee.name}: the loss is not finite, so its time means nothing")
    return seconds

"""Our networks and those of other libraries side by side, in one process: seconds a training example.

A competitor is one file of this folder, as `_task.Family` describes it. All networks of one width and thread
count are built and warmed first; then each trains a pass in turn, repeat after repeat, in an order that
turns, so that a slow moment of the machine hits all alike and ratios within a repeat stay true.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np
import pandas as pd

from lshexp.bench._families import Say, competitors, families, wanted
from lshexp.bench._plan import PLANS, Plan, Question, resolved
from lshexp.bench._task import Data, Family, Task, Trainee, load_examples
from lshexp.errors import ConfigError, Problem, RunError
from lshexp.validation import suggest

__all__ = ["PLANS", "Plan", "Question", "Timing", "families", "measure", "resolved", "summarise"]

PASSES_BEFORE = 3  # a network trains before it is timed: two of a batch, and a whole one
LONGEST = 40  # times its seconds a pass may take before a network is left out
FEW = 2  # examples that compile everything
HUGE = 2  # times its seconds a pass may take before there are fewer of them
Runners = list[tuple[Family, tuple[str, ...]]]


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


def measure(plan: Plan, say: Say) -> pd.DataFrame:
    """Time every competitor that can run here and return one row a pass, as `Timing` names them.

    `say` is told, a line at a time, what is timed, how long it may take and what is left out. Raises
    ConfigError for an unknown name in `plan.only` or `plan.reference` or too many threads, RunError when a
    loss is no finite number.
    """
    if plan.reference not in competitors():
        hint = f"no competitor '{plan.reference}'{suggest(plan.reference, competitors())}"
        raise ConfigError([Problem(("reference",), hint)])
    runners = wanted(plan.only, say)
    data = load_examples(plan.examples)
    say(f"data: {data.origin}, {plan.examples} examples")
    say(f"at most about {_most_minutes(plan, runners):.0f} min, as passes end after {plan.seconds:g} s")
    rows: list[Timing] = []
    for threads in plan.threads:
        slowness: dict[str, float] = {}  # seconds a batch and parameter, at the last width
        for width in plan.widths:
            task = _task(plan, data, width, threads)
            affordable = _affordable(plan, runners, task, slowness, say)
            found = list(_cell(plan, affordable, data, task, say))
            slowness |= {
                row.competitor: row.seconds / row.examples * row.batch / task.parameters for row in found
            }
            rows += found
    return pd.DataFrame(rows, columns=list(Timing._fields))


def summarise(timings: pd.DataFrame, reference: str = Plan.reference) -> pd.DataFrame:
    """One row a network and competitor: median, least and greatest time, and the median ratio to `reference`.

    Columns: width, layers, threads, competitor, batch, dataset, examples, repeats, us_per_example,
    us_per_example_min, us_per_example_max, reference, ratio_to_reference (within a repeat; above 1 = slower).
    """
    frame = timings.assign(us=1e6 * timings["seconds"] / timings["examples"])
    cell = ["width", "layers", "threads"]
    ours = frame[frame["competitor"] == reference][[*cell, "repeat", "us"]]
    frame = frame.merge(ours, on=[*cell, "repeat"], how="left", suffixes=("", "_reference"))
    frame["ratio"] = frame["us"] / frame["us_reference"]
    groups = frame.groupby([*cell, "competitor", "batch", "dataset", "examples"], sort=False)
    table = groups.agg(
        repeats=("repeat", "count"),
        us_per_example=("us", "median"),
        us_per_example_min=("us", "min"),
        us_per_example_max=("us", "max"),
        ratio_to_reference=("ratio", "median"),
    ).reset_index()
    table.insert(table.columns.get_loc("ratio_to_reference"), "reference", reference)  # type: ignore[arg-type]
    return table


def _most_minutes(plan: Plan, runners: Runners) -> float:
    """An upper bound, but for networks of which a single batch takes longer than a pass may."""
    networks = sum(len(names) for _, names in runners)
    cells = len(plan.widths) * len(plan.threads)
    return cells * networks * (plan.repeats + PASSES_BEFORE) * plan.seconds / 60


def _task(plan: Plan, data: Data, width: int, threads: int) -> Task:
    hidden = (width,) * plan.layers
    return Task(data.part.x.shape[1], data.classes, hidden, plan.active_pct, plan.batch, threads)


def _affordable(plan: Plan, runners: Runners, task: Task, slowness: dict[str, float], say: Say) -> Runners:
    """Those of whom a batch will not take too long, going by the last width."""
    kept = []
    most = LONGEST * plan.seconds
    for family, names in runners:
        expected = {name: slowness.get(name, 0.0) * task.parameters for name in names}
        for name, seconds in expected.items():
            if seconds > most:
                told = f"a batch would take about {seconds:.0f} s; give more --seconds"
                say(f"left out at width {task.hidden[0]}, threads {task.threads}: {name}: {told}")
        kept.append((family, tuple(name for name in names if expected[name] <= most)))
    return [(family, names) for family, names in kept if names]


def _cell(plan: Plan, runners: Runners, data: Data, task: Task, say: Say) -> Iterator[Timing]:
    """All passes of one width and thread count."""
    cell = (task.hidden[0], plan.layers, task.threads)
    where = f"{plan.layers}x{task.hidden[0]}, threads {task.threads}"
    with ExitStack() as stack:
        trainees = [
            trainee
            for family, names in runners
            for trainee in stack.enter_context(family.trainees(task, names))
        ]
        say(f"{where}: {len(trainees)} networks are built and warmed")
        warmed = [_warm(trainee, plan, data) for trainee in trainees]
        say(f"{where}: about {sum(passes * seconds for _, passes, seconds in warmed):.0f} s")
        for repeat in range(plan.repeats):
            for turn in range(len(trainees)):
                at = (turn + repeat) % len(trainees)
                trainee, (n, passes, _) = trainees[at], warmed[at]
                if repeat >= passes:
                    continue
                seconds = timed(trainee, data, n)
                say(f"{where}, repeat {repeat + 1}: {trainee.name} {1e6 * seconds / n:.1f} us an example")
                yield Timing(*cell, trainee.name, trainee.batch, repeat, data.origin, n, seconds)


def _warm(trainee: Trainee, plan: Plan, data: Data) -> tuple[int, int, float]:
    """Compile and settle; return the examples of a pass, the number of passes and the seconds of each."""
    most = len(data.part.y)
    first = min(most, trainee.batch)
    timed(trainee, data, min(most, FEW))
    seconds = timed(trainee, data, first)
    if seconds < HUGE * plan.seconds:
        seconds = timed(trainee, data, first)
    rate = first / seconds
    n = pass_size(most, trainee.batch, rate * plan.seconds)
    seconds = n / rate
    if rate * plan.seconds > most:
        # what a network learns at its start is not what it goes on costing
        seconds = timed(trainee, data, n)
    slow = seconds > HUGE * plan.seconds
    return n, max(1, int(plan.repeats * plan.seconds / seconds)) if slow else plan.repeats, seconds


def pass_size(most: int, batch: int, affordable: float) -> int:
    """Examples of a pass: as many as are affordable, whole batches where there is more than one."""
    n = int(min(most, max(min(most, batch), affordable)))
    return n - n % batch if n > batch else n


def timed(trainee: Trainee, data: Data, examples: int) -> float:
    """Seconds of one pass. Raises RunError when its loss is not finite."""
    x, y = data.part.rows[:examples], data.part.y[:examples]
    started = time.perf_counter()
    loss = trainee.train(x, y)
    seconds = time.perf_counter() - started
    if not np.isfinite(loss):
        raise RunError(f"{trainee.name}: the loss is not finite, so its time means nothing")
    return seconds

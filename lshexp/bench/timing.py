"""Seconds a training example and seconds a predicted one, our networks beside those of other libraries.

Each family of competitors has a process of its own. All networks of one width and thread count are built and
warmed first; then each trains a pass in turn, repeat after repeat, in an order that turns, so that a slow
moment of the machine hits all alike and ratios within a repeat stay true. Predictions are timed likewise.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from lshexp.bench.competitors import Chosen, check_reference, wanted
from lshexp.bench.processes import BenchExamples, Process, Ready, process_of
from lshexp.bench.task import BenchPlan, Say, Task, load_examples

PASSES_BEFORE = 3  # a network trains before it is timed: two of a batch, and a whole one
PREDICTION_BATCHES = (1, 256)
PREDICTION_SHARE = 0.25  # of the seconds of a training pass; predictions vary less
LONGEST = 40  # times its seconds a pass may take before a network is left out
FEW = 2  # examples that compile everything
HUGE = 2  # times its seconds a pass may take before there are fewer of them


class Timing(NamedTuple):
    """One timed pass of training, or of prediction."""

    width: int
    layers: int
    threads: int
    competitor: str
    batch: int
    arithmetic: str
    repeat: int
    dataset: str
    examples: int
    seconds: float


class Entrant(NamedTuple):
    """A network in one of the processes."""

    process: Process
    number: int  # among the networks of that process
    ready: Ready


class Warmed(NamedTuple):
    """How a network is timed, known once it has been warmed."""

    examples: int
    passes: int
    seconds: float  # expected, of a pass


class Measured(NamedTuple):
    """Passes of training and passes of prediction, a row each, as `Timing` names them."""

    training: pd.DataFrame
    prediction: pd.DataFrame


class Cell(NamedTuple):
    """One width and thread count, with its share of the time."""

    plan: BenchPlan
    task: Task
    data: BenchExamples
    deadline: float  # of `time.monotonic`; after it no repeat begins but the first
    place: tuple[int, int, int]  # width, layers and threads of its timings
    title: str

    def timing(self, entrant: Entrant, batch: int, repeat: int, examples: int, seconds: float) -> Timing:
        """A timed pass of this cell."""
        name, _, arithmetic = entrant.ready
        return Timing(*self.place, name, batch, arithmetic, repeat, self.data.origin, examples, seconds)


def measure(plan: BenchPlan, say: Say) -> Measured:
    """Time every competitor that can run here, in training and in prediction.

    `say` is told, a line at a time, what is timed, how long it may take and what is left out. Raises
    ConfigError for an unknown name in `plan.only` or `plan.reference` or too many threads, RunError when a
    loss is no finite number or a process ends before its time.
    """
    check_reference(plan.reference)
    chosen = wanted(plan.only, say)
    cells = len(plan.threads) * len(plan.widths)
    began = time.monotonic()
    trained: list[Timing] = []
    predicted: list[Timing] = []
    with ExitStack() as stack:
        processes = {family: stack.enter_context(process_of(family)) for family, _ in chosen}
        loaded = [
            process.load(functools.partial(load_examples, plan.examples)) for process in processes.values()
        ]
        if not loaded:
            return Measured(frame(trained), frame(predicted))
        data = loaded[0]
        plan = shortened(plan, sum(len(names) for _, names in chosen))
        say(f"data: {data.origin}, {plan.examples} examples")
        say(f"at most about {most_minutes(plan, chosen):.0f} min, as passes end after {plan.seconds:.2g} s")
        for threads in plan.threads:
            slowness: dict[str, float] = {}  # seconds a batch and parameter, at the last width
            for width in plan.widths:
                place = f"{plan.layers}x{width}, threads {threads}"
                budget = plan.budget_s or float("inf")
                if trained and time.monotonic() > began + budget:
                    say(f"left out: {place}: the time is up")
                    continue
                share = budget * (1 + len(_places(trained))) / cells
                hidden = (width,) * plan.layers
                task = Task(data.features, data.classes, hidden, plan.active_pct, plan.batch, threads)
                cell = Cell(plan, task, data, began + share, (width, plan.layers, threads), place)
                affordable = affordable_at(plan, chosen, task, slowness, say)
                found = list(train(cell, processes, affordable, say))
                slowness |= {
                    row.competitor: row.seconds / row.examples * row.batch / task.parameters for row in found
                }
                trained += found
                predicted += predict(cell, [processes[family] for family, _ in affordable], say)
    return Measured(frame(trained), frame(predicted))


def shortened(plan: BenchPlan, networks: int) -> BenchPlan:
    """The plan with passes short enough for its budget, if it has one; at least a hundredth of a second."""
    if plan.budget_s is None:
        return plan
    seconds = plan.seconds * plan.budget_s / (60 * _minutes(plan, networks))
    return replace(plan, seconds=min(plan.seconds, max(0.01, seconds)))


def most_minutes(plan: BenchPlan, chosen: Chosen) -> float:
    """An upper bound, but for networks of which a single batch takes longer than a pass may."""
    return _minutes(plan, sum(len(names) for _, names in chosen))


def _minutes(plan: BenchPlan, networks: int) -> float:
    cells = len(plan.widths) * len(plan.threads)
    passes = plan.repeats + PASSES_BEFORE
    shares = 1 + PREDICTION_SHARE * len(PREDICTION_BATCHES)
    return cells * networks * passes * shares * plan.seconds / 60


def affordable_at(
    plan: BenchPlan, chosen: Chosen, task: Task, slowness: dict[str, float], say: Say
) -> Chosen:
    """Those of whom a batch will not take too long, going by their seconds a batch and parameter so far."""
    kept = []
    most = LONGEST * plan.seconds
    for family, names in chosen:
        expected = {name: slowness.get(name, 0.0) * task.parameters for name in names}
        for name, seconds in expected.items():
            if seconds > most:
                told = f"a batch would take about {seconds:.0f} s; give more --seconds"
                say(f"left out at width {task.hidden[0]}, threads {task.threads}: {name}: {told}")
        kept.append((family, tuple(name for name in names if expected[name] <= most)))
    return [(family, names) for family, names in kept if names]


def train(cell: Cell, processes: dict[str, Process], chosen: Chosen, say: Say) -> Iterator[Timing]:
    """All training passes of a cell. The networks are left in their processes."""
    entrants = [
        Entrant(processes[family], index, ready)
        for family, names in chosen
        for index, ready in enumerate(processes[family].build(cell.task, names))
    ]
    say(f"{cell.title}: {len(entrants)} networks are built and warmed")
    warmed = [warm(entrant, cell.plan) for entrant in entrants]
    say(f"{cell.title}: about {sum(each.passes * each.seconds for each in warmed):.0f} s of training")
    for repeat, at in _turns(cell, len(entrants), say):
        entrant, (n, passes, _) = entrants[at], warmed[at]
        if repeat < passes:
            seconds = entrant.process.train(entrant.number, n)
            name = entrant.ready.name
            say(f"{cell.title}, repeat {repeat + 1}: {name} {1e6 * seconds / n:.1f} us an example")
            yield cell.timing(entrant, entrant.ready.batch, repeat, n, seconds)


def predict(cell: Cell, processes: list[Process], say: Say) -> Iterator[Timing]:
    """All prediction passes of a cell, with the networks as training has left them; they are then dropped."""
    entrants = []
    for process in processes:
        ready, left_out = process.predictors()
        entrants += [Entrant(process, index, each) for index, each in enumerate(ready)]
        for line in left_out:
            say(f"left out: {line}")
    for batch in PREDICTION_BATCHES:
        sizes = [_prediction_size(entrant, batch, cell.plan) for entrant in entrants]
        for repeat, at in _turns(cell, len(entrants), say):
            entrant, n = entrants[at], sizes[at]
            seconds = entrant.process.predict(entrant.number, n, batch)
            told = f"{entrant.ready.name} predicts in {1e6 * seconds / n:.1f} us an example"
            say(f"{cell.title}, repeat {repeat + 1}, batch {batch}: {told}")
            yield cell.timing(entrant, batch, repeat, n, seconds)
    for process in processes:
        process.drop()


def _turns(cell: Cell, entrants: int, say: Say) -> Iterator[tuple[int, int]]:
    """Repeat and position of each pass; the first of a repeat is the second of the next."""
    for repeat in range(cell.plan.repeats):
        if repeat and time.monotonic() > cell.deadline:
            say(f"{cell.title}: {repeat} of {cell.plan.repeats} repeats, as the time is up")
            return
        for turn in range(entrants):
            yield repeat, (turn + repeat) % entrants


def warm(entrant: Entrant, plan: BenchPlan) -> Warmed:
    """Compile and settle a network, and find the size of its passes."""
    most, batch = plan.examples, entrant.ready.batch

    def train(examples: int) -> float:
        return entrant.process.train(entrant.number, examples)

    first = min(most, batch)
    train(min(most, FEW))
    seconds = train(first)
    if seconds < HUGE * plan.seconds:
        seconds = train(first)
    rate = first / seconds
    n = pass_size(most, batch, rate * plan.seconds)
    seconds = n / rate
    if rate * plan.seconds > most:
        # what a network learns at its start is not what it goes on costing
        seconds = train(n)
    slow = seconds > HUGE * plan.seconds
    return Warmed(n, max(1, int(plan.repeats * plan.seconds / seconds)) if slow else plan.repeats, seconds)


def _prediction_size(entrant: Entrant, batch: int, plan: BenchPlan) -> int:
    """Examples of a pass of prediction, after compiling for the batch."""
    first = min(plan.examples, max(batch, 16))
    entrant.process.predict(entrant.number, first, batch)
    seconds = entrant.process.predict(entrant.number, first, batch)
    return pass_size(plan.examples, batch, first / seconds * plan.seconds * PREDICTION_SHARE)


def pass_size(most: int, batch: int, affordable: float) -> int:
    """Examples of a pass: as many as are affordable, whole batches where there is more than one."""
    n = int(min(most, max(min(most, batch), affordable)))
    return n - n % batch if n > batch else n


def frame(rows: list[Timing]) -> pd.DataFrame:
    """A row a timing."""
    return pd.DataFrame(rows, columns=list(Timing._fields))


def _places(rows: list[Timing]) -> set[tuple[int, int]]:
    return {(row.width, row.threads) for row in rows}

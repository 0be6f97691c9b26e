"""Time of an output layer of very many classes: ours beside the ways PyTorch has, in training and prediction.

Every competitor gets the same made-up activations of a hidden layer and labels by a power law. Time is that
of the output layer alone: forward, gradients of its rows and of its input, and step.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import pandas as pd

from lshexp.arrays import IntArray
from lshexp.bench.competitors import OUTPUTS, Chosen, check_reference, wanted
from lshexp.bench.processes import process_of
from lshexp.bench.task import BenchPlan, Data, Say, Task, label_frequencies
from lshexp.bench.timing import Cell, Measured, Timing, frame, most_minutes, predict, shortened, train
from lshexp.data.base import Part
from lshexp.streams import stream

INPUTS = 128  # nodes of the hidden layer below
MOST_SCORES = 2**28  # of one batch: 1 GB, several times over in a library that keeps them for its gradient
ACTIVE = 500  # classes, at most, unless a share was asked for
PLACE = ["classes", "inputs", "threads"]
SEED = 7


def active_pct(classes: int) -> float:
    """Share of the classes that ours compute where none is asked for: 5 %, and no more than `ACTIVE`."""
    return min(5.0, 100 * ACTIVE / classes)


def activations(examples: int, inputs: int, classes: int) -> Data:
    """Make activations up: ReLU of a random centre of the class, with noise; labels by their frequencies."""
    draws = stream(SEED, "labels")
    drawn = np.searchsorted(np.cumsum(label_frequencies(classes)), draws.random(examples))
    labels: IntArray = drawn.clip(max=classes - 1).astype(np.int32)
    rows = 0.5 * stream(SEED, "noise").standard_normal((examples, inputs), dtype=np.float32)
    for label in np.unique(labels):
        rows[labels == label] += stream(SEED, "centre", int(label)).standard_normal(inputs, dtype=np.float32)
    np.maximum(rows, 0, out=rows)
    return Data("activations, made up", Part(rows, labels), classes)


def measure(plan: BenchPlan, say: Say) -> Measured:
    """Time every competitor that can run here at each number of classes, `plan.widths`, as `timing.measure`.

    The columns `width` and `layers` of a timing are called `classes` and `inputs`, and `active` says how many
    classes ours compute for an example.
    """
    check_reference(plan.reference, OUTPUTS)
    began, cells = time.monotonic(), len(plan.widths) * len(plan.threads)
    trained: list[Timing] = []
    predicted: list[Timing] = []
    for number, (classes, threads) in enumerate((n, t) for n in plan.widths for t in plan.threads):
        chosen = fitting(wanted(plan.only, say, OUTPUTS), classes, say)
        with ExitStack() as stack:
            processes = {family: stack.enter_context(process_of(family, OUTPUTS)) for family, _ in chosen}
            loader = functools.partial(activations, plan.examples, INPUTS, classes)
            loaded = [process.load(loader) for process in processes.values()]
            if not loaded:
                continue
            short = shortened(plan, sum(len(names) for _, names in chosen))
            minutes = most_minutes(short, chosen)
            say(f"at most about {minutes:.0f} min, as passes end after {short.seconds:.2g} s")
            share = plan.active_pct or active_pct(classes)
            task = Task(INPUTS, classes, (), share, plan.batch, threads, optimizer="adam", lr=0.001)
            deadline = began + (plan.budget_s or float("inf")) * (number + 1) / cells
            cell = Cell(short, task, loaded[0], deadline, (classes, INPUTS, threads), _title(task))
            trained += list(train(cell, processes, chosen, say))
            predicted += predict(cell, list(processes.values()), say)
    return Measured(*(_output_frame(rows, plan) for rows in (trained, predicted)))


def fitting(chosen: Chosen, classes: int, say: Say) -> Chosen:
    """Those whose scores of a batch, by the size that ends their name, fit into memory."""

    def fits(names: tuple[str, ...]) -> Iterator[str]:
        for name in names:
            size = name.rpartition("_")[2]
            if name.startswith("softmax") and size.isdecimal() and int(size) * classes > MOST_SCORES:
                say(f"left out: {name}: {int(size) * classes:,} scores of a batch are too many")
            else:
                yield name

    kept = [(family, tuple(fits(names))) for family, names in chosen]
    return [(family, names) for family, names in kept if names]


def _title(task: Task) -> str:
    return (
        f"{task.classes:,} classes, {active_of(task.classes, task.active_pct)} active, threads {task.threads}"
    )


def active_of(classes: int, share: float) -> int:
    """How many classes a share is."""
    return max(1, round(share / 100 * classes))


def _output_frame(rows: list[Timing], plan: BenchPlan) -> pd.DataFrame:
    table = frame(rows).rename(columns={"width": "classes", "layers": "inputs"})
    active = [active_of(n, plan.active_pct or active_pct(n)) for n in table["classes"]]
    table.insert(2, "active", pd.Series(active, dtype="int64"))
    return table

"""Training time to a test accuracy, each competitor with the optimiser, batch and rate that suit it.

Examples are drawn in the same order for all, anew for each epoch and repeat. The clock runs while a network
trains: not while it is built, tested, or handed its next quarter of the digits.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from lshexp import registry
from lshexp.bench._families import Say, wanted
from lshexp.bench._plan import Plan
from lshexp.bench._task import Family, Recipe, Task
from lshexp.data.base import Examples, Part, Splits
from lshexp.streams import stream

TESTS_AN_EPOCH = 4
SEED = 2017


class Point(NamedTuple):
    """A network after some training; `accuracy_pct` is that on the test digits."""

    width: int
    layers: int
    threads: int
    competitor: str
    batch: int
    optimizer: str
    lr: float
    repeat: int
    examples: int
    seconds: float
    accuracy_pct: float


RUN = [name for name in Point._fields if name not in ("examples", "seconds", "accuracy_pct")]


def load_digits() -> tuple[Splits, int]:
    """MNIST and its number of classes. Raises DataError, saying what to do, when its files are absent."""
    dataset = registry.datasets.build("mnist", {})
    return dataset.load(), dataset.info().classes


def approach(plan: Plan, to: float, splits: Splits, classes: int, say: Say) -> pd.DataFrame:
    """Train every recipe of the wanted competitors until it reaches `to` % or `plan.seconds` have passed.

    Returns one row a test, as `Point` names them. A network whose loss is no finite number is given up.
    """
    runners = [
        (family, recipe)
        for family, names in wanted(plan.only, say)
        for recipe in family.RECIPES
        if recipe.name in names
    ]
    runs = len(plan.threads) * len(plan.widths) * plan.repeats * len(runners)
    say(f"{runs} networks to {to:g} %, each given up after {plan.seconds:g} s of training")
    rows: list[Point] = []
    for threads in plan.threads:
        for width in plan.widths:
            for repeat in range(plan.repeats):
                for family, recipe in runners:
                    task = Task(
                        splits.train.features, classes, (width,) * plan.layers, plan.active_pct, plan.batch,
                        threads, recipe.optimizer, recipe.lr, SEED + repeat,
                    )  # fmt: skip
                    points = list(_points(family, recipe, task, splits, repeat, to, plan.seconds))
                    rows += points
                    say(f"{plan.layers}x{width}, threads {threads}: {_told(points[-1], to)}")
    return pd.DataFrame(rows, columns=list(Point._fields))


def reached(points: pd.DataFrame, to: float) -> pd.DataFrame:
    """One row a recipe and repeat: its last test, which is the first at `to` % or above where it got there.

    Columns: width, layers, threads, competitor, batch, optimizer, lr, repeat, target_pct, seconds, examples,
    accuracy_pct, reached (yes or no). Seconds are those until that last test, tests themselves left out.
    """
    last = points.groupby(RUN, sort=False).tail(1).reset_index(drop=True)
    said = pd.Series(np.where(last["accuracy_pct"] >= to, "yes", "no"), index=last.index)
    table = last[[*RUN, "seconds", "examples", "accuracy_pct"]].assign(reached=said)
    table.insert(len(RUN), "target_pct", to)
    return table


def best(table: pd.DataFrame) -> pd.DataFrame:
    """The recipe of each competitor's kind that reaches the target soonest, by its median over repeats.

    A kind is a competitor without its batch size: all batches of PyTorch's fp32 are one. Only recipes that
    reach it in every repeat count.
    """
    recipe = [name for name in RUN if name != "repeat"]
    groups = table.groupby(recipe, sort=False)
    medians = groups.agg(seconds=("seconds", "median"), all=("reached", lambda said: (said == "yes").all()))
    found = medians[medians["all"].astype(bool)].drop(columns="all").reset_index()
    found["kind"] = kinds(found["competitor"])
    place = ["width", "layers", "threads", "kind"]
    return found.sort_values("seconds", kind="stable").drop_duplicates(place).reset_index(drop=True)


def kinds(competitors: pd.Series) -> pd.Series:
    """Names of competitors without their batch size."""
    return competitors.str.replace(r"_\d+$", "", regex=True)


def _points(
    family: Family, recipe: Recipe, task: Task, splits: Splits, repeat: int, to: float, seconds: float
) -> Iterator[Point]:
    """Train a fresh network; a point after each quarter of an epoch."""
    order = _quarters(splits.train, repeat)
    first = next(order)
    with family.trainees(task, (recipe.name,)) as (warm,):  # compiles; thrown away
        small = slice(0, 2 * warm.batch)
        warm.train(first.rows[small], first.y[small])
    test = splits.test.batch(np.arange(splits.test.size))
    run = (task.hidden[0], len(task.hidden), task.threads, recipe.name)
    setting = (recipe.optimizer, recipe.lr, repeat)
    spent, seen, accuracy = 0.0, 0, 0.0
    with family.trainees(task, (recipe.name,)) as (trainee,):
        part = first
        while accuracy < to and spent < seconds:
            started = time.perf_counter()
            loss = trainee.train(part.rows, part.y)
            spent += time.perf_counter() - started
            seen += len(part.y)
            accuracy = 100 * trainee.test(test.rows, test.y) / len(test.y)
            yield Point(*run, trainee.batch, *setting, seen, spent, accuracy)
            if not np.isfinite(loss):
                return
            part = next(order)


def _quarters(train: Examples, repeat: int) -> Iterator[Part]:
    """Quarters of an epoch for ever, in an order that depends on nothing but the repeat."""
    epoch = 0
    while True:
        order = stream(SEED, "bench_order", repeat, epoch).permutation(train.size)
        for ids in np.array_split(order, TESTS_AN_EPOCH):
            if len(ids):
                yield train.batch(ids)
        epoch += 1


def _told(point: Point, to: float) -> str:
    how = f"{point.competitor}, {point.optimizer} {point.lr:g}"
    if point.accuracy_pct >= to:
        return f"{how}: {to:g} % after {point.seconds:.1f} s, {point.examples} examples"
    return f"{how}: {point.accuracy_pct:.2f} % after {point.seconds:.1f} s, given up"

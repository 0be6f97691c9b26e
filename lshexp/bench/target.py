"""Training time to a test accuracy, each competitor with the optimiser, batch and rate that suit it.

Examples are drawn in the same order for all, anew for each epoch and repeat. The clock runs while a network
trains: not while it is built, tested, or handed its next quarter of the digits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from lshexp import registry
from lshexp.bench.competitors import families, wanted
from lshexp.bench.processes import in_process
from lshexp.bench.task import BenchPlan, Recipe, Say, Task
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


class Trial(NamedTuple):
    """One recipe to be trained."""

    family: str
    recipe: Recipe
    plan: BenchPlan
    width: int
    threads: int
    repeat: int
    to: float


Loader = Callable[[], tuple[Splits, int]]  # the digits and how many classes they have
RUN = [name for name in Point._fields if name not in ("examples", "seconds", "accuracy_pct")]


def load_digits() -> tuple[Splits, int]:
    """MNIST and its number of classes. Raises DataError, saying what to do, when its files are absent."""
    dataset = registry.datasets.build("mnist", {})
    return dataset.load(), dataset.info().classes


def check_digits() -> None:
    """Raise DataError, saying what to do, when MNIST's files are absent."""
    dataset = registry.datasets.build("mnist", {})
    dataset.locate()


def approach(plan: BenchPlan, to: float, load: Loader, say: Say) -> pd.DataFrame:
    """Train every recipe of the wanted competitors until it reaches `to` % or `plan.seconds` have passed.

    Each is trained in a process of its own, which gets the digits from `load`. Returns one row a test, as
    `Point` names them. A network whose loss is no finite number is given up.
    """
    chosen = [
        (family, recipe)
        for family, names in wanted(plan.only, say)
        for recipe in families()[family].RECIPES
        if recipe.name in names
    ]
    runs = len(plan.threads) * len(plan.widths) * plan.repeats * len(chosen)
    say(f"{runs} networks to {to:g} %, each given up after {plan.seconds:g} s of training")
    rows: list[Point] = []
    for threads in plan.threads:
        for width in plan.widths:
            for repeat in range(plan.repeats):
                for family, recipe in chosen:
                    trial = Trial(family, recipe, plan, width, threads, repeat, to)
                    points = in_process(family, trained, trial, load)
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


def trained(trial: Trial, load: Loader) -> list[Point]:
    """Train a fresh network in this process; a point after each quarter of an epoch."""
    splits, classes = load()
    family, recipe, plan = families()[trial.family], trial.recipe, trial.plan
    task = Task(
        splits.train.features, classes, (trial.width,) * plan.layers, plan.active_pct, plan.batch,
        trial.threads, recipe.optimizer, recipe.lr, SEED + trial.repeat,
    )  # fmt: skip
    order = _quarters(splits.train, trial.repeat)
    part = next(order)
    with family.networks(task, (recipe.name,)) as networks:  # compiles; thrown away
        (warm,) = networks.trainees
        warm.train(part.rows[: 2 * warm.batch], part.classes[: 2 * warm.batch])
    test = splits.test.batch(np.arange(splits.test.size))
    points: list[Point] = []
    spent, seen, accuracy, loss = 0.0, 0, 0.0, 0.0
    with family.networks(task, (recipe.name,)) as networks:
        (trainee,) = networks.trainees
        run = (trial.width, plan.layers, trial.threads, recipe.name, trainee.batch)
        setting = (recipe.optimizer, recipe.lr, trial.repeat)
        while accuracy < trial.to and spent < plan.seconds and np.isfinite(loss):
            started = time.perf_counter()
            loss = trainee.train(part.rows, part.classes)
            spent += time.perf_counter() - started
            seen += part.size
            accuracy = 100 * trainee.test(test.rows, test.classes) / test.size
            points.append(Point(*run, *setting, seen, spent, accuracy))
            part = next(order)
    return points


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

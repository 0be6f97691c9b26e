"""Hold the dense baselines of a sweep against plain PyTorch networks of the same size (`make baselines`).

For the dense network of each dataset in experiments/within_a_point.yaml PyTorch trains one with the same
hidden layers, inputs, examples, batch and epochs, twice: with the same optimiser and rate, and with its own
default, Adam at 0.001. It has no skips and tests its last weights, not their mean, as tutorials do. Both
accuracies stand beside the mean of ours over its seeds in results/plain_baselines.csv.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import lshexp
from lshexp import registry
from lshexp.bench.competitors.pytorch import FP32, networks
from lshexp.bench.task import Task, Trainee
from lshexp.data.base import Examples
from lshexp.data.inputs import scaled
from lshexp.io import write_atomic
from lshexp.spec import RunSpec
from lshexp.streams import stream

ROOT = Path(__file__).parent.parent
SWEEP = ROOT / "experiments" / "within_a_point.yaml"
TABLE = ROOT / "results" / "plain_baselines.csv"
SEED = 2017
BATCHES_AT_ONCE = 64
DEFAULT = ("adam", 0.001)


class Row(NamedTuple):
    """What PyTorch's network comes to; the accuracy is that on the test examples after the last epoch."""

    dataset: str
    hidden: str
    optimizer: str
    lr: float
    batch: int
    epochs: int
    train_examples: int
    test_examples: int
    pytorch_acc_pct: float


def main(datasets: list[str]) -> None:
    """Train for the datasets named, or for all, and write the table; other rows keep PyTorch's accuracy."""
    rows = []
    for spec in dense_networks():
        if not datasets or spec.dataset in datasets:
            rows += list(rows_of(spec))
    table = pd.DataFrame(rows, columns=list(Row._fields))
    if TABLE.exists():
        old = pd.read_csv(TABLE)[list(Row._fields)]
        table = pd.concat([old[~old["dataset"].isin(table["dataset"])], table])
    table = beside_ours(table.sort_values(["dataset", "optimizer", "lr"], kind="stable"))
    write_atomic(TABLE, table.to_csv(index=False, lineterminator="\n").encode())


def beside_ours(table: pd.DataFrame) -> pd.DataFrame:
    """Add the mean accuracy of our dense network of the same dataset and size, and its number of seeds."""
    runs = lshexp.read_results(ROOT / "results" / SWEEP.stem).runs
    dense = runs[(runs["method"] == "dense") & (runs["status"] == "ok")]
    ours = dense.groupby(["dataset", "hidden"], observed=True)["test_acc_pct"].agg(["mean", "size"])
    found = ours.reindex(pd.MultiIndex.from_frame(table[["dataset", "hidden"]])).reset_index(drop=True)
    beside = table.reset_index(drop=True).assign(
        ours_acc_pct=found["mean"].astype(float).round(2), ours_seeds=found["size"].astype("Int64")
    )
    return beside.assign(ours_minus_pytorch=(beside["ours_acc_pct"] - beside["pytorch_acc_pct"]).round(2))


def dense_networks() -> Iterator[RunSpec]:
    """The widest dense network of each dataset of the sweep, as its first repeat trains it."""
    dense = [run for run in lshexp.load_sweep(SWEEP).runs if run.method == "dense" and run.repeat == 0]
    for dataset in dict.fromkeys(run.dataset for run in dense):
        yield max((run for run in dense if run.dataset == dataset), key=lambda run: sum(run.hidden))


def rows_of(spec: RunSpec) -> Iterator[Row]:
    """Train what PyTorch makes of a network, with the optimiser and rate of ours and with its default."""
    dataset = registry.datasets.build(spec.dataset, spec.dataset_options)
    whole = dataset.load()
    train = whole.train.cut(0, spec.train_examples or whole.train.size)
    test = whole.test.cut(0, spec.test_examples or whole.test.size)
    train, test = scaled(spec.inputs, train, test)
    width, classes, hidden = train.features, dataset.info().classes, "-".join(map(str, spec.hidden))
    for optimizer, lr in dict.fromkeys([(spec.optimizer, spec.lr), DEFAULT]):
        task = Task(width, classes, tuple(spec.hidden), 100.0, spec.batch, 1, optimizer, lr, SEED)
        accuracy = round(trained(task, train, test, spec.epochs), 2)
        sizes = (spec.batch, spec.epochs, train.size, test.size)
        yield Row(spec.dataset, hidden, optimizer, lr, *sizes, accuracy)


def trained(task: Task, train: Examples, test: Examples, epochs: int) -> float:
    """Test accuracy in per cent of a PyTorch network after so many epochs, each in an order of its own."""
    with networks(task, (f"{FP32}{task.batch}",)) as built:
        (trainee,) = built.trainees
        piece = BATCHES_AT_ONCE * task.batch
        for epoch in range(epochs):
            order = stream(SEED, "order of plain_baselines", epoch).permutation(train.size)
            for ids in np.split(order, range(piece, train.size, piece)):
                part = train.batch(ids)
                trainee.train(part.rows, part.classes)
        return 100 * correct(trainee, test) / test.size


def correct(trainee: Trainee, test: Examples) -> int:
    """How many test examples a network classifies rightly."""
    right = 0
    for first in range(0, test.size, 2000):
        part = test.batch(np.arange(first, min(first + 2000, test.size)))
        right += trainee.test(part.rows, part.classes)
    return right


if __name__ == "__main__":
    main(sys.argv[1:])

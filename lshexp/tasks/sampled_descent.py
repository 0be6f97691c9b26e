"""Regression by gradient descent on examples that hash tables choose, beside examples drawn uniformly."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from lshexp import registry
from lshexp.arrays import FloatArray, IntArray
from lshexp.data.base import DatasetInfo, Examples
from lshexp.data.inputs import scaled
from lshexp.errors import ConfigError, Problem
from lshexp.nn.result import Progress, Reporter, RunResult
from lshexp.nn.training import DivergedError
from lshexp.registry import register
from lshexp.sampling.descent import (
    Regression,
    RegressionLoss,
    SampledDescent,
    Sampler,
    least_variance,
    two_classes,
)
from lshexp.spec import RunSpec
from lshexp.tasks.base import RunTask, cells, column, result_of

MOST_LOSS = 1e6  # beyond it a descent has diverged
FIXED = {"hidden": [], "batch": 1, "optimizer": "sgd"}  # what a run of this task must say


@dataclass(frozen=True)
class DescentRow:
    """One sampler after so many steps."""

    loss: str = column("what is minimised: squared, half the squared residual, or logistic")
    sampler: str = column("how examples are drawn: uniform, strata or collisions")
    steps: int = column("steps taken, each on one example")
    mults: int = column("multiplications so far, projecting all examples once included")
    seconds: float = column("time of the steps so far")
    train_loss: float = column("mean loss of the training examples")
    test_loss: float = column("mean loss of the test examples")
    test_acc_pct: float = column("test examples whose score has the sign of their label")
    variance: float = column("expected squared distance of a draw's gradient estimate from the gradient")
    variance_pct_of_uniform: float = column("variance, of that of uniform draws for the same weights")
    variance_pct_at_equal_mults: float = column(
        "the same of means over as many draws as the same multiplications pay for"
    )
    least_pct_of_uniform: float = column("smallest variance of any way of drawing one example, of uniform's")
    bias_pct: float = column("distance of the mean estimate from the gradient, of the gradient's length")
    empty: int = column("buckets so far that a draw found empty")


@register("task", "sampled_descent")
class SampledDescentTask(RunTask):
    """Fit a linear or logistic regression by gradient descent on examples drawn by hash tables.

    After Chen, Xu and Shrivastava, "Fast and accurate stochastic gradient estimation", NeurIPS 2019. Odd
    classes are set against even ones, or one class against all others, each example scaled to length 1. All
    samplers begin with weights of zero and share the rate, whichever loss is minimised. Variances are worked
    out over all examples, for the weights and tables of the moment.
    """

    keeps_network: ClassVar[bool] = False
    table: ClassVar[str | None] = "descent"
    keys: ClassVar[tuple[str, ...]] = ("loss", "sampler", "steps")
    shown: ClassVar[tuple[str, ...]] = (
        "mults", "seconds", "train_loss", "test_acc_pct", "variance_pct_at_equal_mults",
        "least_pct_of_uniform", "bias_pct",
    )  # fmt: skip
    row: ClassVar[type[Any] | None] = DescentRow

    losses: list[RegressionLoss] = Field(
        default=["squared", "logistic"], min_length=1, description="what is minimised; each in turn"
    )
    samplers: list[Sampler] = Field(
        default=["uniform", "strata", "collisions"],
        min_length=1,
        description="how examples are drawn; each in turn",
    )
    positive: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="class set against all others; left out: odd classes against even ones"
    )
    K: int = Field(default=5, ge=1, le=12, description="bits of a table of `collisions`")
    L: int = Field(default=3, ge=1, le=32, description="tables of `collisions`")
    bits: int = Field(default=10, ge=1, le=12, description="bits of the table of `strata`")
    looks: int = Field(default=4, ge=1, le=1000, description="how often an epoch's progress is written down")

    def check(self, spec: RunSpec, info: DatasetInfo) -> None:
        """Require what this task does alone, and one label an example."""
        wrong = [
            Problem(
                (key,), f"task 'sampled_descent' steps on one example of a linear model: give {key}: {value}"
            )
            for key, value in FIXED.items()
            if getattr(spec, key) != value
        ]
        if info.multilabel:
            wrong.append(Problem(("dataset",), "task 'sampled_descent' takes one label an example"))
        if self.positive is not None and self.positive >= info.classes:
            message = f"{self.positive} is no class of '{spec.dataset}': it has 0 to {info.classes - 1}"
            wrong.append(Problem(("task", "positive"), message))
        if wrong:
            raise ConfigError(wrong)

    def run(self, spec: RunSpec, report: Reporter | None = None, keep: Path | None = None) -> RunResult:
        """Descend with each loss and sampler for `epochs` times as many steps as there are examples."""
        splits = registry.datasets.build(spec.dataset, spec.dataset_options).load()
        whole = scaled(
            spec.inputs,
            splits.train.cut(0, spec.train_examples or splits.train.size),
            splits.test.cut(0, spec.test_examples or splits.test.size),
        )
        train, test = (self._labelled(part) for part in whole)
        rows: list[DescentRow] = []
        diverged = []
        for loss in self.losses:
            for sampler in self.samplers:
                fits = Regression(*train, loss), Regression(*test, loss)
                try:
                    rows.extend(self._descend(spec, *fits, sampler, report))
                except DivergedError as stop:
                    diverged.append(f"{loss} loss of {sampler} draws: {stop}")
        return result_of([cells(row) for row in rows], _measures(rows), "; ".join(diverged) or None)

    def _labelled(self, part: Examples) -> tuple[FloatArray, FloatArray]:
        every = part.batch(np.arange(part.size))
        classes: IntArray = every.classes
        if self.positive is not None:
            classes = (classes == self.positive).astype(np.int32)
        lengths = np.linalg.norm(every.rows, axis=1, keepdims=True)
        return two_classes((every.rows / np.where(lengths > 0, lengths, 1)).astype(np.float32), classes)

    def _descend(
        self, spec: RunSpec, train: Regression, test: Regression, sampler: Sampler, report: Reporter | None
    ) -> Iterator[DescentRow]:
        bits, tables = (self.bits, 1) if sampler == "strata" else (self.K, self.L)
        descent = SampledDescent(train, sampler, spec.lr, bits, tables, spec.key())
        plain = SampledDescent(train, "uniform", spec.lr, 1, 1, spec.key())
        descent.run(0)  # compiles
        n, seconds = len(train.x), 0.0
        for look in range(1, self.looks * spec.epochs + 1):
            started = time.perf_counter()
            descent.run(look * n // self.looks - descent.steps)
            seconds += time.perf_counter() - started
            with np.errstate(over="ignore", invalid="ignore"):
                loss = float(train.losses(descent.weights).mean())
            if not loss < MOST_LOSS:
                raise DivergedError(f"{loss:.3g} after {descent.steps} steps; lr {spec.lr} is too high")
            plain.weights = descent.weights
            own, base = descent.estimate(), plain.estimate()
            share = 100 * own.variance / base.variance
            yield DescentRow(
                loss=train.loss,
                sampler=sampler,
                steps=descent.steps,
                mults=descent.mults_prepare + descent.steps * descent.mults_step,
                seconds=seconds,
                train_loss=loss,
                test_loss=float(test.losses(descent.weights).mean()),
                test_acc_pct=test.accuracy_pct(descent.weights),
                variance=own.variance,
                variance_pct_of_uniform=share,
                variance_pct_at_equal_mults=share * own.mults / base.mults,
                least_pct_of_uniform=100 * least_variance(train, descent.weights) / base.variance,
                bias_pct=100 * own.bias,
                empty=descent.empty,
            )
            if report:
                epoch = (look - 1) // self.looks + 1
                report(Progress(epoch, spec.epochs, descent.steps % n, n, loss, None))


def _measures(rows: list[DescentRow]) -> dict[str, float]:
    """Of each loss and sampler: the last training loss, and its variance and bias, the mean over looks."""
    found: dict[str, float] = {}
    for loss, sampler in dict.fromkeys((row.loss, row.sampler) for row in rows):
        own = [row for row in rows if (row.loss, row.sampler) == (loss, sampler)]
        name = f"{loss}_{sampler}"
        found[f"{name}_train_loss"] = own[-1].train_loss
        found[f"{name}_variance_pct"] = float(np.mean([row.variance_pct_at_equal_mults for row in own]))
        found[f"{name}_bias_pct"] = float(np.mean([row.bias_pct for row in own]))
    return found

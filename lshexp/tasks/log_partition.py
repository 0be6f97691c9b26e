"""Estimates of the logarithm of a trained output's partition function, against the work they take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from lshexp import registry
from lshexp.nn import trainer
from lshexp.nn.labels import label_counts
from lshexp.nn.result import Reporter, RunResult
from lshexp.nn.saving import save_network
from lshexp.nn.threads import using_threads
from lshexp.registry import register
from lshexp.sampling.partition import CentredOutput, ClassTables, Estimated, Sums, estimators, in_buckets
from lshexp.spec import RunSpec
from lshexp.streams import stream_key
from lshexp.tasks.base import RunTask, cells, column
from lshexp.work import LayerWork


@dataclass(frozen=True)
class LogPartitionRow:
    """One estimator at one budget."""

    estimator: str = column(
        "uniform or popularity: classes drawn so; top_and_tail: the largest, all being scored to find them, "
        "and a uniform sample of the others; found_and_tail: those that tables find, and such a sample; "
        "found_and_popular: the same with a sample by frequency; "
        "in_buckets: all in the input's buckets, each over its chance"
    )
    budget_pct: float | None = column("classes that may be scored, of all; empty: as many as tables have")
    classes_pct: float = column("classes scored for the estimate, of all; mean over inputs")
    error_pct: float = column("distance of the estimated logarithm from the exact one, of the latter; mean")
    error_nats: float = column("the same distance in nats; median over inputs")
    ratio: float = column("estimated over exact sum, the mean over inputs and draws")
    ratio_error: float = column("standard error of ratio")
    missed_pct: float = column("inputs for which nothing was summed; they are in no other column")
    mults: float = column("multiplications of an estimate, finding classes included")
    mults_pct_of_exact: float = column("mults, of those of the sum over all classes")
    K: int | None = column("bits of a table")
    L: int | None = column("tables")


@register("task", "log_partition")
class LogPartition(RunTask):
    """Train a network with many classes, then estimate the partition function of its output from few classes.

    After Spring and Shrivastava, "A new unbiased and efficient class of LSH-based samplers and estimators for
    partition function computation in log-linear models", 2017 (arXiv 1703.05160). Every estimator sees the
    same test examples; its error is that of the logarithm, whose exact value is the sum over all classes.
    """

    table: ClassVar[str | None] = "log_partition"
    keys: ClassVar[tuple[str, ...]] = ("estimator", "budget_pct", "K")
    shown: ClassVar[tuple[str, ...]] = (
        "classes_pct", "error_pct", "error_nats", "ratio", "missed_pct", "mults_pct_of_exact"
    )  # fmt: skip
    row: ClassVar[type[Any] | None] = LogPartitionRow

    examples: int = Field(default=500, ge=2, le=1_000_000, description="test examples, the first ones")
    draws: int = Field(default=5, ge=1, le=10_000, description="estimates of each example, drawn anew")
    budgets_pct: list[Annotated[float, Field(gt=0, le=50)]] = Field(
        default=[0.2, 0.5, 1.0, 2.0, 5.0], min_length=1, description="classes scored, per cent; each in turn"
    )
    K: int = Field(default=8, ge=1, le=20, description="bits of the tables that find the largest classes")
    L: int = Field(default=16, ge=1, le=64, description="tables")
    probes: int = Field(default=8, ge=1, le=1024, description="buckets looked into in each of them")
    buckets: list[Annotated[int, Field(ge=1, le=20)]] = Field(
        default=[8, 6, 4], description="bits of the tables of `in_buckets`; each in turn"
    )

    def run(self, spec: RunSpec, report: Reporter | None = None, keep: Path | None = None) -> RunResult:
        """Train the network as `classify` does, then estimate."""
        result, trained = trainer.train(spec, report)
        if result.status != "ok":
            return result
        if keep:
            save_network(keep, trained.network, trained.about)
        dataset = registry.datasets.build(spec.dataset, spec.dataset_options)
        train, test = dataset.load()
        counts = label_counts(train, dataset.info().classes)
        examples = test.batch(np.arange(min(self.examples, test.size)))
        layer = trained.network.output
        output = CentredOutput(layer.weights, layer.bias)
        with using_threads(spec.threads):
            inputs = output.inputs(trained.last_hidden(examples.x))
            rows = list(self._rows(output, inputs, counts, stream_key(spec.key(), "log_partition")))
        measures = {
            f"{row.estimator}_{row.budget_pct:g}_error_pct": row.error_pct
            for row in rows
            if row.budget_pct is not None
        }
        return replace(result, task_rows=[cells(row) for row in rows], measures=measures)

    def _rows(self, output: CentredOutput, inputs: Any, counts: Any, key: int) -> Iterator[LogPartitionRow]:
        exact_work = LayerWork()
        offset = output.offset(inputs, LayerWork())
        exact = output.log_z(inputs, exact_work) + offset
        tables = ClassTables(output, self.K, self.L, key)
        for name, estimate in estimators(output, counts, tables, self.probes).items():
            for share in self.budgets_pct:
                budget, work = max(2, round(output.classes * share / 100)), LayerWork()
                found = [
                    estimate(inputs, budget, stream_key(key, name, draw), work) for draw in range(self.draws)
                ]
                own = tables if name.startswith("found") else None
                yield self._row(name, share, output, exact, offset, found, work, exact_work, own)
        for K in self.buckets:
            work, found = LayerWork(), []
            for draw in range(self.draws):
                tables = ClassTables(output, K, self.L, stream_key(key, "buckets", K, draw))
                found.append(in_buckets(tables, inputs, work))
            yield self._row("in_buckets", None, output, exact, offset, found, work, exact_work, tables)

    def _row(
        self, name: str, budget_pct: float | None, output: CentredOutput, exact: Sums, offset: Sums,
        found: list[Estimated], work: LayerWork, exact_work: LayerWork, tables: ClassTables | None,
    ) -> LogPartitionRow:  # fmt: skip
        log_z = np.array([one.log_z for one in found]) + offset
        there = np.isfinite(log_z)
        apart = np.abs(log_z - exact)[there]
        # an estimate that summed nothing is a sum of 0, and counts as such in the mean ratio
        ratios = np.exp(np.where(there, log_z, -np.inf) - exact)
        asked = ratios.size
        mults = work.tally("select").mults / asked + output.rows.shape[1]  # the mean score too
        all_mults = exact_work.tally("select").mults / len(exact)
        return LogPartitionRow(
            estimator=name,
            budget_pct=budget_pct,
            classes_pct=100 * float(np.mean([one.scored.mean() for one in found])) / output.classes,
            error_pct=100 * float((apart / np.abs(np.broadcast_to(exact, log_z.shape)[there])).mean()),
            error_nats=float(np.median(apart)),
            ratio=float(ratios.mean()),
            ratio_error=float(ratios.std() / np.sqrt(asked)),
            missed_pct=100 * float(1 - there.mean()),
            mults=mults,
            mults_pct_of_exact=100 * mults / all_mults,
            K=tables.K if tables else None,
            L=tables.L if tables else None,
        )

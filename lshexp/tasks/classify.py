"""The plain task: train a network and test it."""

from __future__ import annotations

from pathlib import Path

from lshexp.nn import trainer
from lshexp.nn.result import Reporter, RunResult
from lshexp.registry import register
from lshexp.spec import RunSpec
from lshexp.tasks.base import RunTask


@register("task", "classify")
class Classify(RunTask):
    """Train the network on the training examples and test it on the test examples."""

    def run(self, spec: RunSpec, report: Reporter | None = None, keep: Path | None = None) -> RunResult:
        """Train, test, and keep the network."""
        return trainer.run(spec, report, keep)

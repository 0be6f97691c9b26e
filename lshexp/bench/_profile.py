"""Where the time of our own networks goes: each kernel's share of a training pass, and its rates."""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any
from unittest.mock import patch

import pandas as pd
from numba.core.dispatcher import Dispatcher

from lshexp.bench import pass_size, timed
from lshexp.bench._families import Say, wanted
from lshexp.bench._kernel_counts import COSTS
from lshexp.bench._ours import Variant
from lshexp.bench._plan import Plan
from lshexp.bench._task import Task, load_examples
from lshexp.errors import ConfigError, Problem
from lshexp.nn.gemm import Gemm

KERNELS = "lshexp.kernels."
ELSEWHERE = "(outside kernels)"
COLUMNS = [
    "width", "layers", "threads", "competitor", "batch", "dataset", "examples", "kernel", "calls", "seconds",
    "us_per_example", "share_pct", "madds_per_example", "gmadds_per_s", "gbytes_per_s",
]  # fmt: skip


@dataclass
class Tally:
    """Calls of one kernel."""

    calls: int = 0
    seconds: float = 0.0
    madds: int = 0
    nbytes: int = 0
    known: bool = False  # whether its work is counted


@dataclass
class Ledger:
    """Calls of all kernels by name; `bookkeeping` is what counting them took, in seconds."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    bookkeeping: float = 0.0

    def clear(self) -> None:
        """Forget all calls so far."""
        self.tallies.clear()
        self.bookkeeping = 0.0

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with each call timed and its work counted; the counting is not in its time."""
        parameters = list(inspect.signature(getattr(function, "py_func", function)).parameters)
        cost = COSTS.get(name)

        def call(*args: Any, **named: Any) -> Any:
            started = time.perf_counter()
            result = function(*args, **named)
            ended = time.perf_counter()
            tally = self.tallies.setdefault(name, Tally())
            tally.calls += 1
            tally.seconds += ended - started
            if cost is not None:
                tally.known = True
                work = cost(dict(zip(parameters, args, strict=False)) | named, result)
                tally.madds += work.madds
                tally.nbytes += work.nbytes
            self.bookkeeping += time.perf_counter() - ended
            return result

        return call


@contextmanager
def timed_kernels() -> Iterator[Ledger]:
    """Time the kernels, and BLAS, as our modules call them while the context lasts."""
    ledger = Ledger()
    found = [
        (module, name, value)
        for key, module in list(sys.modules.items())
        if key.startswith("lshexp.") and not key.startswith(KERNELS)
        for name, value in list(vars(module).items())
        if _is_kernel(value)
    ]
    products = ("scores", "input_gradient", "weight_gradient")
    patches = [patch.object(module, name, ledger.timed(name, kernel)) for module, name, kernel in found]
    patches += [
        patch.object(Gemm, name, ledger.timed(f"gemm {name}", getattr(Gemm, name))) for name in products
    ]
    started: list[Any] = []
    try:
        for each in patches:
            each.start()
            started.append(each)
        yield ledger
    finally:
        for each in reversed(started):
            each.stop()


def profile(plan: Plan, say: Say) -> pd.DataFrame:
    """Profile one pass of each wanted network of ours; a row a kernel, the costliest first.

    Columns: `COLUMNS`. Rates are in thousand millions a second, empty where a kernel's work is not counted.
    The row `(outside kernels)` is the rest of the pass: NumPy, Python, and whatever else is no kernel.

    Raises ConfigError for an unknown name in `plan.only`, or one that is no network of ours.
    """
    names = [
        name
        for family, found in wanted(plan.only, say)
        for name in found
        if isinstance(getattr(family, "VARIANTS", {}).get(name), Variant)
    ]
    if not names:
        raise ConfigError([Problem(("only",), "--profile looks into our own networks: lsh, dense, ...")])
    return pd.DataFrame(
        [
            row
            for threads in plan.threads
            for width in plan.widths
            for name in names
            for row in _profile(plan, name, width, threads, say)
        ],
        columns=COLUMNS,
    )


def _profile(plan: Plan, name: str, width: int, threads: int, say: Say) -> list[dict[str, object]]:
    ((family, names),) = wanted((name,), say)
    data = load_examples(plan.examples)
    hidden = (width,) * plan.layers
    task = Task(data.part.x.shape[1], data.classes, hidden, plan.active_pct, plan.batch, threads)
    with family.trainees(task, names) as (trainee,):  # imports, compiles; thrown away
        timed(trainee, data, min(len(data.part.y), 2 * trainee.batch))
    with timed_kernels() as ledger, family.trainees(task, names) as (trainee,):
        first = min(len(data.part.y), trainee.batch)
        timed(trainee, data, first)
        rate = first / timed(trainee, data, first)
        n = pass_size(len(data.part.y), trainee.batch, rate * plan.seconds)
        timed(trainee, data, n)  # what a network learns at its start is not what it goes on costing
        ledger.clear()
        total = timed(trainee, data, n) - ledger.bookkeeping
    say(
        f"{plan.layers}x{width}, threads {threads}: {name} {1e6 * total / n:.1f} us an example, {data.origin}"
    )
    spent = sum(tally.seconds for tally in ledger.tallies.values())
    everything = {**ledger.tallies, ELSEWHERE: Tally(seconds=total - spent)}
    place = (width, plan.layers, threads, name, trainee.batch, data.origin, n)
    rows: list[dict[str, object]] = [
        dict(zip(COLUMNS, [*place, kernel, *_figures(tally, total, n)], strict=True))
        for kernel, tally in everything.items()
    ]
    return sorted(rows, key=lambda row: -float(str(row["seconds"])))


def _figures(tally: Tally, total: float, examples: int) -> list[float | int | None]:
    """From `calls` on."""
    counted = tally.madds if tally.known and tally.madds else None
    return [
        tally.calls,
        tally.seconds,
        1e6 * tally.seconds / examples,
        100 * tally.seconds / total,
        counted / examples if counted else None,
        counted / tally.seconds / 1e9 if counted else None,
        tally.nbytes / tally.seconds / 1e9 if tally.known else None,
    ]


def _is_kernel(value: object) -> bool:
    """Whether it is a function of the kernels' package, compiled or not."""
    return isinstance(value, Dispatcher | FunctionType) and value.__module__.startswith(KERNELS)

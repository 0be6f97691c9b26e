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

import pandas as pd
from numba.core.dispatcher import Dispatcher

from lshexp.bench.competitors import families, wanted
from lshexp.bench.competitors.ours import Variant
from lshexp.bench.machine import Rates, rates
from lshexp.bench.processes import in_process, timed
from lshexp.bench.task import BenchPlan, Say, Task, load_examples
from lshexp.bench.timing import pass_size
from lshexp.errors import ConfigError, Problem
from lshexp.nn.gemm import Gemm
from lshexp.work import Work

KERNELS = "lshexp.kernels."
ELSEWHERE = "(outside kernels)"
COLUMNS = [
    "width", "layers", "threads", "competitor", "batch", "dataset", "examples", "kernel", "calls", "seconds",
    "us_per_example", "share_pct", "madds_per_example", "gmadds_per_s", "gbytes_per_s", "pct_of_gemm",
    "pct_of_stream",
]  # fmt: skip


NOTHING = Work(0, 0, 0)
Cost = Callable[[tuple[Any, ...], dict[str, Any], Any], Work]


def _product(rows: int, inner: int, columns: int) -> Work:
    """A matrix product: each operand read once, the result written once."""
    products = rows * inner * columns
    return Work(products, products, 4 * (rows * inner + inner * columns + rows * columns))


# the methods of `Gemm` that call BLAS
PRODUCTS: dict[str, Callable[..., Work]] = {
    "gemm scores": lambda x, weights: _product(len(x), weights.shape[1], len(weights)),
    "gemm input_gradient": lambda deltas, weights: _product(len(deltas), len(weights), weights.shape[1]),
    "gemm weight_gradient": lambda deltas, x: _product(deltas.shape[1], len(deltas), x.shape[1]),
}


@dataclass
class Calls:
    """What the calls of one kernel came to."""

    calls: int = 0
    seconds: float = 0.0
    work: Work = NOTHING
    known: bool = False  # whether its work is counted


@dataclass
class Recorder:
    """Calls of all kernels by name; `bookkeeping` is what counting them took, in seconds."""

    kernels: dict[str, Calls] = field(default_factory=dict)
    bookkeeping: float = 0.0

    def clear(self) -> None:
        """Forget all calls so far."""
        self.kernels.clear()
        self.bookkeeping = 0.0

    def recording(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with each call timed and its work counted; the counting is not in its time."""
        cost = cost_of(name, function)

        def call(*args: Any, **named: Any) -> Any:
            started = time.perf_counter()
            result = function(*args, **named)
            ended = time.perf_counter()
            calls = self.kernels.setdefault(name, Calls())
            calls.calls += 1
            calls.seconds += ended - started
            if cost is not None:
                calls.known = True
                calls.work += cost(args, named, result)
            self.bookkeeping += time.perf_counter() - ended
            return result

        return call


def cost_of(name: str, function: Callable[..., Any]) -> Cost | None:
    """What gives the work of a call: the formula that stands beside a kernel, or that of a matrix product."""
    formula = PRODUCTS.get(name)
    if formula is None:
        module = sys.modules[getattr(function, "__module__", KERNELS)]
        formula = getattr(module, f"{name}_cost", None)
    if formula is None:
        return None
    parameters = list(inspect.signature(getattr(function, "py_func", function)).parameters)
    needed = list(inspect.signature(formula).parameters)

    def cost(args: tuple[Any, ...], named: dict[str, Any], returned: Any) -> Work:
        known = dict(zip(parameters, args, strict=False)) | named | {"returned": returned}
        work = formula(**{key: known[key] for key in needed})
        # kernels that form a gradient and take a step state the work of each
        return work if isinstance(work, Work) else sum(work, NOTHING)

    return cost


@contextmanager
def recorded() -> Iterator[Recorder]:
    """Record the kernels, and the products of `Gemm`, as our modules call them while the context lasts.

    Compiled functions have no hook that is called with them, so the names by which modules call kernels stand
    for recording functions meanwhile. Calls from one kernel to another are the outer one's.
    """
    recorder = Recorder()
    places: list[tuple[Any, str, str]] = [(Gemm, name.removeprefix("gemm "), name) for name in PRODUCTS]
    places += [
        (module, name, name)
        for key, module in list(sys.modules.items())
        if key.startswith("lshexp.") and not key.startswith(KERNELS)
        for name, value in vars(module).items()
        if _is_kernel(value)
    ]
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in places]
    try:
        for owner, name, title in places:
            setattr(owner, name, recorder.recording(title, getattr(owner, name)))
        yield recorder
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


def profile(plan: BenchPlan, say: Say) -> pd.DataFrame:
    """Profile one pass of each wanted network of ours; a row a kernel, the costliest first.

    Columns: `COLUMNS`. Rates are in thousand millions a second, empty where a kernel's work is not counted;
    `pct_of_gemm` and `pct_of_stream` are shares of what the machine does at best with as many threads: in
    fp32 matrix products (two operations a multiply-add) and in copying memory. More than all of the stream
    means that the data came from a cache. The row `(outside kernels)` is the rest of the pass: NumPy, Python,
    and whatever else is no kernel.

    Raises ConfigError for an unknown name in `plan.only`, or one that is no network of ours.
    """
    chosen = [
        (family, name)
        for family, names in wanted(plan.only, say)
        for name in names
        if isinstance(getattr(families()[family], "VARIANTS", {}).get(name), Variant)
    ]
    if not chosen:
        raise ConfigError([Problem(("only",), "--profile looks into our own networks: lsh, dense, ...")])
    rows: list[dict[str, object]] = []
    for threads in plan.threads:
        best = rates(threads)
        say(f"threads {threads}: {best.line()}")
        for width in plan.widths:
            for family, name in chosen:
                rows += in_process(family, profiled, plan, family, name, width, best)
                total = sum(float(str(row["us_per_example"])) for row in rows if row["competitor"] == name)
                say(f"{plan.layers}x{width}, threads {threads}: {name} {total:.1f} us an example")
    return pd.DataFrame(rows, columns=COLUMNS)


def profiled(
    plan: BenchPlan, family_name: str, name: str, width: int, best: Rates
) -> list[dict[str, object]]:
    """The rows of one network, measured in this process."""
    family = families()[family_name]
    data = load_examples(plan.examples)
    hidden = (width,) * plan.layers
    task = Task(data.part.rows.shape[1], data.classes, hidden, plan.active_pct, plan.batch, best.threads)
    with family.networks(task, (name,)) as networks:  # imports, compiles; thrown away
        timed(networks.trainees[0], data, min(len(data.part.y), 2 * networks.trainees[0].batch))
    with recorded() as recorder, family.networks(task, (name,)) as networks:
        (trainee,) = networks.trainees
        first = min(len(data.part.y), trainee.batch)
        timed(trainee, data, first)
        rate = first / timed(trainee, data, first)
        n = pass_size(len(data.part.y), trainee.batch, rate * plan.seconds)
        timed(trainee, data, n)  # what a network learns at its start is not what it goes on costing
        recorder.clear()
        total = timed(trainee, data, n) - recorder.bookkeeping
    spent = sum(calls.seconds for calls in recorder.kernels.values())
    everything = {**recorder.kernels, ELSEWHERE: Calls(seconds=total - spent)}
    place = (width, plan.layers, best.threads, name, trainee.batch, data.origin, n)
    rows: list[dict[str, object]] = [
        dict(zip(COLUMNS, [*place, kernel, *_figures(calls, total, n, best)], strict=True))
        for kernel, calls in everything.items()
    ]
    return sorted(rows, key=lambda row: -float(str(row["seconds"])))


def _figures(calls: Calls, total: float, examples: int, best: Rates) -> list[float | int | None]:
    """The columns from `calls` to the last."""
    counted = calls.work.mults if calls.known and calls.work.mults else None
    gmadds = counted / calls.seconds / 1e9 if counted else None
    gbytes = calls.work.bytes / calls.seconds / 1e9 if calls.known else None
    return [
        calls.calls,
        calls.seconds,
        1e6 * calls.seconds / examples,
        100 * calls.seconds / total,
        counted / examples if counted else None,
        gmadds,
        gbytes,
        200 * gmadds / best.gemm_gflop_per_s if gmadds else None,
        100 * gbytes / best.stream_gb_per_s if gbytes else None,
    ]


def _is_kernel(value: object) -> bool:
    """Whether it is a function of the kernels' package, compiled or not."""
    return isinstance(value, Dispatcher | FunctionType) and value.__module__.startswith(KERNELS)

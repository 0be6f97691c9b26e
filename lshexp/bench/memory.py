"""Peak memory of each competitor, each in a process of its own.

The process imports, loads the examples and trains a small twin once, so that libraries, compiled kernels
and data are there; then the system's record of its peak is reset. What is counted is how far resident memory
grows from there (VmHWM less VmRSS before) while the full network is built and trained for one pass: weights,
gradients, optimiser state, tables, scratch and whatever a library keeps.
"""

from __future__ import annotations

import gc
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from lshexp.bench.competitors import families, wanted
from lshexp.bench.processes import in_process, timed
from lshexp.bench.task import BenchPlan, Say, Task, load_examples
from lshexp.bench.timing import pass_size
from lshexp.errors import PlaceError

PROC = Path("/proc/self")
TWIN = 256  # most nodes in a layer of the twin; enough that the same kernels run
MB = 1e6


class Usage(NamedTuple):
    """Memory of one competitor, in MB of a million bytes; `before` holds the data, `growth` does not."""

    width: int
    layers: int
    threads: int
    competitor: str
    batch: int
    dataset: str
    examples: int
    weights_mb: float
    data_mb: float
    before_mb: float
    peak_mb: float
    growth_mb: float
    growth_over_weights: float
    peak_over_weights_and_data: float  # (growth + data) / (weights + data)


def memory(plan: BenchPlan, say: Say) -> pd.DataFrame:
    """Measure every wanted competitor at each width and thread count; one row each, as `Usage` names them.

    Raises PlaceError where the system keeps no record of a process's peak (Linux does), RunError when a
    process ends before its time, ConfigError for an unknown name in `plan.only`.
    """
    _check_system()
    chosen = [(family, name) for family, names in wanted(plan.only, say) for name in names]
    rows = []
    for threads in plan.threads:
        for width in plan.widths:
            for family, name in chosen:
                usage = in_process(family, usage_here, plan, family, name, width, threads)
                rows.append(usage)
                say(f"{plan.layers}x{width}, threads {threads}: {name} grows by {usage.growth_mb:.0f} MB")
    return pd.DataFrame(rows, columns=list(Usage._fields))


def usage_here(plan: BenchPlan, family_name: str, name: str, width: int, threads: int) -> Usage:
    """Measure a competitor in this process, which must not have trained anything as large before."""
    family = families()[family_name]
    data = load_examples(plan.examples)
    x, y = data.part
    task = Task(x.shape[1], data.classes, (width,) * plan.layers, plan.active_pct, plan.batch, threads)
    twin = replace(task, hidden=(min(width, TWIN),) * plan.layers)
    with family.networks(twin, (name,)) as small:
        timed(small.trainees[0], data, min(len(y), small.trainees[0].batch))
    del small
    gc.collect()
    before = _reset_peak()
    with family.networks(task, (name,)) as networks:
        (trainee,) = networks.trainees
        first = min(len(y), trainee.batch)
        rate = first / timed(trainee, data, first)
        n = pass_size(len(y), trainee.batch, rate * plan.seconds)
        timed(trainee, data, n)
        peak = _status("VmHWM")
        batch = trainee.batch
    weights, own, growth = task.weights_mb, (x.nbytes + y.nbytes) / MB, peak - before
    return Usage(
        width, plan.layers, threads, name, batch, data.origin, n, weights, own, before, peak, growth,
        growth / weights, (growth + own) / (weights + own),
    )  # fmt: skip


def _check_system() -> None:
    if not sys.platform.startswith("linux") or not (PROC / "status").exists():
        raise PlaceError("--memory reads VmHWM in /proc/self/status, which is there on Linux alone")


def _reset_peak() -> float:
    """Make the peak what is resident now, and return it."""
    try:
        (PROC / "clear_refs").write_text("5")
    except OSError as error:
        said = f"cannot reset the record of peak memory ({PROC / 'clear_refs'}): {error.strerror}"
        raise PlaceError(f"{said}; run --memory outside this container") from error
    return _status("VmRSS")


def _status(key: str) -> float:
    """A line of /proc/self/status in MB; the file says kB and means 1024 bytes."""
    for line in (PROC / "status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) * 1024 / MB
    raise PlaceError(f"{PROC / 'status'} has no line {key}, which --memory needs")

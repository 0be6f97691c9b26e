"""All that is printed: tables, progress, one-line errors. The only file that imports rich.

Data goes to stdout, everything else to stderr; what is not a terminal gets no colour and no `\\r`.
"""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from lshexp.errors import ConfigError, LshexpError
from lshexp.execution.events import Listener

if TYPE_CHECKING:
    import pandas as pd

    from lshexp.execution.environment import Environment
    from lshexp.execution.plan import Plan, PlannedRun
    from lshexp.execution.record import Record
    from lshexp.execution.sweep import SweepSummary
    from lshexp.training.result import Progress as RunProgress

HEARTBEAT_S = 60.0
HEADINGS = {
    "active_pct": "active % asked",
    "difference": "diff",
    "active_pct_achieved": "active % got",
    "mults_pct_of_dense": "mults % of dense",
    "mults_pct_of_dense_paper": "mults % as in paper",
}

KINDS = {"methods": "method", "datasets": "dataset", "hashes": "hash", "energy": "energy"}


def _out() -> Console:
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def _err() -> Console:
    return Console(stderr=True, highlight=False, soft_wrap=True)


def fail(error: LshexpError) -> None:
    """Print an error: one line for each problem, and how many there are when there are several."""
    console = _err()
    lines = str(error).splitlines() or [type(error).__name__]
    for line in lines:
        console.print(f"error: {line}", markup=False, style="red")
    if isinstance(error, ConfigError) and len(error.problems) > 1:
        console.print(f"{len(error.problems)} problems; nothing was run", markup=False)


def label(run: PlannedRun) -> str:
    """Name a run for people: `lsh:paper 5% mnist 1000-1000 #0`."""
    spec = run.spec
    widths = "-".join(map(str, spec.hidden))
    preset = spec.method_options.get("preset")
    method = f"{spec.method}:{preset}" if preset else spec.method
    return f"{method} {spec.active_pct:g}% {spec.dataset} {widths} #{spec.repeat}"


# progress ---------------------------------------------------------------------------------------------------


@contextmanager
def watch(style: str) -> Iterator[Listener]:
    """Give a listener that shows a sweep in the wanted style: auto, bars, lines or none."""
    console = _err()
    if style == "none":
        yield Listener()
    elif style == "bars" or (style == "auto" and console.is_terminal):
        with _bars(console) as bars:
            yield _Bars(bars)
    else:
        yield _Lines(console)


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


class _Bars(Listener):
    """A bar for the sweep and one for the running run."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._sweep: TaskID | None = None
        self._run: TaskID | None = None

    def sweep_started(self, plan: Plan, to_run: int) -> None:
        self._sweep = self._bars.add_task(plan.name, total=to_run, note="")

    def run_started(self, run: PlannedRun) -> None:
        self._run = self._bars.add_task(label(run), total=None, note="compiling and loading")

    def run_progressed(self, run: PlannedRun, progress: RunProgress) -> None:
        if self._run is not None:
            total = progress.epochs * progress.examples
            done = (progress.epoch - 1) * progress.examples + progress.examples_done
            self._bars.update(self._run, total=total, completed=done, note=_state(progress))

    def run_finished(self, run: PlannedRun, record: Record) -> None:
        if self._run is not None:
            self._bars.remove_task(self._run)
        if self._sweep is not None:
            self._bars.advance(self._sweep)
        self._bars.console.print(outcome(run, record), markup=False)


class _Lines(Listener):
    """One line a finished run, and a heartbeat now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._spoke = time.monotonic()
        self._done = self._total = 0

    def sweep_started(self, plan: Plan, to_run: int) -> None:
        self._total = to_run
        self._say(f"{plan.name}: {to_run} of {len(plan.runs)} runs to do, results in {plan.folder}")

    def run_progressed(self, run: PlannedRun, progress: RunProgress) -> None:
        if time.monotonic() - self._spoke > HEARTBEAT_S:
            self._say(f"[{self._done}/{self._total}] {label(run)}: {_state(progress)}")

    def run_finished(self, run: PlannedRun, record: Record) -> None:
        self._done += 1
        self._say(f"[{self._done}/{self._total}] {outcome(run, record)}")

    def _say(self, line: str) -> None:
        self._spoke = time.monotonic()
        self._console.print(line, markup=False)


def _state(progress: RunProgress) -> str:
    accuracy = "" if progress.test_acc_pct is None else f", test {progress.test_acc_pct:.2f} %"
    return f"epoch {progress.epoch}/{progress.epochs}, loss {progress.train_loss:.4f}{accuracy}"


def outcome(run: PlannedRun, record: Record) -> str:
    """One line about a finished run."""
    result = record.result
    if record.status != "ok" or not result.epochs:
        log = f"; see logs/{record.run_id}.txt" if record.status == "failed" else ""
        return f"{label(run)}: {record.status}: {result.error}{log}"
    last = result.epochs[-1]
    mults = sum(row.mults for row in result.work)
    seconds = sum(row.train_s for row in result.epochs)
    return (
        f"{label(run)}: test {last.test_acc_pct:.2f} %, active {last.active_pct_achieved:.1f} %, "
        f"mults {100 * mults / result.mults_dense:.1f} % of dense, {seconds:.1f} s"
    )


# results ----------------------------------------------------------------------------------------------------


def summary(done: SweepSummary) -> None:
    """Say where a sweep stands, which runs failed and why, and what to do next."""
    console, counts, folder = _err(), done.counts, done.plan.folder
    parts = [f"{counts[name]} {name}" for name in ("ok", "diverged", "failed", "left") if counts[name]]
    verb = f"ran {done.ran}" if done.ran else "nothing to do"
    console.print(f"{done.plan.name}: {verb}; {', '.join(parts) or 'no runs'}", markup=False)
    reasons = Counter((r.status, r.result.error) for r in done.records if r.status != "ok")
    for (status, reason), number in reasons.most_common():
        console.print(f"  {number} x {status}: {reason}", markup=False)
    if done.plan.merged:
        console.print(
            f"  {done.plan.merged} configurations were the same as another and ran once", markup=False
        )
    if done.plan.orphans:
        console.print(f"  {done.plan.orphans} records of other sweeps stay out of the tables", markup=False)
    console.print(f"tables: {folder}/runs.csv, epochs.csv, work.csv, env.csv", markup=False)
    console.print(f"next:   lshexp compare {folder}", markup=False)


def plan(planned: Plan, force: bool) -> None:
    """Print the runs of a sweep by network, method and share, with how many are done."""
    groups: dict[tuple[str, str, str, str], Counter[str]] = {}
    for run in planned.runs:
        spec = run.spec
        key = (spec.dataset, "-".join(map(str, spec.hidden)), spec.method, f"{spec.active_pct:g}")
        groups.setdefault(key, Counter())[run.state] += 1
    rows = [
        [*key, *(str(states[name]) for name in ("done", "missing", "failed"))]
        for key, states in groups.items()
    ]
    _print_table(["dataset", "hidden", "method", "active_pct", "done", "missing", "failed"], rows, text=3)
    todo = len(planned.to_run(force))
    merged = f"; {planned.merged} duplicates merged" if planned.merged else ""
    _err().print(f"{planned.name}: {todo} of {len(planned.runs)} runs to do{merged}", markup=False)


def comparison(frame: pd.DataFrame, form: str) -> None:
    """Print the comparison: one table for each dataset and network, or all of it as md, csv or json."""
    if form == "csv":
        sys.stdout.write(frame.to_csv(index=False, lineterminator="\n"))
    elif form == "json":
        sys.stdout.write(frame.to_json(orient="records", indent=1) + "\n")
    else:
        for (dataset, hidden), part in frame.groupby(["dataset", "hidden"], observed=True, sort=False):
            part = part.drop(columns=_implied(part))
            names = [name for name in part.columns if _shown(name, part)]
            rows = [[_cell(name, row[name], form) for name in names] for _, row in part.iterrows()]
            heads = [str(part["metric"].iloc[0]) if name == "mean" else name for name in names]
            title = f"{dataset}, hidden {hidden}"
            if form == "md":
                _print_markdown(title, heads, rows)
            else:
                _print_table(heads, rows, title=title, text=1)
    for note in frame.attrs.get("notes", []):
        _err().print(f"note: {note}", markup=False)


def _implied(part: pd.DataFrame) -> list[str]:
    """Options that tell no rows apart once the others are known, as those that a preset sets."""
    options = [name for name in part.columns if name.startswith("p_")]
    settings = list(part.columns[: list(part.columns).index("is_baseline")])
    known = [name for name in settings if name not in options]
    implied = []
    for name in sorted(options, key=lambda option: option != "p_preset"):
        if len(part[[*known, name]].drop_duplicates()) > len(part[known].drop_duplicates()):
            known.append(name)
        else:
            implied.append(name)
    return implied


def _shown(name: str, part: pd.DataFrame) -> bool:
    """Leave out columns that say nothing about this part."""
    if name in ("dataset", "hidden", "is_baseline", "metric"):
        return False
    if name in ("failed", "diverged"):
        return bool(part[name].any())
    if name in ("sd", "pairs"):
        return bool((part["runs"] > 1).any())
    if name.startswith(("p_", "dataset_")):
        return part[name].nunique(dropna=False) > 1
    return not part[name].isna().all()


def _cell(name: str, value: Any, form: str) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)) or str(value) == "<NA>":
        return "" if form == "md" else "-"
    if isinstance(value, bool | int) or name in ("active_pct", "lr") or isinstance(value, str):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, float):
        return f"{value:+.2f}" if name == "difference" else f"{value:.3f}" if value < 1 else f"{value:.2f}"
    return str(value)


def _print_table(names: list[str], rows: list[list[str]], title: str | None = None, text: int = 1) -> None:
    """Print rows; the first `text` columns are words, the others numbers. Plain, aligned text when piped."""
    if not sys.stdout.isatty():
        widths = [max(len(row[i]) for row in [names, *rows]) for i in range(len(names))]
        if title:
            sys.stdout.write(title + "\n")
        for row in [names, *rows]:
            cells = [
                cell.ljust(width) if i < text else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            sys.stdout.write("  ".join(cells).rstrip() + "\n")
        sys.stdout.write("\n")
        return
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for i, name in enumerate(names):
        # a narrow terminal breaks a heading between its words, never a name in the middle
        heading = HEADINGS.get(name, name).replace("_", " ")
        table.add_column(heading, justify="left" if i < text else "right", no_wrap=i == 0, overflow="fold")
    for row in rows:
        table.add_row(*row)
    _out().print(table, markup=False)


def _print_markdown(title: str, names: list[str], rows: list[list[str]]) -> None:
    lines = [f"**{title}**", "", " | ".join(names), " | ".join(["---"] + ["---:"] * (len(names) - 1))]
    lines += [" | ".join(row) for row in rows]
    tabled = [f"| {line} |" if i > 1 else line for i, line in enumerate(lines)]
    sys.stdout.write("\n".join(tabled) + "\n\n")


# lists ------------------------------------------------------------------------------------------------------


def listing(kind: str) -> None:
    """Print what is registered of a kind: name, options with their defaults, and what it is."""
    if kind == "optimizers":
        from lshexp.work import STEP_COSTS

        rows = [[name, f"{cost.mults} mults, {cost.adds} adds a weight"] for name, cost in STEP_COSTS.items()]
        _print_table(["optimizer", "cost of a step"], rows, text=2)
        return
    from lshexp.registry import discover, unavailable

    rows = []
    for name, cls in discover(KINDS[kind]).items():
        options = ", ".join(
            field if info.is_required() else f"{field}={info.get_default(call_default_factory=True)}"
            for field, info in cls.model_fields.items()
        )
        rows.append([name, cls.summary(), options])
    _print_table([KINDS[kind], "what it is", "options"], rows, text=3)
    for module, reason in unavailable(KINDS[kind]).items():
        _err().print(f"unavailable: {module}: {reason}", markup=False)


def environment(env: Environment) -> None:
    """Print the machine and code state, and whether MNIST can be read."""
    import dataclasses

    from lshexp.datasets.mnist import Mnist

    rows = [
        [name, "unknown" if value is None else str(value)] for name, value in dataclasses.asdict(env).items()
    ]
    try:
        Mnist().load()
        rows.append(["mnist", "found, checksums right"])
    except LshexpError as error:
        rows.append(["mnist", str(error)])
    _print_table(["what", "value"], rows, text=2)

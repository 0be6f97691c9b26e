"""The progress and the tables of `lshexp bench`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lshexp.render._console import out, print_table, say

if TYPE_CHECKING:
    import pandas as pd

    from lshexp.bench.machine import Machine, Rates

PLACE = ["width", "layers", "threads"]


def machine(machine: Machine) -> None:
    """Print what the machine is."""
    for line in machine.lines():
        _line(line)
    _line("")


def bench(summary: pd.DataFrame, predictions: pd.DataFrame, ratios: pd.DataFrame, rates: list[Rates]) -> None:
    """Print a table of training for each network and thread count, and one of prediction for each batch."""
    best = {rate.threads: rate for rate in rates}
    for key, part in summary.groupby(PLACE, sort=False):
        reference = part["reference"].iloc[0]
        _times(part, f"{_where(key)}, {part['dataset'].iloc[0]}, training")
        _line(best[int(part["threads"].iloc[0])].line())
        here = (ratios[PLACE] == list(key)).all(axis=1) & (ratios["reference"] == reference)
        for line in ratios[here].to_dict("records"):
            rival = f"PyTorch's {line['against']} ({line['competitor']}, {_cell(line['us_competitor'])} us)"
            _line(f"{reference} is {_cell(line['ratio'])} times as fast as {rival}")
        _line("")
        batches = predictions[(predictions[PLACE] == list(key)).all(axis=1)].groupby("batch")
        for batch, table in batches:
            _times(table, f"{_where(key)}, {part['dataset'].iloc[0]}, prediction at batch {batch}")


def bench_output(summary: pd.DataFrame, predictions: pd.DataFrame) -> None:
    """Print a table of training for each number of classes, and one of prediction for each batch."""
    for table, words in ((summary, "training"), (predictions, "prediction")):
        places = ["classes", "active", "threads", *(["batch"] if words == "prediction" else [])]
        for key, part in table.groupby(places, sort=False):
            title = ", ".join(f"{value} {name}" for name, value in zip(places, key, strict=True))
            _times(part, f"output layer, {title}, {words}")


def _times(part: pd.DataFrame, title: str) -> None:
    """One table of times, the bf16 row marked where the processor has no instructions for it."""
    columns = ["us_per_example", "us_per_example_min", "us_per_example_max", "ratio_to_reference"]
    names = ["competitor", "arithmetic", "us an example", "least", "most"]
    names += [f"ratio to {part['reference'].iloc[0]}"]
    _print(part, ["competitor", "arithmetic"], columns, names, title)


def bench_to(table: pd.DataFrame, best: pd.DataFrame, reference: str) -> None:
    """Print every recipe's time to the target, and who was first of each kind."""
    for key, part in table.groupby(PLACE, sort=False):
        words = ["competitor", "optimizer", "reached"]
        numbers = ["lr", "seconds", "examples", "accuracy_pct"]
        names = ["competitor", "optimiser", "reached", "lr", "seconds", "examples", "accuracy %"]
        _print(part, words, numbers, names, f"{_where(key)}, to {part['target_pct'].iloc[0]:g} % on mnist")
        first = best[(best[PLACE] == list(key)).all(axis=1)]
        ours = first[first["competitor"] == reference]["seconds"]
        for line in first.to_dict("records"):
            how = f"{line['competitor']}, {line['optimizer']} {line['lr']:g}"
            ratio = f", {_cell(line['seconds'] / ours.iloc[0])} times {reference}'s" if len(ours) else ""
            _line(f"first of {line['kind']}: {how}: {_cell(line['seconds'])} s{ratio}")
        for kind in sorted(
            set(part["competitor"].str.replace(r"_\d+$", "", regex=True)) - set(first["kind"])
        ):
            _line(f"first of {kind}: none")


def bench_memory(usage: pd.DataFrame) -> None:
    """Print what each competitor's memory grows by."""
    numbers = ["weights_mb", "data_mb", "growth_mb", "growth_over_weights", "peak_over_weights_and_data"]
    names = [
        "competitor",
        "weights MB",
        "data MB",
        "growth MB",
        "growth / weights",
        "peak / (weights + data)",
    ]
    for key, part in usage.groupby(PLACE, sort=False):
        _print(part, ["competitor"], numbers, names, f"{_where(key)}, {part['dataset'].iloc[0]}")
    say(
        "growth: resident memory at its peak while the network is built and trained for one pass, less that "
        "after imports, compilation and loading the data; peak: growth and data"
    )


def bench_profile(rows: pd.DataFrame) -> None:
    """Print each kernel's share of a pass."""
    numbers = ["us_per_example", "share_pct", "madds_per_example", "gmadds_per_s", "gbytes_per_s"]
    numbers += ["pct_of_gemm", "pct_of_stream"]
    names = ["kernel", "us an example", "share %", "multiply-adds an example", "G multiply-adds/s", "GB/s"]
    names += ["% of GEMM", "% of stream"]
    for key, part in rows.groupby([*PLACE, "competitor", "batch"], sort=False):
        width, layers, threads, competitor, batch = key
        total = part["us_per_example"].sum()
        title = f"{_where((width, layers, threads))}, {competitor}, batch {batch}: {total:.1f} us an example"
        _print(part, ["kernel"], numbers, names, title)


def _line(line: str) -> None:
    """A sentence under a table, on stdout."""
    out().print(line, markup=False, soft_wrap=True)


def _print(part: pd.DataFrame, words: list[str], numbers: list[str], names: list[str], title: str) -> None:
    texts = part[words].astype(str).to_numpy().tolist()
    values = part[numbers].to_numpy(dtype=float)
    rows = [[*text, *map(_cell, line)] for text, line in zip(texts, values.tolist(), strict=True)]
    print_table(names, rows, title=title, text=len(words))


def _where(key: Sequence[object]) -> str:
    width, layers, threads = key
    return f"{layers}x{width}, threads {threads}"


def bench_written(files: list[Path]) -> None:
    """Say on stderr which files there are now."""
    say(f"written: {', '.join(str(path) for path in files)}")


def _cell(value: float) -> str:
    """A number to three digits or more; `-` where there is none."""
    if math.isnan(value):
        return "-"
    if value != 0 and abs(value) < 0.1:
        return f"{value:.2g}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 1000 else f"{value:.0f}"

"""The progress and the table of `lshexp bench`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from lshexp.render._console import err, print_table

if TYPE_CHECKING:
    import pandas as pd


def say(line: str) -> None:
    """One line of progress, on stderr."""
    err().print(line, markup=False)


def bench(summary: pd.DataFrame, files: list[Path]) -> None:
    """Print a table for each network and thread count, then where the files are."""
    for (width, layers, threads), part in summary.groupby(["width", "layers", "threads"], sort=False):
        numbers = part[["us_per_example", "us_per_example_min", "us_per_example_max", "ratio_to_lsh"]]
        cells = [[_cell(float(value)) for value in line] for line in numbers.to_numpy()]
        rows = [[str(name), *line] for name, line in zip(part["competitor"], cells, strict=True)]
        names = ["competitor", "us an example", "least", "most", "ratio to lsh"]
        title = f"{layers}x{width}, threads {threads}, {part['dataset'].iloc[0]}"
        print_table(names, rows, title=title)
    err().print(f"written: {', '.join(str(path) for path in files)}", markup=False)


def _cell(value: float) -> str:
    """A time or a ratio, to three digits or more; `-` where there is none."""
    if math.isnan(value):
        return "-"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 1000 else f"{value:.0f}"

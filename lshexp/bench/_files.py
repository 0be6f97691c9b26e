"""What a bench leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from lshexp.analysis.figures import style
from lshexp.io import make_folder, write_atomic


def write(folder: Path, tables: Mapping[str, pd.DataFrame], figures: Mapping[str, Figure]) -> list[Path]:
    """Write each table as NAME.csv and each figure as NAME.svg and NAME.png; return the files.

    Raises StoreError when they cannot be written.
    """
    content = {f"{name}.csv": csv(table) for name, table in tables.items()}
    for name, figure in figures.items():
        for kind in ("svg", "png"):
            content[f"{name}.{kind}"] = style.rendered(figure, kind)
    make_folder(folder)
    for name, data in content.items():
        write_atomic(folder / name, data)
    return [folder / name for name in content]


def csv(table: pd.DataFrame) -> bytes:
    """A table as a CSV file."""
    return table.to_csv(index=False, lineterminator="\n").encode()

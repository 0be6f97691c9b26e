"""What a bench leaves behind."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lshexp.analysis.bench import summarise
from lshexp.execution.atomic import make_folder, write_atomic


def write(timings: pd.DataFrame, folder: Path) -> tuple[pd.DataFrame, list[Path]]:
    """Write bench.csv (medians and ratios), bench_passes.csv (every pass) and the figure; return the first.

    Raises StoreError when they cannot be written.
    """
    from lshexp.analysis.bench import _figure
    from lshexp.analysis.figures import _style

    summary = summarise(timings)
    figure = _figure.draw(summary)
    content = {
        "bench.csv": summary.to_csv(index=False, lineterminator="\n").encode(),
        "bench_passes.csv": timings.to_csv(index=False, lineterminator="\n").encode(),
        "bench.svg": _style.rendered(figure, "svg"),
        "bench.png": _style.rendered(figure, "png"),
    }
    make_folder(folder)
    for name, data in content.items():
        write_atomic(folder / name, data)
    return summary, [folder / name for name in content]

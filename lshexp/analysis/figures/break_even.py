"""Counted multiplications against the share asked for: above the dashed line a method saves nothing.

Drawn where a sweep has three shares or more. Choosing and table upkeep are counted; the dashed line is dense.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from lshexp.analysis.figures import _style
from lshexp.analysis.figures._frames import by_share
from lshexp.analysis.results import Results


def tidy(results: Results) -> pd.DataFrame:
    """Mean and range of multiplications, as a share of dense's, by network, method and share."""
    return by_share(results.runs, "mults_pct_of_dense")


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    """A panel for each dataset and network."""
    axes = _style.lines_by_share(figure, frame, "multiplications (% of dense)")
    for axis in axes:
        axis.axhline(100, color="#000000", linewidth=0.8, linestyle=(0, (5, 2)))

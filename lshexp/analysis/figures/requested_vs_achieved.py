"""The share of active nodes that was achieved against the share asked for.

Drawn where a sweep has three shares or more. On the dashed line a method does what it was asked.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from lshexp.analysis.figures import _style
from lshexp.analysis.figures._frames import by_share
from lshexp.analysis.results import Results


def tidy(results: Results) -> pd.DataFrame:
    """Mean and range of the achieved share by network, method and share."""
    return by_share(results.runs, "active_pct_achieved")


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    """A panel for each dataset and network."""
    for axis in _style.lines_by_share(figure, frame, "active nodes achieved (%)"):
        axis.plot([0, 100], [0, 100], color="#000000", linewidth=0.8, linestyle=(0, (5, 2)), zorder=0)

"""The figure of a bench: time an example against width, a panel for each thread count."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from lshexp.analysis.figures import _style

# of each family: a colour and marker that the shared style has, and a dash for each further batch size
_LOOKS = {
    "lsh": "lsh lshexp",
    "dense": "dense",
    "pytorch_fp32": "lsh paper",
    "pytorch_bf16": "adaptive_dropout",
    "scikit_learn": "winner_take_all",
}
_DASHES = ("-", (0, (5, 2)), (0, (3, 1, 1, 1)), (0, (1, 1)))


def draw(summary: pd.DataFrame) -> Figure:
    """Draw the summary; both axes are logarithmic."""
    figure = _style.new_figure()
    counts = sorted(summary["threads"].unique())
    axes = _style.grid(figure, 1, len(counts), width=4.4, height=3.4)[0]
    for axis, threads in zip(axes, counts, strict=True):
        part = summary[summary["threads"] == threads]
        used: dict[str, int] = {}
        for name in part["competitor"].drop_duplicates():
            line = part[part["competitor"] == name].sort_values("width")
            family = next((known for known in _LOOKS if name.startswith(known)), name)
            look = _style.look(_LOOKS.get(family, name))
            dash = _DASHES[used.get(family, 0) % len(_DASHES)]
            used[family] = used.get(family, 0) + 1
            axis.plot(
                line["width"], line["us_per_example"], color=look.color, marker=look.marker or "s",
                markersize=4, linestyle=dash, label=name.replace("_", " "),
            )  # fmt: skip
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        ticks = sorted(part["width"].unique())
        axis.set_xticks(ticks, [str(tick) for tick in ticks])
        axis.set_xlabel(f"nodes in each of {part['layers'].iloc[0]} hidden layers")
        axis.set_title(f"{threads} thread{'s' if threads > 1 else ''}, {part['dataset'].iloc[0]}")
    axes[0].set_ylabel("microseconds a training example")
    _style.legend(figure, axes)
    return figure

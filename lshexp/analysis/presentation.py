"""A comparison made ready to be read: which columns say something, and how a number is written.

The terminal and the HTML report both show a comparison; what they show is decided here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

HEADINGS = {
    "active_pct": "active % asked",
    "difference": "diff",
    "active_pct_achieved": "active % got",
    "mults_pct_of_dense": "mults % of dense",
    "mults_pct_of_dense_paper": "mults % as in paper",
}


class Part(NamedTuple):
    """The rows of one dataset and network, and the columns that say something about them."""

    title: str
    frame: pd.DataFrame  # rows as `lshexp.analysis.compare.compare` gives them
    settings: list[str]  # columns that tell the rows apart, in order
    shown: list[str]  # `settings` and the columns of numbers

    def heads(self) -> list[str]:
        """Names of the shown columns; the mean is named after its metric."""
        return [str(self.frame["metric"].iloc[0]) if name == "mean" else name for name in self.shown]


def parts(frame: pd.DataFrame) -> Iterator[Part]:
    """Cut a comparison by dataset and network, in its own order."""
    for (dataset, hidden), rows in frame.groupby(["dataset", "hidden"], observed=True, sort=False):
        rows = rows.drop(columns=_implied(rows))
        shown = [name for name in rows.columns if _shown(name, rows)]
        columns = list(rows.columns)
        settings = columns[: columns.index("is_baseline")]
        yield Part(f"{dataset}, hidden {hidden}", rows, [name for name in settings if name in shown], shown)


def cell(name: str, value: Any, missing: str = "-") -> str:
    """Write a value of a column: signed differences, three decimals below 1, `missing` for nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or str(value) == "<NA>":
        return missing
    if isinstance(value, bool | int) or name in ("active_pct", "lr") or isinstance(value, str):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, float) and name in ("difference", "ci_low", "ci_high"):
        return f"{value:+.2f}"
    if isinstance(value, float):
        return f"{value:.3f}" if value < 1 else f"{value:.2f}"
    return str(value)


def row_label(part: Part, row: pd.Series) -> str:
    """A configuration in words: `lsh, active 5 %, lr 0.1`."""
    words = []
    for name in part.settings:
        value = cell(name, row[name], "")
        if name == "method":
            words.append(value)
        elif name == "active_pct":
            words.append(f"active {value} %")
        elif value:
            words.append(f"{name.removeprefix('p_').replace('_', ' ')} {value}")
    return ", ".join(words)


def _implied(part: pd.DataFrame) -> list[str]:
    """Options that tell no rows apart once the others are known, as those that a preset sets.

    A preset itself is kept where there are several: it is what its rows are called by.
    """
    options = [name for name in part.columns if name.startswith("p_")]
    settings = list(part.columns[: list(part.columns).index("is_baseline")])
    known = [name for name in settings if name not in options]
    if "p_preset" in options and part["p_preset"].nunique() > 1:
        options.remove("p_preset")
        known.append("p_preset")
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
    if name == "non_inferior":
        return False  # the interval shows it; csv and json carry it
    if name in ("sd", "pairs"):
        return bool((part["runs"] > 1).any())
    if name.startswith(("p_", "dataset_")):
        return part[name].nunique(dropna=False) > 1
    return not part[name].isna().all()

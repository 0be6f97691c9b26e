"""The table of `lshexp compare`."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

from lshexp.render._console import err, print_markdown, print_table

if TYPE_CHECKING:
    import pandas as pd


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
                print_markdown(title, heads, rows)
            else:
                print_table(heads, rows, title=title, text=1)
    for note in frame.attrs.get("notes", []):
        err().print(f"note: {note}", markup=False)


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
    if name == "non_inferior":
        return False  # the interval shows it; csv and json carry it
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
    if isinstance(value, float) and name in ("difference", "ci_low", "ci_high"):
        return f"{value:+.2f}"
    if isinstance(value, float):
        return f"{value:.3f}" if value < 1 else f"{value:.2f}"
    return str(value)

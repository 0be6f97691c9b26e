"""Which machines a comparison's runs come from, and whether these round alike."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from lshexp.analysis.results import Results, read_env
from lshexp.runs.environment import ARITHMETIC


def rounding_notes(runs: pd.DataFrame, sources: Iterable[pd.DataFrame | Results | str | Path]) -> list[str]:
    """A sentence that names what differs, if `runs` come from machines or libraries that round differently.

    `sources` are the folders, tables runs.csv and `Results` that the runs were read from. Nothing is known of
    a frame of runs alone, of a runs.csv without env.csv, and of rows written before `arithmetic_id` was.

    Raises StoreError for an env.csv that cannot be read.
    """
    tables = [table for table in map(_environments, sources) if table is not None]
    if not tables:
        return []
    used = set(runs["env_id"].dropna())
    known = pd.concat([table[["env_id", "arithmetic_id", *ARITHMETIC]].astype(object) for table in tables])
    known = known[known["env_id"].isin(used) & known["arithmetic_id"].notna()]
    count = known["arithmetic_id"].nunique()
    if count < 2:
        return []
    differing = [name for name in ARITHMETIC if known[name].nunique(dropna=False) > 1]
    return [
        f"the runs come from {count} environments that round differently "
        f"({', '.join(differing) or 'arithmetic_id'} in env.csv): equal runs may differ in their last bits"
    ]


def _environments(source: pd.DataFrame | Results | str | Path) -> pd.DataFrame | None:
    """The rows of env.csv that belong to a source; None where there are none."""
    if isinstance(source, Results):
        return source.env
    if isinstance(source, pd.DataFrame):
        return None
    path = Path(source)
    folder = path if path.is_dir() else path.parent
    return read_env(folder) if (folder / "env.csv").exists() else None

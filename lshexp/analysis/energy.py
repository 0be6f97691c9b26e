"""Energy under several tables of prices, and whether they agree on which configuration needs less.

No table is right: prices are those of one process, and counters do not know which cache served a byte. A rank
that a configuration has under all of them does not depend on that; one that changes does, and is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from lshexp.analysis.compare import compare
from lshexp.analysis.presentation import TablePart, parts, row_label
from lshexp.analysis.results import Results, read_results, reprice
from lshexp.config.energy import energy_model
from lshexp.errors import ConfigError, Problem

# the arithmetic alone, and with all traffic from the nearest cache, the farthest, and DRAM
DEFAULT_MODELS = (
    "horowitz45",
    "horowitz45_mem,memory=sram_8kb",
    "horowitz45_mem,memory=sram_1mb",
    "horowitz45_mem,memory=dram",
)
METRIC = "energy_proxy_j"
COLUMNS = (
    "dataset", "hidden", "configuration", "method", "active_pct", "energy_model", "joules", "ratio", "rank",
)  # fmt: skip


class EnergyComparison(NamedTuple):
    """One dataset and network: its rows, one a configuration and table of prices."""

    title: str
    rows: pd.DataFrame  # columns as in `COLUMNS`; rank 1 needs least; nan is not known

    def cells(self, models: list[str]) -> list[list[str]]:
        """A row a configuration: its name, and under each table joules and their ratio to the baseline."""
        return self._table(models, lambda row: _cell(row["joules"], row["ratio"]))

    def ranks(self, models: list[str]) -> list[list[str]]:
        """A row for each configuration whose rank is not the same under all `models`: its name and ranks."""
        known = self.rows[self.rows["energy_model"].isin(models)].dropna(subset=["rank"])
        counts = known.groupby("configuration", sort=False)["rank"].nunique()
        changing = set(counts.index[counts > 1])
        table = self._table(models, lambda row: "-" if row["rank"] != row["rank"] else f"{row['rank']:.0f}")
        return [row for row in table if row[0] in changing]

    def finding(self, models: list[str]) -> str:
        """Whether the order of the configurations holds under all tables, in one sentence."""
        if len(models) == 1:
            return "One table alone cannot tell whether the order depends on it."
        all_of_them = self.rows["configuration"].nunique()
        changing = len(self.ranks(models))
        if not changing:
            return f"The order of the configurations is the same under all of the {len(models)} tables."
        return (
            f"{changing} of {all_of_them} configurations change their rank from one table to another "
            "(1 needs least):"
        )

    def _table(self, models: list[str], write: Callable[[pd.Series], str]) -> list[list[str]]:
        made: dict[str, dict[str, str]] = {}
        for _, row in self.rows.iterrows():
            made.setdefault(row["configuration"], {})[row["energy_model"]] = write(row)
        return [[name, *(row[model] for model in models)] for name, row in made.items()]


class Sensitivity(NamedTuple):
    """What several tables say about the same runs."""

    models: list[str]
    networks: list[EnergyComparison]
    notes: list[str]

    def frame(self) -> pd.DataFrame:
        """All rows, each with its dataset and network."""
        tables = [network.rows for network in self.networks]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS))


def sensitivity(
    source: Results | str | Path, models: Sequence[str] = (), baseline: str | None = None
) -> Sensitivity:
    """Price the runs of a sweep, given as its folder or its `Results`, under several tables.

    `models`, by default `DEFAULT_MODELS`, are named as `lshexp.config.energy.energy_model` reads them.

    Raises StoreError for tables of results, ConfigError for models that cannot be read or are called alike.
    """
    named = [energy_model(text) for text in models or DEFAULT_MODELS]
    labels = [one.label for one in named]
    for label in labels:
        if labels.count(label) > 1:
            message = f"two tables are called '{label}'; leave one out, or give it another title"
            raise ConfigError([Problem(("energy",), message)])
    results = source if isinstance(source, Results) else read_results(source)
    frames = [compare(reprice(results.runs, results.work, one), baseline, METRIC) for one in named]
    by_network = zip(*(parts(frame) for frame in frames), strict=True)
    networks = [_network(labels, together) for together in by_network]
    return Sensitivity(labels, networks, frames[0].attrs["choices"])


def short_names(models: Sequence[str]) -> list[str]:
    """Names of tables as short as they can be told apart: `dram` for `horowitz45_mem,memory=dram`."""
    short = [model.rpartition("=")[2] for model in models]
    return short if len(set(short)) == len(short) else list(models)


def _network(labels: list[str], under: Sequence[TablePart]) -> EnergyComparison:
    """Put the comparisons of one network, one a table and all with the same rows, side by side."""
    rows = []
    for label, part in zip(labels, under, strict=True):
        frame = part.frame
        rows.append(
            pd.DataFrame(
                {
                    "dataset": frame["dataset"].astype(str),
                    "hidden": frame["hidden"].astype(str),
                    "configuration": [row_label(part, row) for _, row in frame.iterrows()],
                    "method": frame["method"].astype(str),
                    "active_pct": frame["active_pct"],
                    "energy_model": label,
                    "joules": frame["mean"].astype(float),
                    "ratio": frame["energy_ratio"].astype(float),
                    "rank": frame["mean"].astype(float).rank(method="min"),
                },
                columns=COLUMNS,
            )
        )
    together = pd.concat(rows, ignore_index=True)
    return EnergyComparison(under[0].title, together)


def _cell(joules: float, ratio: float) -> str:
    if joules != joules:
        return "-"
    return f"{joules:.4g}" + (f" ({ratio:.3f}x)" if ratio == ratio else "")

"""Energy under several tables of prices, and whether they agree on which configuration needs less.

No table is right: prices are those of one process, and counters do not know which cache served a byte. An
order that holds under all of them does not hang on that; one that turns does, and is said.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from lshexp.analysis.compare import compare, too_few
from lshexp.analysis.presentation import Part, parts, row_label
from lshexp.analysis.pricing import reprice
from lshexp.analysis.results import Results, read_results
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
MOST_TURNS = 10  # that are told one by one
COLUMNS = (
    "dataset", "hidden", "configuration", "method", "active_pct", "energy_model", "joules", "ratio", "rank",
)  # fmt: skip


class Turn(NamedTuple):
    """Two configurations whose order is not the same under all tables."""

    cheaper: str
    dearer: str
    under: tuple[str, ...]  # tables that say so
    not_under: tuple[str, ...]  # tables that say the opposite


class Network(NamedTuple):
    """One dataset and network: its rows, one a configuration and table, and the orders that turn."""

    title: str
    rows: (
        pd.DataFrame
    )  # configuration, method, active_pct, energy_model, joules, ratio, rank; nan = not known
    turns: list[Turn]

    def cells(self, models: list[str]) -> list[list[str]]:
        """A row a configuration: its name, and under each table joules and their ratio to the baseline."""
        made: dict[str, dict[str, str]] = {}
        columns = ["configuration", "energy_model", "joules", "ratio"]
        for name, model, joules, ratio in self.rows[columns].to_numpy().tolist():
            made.setdefault(name, {})[model] = _cell(joules, ratio)
        return [[name, *(row[model] for model in models)] for name, row in made.items()]

    def sentences(self, models: list[str]) -> list[str]:
        """Whether the order of the configurations holds under all tables, and where it does not."""
        if len(models) == 1:
            return ["One table alone cannot tell whether the order hangs on it."]
        if not self.turns:
            return [f"The order of the configurations is the same under all of the {len(models)} tables."]
        told = [
            f"{turn.cheaper} needs less than {turn.dearer} under {'; '.join(turn.under)}; "
            f"but more under {'; '.join(turn.not_under)}."
            for turn in self.turns[:MOST_TURNS]
        ]
        left = len(self.turns) - len(told)
        more = [f"... and {left} more pairs; lshexp energy --format csv has all ranks."] if left else []
        return ["The order of the configurations hangs on the table:", *told, *more]


class Sensitivity(NamedTuple):
    """What several tables say about the same runs."""

    models: list[str]
    networks: list[Network]
    notes: list[str]

    def frame(self) -> pd.DataFrame:
        """All rows, each with its dataset and network."""
        tables = [network.rows for network in self.networks]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS))


def sensitivity(
    source: Results | str | Path, models: Sequence[str] = (), baseline: str = "dense"
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
    spoken = set(too_few(frames[0]))  # joules are counted, so seeds do not decide
    return Sensitivity(labels, networks, [note for note in frames[0].attrs["notes"] if note not in spoken])


def _network(labels: list[str], under: Sequence[Part]) -> Network:
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
    return Network(under[0].title, together, _turns(together, labels))


def _cell(joules: float, ratio: float) -> str:
    if joules != joules:
        return "-"
    return f"{joules:.4g}" + (f" ({ratio:.3g}x)" if ratio == ratio else "")


def _turns(rows: pd.DataFrame, labels: list[str]) -> list[Turn]:
    """Pairs of configurations that some table orders one way and another table the other way."""
    joules: dict[str, dict[str, float]] = {}
    for name, label, value in rows[["configuration", "energy_model", "joules"]].to_numpy().tolist():
        joules.setdefault(name, {})[label] = value
    found = []
    for (one, mine), (other, theirs) in itertools.combinations(joules.items(), 2):
        less = tuple(label for label in labels if mine[label] < theirs[label])
        more = tuple(label for label in labels if mine[label] > theirs[label])
        if less and more:
            found.append(Turn(one, other, less, more))
    return found

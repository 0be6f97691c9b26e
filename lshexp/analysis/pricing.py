"""Finished runs at other prices: joules from the counted work, without running anything again."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lshexp.analysis.results import Results, read_runs, read_work
from lshexp.config.energy import NamedModel
from lshexp.errors import ConfigError, Problem
from lshexp.work import PREDICT, Work


def priced_runs(source: pd.DataFrame | Results | str | Path, energy: NamedModel) -> pd.DataFrame:
    """The runs of a sweep's folder, of its runs.csv or of its `Results`, at the prices of a model.

    `energy_proxy_j` and `energy_model` are replaced; a run without counted work has neither. A path must have
    work.csv beside runs.csv.

    Raises StoreError when a table cannot be read, ConfigError for a frame of runs, which counts no additions.
    """
    if isinstance(source, pd.DataFrame):
        message = "a frame of runs alone cannot be priced again; give a folder, or what read_results returns"
        raise ConfigError([Problem(("energy",), message)])
    if isinstance(source, Results):
        return reprice(source.runs, source.work, energy)
    path = Path(source)
    return reprice(read_runs(path), read_work(path if path.is_dir() else path.parent), energy)


def reprice(runs: pd.DataFrame, work: pd.DataFrame, energy: NamedModel) -> pd.DataFrame:
    """A copy of `runs` with joules by `energy` of their rows in `work` that count training."""
    training = work[work["phase"] != PREDICT]
    totals = training.groupby("run_id")[["mults", "adds", "bytes"]].sum()
    joules = {
        str(run): energy.model.joules(Work(int(mults), int(adds), int(nbytes)))
        for run, mults, adds, nbytes in totals.itertuples()
    }
    priced = runs.copy()
    priced["energy_proxy_j"] = runs["run_id"].map(joules).astype("float64")
    label = pd.Series(energy.label, index=runs.index, dtype="string")
    priced["energy_model"] = label.where(priced["energy_proxy_j"].notna()).astype("category")
    return priced

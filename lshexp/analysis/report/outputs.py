"""Quality of outputs with many classes: exact, and by what the output's method retrieves."""

from __future__ import annotations

import pandas as pd

from lshexp.analysis.configurations import PARTS, named
from lshexp.analysis.report.sources import SweepResults
from lshexp.analysis.report.view import MISSING, Section, Table
from lshexp.work import PREDICT

COLUMNS = {
    "test_perplexity": "perplexity",
    "test_acc_pct": "P@1 %",
    "test_p3_pct": "P@3 %",
    "test_p5_pct": "P@5 %",
    "test_psp1_pct": "PSP@1 %",
    "test_psp5_pct": "PSP@5 %",
    "test_acc_pct_retrieved": "P@1 %, retrieved",
    "test_p5_pct_retrieved": "P@5 %, retrieved",
    "output_active_pct_achieved": "classes computed %",
    "mults_pct_of_dense": "multiplications % of dense",
    "predict_mults_pct_of_dense": "to predict, exact",
    "retrieving_pct_of_dense": "to predict, retrieved",
}
NOTES = (
    "Exact measures score every class at test. Those marked retrieved score only the classes that the "
    "output's method looks up.",
    "Multiplications are those of training, choosing the classes included; to predict: those of a test "
    "example, in % of dense's.",
    "Means over seeds.",
)


def outputs(sweep: SweepResults) -> list[Section]:
    """One section where outputs choose classes in several ways; otherwise none."""
    runs = sweep.results.runs
    good = runs[runs["status"] == "ok"]
    if "output_method" not in good or good["output_method"].nunique() < 2:
        return []
    whole = named(runs, ()).loc[good.index]
    work = sweep.results.work
    exact = work[work["phase"] == PREDICT].groupby("run_id", observed=True)["mults"].sum()
    if "mults_predict_retrieved" in whole:
        share = whole["mults_predict_retrieved"].astype("float64") / whole["run_id"].map(exact).astype(
            "float64"
        )
        whole["retrieving_pct_of_dense"] = share * whole["predict_mults_pct_of_dense"].astype("float64")
    shown = [name for name in COLUMNS if name in whole and whole[name].notna().any()]
    tables = []
    for (data, network), part in whole.groupby(list(PARTS[:2]), sort=False):
        means = part.groupby("label", sort=False)[shown].mean()
        rows = [[label, *map(_number, row)] for label, row in zip(means.index, means.to_numpy(), strict=True)]
        heads = ["output", *(COLUMNS[name] for name in shown)]
        tables.append(Table.of(f"{data}, hidden {network}", heads, rows))
    return [Section("Outputs", tables=tables, notes=NOTES)]


def _number(value: float) -> str:
    return MISSING if pd.isna(value) else f"{value:.4g}"

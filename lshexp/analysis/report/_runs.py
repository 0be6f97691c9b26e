"""Every run under its configuration, and those that came to nothing with their reasons."""

from __future__ import annotations

from shlex import quote

import pandas as pd

from lshexp.analysis.pairing import equal
from lshexp.analysis.presentation import Part, row_label
from lshexp.analysis.report._html import Html, join
from lshexp.analysis.report._sources import Sweep
from lshexp.analysis.report._tables import Group, cell, commands, grouped, paragraph, table, verdict

COLUMNS = (
    "seed", "repeat", "status", "test_acc_pct", "best_test_acc_pct", "valid_acc_pct", "train_loss",
    "active_pct_achieved", "mults_total", "mults_pct_of_dense", "mults_pct_of_dense_paper", "bytes_touched",
    "energy_proxy_j", "energy_rapl_j", "train_s", "select_s", "timing_valid",
)  # fmt: skip


def section(sweep: Sweep) -> Html:
    """One table for each dataset and network."""
    made = [_table(part, sweep.results.runs) for part in sweep.parts()]
    return join(made) if made else paragraph("There are no runs to group.")


def _table(part: Part, runs: pd.DataFrame) -> Html:
    first = part.frame.iloc[0]
    here = runs[(runs["dataset"] == first["dataset"]) & (runs["hidden"] == first["hidden"])]
    shown = [name for name in COLUMNS if here[name].notna().any()]
    groups = [
        Group(row_label(part, row), [_row(run, shown) for _, run in _of(part, row, here).iterrows()])
        for _, row in part.frame.iterrows()
    ]
    return grouped(f"{part.title}, by configuration", ["run", *shown], groups)


def _of(part: Part, row: pd.Series, runs: pd.DataFrame) -> pd.DataFrame:
    """Runs of the configuration that a row of the comparison stands for."""
    chosen = pd.Series(True, index=runs.index)
    for name in ["method", "active_pct", *part.settings]:
        chosen &= pd.Series([equal(value, row[name]) for value in runs[name]], index=runs.index)
    return runs[chosen]


def _row(run: pd.Series, names: list[str]) -> list[object]:
    values: list[object] = [run["run_id"]]
    for name in names:
        value = run[name]
        if name == "status":
            values.append(verdict(str(value)))
        elif name in ("mults_total", "bytes_touched", "energy_proxy_j") and pd.notna(value):
            values.append(f"{value:.4g}")
        else:
            values.append(cell(name, value))
    return values


def failures(sweep: Sweep) -> Html:
    """Runs that failed or diverged: what was asked of them, and what they died of."""
    runs = sweep.unsound
    if runs.empty:
        return paragraph(f"None: all {len(sweep.results.runs)} runs ended well.")
    heads = ["run", "status", "configuration", "reason", "log"]
    rows: list[list[object]] = []
    for _, run in runs.iterrows():
        log = f"logs/{run['run_id']}.txt"
        there = (sweep.folder / log).is_file()
        asked = (
            f"{run['dataset']}, hidden {run['hidden']}, {run['method']}, active {run['active_pct']:g} %, "
            f"lr {run['lr']:g}, seed {run['seed']}, repeat {run['repeat']}"
        )
        reason = "no reason was recorded" if pd.isna(run["error"]) else str(run["error"])
        log_path = f"{sweep.shown}/{log}" if there else "-"
        rows.append([run["run_id"], verdict(str(run["status"])), asked, reason, log_path])
    return join(
        [
            paragraph(
                f"{len(runs)} of {len(sweep.results.runs)} runs. They enter no mean. A run that failed is "
                "done again by the sweep's command; one that diverged is a result, and is kept."
            ),
            table("Runs that failed or diverged", heads, rows),
        ]
    )


def repeat_commands(sweep: Sweep, page: str) -> Html:
    """The commands that make this section again."""
    parent = sweep.shown.rpartition("/")[0] or "."
    return join(
        [
            paragraph(
                f"The sweep is named {sweep.name}; where it came with lshexp, its file is "
                f"experiments/{sweep.name}.yaml. Finished runs are skipped, so the first command in another "
                "folder (-o) makes the results anew."
            ),
            commands(
                f"lshexp sweep {quote(f'experiments/{sweep.name}.yaml')} -o {quote(parent)}",
                f"lshexp compare {sweep.typed}",
                f"lshexp figures {sweep.typed}",
                f"lshexp report {quote(page)}",
            ),
        ]
    )

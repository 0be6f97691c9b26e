"""On which machine and with which code the runs were made."""

from __future__ import annotations

import pandas as pd

from lshexp.analysis.report._html import Html, join
from lshexp.analysis.report._sources import Sweep
from lshexp.analysis.report._tables import cell, paragraph, table


def section(sweep: Sweep) -> Html:
    """One column for each machine and state of the code."""
    runs, env = sweep.results.runs, sweep.results.env
    if env.empty:
        return paragraph("env.csv is empty: no run has ended yet.")
    rows: list[list[object]] = [["runs", *(int((runs["env_id"] == one).sum()) for one in env["env_id"])]]
    started = [runs.loc[runs["env_id"] == one, "started_utc"].dropna() for one in env["env_id"]]
    rows.append(["first run started (UTC)", *(times.min() if len(times) else "-" for times in started)])
    rows.append(["last run started (UTC)", *(times.max() if len(times) else "-" for times in started)])
    for name in env.columns:
        if name != "env_id":
            rows.append([name.replace("_", " "), *(cell(name, value) for value in env[name])])
    made = table(
        "Machines and states of the code",
        ["what", *(str(one) for one in env["env_id"])],
        rows,
        sortable=False,
    )
    return join([paragraph(sentence) for sentence in _warnings(env)] + [made])


def _warnings(env: pd.DataFrame) -> list[str]:
    found = []
    if len(env) > 1:
        found.append("These runs come from more than one machine or state of the code; times do not compare.")
    if env["git_dirty"].eq(True).any():
        found.append("Some runs were made with code that differs from its commit.")
    if env["git_sha"].isna().any():
        found.append("Some runs were made with code of which no commit is known.")
    return found

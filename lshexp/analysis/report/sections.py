"""The parts of each sweep: figures, comparison, energy, runs, failures, commands, and where it was made."""

from __future__ import annotations

from shlex import quote

import pandas as pd

from lshexp.analysis.energy import sensitivity, short_names
from lshexp.analysis.figures import Drawing, drawings
from lshexp.analysis.pairing import equal
from lshexp.analysis.presentation import TablePart, legend, narrow, row_label
from lshexp.analysis.report.outputs import outputs
from lshexp.analysis.report.sources import Question, SweepResults
from lshexp.analysis.report.tasks import tasks
from lshexp.analysis.report.view import MISSING, Group, Picture, Section, Table, Verdict, address, cell

MOST_ROWS = 200  # of a figure's numbers on the page; its CSV file has all
RUN_COLUMNS = (
    "seed", "repeat", "status", "test_acc_pct", "valid_acc_pct", "train_loss", "active_pct_achieved",
    "mults_pct_of_dense", "mults_pct_of_dense_paper", "energy_proxy_j", "train_s", "timing_valid",
)  # fmt: skip


def pictures(sweep: SweepResults) -> tuple[list[Picture], list[str]]:
    """The figures that these results have numbers for, and why there are no others."""
    found = list(drawings(sweep.results))
    undrawn = [f"{drawing.name}: {drawing.reason}." for drawing in found if drawing.reason]
    return [_picture(drawing, sweep) for drawing in found if not drawing.reason], undrawn


def _picture(drawing: Drawing, sweep: SweepResults) -> Picture:
    frame = drawing.frame
    rows = [[_number(value) for value in row] for row in frame.head(MOST_ROWS).to_numpy().tolist()]
    more = f"The first {MOST_ROWS} of {len(frame):,} rows; the CSV file has all."
    title = drawing.name.replace("_", " ")
    return Picture(
        title=title[0].upper() + title[1:],
        svg=address("image/svg+xml", drawing.rendered("svg")["svg"]),
        alternative=f"{drawing.caption} Drawn from sweep {sweep.name}; its numbers are in the table below.",
        caption=drawing.caption,
        csv=address("text/csv", drawing.csv()),
        file_name=f"{sweep.name}_{drawing.plot.table}.csv",
        remark=more if len(frame) > MOST_ROWS else "",
        numbers=Table.of(f"{drawing.name}, the numbers drawn", [str(name) for name in frame.columns], rows),
        command=f"lshexp figures {sweep.typed} --only {drawing.name}",
    )


def _number(value: object) -> str:
    if value is None or value is pd.NA or value != value:
        return MISSING
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def sections(sweep: SweepResults, question: Question, page: str) -> list[Section]:
    """All that is told of one sweep but its figures and its provenance."""
    return [
        comparison(sweep, question),
        *outputs(sweep),
        *tasks(sweep),
        energy(sweep, question),
        runs(sweep),
        failures(sweep),
        again(sweep, page),
    ]


def comparison(sweep: SweepResults, question: Question) -> Section:
    """The comparison by network, what is missing from it and why, and the command that prints it."""
    title = "Compared with the baseline"
    if sweep.comparison is None:
        return Section(title, [f"This sweep cannot be compared: {sweep.problem}"])
    tables, below = [], []
    for part in sweep.parts():
        shown = narrow(part, short=False)
        judged = shown.heads.index("verdict")
        rows = [[*row[:judged], Verdict(row[judged]), *row[judged + 1 :]] for row in shown.rows]
        tables.append(Table.of(part.title, shown.heads, rows))
        below += [f"{part.title}: {line}." for line in shown.below]
    if not tables:
        return Section(title, ["This sweep has no runs yet."])
    notes = [
        *below,
        *legend(sweep.comparison, short=False),
        *map(str, sweep.comparison.attrs.get("notes", [])),
    ]
    return Section(title, (), tables, notes, [f"lshexp compare {sweep.typed}{question.options()}"])


def energy(sweep: SweepResults, question: Question) -> Section:
    """Joules by configuration under several tables of prices, and whether their order depends on it."""
    if sweep.comparison is None:
        return Section("Energy", ["Without a comparison there is nothing to set side by side."])
    found = sensitivity(sweep.results, baseline=question.baseline)
    tables, notes = [], []
    for network in found.networks:
        heads = ["configuration", *short_names(found.models)]
        tables.append(
            Table.of(f"{network.title}: joules (times the baseline)", heads, network.cells(found.models))
        )
        notes.append(f"{network.title}: {network.finding(found.models)}")
        ranks = network.ranks(found.models)
        if ranks:
            tables.append(Table.of(f"{network.title}: ranks that change, 1 needs least", heads, ranks))
    read = int(sweep.results.runs["energy_rapl_j"].notna().sum())
    metered = (
        f"Of {len(sweep.results.runs)} runs, {read} have a reading of the machine's own counters "
        f"(energy_rapl_j)."
        if read
        else "No run has a reading of the machine's own counters (energy_rapl_j): they could not be read, or "
        "the machine was shared."
    )
    told = (
        "A proxy from counted operations, not a meter's reading: published prices of a 45 nm process, "
        "for the "
        "arithmetic alone (horowitz45) and with every byte fetched from one level of memory."
    )
    notes.append(f"The tables of prices are, in this order: {'; '.join(found.models)}.")
    asked = "" if question.baseline is None else f" --baseline {quote(question.baseline)}"
    return Section(
        "Energy", [told], tables, [*notes, metered], [f"lshexp energy {sweep.typed}{asked}"], "Joules"
    )


def runs(sweep: SweepResults) -> Section:
    """Every run under its configuration, a table for each network."""
    made = [_table(part, sweep.results.runs) for part in sweep.parts()]
    told = () if made else ["There are no runs to group."]
    return Section("Runs by configuration", told, made, folded="All runs" if made else "")


def _table(part: TablePart, runs: pd.DataFrame) -> Table:
    groups = [(row_label(part, row), _of(part, row, runs)) for _, row in part.frame.iterrows()]
    shown = [name for name in RUN_COLUMNS if any(own[name].notna().any() for _, own in groups)]
    return Table(
        f"{part.title}, by configuration", ["run", *shown],
        [Group(title, [_row(run, shown) for _, run in own.iterrows()]) for title, own in groups],
    )  # fmt: skip


def _of(part: TablePart, row: pd.Series, runs: pd.DataFrame) -> pd.DataFrame:
    """Runs of the configuration that a row of the comparison stands for."""
    chosen = pd.Series(True, index=runs.index)
    for name in ["dataset", "hidden", "method", "active_pct", *part.settings]:
        chosen &= pd.Series([equal(value, row[name]) for value in runs[name]], index=runs.index, dtype=bool)
    return runs[chosen]


def _row(run: pd.Series, names: list[str]) -> list[object]:
    values: list[object] = [run["run_id"]]
    for name in names:
        value = run[name]
        if name == "status":
            values.append(Verdict(str(value)))
        elif name == "energy_proxy_j" and pd.notna(value):
            values.append(f"{value:.4g}")
        else:
            values.append(cell(name, value))
    return values


def failures(sweep: SweepResults) -> Section:
    """Runs that failed or diverged: what was asked of them, and why they ended."""
    bad = sweep.unsound
    if bad.empty:
        return Section("Failures", [f"None: all {len(sweep.results.runs)} runs ended well."])
    rows: list[list[object]] = []
    for _, run in bad.iterrows():
        log = f"logs/{run['run_id']}.txt"
        there = (sweep.folder / log).is_file()
        asked = (
            f"{run['dataset']}, hidden {run['hidden']}, {run['method']}, active {run['active_pct']:g} %, "
            f"lr {run['lr']:g}, seed {run['seed']}, repeat {run['repeat']}"
        )
        reason = "no reason was recorded" if pd.isna(run["error"]) else str(run["error"])
        log_path = f"{sweep.shown}/{log}" if there else MISSING
        rows.append([run["run_id"], Verdict(str(run["status"])), asked, reason, log_path])
    told = (
        f"{len(bad)} of {len(sweep.results.runs)} runs. They enter no mean. A run that failed is done "
        f"again by the "
        "sweep's command; one that diverged is a result, and is kept."
    )
    heads = ["run", "status", "configuration", "reason", "log"]
    return Section("Failures", [told], [Table.of("Runs that failed or diverged", heads, rows)])


def again(sweep: SweepResults, page: str) -> Section:
    """The commands that make these results and this page again."""
    parent = sweep.shown.rpartition("/")[0] or "."
    told = (
        f"The sweep is named {sweep.name}; where it came with lshexp, its file is "
        f"experiments/{sweep.name}.yaml. "
        "Finished runs are skipped, so the first command in another folder (-o) makes the results anew."
    )
    commands = [
        f"lshexp sweep {quote(f'experiments/{sweep.name}.yaml')} -o {quote(parent)}",
        f"lshexp compare {sweep.typed}",
        f"lshexp figures {sweep.typed}",
        f"lshexp report {quote(page)}",
    ]
    return Section("To repeat it", [told], commands=commands)


def provenance(sweep: SweepResults) -> Section:
    """On which machines and with which states of the code the runs were made, a column for each."""
    results, env = sweep.results.runs, sweep.results.env
    if env.empty:
        return Section(f"Sweep {sweep.name}", ["env.csv is empty: no run has ended yet."])
    of = [results[results["env_id"] == one] for one in env["env_id"]]
    started = [own["started_utc"].dropna() for own in of]
    rows: list[list[object]] = [
        ["runs", *(len(own) for own in of)],
        ["first run started (UTC)", *(times.min() if len(times) else MISSING for times in started)],
        ["last run started (UTC)", *(times.max() if len(times) else MISSING for times in started)],
    ]
    for name in env.columns:
        if name != "env_id" and env[name].notna().any():
            rows.append([name.replace("_", " "), *(cell(name, value) for value in env[name])])
    heads = ["what", *(str(one) for one in env["env_id"])]
    made = Table.of("Machines and states of the code", heads, rows, sortable=False)
    return Section(f"Sweep {sweep.name}", _warnings(env), [made])


def _warnings(env: pd.DataFrame) -> list[str]:
    found = []
    if len(env) > 1:
        found.append("These runs come from more than one machine or state of the code; times do not compare.")
    if env["git_dirty"].eq(True).any():
        found.append("Some runs were made with code that differs from its commit.")
    if env["git_sha"].isna().any():
        found.append("Some runs were made with code of which no commit is known.")
    return found

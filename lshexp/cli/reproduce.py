"""`lshexp reproduce`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lshexp.cli._app import app
from lshexp.errors import RunError


class ProfileName(StrEnum):
    """How large the paper's evaluation is done."""

    smoke = "smoke"
    laptop = "laptop"
    full = "full"


@app.command()
def reproduce(
    profile: Annotated[
        ProfileName,
        typer.Argument(metavar="[PROFILE]", help="How large: smoke (a minute), laptop (an hour), full."),
    ] = ProfileName.laptop,
    experiments: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder with the sweeps and claims of the paper.")
    ] = Path("experiments"),
) -> None:
    """Do the paper's evaluation: sweeps, figures, claims, a report.

    Says first what it will take. A call that was stopped goes on where it was. Datasets whose files are not
    here are left out, which is said.

    Exit code: 0 all is well, 3 some runs failed, 4 a claim that is marked as a gate does not hold (not asked
    of the smoke profile).

    Example: lshexp reproduce smoke
    """
    from lshexp import render
    from lshexp.analysis import reproduce as paper
    from lshexp.analysis.claims import judge, require_gates
    from lshexp.analysis.figures import draw_figures
    from lshexp.analysis.report import write_report
    from lshexp.config.claims import load_claims
    from lshexp.runs.local import Local
    from lshexp.runs.plan import Wanted
    from lshexp.runs.sweep import run_sweep

    chosen = paper.PROFILES[profile.value]
    sweeps = []
    for whole in paper.paper_sweeps(chosen, experiments):
        sweep, left_out = paper.available(whole)
        sweeps.append(sweep)
        for line in left_out:
            render.say(line)
    claims = load_claims(experiments / paper.CLAIMS)
    for line in paper.forecast(sweeps, chosen.out):
        render.say(line)
    complete, changed = True, not (chosen.out / paper.REPORT).exists()
    for sweep in sweeps:
        with render.watch("auto", f"lshexp sweep {sweep.path} -o {chosen.out}") as listener:
            executor = Local(paper.jobs_for(sweep))
            # rows of before a change leave the tables
            wanted = Wanted(replace=True)
            summary = run_sweep(sweep, chosen.out, wanted=wanted, listener=listener, executor=executor)
        render.summary(summary)
        complete &= summary.complete
        if summary.ran or not (summary.plan.folder / "figures").exists():
            draw_figures(summary.plan.folder)
            changed = True
    judgements = judge(claims, chosen.out)
    render.claims(judgements, "table")
    if changed:
        render.report_written(write_report(chosen.out, claims=claims))
    else:
        render.say(f"nothing to do; {chosen.out / paper.REPORT} is as it was")
    if chosen.gates:
        done = {sweep.name for sweep in sweeps if sweep.runs}
        require_gates(each for each in judgements if each.claim.sweep in done)
    else:
        render.say("claims that are gates are not asked of a profile this small")
    if not complete:
        raise typer.Exit(RunError.exit_code)

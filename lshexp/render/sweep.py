"""What a sweep would do, and what it has done."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from lshexp.render._console import err, print_table

if TYPE_CHECKING:
    from lshexp.execution.plan import Plan, Wanted
    from lshexp.execution.sweep import SweepSummary


def summary(done: SweepSummary) -> None:
    """Say where a sweep stands, which runs failed and why, and what to do next."""
    console, counts, folder = err(), done.counts, done.plan.folder
    parts = [f"{counts[name]} {name}" for name in ("ok", "diverged", "failed", "left") if counts[name]]
    verb = f"ran {done.ran}" if done.ran else "nothing to do"
    console.print(f"{done.plan.name}: {verb}; {', '.join(parts) or 'no runs'}", markup=False)
    reasons = Counter((r.status, r.result.error) for r in done.records if r.status != "ok")
    for (status, reason), number in reasons.most_common():
        console.print(f"  {number} x {status}: {reason}", markup=False)
    if done.plan.merged:
        console.print(
            f"  {done.plan.merged} configurations were the same as another and ran once", markup=False
        )
    if done.plan.orphans:
        console.print(f"  {done.plan.orphans} records of other sweeps stay out of the tables", markup=False)
    console.print(f"tables: {folder}/runs.csv, epochs.csv, work.csv, selection.csv, env.csv", markup=False)
    console.print(f"next:   lshexp compare {folder}", markup=False)


def plan(planned: Plan, wanted: Wanted) -> None:
    """Print the runs of a sweep by network, method and share, with how many are done."""
    groups: dict[tuple[str, str, str, str], Counter[str]] = {}
    for run in planned.runs:
        spec = run.spec
        key = (spec.dataset, "-".join(map(str, spec.hidden)), spec.method, f"{spec.active_pct:g}")
        groups.setdefault(key, Counter())[run.state] += 1
    rows = [
        [*key, *(str(states[name]) for name in ("done", "missing", "failed"))]
        for key, states in groups.items()
    ]
    print_table(["dataset", "hidden", "method", "active_pct", "done", "missing", "failed"], rows, text=3)
    todo = len(planned.to_run(wanted))
    merged = f"; {planned.merged} duplicates merged" if planned.merged else ""
    err().print(f"{planned.name}: {todo} of {len(planned.runs)} runs to do{merged}", markup=False)

"""What a sweep would do, and what it has done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lshexp.render._console import print_narrow, say, span
from lshexp.spec import RunSpec

if TYPE_CHECKING:
    from lshexp.runs.estimate import Estimate
    from lshexp.runs.plan import Plan
    from lshexp.runs.sweep import SweepSummary


TABLES = ("runs.csv", "epochs.csv", "work.csv", "selection.csv", "env.csv")
Way = tuple[str, str, str, float]  # method and share of the hidden layers, then of the output
Group = tuple[int, "list[Estimate]"]
HEADS = ["method", "act %", "runs", "to do", "mults", "J", "MB", "time"]
SHOWN_VALUES = 8  # of a swept setting
LEGEND = "mults, J (modelled energy of the arithmetic), time: of all to do; MB: of the largest"
_WHY = {
    "missing": "not done yet",
    "unrecorded": "in the tables without a record here, as in a clone; each row stays until its run is done",
    "failed": "failed before",
    "diverged": "diverged before, and asked for again",
    "ok": "done before, and asked for again",
}


def summary(done: SweepSummary) -> None:
    """Say where a sweep stands, which runs failed and why, and what to do next."""
    counts, folder = done.counts, done.plan.folder
    parts = [f"{counts[name]} {name}" for name in ("ok", "diverged", "failed", "left") if counts[name]]
    verb = f"ran {done.ran}" if done.ran else "nothing to do"
    say(f"{done.plan.name}: {verb}; {', '.join(parts) or 'no runs'}")
    reasons = Counter((r.status, r.result.error) for r in done.records if r.status != "ok")
    for (status, reason), number in reasons.most_common():
        say(f"  {number} x {status}: {reason}")
    for line in _costly(_measured(done)):
        say(f"  {line}")
    if done.plan.merged:
        say(f"  {done.plan.merged} configurations were the same as another and ran once")
    if done.plan.leaving:
        say(f"  {done.plan.leaving} left the tables")
    if done.plan.orphans:
        say(f"  {done.plan.orphans} records of runs that the sweep no longer has stay out of the tables")
    others = sorted(path.name for path in folder.glob("*.csv") if path.name not in TABLES)  # of tasks
    tables = [*(name for name in TABLES if (folder / name).exists()), *others]
    say(f"tables: {folder}/{', '.join(tables)}")
    if counts["ok"]:
        say(f"next:   lshexp compare {folder}")
    elif counts["failed"]:
        say(f"next:   see why in {folder}/logs, then the same command again")


def _measured(done: SweepSummary) -> Iterable[tuple[RunSpec, float]]:
    """Runs that have ended well, with their multiplications over those of the dense network."""
    for record in done.records:
        if record.status == "ok" and record.result.mults_dense:
            mults = sum(row.mults_total for row in record.result.epochs)
            yield record.spec, mults / record.result.mults_dense


def interrupted(done: SweepSummary) -> None:
    """Say how far a sweep got before the interrupt key was pressed."""
    ended = sum(record.finished for record in done.records)
    say(f"interrupted: {ended} of {len(done.plan.runs)} done; the same command goes on")


def plan(planned: Plan, estimates: Sequence[Estimate], jobs: int = 1) -> None:
    """Print the runs of a sweep by network, method and share: how many there are, what the rest will cost."""
    for (dataset, hidden), groups in _networks(planned, estimates).items():
        rows = [[*_way(key), str(runs), *_cost_cells(costs)] for key, (runs, costs) in groups.items()]
        print_narrow(f"{dataset}, hidden {hidden}", HEADS, rows)
    merged = f"; {planned.merged} duplicates merged" if planned.merged else ""
    took = f", about {span(sum(cost.seconds for cost in estimates) / jobs)}" if estimates else ""
    todo = f"{len(estimates)} of {len(planned.runs)} runs to do{took}"
    say(f"{planned.name}: {todo}{merged}")
    if estimates:
        say(f"  {LEGEND}")
    for line in _axes(planned):
        say(f"  {line}")
    for line in _reasons(planned, estimates):
        say(f"  {line}")
    if estimates:
        largest = max((cost.memory for cost in estimates), key=lambda memory: memory.total)
        say(f"  memory of the largest run: {largest}")
    _layer_plans(estimates)
    shares = [(cost.run.spec, cost.mults / cost.mults_dense) for cost in estimates if cost.mults_dense]
    for line in _costly(shares):
        say(f"  {line}")
    scaled = sum(not cost.measured for cost in estimates)
    if scaled:
        say(f"  {scaled} estimates are scaled from another configuration of the method")


def _costly(shares: Iterable[tuple[RunSpec, float]]) -> list[str]:
    """Say of which runs choosing the nodes takes more than it saves, from their shares of dense's mults."""
    groups: dict[tuple[tuple[str, str], Way], list[float]] = {}
    for spec, share in shares:
        if spec.active_pct < 100:
            groups.setdefault((_network(spec), _key(spec)), []).append(share)
    means = {key: sum(found) / len(found) for key, found in groups.items()}
    return [
        f"note: {' at '.join(_way(key))} % of {hidden}: choosing the nodes costs more multiplications "
        f"than it saves at this width, {100 * mean:.0f} % of dense's in all"
        for ((_, hidden), key), mean in means.items()
        if mean > 1
    ]


def _networks(planned: Plan, estimates: Sequence[Estimate]) -> dict[tuple[str, str], dict[Way, Group]]:
    """The runs of each dataset and network by method and share: how many, and what is to do of them."""
    counts = Counter((_network(run.spec), _key(run.spec)) for run in planned.runs)
    found: dict[tuple[str, str], dict[Way, Group]] = {}
    for (network, way), number in counts.items():
        found.setdefault(network, {})[way] = number, []
    for cost in estimates:
        found[_network(cost.run.spec)][_key(cost.run.spec)][1].append(cost)
    return found


def _network(spec: RunSpec) -> tuple[str, str]:
    return spec.dataset, "-".join(map(str, spec.hidden))


def _key(spec: RunSpec) -> Way:
    share = f"{spec.active_pct:g}"
    if spec.active_from is not None:
        share = f"{spec.active_from:g} to {share}"
    return spec.method, share, spec.output_method, spec.output_active_pct


def _way(key: Way) -> list[str]:
    """Method and share in a table's cells; with a selected output, its method too."""
    method, share, output, output_share = key
    plain = output == RunSpec.model_fields["output_method"].default
    chosen = "" if plain else f", output {output} {output_share:g} %"
    return [method + chosen, share]


def _axes(planned: Plan) -> list[str]:
    """What the sweep varies: `swept: active_pct 5, 10, 25`."""
    lines = []
    for name, values in planned.swept.items():
        known = [value for value in values if value is not None]
        if all(isinstance(value, int | float) for value in known):
            known.sort()
        shown = ", ".join(str(value) for value in known[:SHOWN_VALUES])
        lines.append(f"swept: {name} {shown}{', ...' if len(known) > SHOWN_VALUES else ''}")
    return lines


def _reasons(planned: Plan, estimates: Sequence[Estimate]) -> list[str]:
    """Why runs are to be done, and what becomes of rows that the tables have already."""
    lines = []
    why: Counter[str] = Counter()
    for cost in estimates:
        known = cost.run.run_id in planned.unrecorded
        state = "unrecorded" if known else cost.run.record.status if cost.run.record else "missing"
        why[_WHY[state]] += 1
    lines += [f"{number} to do: {reason}" for reason, number in why.items()]
    if planned.leaving:
        lines.append(f"{planned.leaving} would leave the tables; that needs --replace")
    return lines


def _layer_plans(estimates: Sequence[Estimate]) -> None:
    """Print how each layer will be stored and computed, once for all runs that have the same plan."""
    runs: dict[tuple[str, ...], list[Estimate]] = {}
    for cost in estimates:
        runs.setdefault(cost.plan, []).append(cost)
    for layers, costs in runs.items():
        methods = ", ".join(dict.fromkeys(cost.run.spec.method for cost in costs))
        say(f"layers of {len(costs)} runs ({methods}):")
        for number, layer in enumerate(layers, start=1):
            say(f"  {number}. {layer}")


def _cost_cells(costs: Sequence[Estimate]) -> list[str]:
    """How many runs, their sums of multiplications, energy and time, and the memory of the largest."""
    if not costs:
        return ["0", "", "", "", ""]
    return [
        str(len(costs)),
        f"{sum(cost.mults for cost in costs):.1e}",
        f"{sum(cost.joules for cost in costs):.2g}",
        f"{max(cost.memory.total for cost in costs):.0f}",
        span(sum(cost.seconds for cost in costs)),
    ]

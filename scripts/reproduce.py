"""The paper's evaluation from nothing: `make reproduce PROFILE=smoke|laptop|full`.

Does the runs of every experiments/paper_*.yaml, draws their figures, judges the paper's claims and writes one
report. Says first what it will take; a call that was stopped goes on where it was. Without MNIST's files the
generated datasets alone are used, and that is said.

Exit code: 0, or 4 when a claim that is marked as a gate does not hold, 3 when runs have failed.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from lshexp import errors, render
from lshexp.analysis.claims import judge, require_gates
from lshexp.analysis.figures import draw_figures
from lshexp.analysis.report import write_report
from lshexp.config import Sweep, load_sweep
from lshexp.config.claims import load_claims
from lshexp.data.base import Dataset
from lshexp.registry import build
from lshexp.runs.environment import usable_cores
from lshexp.runs.estimate import estimate
from lshexp.runs.local import Local
from lshexp.runs.plan import Wanted, plan_sweep
from lshexp.runs.sweep import run_sweep
from lshexp.runs.tables import default_energy_model

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
CLAIMS = EXPERIMENTS / "claims.yaml"
REPORT = "report.html"
REPLACE = Wanted(replace=True)  # rows of before a change leave the tables
SECONDS_A_RUN = 1.0  # to start a process, load the data and keep the record
LONG_S = 3 * 3600


class Profile(NamedTuple):
    """How large: overrides of every sweep and of some by name, and where the results go."""

    out: Path
    overrides: tuple[str, ...] = ()
    of_sweeps: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    repeats: int | None = None
    gates: bool = True  # whether claims that are gates must hold


PROFILES = {
    # everything once, on networks that train in no time: shows that it works, and nothing else
    "smoke": Profile(
        Path("results/scratch/paper_smoke"),
        (
            "hidden=[60, 60]",
            "epochs=2",
            "average_from=1",
            "test_examples=200",
            "train_examples=400",
            "seed=2017",
        ),
        repeats=1,
        gates=False,
    ),
    # what the files say
    "laptop": Profile(Path("results/paper")),
    # all training examples, all of MNIST's tests (5,000 of the generated sets, not 50,000), the paper's
    # shares, and epochs enough to converge: some nights, or a cluster
    "full": Profile(
        Path("results/paper_full"),
        ("train_examples=null", "test_examples=null", "seed=2017"),
        {
            "paper_accuracy": (
                "epochs=20",
                "active_pct=5,10,25,50,75,90",
                "lr=0.01,0.01,0.01,0.005,0.003,0.003",
            ),
            "paper_claims": ("epochs=20", "average_from=10"),
            "paper_convergence": ("epochs=10", "simulate_workers=1,4,16,56"),
        },
        repeats=3,
    ),
}


def main(arguments: Sequence[str]) -> int:
    """Run a profile and return the exit code."""
    if len(arguments) > 1 or (arguments and arguments[0] not in PROFILES):
        raise errors.ConfigError(f"PROFILE is one of {', '.join(PROFILES)}")
    profile = PROFILES[arguments[0] if arguments else "laptop"]
    sweeps = [available(sweep) for sweep in load(profile)]
    say_estimate(sweeps, profile.out)
    complete, changed = True, not (profile.out / REPORT).exists()
    for sweep in sweeps:
        executor = Local(jobs_for(sweep))
        with render.watch("auto", f"lshexp sweep {sweep.path} -o {profile.out}") as listener:
            summary = run_sweep(sweep, profile.out, wanted=REPLACE, listener=listener, executor=executor)
        render.summary(summary)
        complete &= summary.complete
        if summary.ran or not (summary.plan.folder / "figures").exists():
            draw_figures(summary.plan.folder)
            changed = True
    claims = load_claims(CLAIMS)
    cards = judge(claims, profile.out)
    render.claims(cards, "table")
    if changed:
        render.report_written(write_report(profile.out, claims=claims))
    else:
        sys.stderr.write(f"nothing to do; {profile.out / REPORT} is as it was\n")
    if profile.gates:
        here = {sweep.name for sweep in sweeps if sweep.runs}
        require_gates(card for card in cards if card.claim.sweep in here)
    else:
        sys.stderr.write("gates are not asked of a profile this small\n")
    return errors.EXIT_OK if complete else errors.RunError.exit_code


def load(profile: Profile) -> list[Sweep]:
    """The sweeps of the paper's evaluation, as large as the profile says."""
    files = sorted(EXPERIMENTS.glob("paper_*.yaml"))
    return [
        load_sweep(file, (*profile.overrides, *profile.of_sweeps.get(file.stem, ())), profile.repeats)
        for file in files
    ]


def available(sweep: Sweep) -> Sweep:
    """The sweep without the runs whose data files are not here."""
    missing = {}
    for name, options in {(run.dataset, str(run.dataset_options)): run for run in sweep.runs}.items():
        dataset = build("dataset", options.dataset, options.dataset_options)
        assert isinstance(dataset, Dataset)  # what the kind registers
        try:
            dataset.locate()
        except errors.DataError as error:
            missing[name[0]] = str(error)
    for name, reason in missing.items():
        sys.stderr.write(f"{sweep.name}: without {name}, as its files are not here ({reason})\n")
    return dataclasses.replace(sweep, runs=[run for run in sweep.runs if run.dataset not in missing])


def jobs_for(sweep: Sweep) -> int:
    """As many runs at a time as there are cores for."""
    threads = max((run.threads for run in sweep.runs), default=1)
    return max(1, (usable_cores() or 1) // threads)


def say_estimate(sweeps: Sequence[Sweep], out: Path) -> None:
    """Say what is left to do and about how long it will take."""
    left, seconds = 0, 0.0
    for sweep in sweeps:
        costs = estimate(plan_sweep(sweep, out).to_run(), default_energy_model())
        took = sum(cost.seconds + SECONDS_A_RUN for cost in costs) / jobs_for(sweep)
        if costs:
            sys.stderr.write(
                f"{sweep.name}: {len(costs)} of {len(sweep.runs)} runs to do, {minutes(took)}, "
                f"{jobs_for(sweep)} at a time\n"
            )
        left += len(costs)
        seconds += took
    runs = sum(len(sweep.runs) for sweep in sweeps)
    took_all = f", {minutes(seconds)} on this machine as it is now" if left else ""
    sys.stderr.write(f"{left} of {runs} runs to do{took_all}; results in {out}\n")


def minutes(seconds: float) -> str:
    """A time as text, in hours where it is long."""
    return f"about {seconds / 60:.0f} minutes" if seconds < LONG_S else f"about {seconds / 3600:.1f} hours"


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except errors.LshexpError as error:
        render.fail(error)
        sys.exit(error.exit_code)

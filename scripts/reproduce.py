"""The paper's evaluation from nothing: `make reproduce PROFILE=smoke|laptop|full`.

Does the runs of every experiments/paper_*.yaml, draws their figures, judges the paper's claims and writes one
report. Says first what it will take; a call that was stopped goes on where it was. Without MNIST's files the
generated datasets alone are used, and that is said.

Exit code: 0, or 4 when a claim that is marked as a gate does not hold, 3 when runs have failed.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lshexp import errors, render
from lshexp.analysis.claims import judge
from lshexp.analysis.figures import draw_figures
from lshexp.analysis.report import write_report
from lshexp.config import Sweep, load_sweep
from lshexp.config.claims import load_claims
from lshexp.datasets._base import Dataset
from lshexp.execution.environment import usable_cores
from lshexp.execution.estimate import estimate
from lshexp.execution.executors.local import Local
from lshexp.execution.plan import plan_sweep
from lshexp.execution.sweep import run_sweep
from lshexp.execution.tables import default_energy_model
from lshexp.registry import build

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
CLAIMS = EXPERIMENTS / "claims.yaml"
REPORT = "report.html"


class Profile(NamedTuple):
    """How large: overrides of every sweep, and where its results go."""

    out: Path
    overrides: tuple[str, ...] = ()
    repeats: int | None = None


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
        ),
        repeats=1,
    ),
    # what the files say
    "laptop": Profile(Path("results/paper")),
    # all training examples, the paper's test sets, epochs enough to converge: a night, or a cluster
    "full": Profile(
        Path("results/paper_full"), ("epochs=20", "train_examples=null", "test_examples=10000"), repeats=3
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
            summary = run_sweep(sweep, profile.out, listener=listener, executor=executor)
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
    failed = [card.claim.id for card in cards if card.stops]
    if failed:
        raise errors.ClaimError(f"a gate does not hold: {', '.join(dict.fromkeys(failed))}")
    return errors.EXIT_OK if complete else errors.RunError.exit_code


def load(profile: Profile) -> list[Sweep]:
    """The sweeps of the paper's evaluation, as large as the profile says."""
    files = sorted(EXPERIMENTS.glob("paper_*.yaml"))
    return [load_sweep(file, profile.overrides, profile.repeats) for file in files]


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
        left += len(costs)
        seconds += sum(cost.seconds for cost in costs) / jobs_for(sweep)
    runs = sum(len(sweep.runs) for sweep in sweeps)
    took = f", about {seconds / 60:.0f} minutes on this machine as it is now" if left else ""
    sys.stderr.write(f"{left} of {runs} runs to do{took}; results in {out}\n")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except errors.LshexpError as error:
        render.fail(error)
        sys.exit(error.exit_code)

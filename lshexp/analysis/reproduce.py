"""The paper's evaluation from nothing: which sweeps, how large, and what of them can be done here.

A profile says how large. `lshexp reproduce` does the runs, draws their figures, judges the claims and writes
one report.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from lshexp import registry
from lshexp.config import Sweep, load_sweep
from lshexp.errors import ConfigError, DataError
from lshexp.runs.environment import usable_cores
from lshexp.runs.estimate import estimate
from lshexp.runs.plan import plan_sweep
from lshexp.runs.tables import default_energy_model

EXPERIMENTS = Path("experiments")
SWEEPS = "paper_*.yaml"
CLAIMS = "claims.yaml"
REPORT = "report.html"
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


def paper_sweeps(profile: Profile, folder: Path = EXPERIMENTS) -> list[Sweep]:
    """The sweeps of the paper's evaluation, as large as the profile says.

    Raises ConfigError when the folder has none: they come with the project's checkout, not with the package.
    """
    files = sorted(folder.glob(SWEEPS))
    if not files:
        said = f"no {SWEEPS} in '{folder}'; change to the project's checkout, or give --experiments DIR"
        raise ConfigError(said)
    return [
        load_sweep(file, (*profile.overrides, *profile.of_sweeps.get(file.stem, ())), profile.repeats)
        for file in files
    ]


def available(sweep: Sweep) -> tuple[Sweep, list[str]]:
    """The sweep without the runs whose data files are not here, and a line for each such dataset."""
    missing = {}
    for (name, _), run in {(run.dataset, str(run.dataset_options)): run for run in sweep.runs}.items():
        dataset = registry.datasets.build(run.dataset, run.dataset_options)
        try:
            dataset.locate()
        except DataError as error:
            missing[name] = f"{sweep.name}: without {name}, as its files are not here ({error})"
    kept = [run for run in sweep.runs if run.dataset not in missing]
    return dataclasses.replace(sweep, runs=kept), list(missing.values())


def jobs_for(sweep: Sweep) -> int:
    """As many runs at a time as there are cores for."""
    threads = max((run.threads for run in sweep.runs), default=1)
    return max(1, (usable_cores() or 1) // threads)


def forecast(sweeps: Sequence[Sweep], out: Path) -> Iterator[str]:
    """Say, a line a sweep and one for all, what is left to do and about how long it will take."""
    left, seconds = 0, 0.0
    for sweep in sweeps:
        costs = estimate(plan_sweep(sweep, out).to_run(), default_energy_model())
        took = sum(cost.seconds + SECONDS_A_RUN for cost in costs) / jobs_for(sweep)
        if costs:
            yield (
                f"{sweep.name}: {len(costs)} of {len(sweep.runs)} runs to do, {_span(took)}, "
                f"{jobs_for(sweep)} at a time"
            )
        left += len(costs)
        seconds += took
    runs = sum(len(sweep.runs) for sweep in sweeps)
    all_of_it = f", {_span(seconds)} on this machine as it is now" if left else ""
    yield f"{left} of {runs} runs to do{all_of_it}; results in {out}"


def _span(seconds: float) -> str:
    """A time in words, in hours where it is long."""
    return f"about {seconds / 60:.0f} minutes" if seconds < LONG_S else f"about {seconds / 3600:.1f} hours"

"""Claims judged by rows: supported, refuted, or undetermined."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from lshexp.analysis.compare import Source, gather
from lshexp.analysis.pairing import (
    Configuration,
    baseline_settings,
    configurations,
    equal,
    match_baselines,
    paired,
    setting_columns,
)
from lshexp.analysis.results import folders_of
from lshexp.analysis.statistics import Interval, interval
from lshexp.config.claims import Claim, Setting
from lshexp.errors import ClaimError, ConfigError, Problem
from lshexp.validation import suggest

TIMES = ("compile_s", "select_s", "train_s", "eval_s")
Verdict = Literal["supported", "refuted", "undetermined"]


class Judgement(NamedTuple):
    """What rows say of a claim. Figures are of the metric, of its difference or of its ratio."""

    claim: Claim
    variant: str  # the values of `each` that this card is about, as `p_preset=paper`
    verdict: Verdict
    mean: float | None
    found: Interval | None
    samples: int  # runs, or pairs of runs, over all data, networks and seeds
    places: tuple[str, ...]  # data and networks they are from, as `mnist 1000-1000`
    note: str  # why it is undetermined, empty otherwise
    gate: bool  # whether it must be supported

    @property
    def name(self) -> str:
        """The claim's id and what this card is about, as `within_a_point (p_preset=paper)`."""
        return f"{self.claim.id} ({self.variant})" if self.variant else self.claim.id

    @property
    def stops(self) -> bool:
        """Whether it is a gate and does not hold."""
        return self.gate and self.verdict != "supported"


def judge(claims: Iterable[Claim], source: Source | list[Source]) -> list[Judgement]:
    """Judge claims by the runs of one or more sweeps, a card for each claim and value of its `each`.

    A source is what `compare` takes, or a folder of several sweeps.

    Every run, or pair of runs with the same seed, is one sample, whatever data and network it is on: a claim
    is about their mean. It is supported when the whole 95 % interval is on the claim's side of its margin or
    bound, refuted when the whole interval is on the other side, and otherwise undetermined. Times of runs
    that were not alone on the machine do not count.

    Raises StoreError for results that cannot be read, ConfigError for columns that they do not have and for
    pairs that did not begin alike.
    """
    sources = source if isinstance(source, list) else [source]
    runs, _ = gather([each for one in sources for each in _sweeps(one)])
    runs = _without_disturbed_times(runs)
    judgements = []
    for claim in claims:
        _check_metric(claim, runs)
        rows = runs if claim.sweep is None else runs[runs["sweep"] == claim.sweep]
        for values in itertools.product(*claim.each.values()):
            judgements.append(_judge(claim, dict(zip(claim.each, values, strict=True)), rows))
    return judgements


def require_gates(judgements: Iterable[Judgement]) -> None:
    """Raise ClaimError naming every gate that does not hold, and what it is instead."""
    failed = [f"{card.name} is {card.verdict}" for card in judgements if card.stops]
    if failed:
        gates = "a gate does" if len(failed) == 1 else "gates do"
        raise ClaimError(f"{gates} not hold: {'; '.join(failed)}")


def _without_disturbed_times(runs: pd.DataFrame) -> pd.DataFrame:
    """Empty the seconds of runs whose times are not valid."""
    if "timing_valid" not in runs:
        return runs
    times = [name for name in TIMES if name in runs]
    valid = runs["timing_valid"].fillna(False).astype(bool)
    return runs.assign(**{name: runs[name].where(valid) for name in times})


def _sweeps(source: Source) -> Sequence[Source]:
    """A source, or the folders of sweeps in it."""
    return folders_of(Path(source)) if isinstance(source, str | Path) and Path(source).is_dir() else [source]


def _judge(claim: Claim, variant: Mapping[str, Setting], runs: pd.DataFrame) -> Judgement:
    columns, configs = setting_columns(runs), configurations(runs)
    wanted = _columns(claim, {**claim.of, **variant}, columns)
    ours = [
        config
        for config in configs
        if all(equal(config.settings[name], value) for name, value in wanted.items())
    ]
    if claim.baseline is None:
        parts = [(config, _numbers(config.ok[claim.metric])) for config in ours]
    else:
        match_baselines(configs, _columns(claim, claim.baseline, columns))
        parts = [(config, _differences(claim, config)) for config in ours if not config.is_baseline]
    samples = np.concatenate([values for _, values in parts]) if parts else np.empty(0)
    found = interval(samples)
    return Judgement(
        claim=claim,
        variant=", ".join(f"{key}={value}" for key, value in variant.items()),
        verdict=_verdict(claim, found),
        mean=float(samples.mean()) if len(samples) else None,
        found=found,
        samples=len(samples),
        places=tuple(dict.fromkeys(config.label for config, values in parts if len(values))),
        note=_note(claim, ours, samples),
        gate=claim.must_hold(variant.values()),
    )


def _differences(claim: Claim, config: Configuration) -> np.ndarray:
    pairs = paired(config)
    ours, theirs = pairs[claim.metric], pairs[f"{claim.metric}_base"]
    return _numbers(ours / theirs if claim.ratio else ours - theirs)


def _numbers(column: pd.Series) -> np.ndarray:
    return column.dropna().to_numpy(dtype=float)


def _verdict(claim: Claim, found: Interval | None) -> Verdict:
    """Where the interval lies; accuracies are better when higher, all other metrics when lower."""
    if found is None:
        return "undetermined"
    low, high = found.low, found.high
    if claim.at_most is not None:
        holds, fails = high <= claim.at_most, low > claim.at_most
    elif claim.at_least is not None:
        holds, fails = low >= claim.at_least, high < claim.at_least
    else:
        if not claim.metric.endswith("acc_pct"):
            low, high = -high, -low
        least = 0.0 if claim.relation == "better" else -(claim.margin or 0.0)
        holds, fails = low > least, high < least
    return "supported" if holds else "refuted" if fails else "undetermined"


def _note(claim: Claim, ours: Sequence[Configuration], samples: np.ndarray) -> str:
    if not ours:
        return "no run is of this kind"
    if not len(samples):
        return "no pair of runs: no baseline on the same data and seeds" if claim.baseline else "not measured"
    return "one sample gives no interval; add seeds with --repeats" if len(samples) == 1 else ""


def _columns(claim: Claim, settings: Mapping[str, Setting], known: Sequence[str]) -> dict[str, object]:
    """Turn keys of a sweep file into columns. Raises ConfigError naming the claim."""
    try:
        return baseline_settings(settings, known)
    except ConfigError as error:
        raise ConfigError(
            Problem(("claims", claim.id), problem.message) for problem in error.problems
        ) from None


def _check_metric(claim: Claim, runs: pd.DataFrame) -> None:
    if claim.metric not in runs.columns:
        message = (
            f"'{claim.metric}' is not a column of the results{suggest(claim.metric, list(runs.columns))}"
        )
        raise ConfigError([Problem(("claims", claim.id, "metric"), message)])

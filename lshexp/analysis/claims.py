"""Claims judged by rows: supported, refuted, or undetermined.

A claim about several datasets is about their mean: for each seed the mean over the datasets is one sample,
and the seeds are the replicates. So a verdict is about other seeds on these datasets; it says nothing of
other data.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import pandas as pd

from lshexp.analysis.compare import Source, check_metric, gather, is_counted, once
from lshexp.analysis.configurations import PAIR, setting_columns
from lshexp.analysis.pairing import (
    Configuration,
    baseline_settings,
    best,
    configurations,
    equal,
    match_baselines,
    paired,
    picks,
)
from lshexp.analysis.statistics import FEWEST, Inference, infer
from lshexp.config.claims import Claim, Setting, higher_is_better
from lshexp.errors import ClaimError, ConfigError, Problem

TIMES = ("compile_s", "select_s", "train_s", "eval_s", "predict_us")
TUNED = ("lr", "momentum")  # settings of which each method may have the best of several
ABOUT = "over seeds, on these datasets: nothing is said of other data"
Verdict = Literal["supported", "refuted", "undetermined"]


class ClaimPlace(NamedTuple):
    """What rows of one dataset and network say; no verdict, as the claim is about all of them."""

    name: str  # `mnist 1000-1000`
    mean: float
    seeds: int
    baseline: str  # the label of what it is held against, empty without


class Judgement(NamedTuple):
    """What rows say of a claim. Figures are of the metric, of its difference or of its ratio."""

    claim: Claim
    variant: str  # the values of `each` that this card is about, as `lsh.preset=paper`
    verdict: Verdict
    mean: float | None
    found: Inference | None  # of the mean over places, corrected over the variants of the claim
    samples: int  # seeds, or pairs of runs with one seed, that all places have
    places: tuple[str, ...]  # data and networks they are from, as `mnist 1000-1000`
    note: str  # why it is undetermined, or what was chosen on test results; empty otherwise
    gate: bool  # whether it must be supported
    by_place: tuple[ClaimPlace, ...] = ()

    @property
    def name(self) -> str:
        """The claim's id and what this card is about, as `within_a_point (lsh.preset=paper)`."""
        return f"{self.claim.id} ({self.variant})" if self.variant else self.claim.id

    @property
    def stops(self) -> bool:
        """Whether it is a gate and does not hold."""
        return self.gate and self.verdict != "supported"


class _Evidence(NamedTuple):
    """What there is on one variant, before it is judged."""

    variant: dict[str, Setting]
    samples: pd.Series  # means over places, a seed each
    places: tuple[ClaimPlace, ...]
    note: str


def judge(claims: Iterable[Claim], source: Source | Sequence[Source]) -> list[Judgement]:
    """Judge claims by the runs of one or more sweeps, a card for each claim and value of its `each`.

    A source is what `compare` takes. A claim is supported when the whole interval of its mean over seeds is
    on the claim's side of its margin or bound, refuted when all of it is on the other side, and otherwise
    undetermined. Each claim is a question of its own: its intervals hold at 95 % for all its variants
    together. Where a method was run at several learning rates, its best counts, by validation accuracy if
    there is any. Times of runs that were not alone on the machine do not count.

    Raises StoreError for results that cannot be read, ConfigError for columns that they do not have and for
    pairs that did not begin alike.
    """
    sources = [source] if isinstance(source, Source) else list(source)
    runs = _without_disturbed_times(gather(sources))
    return [card for claim in claims for card in _judge(claim, runs)]


def by_variants(judgements: Iterable[Judgement]) -> dict[tuple[str, ...], list[list[Judgement]]]:
    """Judgements as matrices: for each set of variants, the claims that are made of it.

    Keys are the variants in their order; of each claim there is a list of judgements, one for each of them.
    """
    by_claim: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        by_claim.setdefault(judgement.claim.id, []).append(judgement)
    made: dict[tuple[str, ...], list[list[Judgement]]] = {}
    for found in by_claim.values():
        made.setdefault(tuple(judgement.variant for judgement in found), []).append(found)
    return made


def require_gates(judgements: Iterable[Judgement]) -> None:
    """Raise ClaimError, naming every claim that is marked as a gate and is not supported."""
    missed = [f"{card.name} is {card.verdict}" for card in judgements if card.stops]
    if missed:
        gates = "a gate does not hold" if len(missed) == 1 else f"{len(missed)} gates do not hold"
        raise ClaimError(f"{gates}: {'; '.join(missed)}")


def _without_disturbed_times(runs: pd.DataFrame) -> pd.DataFrame:
    alone = runs["timing_valid"].fillna(False).astype(bool)
    times = [name for name in TIMES if name in runs]
    return runs.assign(**{name: runs[name].where(alone) for name in times})


def _judge(claim: Claim, runs: pd.DataFrame) -> list[Judgement]:
    check_metric(runs, claim.metric, ("claims", claim.id, "metric"))
    mine = runs if claim.sweep is None else runs[runs["sweep"] == claim.sweep]
    configs = configurations(once(mine)[0])
    columns = setting_columns(runs)
    if claim.baseline is not None:
        shared = list(_columns(claim, dict.fromkeys(claim.each), columns))
        match_baselines(configs, _columns(claim, claim.baseline, columns), shared)
    variants = [
        dict(zip(claim.each, values, strict=True)) for values in itertools.product(*claim.each.values())
    ]
    evidence = [_evidence(claim, variant, configs, columns) for variant in variants]
    found = infer([one.samples for one in evidence], is_counted(claim.metric))
    return [_card(claim, one, interval) for one, interval in zip(evidence, found, strict=True)]


def _evidence(
    claim: Claim, variant: dict[str, Setting], configs: Sequence[Configuration], columns: Sequence[str]
) -> _Evidence:
    """The configurations of a variant, one on each dataset and network, and their means by seed."""
    wanted = _columns(claim, claim.of | variant, columns)
    picked: dict[str, list[Configuration]] = {}
    for config in configs:
        if picks(wanted, config.settings) and not (claim.baseline is not None and config.is_baseline):
            picked.setdefault(config.where, []).append(config)
    notes, values, places = [], [], []
    for where, several in picked.items():
        apart = _apart(several)
        if set(apart) - set(TUNED):
            empty = pd.Series(dtype="float64")
            told = f"on {where} its rows differ in {', '.join(apart)}: name one in `of` or `each`"
            return _Evidence(variant, empty, (), told)
        chosen, by = best(several)
        if "test" in (by, chosen.chosen_by):
            notes.append(f"{where}: the best of several rates, chosen by test accuracy")
        figures = _figures(claim, chosen)
        if len(figures):
            against = chosen.baseline.label if claim.baseline is not None and chosen.baseline else ""
            places.append(ClaimPlace(where, float(figures.mean()), len(figures), against))
            values.append(figures)
    if not values:
        return _Evidence(variant, pd.Series(dtype="float64"), (), _why_nothing(claim, bool(picked)))
    together = pd.concat(values, axis=1)
    whole = together.dropna()
    if len(whole) < len(together):
        notes.append(f"{len(together) - len(whole)} of {len(together)} seeds are not on every dataset")
    return _Evidence(variant, whole.mean(axis=1), tuple(places), "; ".join(notes))


def _figures(claim: Claim, config: Configuration) -> pd.Series:
    """The claim's figure of each seed and repeat: of the metric, its difference or its ratio."""
    if claim.baseline is None:
        return config.ok.set_index(list(PAIR))[claim.metric].dropna().astype(float)
    pairs = paired(config, [claim.metric]).set_index(list(PAIR))
    ours, theirs = pairs[claim.metric].astype(float), pairs[f"{claim.metric}_base"].astype(float)
    return (ours / theirs if claim.ratio else ours - theirs).dropna()


def _apart(several: Sequence[Configuration]) -> list[str]:
    """Settings in which configurations on one dataset and network differ."""
    first = several[0].settings
    return [name for name in first if any(not equal(one.settings[name], first[name]) for one in several)]


def _card(claim: Claim, evidence: _Evidence, found: Inference | None) -> Judgement:
    samples = evidence.samples
    note = evidence.note
    if not note and found is None:
        few = f"{len(samples)} of at least {FEWEST} seeds; add seeds with --repeats"
        note = few if len(samples) < FEWEST else "all seeds give the same figure, so its spread is not known"
    return Judgement(
        claim=claim,
        variant=", ".join(f"{key}={value}" for key, value in evidence.variant.items()),
        verdict=_verdict(claim, found),
        mean=float(samples.mean()) if len(samples) else None,
        found=found,
        samples=len(samples),
        places=tuple(place.name for place in evidence.places),
        note=note,
        gate=claim.must_hold(evidence.variant.values()),
        by_place=evidence.places,
    )


def _verdict(claim: Claim, found: Inference | None) -> Verdict:
    """Where the interval lies; accuracies are better when higher, all other metrics when lower."""
    if found is None:
        return "undetermined"
    low, high = found.low, found.high
    if claim.at_most is not None:
        holds, fails = high <= claim.at_most, low > claim.at_most
    elif claim.at_least is not None:
        holds, fails = low >= claim.at_least, high < claim.at_least
    else:
        if not higher_is_better(claim.metric):
            low, high = -high, -low
        least = 0.0 if claim.relation == "better" else -(claim.margin or 0.0)
        holds, fails = low > least, high < least
    return "supported" if holds else "refuted" if fails else "undetermined"


def _why_nothing(claim: Claim, picked: bool) -> str:
    if not picked:
        return "no run is of this kind"
    return "no pair of runs: no baseline on the same data and seeds" if claim.baseline else "not measured"


def _columns(claim: Claim, settings: Mapping[str, Setting], known: Sequence[str]) -> dict[str, object]:
    """Turn keys of a sweep file into columns. Raises ConfigError naming the claim."""
    try:
        return baseline_settings(settings, known)
    except ConfigError as error:
        raise ConfigError(
            Problem(("claims", claim.id), problem.message) for problem in error.problems
        ) from None

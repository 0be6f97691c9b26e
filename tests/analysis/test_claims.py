"""Claims: what a file may say, and what rows say of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_runs import FakeSweep, accuracy, fake_run, spec

from lshexp.analysis.claims import judge, require_gates
from lshexp.analysis.results import read_runs
from lshexp.config.claims import Claim, load_claims
from lshexp.errors import ClaimError, ConfigError
from lshexp.runs.sweep import run_sweep

pytestmark = pytest.mark.usefixtures("toy_dataset")
HALF = {"of": {"method": "lsh", "active_pct": 5}, "baseline": {"method": "dense"}}


def claim(**fields) -> Claim:
    return Claim.model_validate({"id": "x", "title": "X", "statement": "It is so."} | fields)


@pytest.fixture
def folder(tmp_path):
    """Five seeds of dense at 98, LSH at 97.5 with options, chance at 90; differences vary a little."""
    runs = [spec("dense", repeat) for repeat in range(5)]
    runs += [spec("lsh", r, 5.0, method_options={"preset": p}) for r in range(5) for p in ("good", "bad")]

    def run(run, report):
        lost = 20.0 if run.method_options.get("preset") == "bad" else 0.0
        result = fake_run(run, report)
        last = result.epochs[-1]
        shift = 0.02 * (run.repeat % 2) if run.method == "lsh" else 0.0
        object.__setattr__(last, "test_acc_pct", accuracy(run) - lost + shift)
        return result

    return run_sweep(FakeSweep(runs), tmp_path, run=run).plan.folder


def verdicts(folder, *claims):
    return [card.verdict for card in judge(claims, folder)]


def test_intervals_decide(folder):
    each = {"lsh.preset": ["good", "bad"]}
    assert verdicts(folder, claim(**HALF, margin=1.0, each=each)) == ["supported", "refuted"]
    assert verdicts(folder, claim(**HALF, margin=0.49, each=each)) == ["undetermined", "refuted"]
    assert verdicts(folder, claim(**HALF, relation="better", each=each)) == ["refuted", "refuted"]
    turned = {"of": {"method": "dense"}, "baseline": {"method": "lsh", "lsh.preset": "bad"}}
    assert verdicts(folder, claim(**turned, relation="better")) == ["supported"]


def test_bounds_of_the_metric_itself_and_of_ratios(folder):
    of = {"of": {"method": "lsh"}, "metric": "mults_pct_of_dense"}
    assert verdicts(folder, claim(**of, at_most=5.0), claim(**of, at_most=4.9)) == ["supported", "refuted"]
    assert verdicts(folder, claim(**of, at_least=5.0), claim(**of, at_least=5.1)) == ["supported", "refuted"]
    ratio = claim(**HALF, metric="mults_total", ratio=True, at_most=0.05)
    (card,) = judge([ratio], folder)
    assert card.verdict == "supported" and card.mean == pytest.approx(0.05) and card.samples == 10


def test_times_of_runs_that_were_not_alone_do_not_count(folder):
    runs = read_runs(folder)
    quick = claim(of={"method": "lsh"}, metric="train_s", at_most=1e9)
    for valid, verdict in ((True, "supported"), (False, "undetermined")):
        (card,) = judge([quick], runs.assign(timing_valid=valid))
        assert card.verdict == verdict
    assert card.samples == 0 and card.note == "not measured"


def test_a_card_says_what_it_stands_on(folder):
    cards = judge([claim(**HALF, margin=1.0, each={"lsh.preset": ["good", "bad", "none"]})], folder)
    good, _, none = cards
    assert good.variant == "lsh.preset=good" and good.samples == 5 and good.places == ("toy 4-3",)
    assert good.mean == pytest.approx(-0.492) and good.found.low < good.mean < good.found.high
    assert none.verdict == "undetermined" and none.mean is None and none.note == "no run is of this kind"
    alone = judge([claim(of={"method": "lsh"}, baseline={"method": "chance"}, margin=1.0)], folder)
    assert alone[0].verdict == "undetermined" and "no baseline" in alone[0].note


def test_a_folder_of_sweeps_is_one_source(folder):
    assert judge([claim(**HALF, margin=1.0)], folder.parent) == judge([claim(**HALF, margin=1.0)], folder)


def test_only_rows_of_the_sweep_count(folder):
    (card,) = judge([claim(**HALF, margin=1.0, sweep="another")], folder)
    assert card.verdict == "undetermined" and card.samples == 0


def test_a_gate_that_is_not_supported_stops(folder):
    cards = judge([claim(**HALF, margin=30.0, gate=True), claim(**HALF, margin=0.1, gate=True)], folder)
    assert [card.stops for card in cards] == [False, True]


def test_a_gate_may_stand_for_some_cards_alone(folder):
    each = {"lsh.preset": ["good", "bad"]}
    cards = judge([claim(**HALF, margin=1.0, each=each, gate=["good"])], folder)
    assert [card.verdict for card in cards] == ["supported", "refuted"]
    assert [card.gate for card in cards] == [True, False] and not any(card.stops for card in cards)
    require_gates(cards)
    missed = judge([claim(**HALF, margin=1.0, each=each, gate=True)], folder)
    with pytest.raises(ClaimError, match=r"^a gate does not hold: x \(lsh\.preset=bad\) is refuted$"):
        require_gates(missed)


@pytest.mark.parametrize(
    ("each", "gate", "complaint"),
    [
        ({"lsh.preset": ["good"]}, ["best"], "'best' is none of the values of lsh.preset: good"),
        ({"lsh.preset": ["good"]}, [], "an empty list names none"),
        ({}, ["good"], "needs an `each` of one setting"),
        ({"lsh.preset": ["good"], "lr": [1.0]}, ["good"], "needs an `each` of one setting"),
    ],
)
def test_a_gate_names_cards_that_there_are(each, gate, complaint):
    with pytest.raises(ValueError, match=complaint):
        claim(**HALF, margin=1.0, each=each, gate=gate)


def test_an_unknown_column_names_the_claim(folder):
    with pytest.raises(ConfigError, match=r"claims\.x: no column 'metod'.*'method'"):
        judge([claim(of={"metod": "lsh"}, at_most=1)], folder)
    with pytest.raises(ConfigError, match=r"claims\.x\.metric: 'mults_totl' is not a column"):
        judge([claim(of={"method": "lsh"}, metric="mults_totl", at_most=1)], folder)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[]", "1:1: a file of claims is a map"),
        ("claims: []", "1:9"),
        ("claims:\n  - {id: A, title: t, statement: s, of: {method: lsh}, at_most: 1}", "2:10"),
        ("claims:\n  - {id: a, title: t, statement: s, of: {method: lsh}}", "2:5: claims[0]: give at_most"),
        (
            "claims:\n  - {id: a, title: t, statement: s, of: {method: lsh}, baseline: {method: dense}}",
            "margin: no_worse needs the largest difference",
        ),
        ("claims:\n  - {id: a, title: t, statement: s, of: {method: lsh}, at_mots: 1}", "at_mots"),
        (
            "claims:\n" + "  - {id: a, title: t, statement: s, of: {method: lsh}, at_most: 1}\n" * 2,
            "the id 'a' is given twice",
        ),
    ],
)
def test_mistakes_in_a_file_are_placed(tmp_path, text, complaint):
    path = tmp_path / "claims.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_claims(path)
    assert complaint in str(caught.value), str(caught.value)


def test_the_claims_that_come_along_can_be_read():
    claims = load_claims(Path(__file__).parents[2] / "experiments" / "claims.yaml")
    assert len(claims) >= 6 and all(claim.paper for claim in claims)

"""Learning rates of the experiments: each says how they were chosen, and those searched are the best.

A search holds examples out of training (`validation_examples`) and is judged by them alone.
"""

from __future__ import annotations

import re
from pathlib import Path

import evidence
import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).parents[2]
EXPERIMENTS, RESULTS = ROOT / "experiments", ROOT / "results"
SWEEPS = sorted(path for path in EXPERIMENTS.glob("*.yaml") if not path.stem.startswith("claims"))
TOLD = re.compile(r"held[- ]out|validation|not searched|quality is no question|the rate falls")
# chosen for their multiplications, as their experiment says: validated too, and not the best of all
CHEAPER = {("norb_synthetic", "lsh"), ("rectangles_images", "lsh")}
RECIPE = ["optimizer", "lr", "skip", "inputs"]


def comment(path: Path) -> str:
    """The comment that a sweep file begins with, as one line."""
    return evidence.comment(path).replace("\n", " ")


def searches(path: Path) -> bool:
    """Whether a sweep file holds examples out of training."""
    return "validation_examples" in str(yaml.safe_load(path.read_text(encoding="utf-8")))


def names(text: str, other: Path) -> bool:
    """Whether a text names another sweep file."""
    return re.search(rf"\b{other.stem}\b", text) is not None


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_an_experiment_says_how_its_rates_were_chosen(path):
    said = comment(path)
    named = [other for other in SWEEPS if other != path and names(said, other)]
    chain = named + [other for one in named for other in SWEEPS if names(comment(one), other)]
    told = TOLD.search(said) or searches(path) or any(map(searches, chain))
    assert told, f"{path.name}: say which search its rates come from, or that they were not searched"


def test_an_experiment_that_names_no_search_is_found():
    assert not TOLD.search("Five ways of choosing nodes. Each method has its learning rate.")


def rows(folder):
    """Runs of a folder of results, one row for each recipe."""
    runs = pd.read_csv(RESULTS / folder / "runs.csv")
    of = [runs[name].fillna("").astype(str) for name in ("p_preset", "p_over") if name in runs]
    return runs.assign(variant=sum(of[1:], of[0]) if of else "")


def best_of(found, keys):
    """The recipes whose validation accuracy is the highest of those with the same keys; ties are all best."""
    top = found.groupby(keys)["valid_acc_pct"].transform("max")
    return found[found["valid_acc_pct"] == top]


def test_rates_of_within_a_point_are_the_best_on_held_out_examples():
    """Of dense, wide and narrow, and of LSH; the winners run at LSH's."""
    used, searched = rows("within_a_point"), rows("within_a_point_rates")
    keys = ["dataset", "hidden", "method"]
    best = best_of(searched, keys)
    told = 0
    for own, of in used.groupby(keys):
        for recipe in of[RECIPE].drop_duplicates().itertuples(index=False):
            at = own if own[2] != "winner_take_all" else (*own[:2], "lsh")
            tried = searched if (own[0], at[2]) in CHEAPER else best
            known = tried[(tried[keys] == list(at)).all(axis=1)][RECIPE]
            assert tuple(recipe) in set(known.itertuples(index=False, name=None)), (own, recipe)
            told += 1
    assert told >= 20


def test_rates_of_the_quickstart_are_the_best_on_held_out_examples():
    used, searched = rows("quickstart"), rows("quickstart_lr")
    best = best_of(searched, ["method", "variant"])
    for run in used.itertuples():
        known = best[(best["method"] == run.method) & (best["variant"] == run.variant)]
        assert run.lr in set(known["lr"]), (run.method, run.variant, run.lr)

"""Names of configurations: short, and different wherever the configurations are."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pandas as pd
import pytest
from fake_runs import FakeSweep, fake_run, spec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lshexp import registry
from lshexp.analysis.compare import compare
from lshexp.analysis.configurations import PARTS, label_of, named, setting_columns
from lshexp.analysis.results import read_results
from lshexp.methods.dense import Dense
from lshexp.runs.sweep import run_sweep

RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture
def runs_of(tmp_path, toy_dataset):
    def make(*runs, name="fake"):
        run_sweep(FakeSweep(list(runs), name), tmp_path, run=fake_run)
        return read_results(tmp_path / name).runs

    return make


class Flavoured(Dense):
    """A method whose variants are named by an option of its own."""

    variant: ClassVar[str] = "flavour"


def lsh(**options):
    return spec("lsh", 0, 5.0, method_options=options)


def test_a_method_alone_is_called_by_its_name(runs_of):
    runs = runs_of(
        spec("dense"), lsh(preset="good", K=6), spec("lsh", 1, 5.0, method_options={"preset": "good", "K": 6})
    )
    assert list(label_of(runs)) == ["dense", "lsh", "lsh"]


def test_presets_are_told_apart_and_what_they_set_is_not_repeated(runs_of):
    runs = runs_of(lsh(preset="good", L=50), lsh(preset="hybrid", L=20), lsh(preset="hybrid", L=20, K=3))
    assert list(label_of(runs)) == ["lsh good", "lsh hybrid", "lsh hybrid K=3"]


def test_any_method_may_have_variants(runs_of):
    """A method that is registered later names its variants as `lsh` does its presets."""
    with registry.temporarily(method={"other": Flavoured}):
        plain = {"active_pct": 5.0, "method_options": {"flavour": "plain", "size": 1}}
        sweet = {"active_pct": 5.0, "method_options": {"flavour": "sweet", "size": 2}}
        runs = runs_of(spec("other", 0, **plain), spec("other", 0, **sweet))
        assert list(label_of(runs)) == ["other plain", "other sweet"]


def test_the_value_of_most_goes_without_saying(runs_of):
    runs = runs_of(lsh(K=6, L=50), lsh(K=8, L=50), lsh(K=6, L=100), spec("dense"))
    assert list(label_of(runs)) == ["lsh", "lsh K=8", "lsh L=100", "dense"]
    grid = runs_of(*(lsh(K=K, L=L) for K in (4, 6) for L in (10, 20)), name="grid")
    assert list(label_of(grid)) == ["lsh K=4 L=10", "lsh K=4 L=20", "lsh K=6 L=10", "lsh K=6 L=20"]


def test_what_a_reader_sees_elsewhere_and_what_follows_from_it_is_left_out(runs_of):
    """The learning rate goes with the share, as in the paper."""
    runs = runs_of(*(spec("lsh", 0, share, lr=lr) for share, lr in ((5.0, 0.01), (25.0, 0.005))))
    assert list(label_of(runs)) == ["lsh", "lsh"]
    assert list(label_of(runs, apart=())) == ["lsh active_pct=5", "lsh active_pct=25"]


def test_choices_are_named_before_numbers(runs_of):
    runs = runs_of(*(spec("dense", optimizer=how, lr=lr) for how, lr in (("sgd", 1.0), ("adagrad", 0.01))))
    assert list(label_of(runs)) == ["dense sgd", "dense adagrad"]


def test_data_and_networks_have_names_of_their_own(runs_of):
    runs = runs_of(
        spec(hidden=[8], dataset_options={"side": 2}),
        spec(hidden=[8], dataset_options={"side": 3}),
        spec(hidden=[16]),
    )
    parts = named(runs)
    assert list(parts["data"]) == ["toy side=2", "toy side=3", "toy"] and list(parts["network"]) == [
        "8",
        "8",
        "16",
    ]
    assert set(parts["label"]) == {"dense"}


def test_outputs_are_named_and_what_they_computed_is_no_setting(runs_of):
    options = {"output_options": {"distribution": "unigram"}}
    drawn = {"output_method": "popularity", "output_active_pct": 5.0, **options}
    looked_up = {"output_method": "lsh", "output_active_pct": 5.0, "tail_pct": 2.5}
    runs = runs_of(
        spec("dense"), spec("dense", **drawn), spec("dense", **looked_up, tail="popularity"),
        spec("dense", **looked_up), spec("dense", **looked_up, correction="none"),
    )  # fmt: skip
    assert list(label_of(runs)) == [
        "dense output=dense", "dense output=popularity", "dense output=lsh tail=popularity",
        "dense output=lsh", "dense output=lsh correction=none",
    ]  # fmt: skip
    (told,) = set(
        compare(runs, baseline="output_method=dense").query("output_method == 'popularity'")["differs"]
    )
    assert "popularity" in told and "output_active_pct=5" in told and "distribution" not in told
    assert "output_active_pct_achieved" in runs and "output_active_pct_achieved" not in setting_columns(runs)


def test_no_runs_have_no_names():
    empty = read_results(RESULTS / "quickstart").runs.iloc[:0]
    assert named(empty)["label"].empty


def tell_everything_apart(runs: pd.DataFrame, apart: tuple[str, ...]) -> None:
    frame = named(runs, apart)
    by_name = frame.groupby([*PARTS, *apart], dropna=False, observed=True).ngroups
    by_settings = frame.groupby(setting_columns(runs), dropna=False, observed=True).ngroups
    assert by_name == by_settings


@pytest.mark.parametrize(
    "folder",
    sorted(path.parent for path in RESULTS.rglob("runs.csv") if RESULTS / "scratch" not in path.parents),
    ids=lambda path: path.name,
)
def test_all_results_that_come_along_are_told_apart(folder):
    runs = read_results(folder).runs
    for apart in ((), ("active_pct",), ("threads", "active_pct")):
        tell_everything_apart(runs, apart)


OPTION = st.sampled_from([None, 0, 1, "-", "x"])


@settings(deadline=None, max_examples=60)
@example(
    [("a", None, None, None, 0.1)] * 3
    + [("b", None, None, None, 0.1), ("b", None, "-", None, 0.1), ("b", None, "-", None, 1.0)]
)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), OPTION, OPTION, OPTION, st.sampled_from([0.1, 1.0])), min_size=1
    )
)
def test_names_differ_wherever_settings_do(rows):
    frame = pd.DataFrame(rows, columns=["method", "p_preset", "p_K", "p_hash_name", "lr"])
    frame = frame.assign(dataset="toy", hidden="8", active_pct=5.0).convert_dtypes()
    tell_everything_apart(frame, ("active_pct",))

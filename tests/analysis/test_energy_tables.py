"""Energy at other prices: a user's table with its mistakes, finished runs priced again, orders that turn."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pandas as pd
import pytest
from fake_runs import FakeSweep, fake_run, spec
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import lshexp
from lshexp.analysis.energy import DEFAULT_MODELS, sensitivity
from lshexp.cli import app
from lshexp.config.energy import energy_model, load_table
from lshexp.errors import ConfigError, StoreError
from lshexp.nn.result import WorkRow
from lshexp.runs.sweep import run_sweep
from lshexp.work import Work

pytestmark = pytest.mark.usefixtures("toy_dataset")
ROOT = Path(__file__).parents[2]
TABLE = "title: chip\nsource: a data sheet\npicojoules: {mult: 2, add: 0.5, access: 16}\naccess_bytes: 4\n"
WORK = {  # mults, adds, bytes: dense does arithmetic, lsh moves data, dropout does a little of both
    "dense": (1000, 1000, 100),
    "lsh": (50, 50, 5000),
    "dropout": (500, 500, 50),
}


def table(tmp_path, text, name="chip.yaml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def results(tmp_path, methods=tuple(WORK), run=None):
    def counted(one, report):
        return fake_run(one, work=[WorkRow(0, "forward", *WORK[one.method])])

    runs = [spec(m, r, 100.0 if m == "dense" else 5.0) for m in methods for r in (0, 1)]
    run_sweep(FakeSweep(runs, "fake"), tmp_path, run=run or counted)
    return tmp_path / "fake"


@given(st.integers(0, 10**15), st.integers(0, 10**15), st.integers(0, 10**15))
def test_a_users_table_prices_by_hand(tmp_path_factory, mults, adds, nbytes):
    path = table(tmp_path_factory.getbasetemp(), TABLE)
    label, model = energy_model(str(path))
    by_hand = (2 * mults + 0.5 * adds + 16 * nbytes / 4) * 1e-12
    assert label == "chip" and math.isclose(model.joules(Work(mults, adds, nbytes)), by_hand)


def test_a_table_needs_no_more_than_prices_of_arithmetic(tmp_path):
    model = load_table(table(tmp_path, "title: a\npicojoules: {mult: 1, add: 0}"))
    assert model.joules(Work(10**12, 10**12, 10**12)) == pytest.approx(1)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "experiments" / "energy").glob("*.yaml")), ids=lambda p: p.name
)
def test_tables_that_come_with_lshexp_are_valid(path):
    assert load_table(path).source


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("title: a\npicojoules: {mult: -1, add: 0}", r"chip.yaml:2:20: picojoules.mult: -1 must be >= 0"),
        ("title: a\npicojoules: {mul: 1, add: 0}", r"2:19: picojoules.mul: unknown key 'mul'; did you mean"),
        ("title: a\npicojoules: {mult: 1}", r"2:13: picojoules.add: this key is required"),
        ("title: a\npicojoules: {mult: 1pJ, add: 0}", r'2:20: picojoules.mult: "1pJ" is text'),
        ("title: a\npicojoules: {mult: .inf, add: 0}", r"2:20: .*not a finite number"),
        ("title: ../a\npicojoules: {mult: 1, add: 0}", r"1:8: title"),
        ("title: a\ntitle: b\npicojoules: {mult: 1, add: 0}", r"2:1: .*given twice"),
        ("title: a\naccess_bytes: 0\npicojoules: {mult: 1, add: 0}", r"2:15: access_bytes: 0 must be >= 1"),
        ("title: !!python/object:os.system a\npicojoules: {mult: 1, add: 0}", r"1:8: .*is not allowed"),
        ("- 1\n", r"chip.yaml:1:1: a table of prices is a map .* this is a list"),
        ("", r"chip.yaml:1:1: a table of prices is a map .* this is empty"),
        ("title: [", r"not valid YAML"),
        ("x: " + "[" * 100, r"nested more than 20 levels"),
        ("#" + "x" * 2**20, r"larger than 1,048,576 bytes"),
    ],
)  # fmt: skip
def test_mistakes_in_a_table_have_their_place(tmp_path, text, complaint):
    with pytest.raises(ConfigError, match=complaint) as caught:
        energy_model(str(table(tmp_path, text)))
    assert "chip.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("horowitz", "unknown energy 'horowitz'; did you mean 'horowitz45'"),
        ("horowitz45_mem,memory=dra", "energy.memory: .*did you mean 'dram'"),
        ("horowitz45,mult_pj", "'mult_pj' is no option; write horowitz45,key=value"),
        ("horowitz45,mult_pj=[1]", "a single value is wanted"),
        ("nowhere.yaml", "nowhere.yaml: cannot be read: no such file"),
    ],
)
def test_unknown_models_are_refused(text, complaint):
    with pytest.raises(ConfigError, match=complaint):
        energy_model(text)


def test_the_same_table_as_built_in_gives_the_same_joules(tmp_path):
    same = "title: same\npicojoules: {mult: 3.7, add: 0.9, access: 1300}\n"
    work = Work(12345, 678, 91011)
    mine, theirs = energy_model(str(table(tmp_path, same))), energy_model("horowitz45_mem")
    assert mine.model.joules(work) == pytest.approx(theirs.model.joules(work), rel=1e-12)


def test_pricing_again_at_the_same_prices_changes_nothing(tmp_path):
    folder = results(tmp_path)
    found = lshexp.read_results(folder)
    for source in (folder, folder / "runs.csv", found):
        pd.testing.assert_frame_equal(lshexp.compare(source, energy="horowitz45"), lshexp.compare(found))


def test_compare_prices_by_the_users_table(tmp_path):
    frame = lshexp.compare(results(tmp_path), energy=str(table(tmp_path, TABLE)))
    ratios = dict(zip(frame["method"], frame["energy_ratio"], strict=True))

    def joules(work):
        return 2 * work[0] + 0.5 * work[1] + 4 * work[2]

    assert ratios == pytest.approx({m: joules(w) / joules(WORK["dense"]) for m, w in WORK.items()})
    with pytest.raises(ConfigError, match="a frame of runs alone"):
        lshexp.compare(lshexp.read_results(tmp_path / "fake").runs, energy="horowitz45")


def test_ranks_that_change_from_table_to_table_are_shown_and_others_not(tmp_path):
    models = ["horowitz45", "horowitz45_mem", "horowitz45_mem,memory=sram_8kb"]
    found = sensitivity(results(tmp_path), models)
    (network,) = found.networks
    assert network.ranks(models) == [
        ["dense, 100 %", "3", "2", "2"],
        ["dropout, 5 %", "2", "1", "1"],
        ["lsh, 5 %", "1", "3", "3"],
    ]
    assert network.ranks(models[1:]) == []
    assert network.finding(models).startswith("3 of 3 configurations change their rank")
    rank = network.rows.set_index(["method", "energy_model"])["rank"]
    assert rank["lsh", "horowitz45"] == 1 and rank["lsh", "horowitz45_mem"] == 3
    assert found.notes == []


def test_joules_are_means_of_good_runs_and_ratios_are_to_the_baseline(tmp_path):
    def run(one, report):
        mults = 100 * (one.repeat + 1) if one.method == "lsh" else 1000
        status = "diverged" if one.method == "dropout" else "ok"
        return fake_run(one, status=status, work=[WorkRow(0, "forward", mults, 0, 0)])

    found = sensitivity(results(tmp_path, run=run), ["horowitz45"])
    rows = found.frame().set_index("method")
    assert rows.loc["lsh", "joules"] == pytest.approx(150 * 3.7e-12)
    assert rows.loc["lsh", "ratio"] == pytest.approx(0.15)
    assert pd.isna(rows.loc["dropout", "joules"]) and not found.networks[0].ranks(["horowitz45"])


def test_the_command_says_whether_the_order_holds(tmp_path):
    folder = str(results(tmp_path))

    def said(*words):
        done = CliRunner().invoke(app, ["energy", folder, *words])
        assert done.exit_code == 0, done.output
        return done.stdout

    assert "3 of 3 configurations change their rank" in said()
    assert all(model in said() for model in DEFAULT_MODELS)
    assert max(map(len, said().splitlines())) <= 80
    mine = str(table(tmp_path, TABLE))
    assert "same under all of the 2 tables" in said("-m", "horowitz45_mem", "-m", mine)
    assert "One table alone" in said("-m", "horowitz45")
    frame = pd.read_csv(io.StringIO(said("--format", "csv")))
    assert len(frame) == len(WORK) * len(DEFAULT_MODELS) and frame["joules"].gt(0).all()
    assert said("--format", "md").startswith("**toy, hidden 4-3: joules")
    with pytest.raises(ConfigError, match="two tables are called 'horowitz45'"):
        sensitivity(folder, ["horowitz45", "horowitz45"])


def test_a_folder_without_the_work_table_is_refused(tmp_path):
    folder = results(tmp_path)
    (folder / "work.csv").unlink()
    with pytest.raises(StoreError, match=r"work\.csv does not exist"):
        lshexp.compare(folder, energy="horowitz45")


def test_a_sweep_without_runs_gives_no_rows(tmp_path):
    run_sweep(FakeSweep([], "fake"), tmp_path, run=fake_run)
    found = sensitivity(tmp_path / "fake")
    assert found.networks == [] and found.frame().empty

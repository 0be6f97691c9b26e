"""Comparison with a baseline: pairing, grouping, what is missing and why."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from fake_runs import FakeSweep, fake_run, spec, sweep_of
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from typer.testing import CliRunner

import lshexp
from lshexp import render
from lshexp.analysis.pairing import baseline_settings, equal
from lshexp.cli import app
from lshexp.errors import ConfigError, DataError, StoreError
from lshexp.runs.sweep import run_sweep

pytestmark = [pytest.mark.usefixtures("toy_dataset"), pytest.mark.filterwarnings("error")]


def results(tmp_path, runs, run=fake_run, name="fake"):
    run_sweep(FakeSweep(list(runs), name), tmp_path, run=run)
    return lshexp.read_results(tmp_path / name)


def row(frame, **settings):
    """The one row with these settings."""
    chosen = frame
    for name, value in settings.items():
        chosen = chosen[chosen[name] == value]
    assert len(chosen) == 1, frame
    return chosen.iloc[0]


def test_results_are_typed_and_join(tmp_path):
    found = results(tmp_path, sweep_of(method_options={"K": 6, "hash": "srp"}).runs)
    types = found.runs.dtypes.astype(str)
    assert types["method"] == types["hidden"] == "category"
    assert types["mults_total"] == types["p_K"] == types["seed"] == "Int64"
    assert types["timing_valid"] == "boolean" and types["energy_proxy_j"] == "float64"
    assert found.runs["energy_rapl_j"].isna().all() and (found.runs["p_hash"] == "srp").all()
    joined = found.work.merge(found.runs[["run_id", "method"]], on="run_id")
    assert joined[joined["method"] == "dense"]["mults"].sum() == 2 * 1000
    assert len(found.epochs) == 8 and list(found.env["env_id"]) == list(found.runs["env_id"].unique())


def test_differences_are_paired_and_ratios_relative_to_the_baseline(tmp_path):
    frame = lshexp.compare(results(tmp_path, sweep_of(repeats=3).runs))
    assert list(frame["method"]) == ["dense", "lsh"], "the baseline leads"
    lsh, dense = row(frame, method="lsh"), row(frame, method="dense")
    assert (lsh["runs"], lsh["pairs"], lsh["active_pct"]) == (3, 3, 5.0)
    assert lsh["mean"] == pytest.approx(97.6) and lsh["sd"] == pytest.approx(0.1)
    assert lsh["difference"] == pytest.approx(-0.5)
    assert lsh["mults_pct_of_dense"] == pytest.approx(5) and lsh["mults_pct_of_dense_paper"] == pytest.approx(
        5
    )
    assert lsh["energy_ratio"] == pytest.approx(0.05) and lsh["time_ratio"] == pytest.approx(1)
    assert dense["is_baseline"] and dense["difference"] == 0 and dense["energy_ratio"] == 1
    # differences that are all the same have a spread that nobody knows, and no interval
    assert "their spread is not known" in frame.attrs["notes"][0]
    assert pd.isna(lsh["ci_low"]) and pd.isna(lsh["p"]) and lsh["verdict"] == "too few seeds"
    assert pd.isna(dense["verdict"]) and pd.isna(dense["ci_low"])


def uneven(one, report=None):
    """LSH loses half a point, a little more or less with each seed."""
    result = fake_run(one, report)
    if one.method == "lsh":
        last = result.epochs[-1]
        object.__setattr__(last, "test_acc_pct", last.test_acc_pct + 0.02 * (one.repeat % 2))
    return result


def test_interval_p_and_verdict_are_of_one_test(tmp_path):
    found = results(tmp_path, sweep_of(repeats=5).runs, uneven)
    lsh = row(lshexp.compare(found), method="lsh")
    differences = [-0.5, -0.48, -0.5, -0.48, -0.5]
    low, high = stats.t.interval(0.95, 4, np.mean(differences), stats.sem(differences))
    assert (lsh["ci_low"], lsh["ci_high"]) == pytest.approx((low, high))
    assert lsh["p"] < 0.05 and lsh["non_inferior"] and lsh["verdict"] == "within 1 pt"
    assert row(lshexp.compare(found, margin=0.3), method="lsh")["verdict"] == "worse by more than 0.3 pt"
    assert row(lshexp.compare(found, margin=0.49), method="lsh")["verdict"] == "not settled"
    dense = row(lshexp.compare(found, "lsh"), method="dense")
    assert row(lshexp.compare(found, "lsh", margin=0.1), method="dense")["verdict"] == "better"
    assert (dense["verdict"], dense["baseline"]) == ("within 1 pt", "lsh")


def test_the_metrics_direction_decides_what_is_better_and_counts_need_no_spread(tmp_path):
    found = results(tmp_path, sweep_of(repeats=3).runs)
    fewer = row(lshexp.compare(found, metric="mults_pct_of_dense", margin=1.0), method="lsh")
    assert (fewer["difference"], fewer["verdict"]) == (pytest.approx(-95), "better")
    with pytest.raises(ConfigError, match="margin: 0 is not above zero"):
        lshexp.compare(found, margin=0)


@pytest.mark.parametrize(
    "column, what", [("init_hash", "initial weights"), ("order_hash", "order of examples")]
)
def test_runs_that_did_not_begin_alike_are_no_pairs(tmp_path, column, what):
    runs = results(tmp_path, sweep_of(repeats=3).runs).runs
    odd = runs.index[(runs["method"] == "lsh") & (runs["repeat"] == 1)][0]
    runs.loc[odd, column] = "another"
    with pytest.raises(ConfigError, match=f"runs {runs.loc[odd, 'run_id']} and .* their {what} differ"):
        lshexp.compare(runs)


def test_pairing_uses_only_seeds_that_both_have(tmp_path):
    runs = [spec("dense", 0), spec("dense", 1), spec("lsh", 1, 5.0), spec("lsh", 2, 5.0)]
    lsh = row(lshexp.compare(results(tmp_path, runs)), method="lsh")
    assert lsh["pairs"] == 1 and lsh["difference"] == pytest.approx(97.6 - 98.1)
    assert lsh["mean"] == pytest.approx((97.6 + 97.7) / 2)


def test_failed_and_diverged_runs_are_counted_and_enter_no_mean(tmp_path):
    def run(one, report):
        if one.method == "lsh" and one.repeat == 0:
            raise DataError("gone")
        if one.method == "lsh" and one.repeat == 1:
            return fake_run(one, status="diverged", error="nan")
        return fake_run(one)

    lsh = row(lshexp.compare(results(tmp_path, sweep_of(repeats=3).runs, run)), method="lsh")
    assert (lsh["runs"], lsh["failed"], lsh["diverged"], lsh["pairs"]) == (3, 1, 1, 1)
    assert lsh["mean"] == pytest.approx(97.7) and np.isnan(lsh["sd"])


def test_a_configuration_without_a_good_run_keeps_its_row(tmp_path):
    def run(one, report):
        return fake_run(one, status="diverged" if one.method == "lsh" else "ok")

    lsh = row(lshexp.compare(results(tmp_path, sweep_of().runs, run)), method="lsh")
    assert lsh["diverged"] == 2 and np.isnan(lsh["mean"]) and np.isnan(lsh["energy_ratio"])


def test_a_missing_baseline_is_said_and_its_columns_are_empty(tmp_path):
    frame = lshexp.compare(results(tmp_path, sweep_of(["lsh"]).runs))
    assert "no run has method=dense" in frame.attrs["notes"][0]
    assert frame[["difference", "energy_ratio", "time_ratio"]].isna().all(axis=None)
    assert not np.isnan(row(frame, method="lsh")["mean"])


def test_each_network_has_its_own_baseline(tmp_path):
    runs = [spec(m, 0, a, hidden=h) for h in ([4], [4, 4]) for m, a in (("dense", 100.0), ("lsh", 5.0))]
    frame = lshexp.compare(results(tmp_path, [*runs, spec("lsh", 0, 5.0, hidden=[8])]))
    assert row(frame, method="lsh", hidden="4-4")["pairs"] == 1
    assert row(frame, method="lsh", hidden="8")["pairs"] == 0
    missing, few = frame.attrs["notes"]
    assert "toy 8:" in missing
    assert few.startswith("1 pair of runs cannot settle anything: 3 seeds (--repeats) are the fewest")


def test_other_data_is_no_baseline(tmp_path):
    frame = lshexp.compare(results(tmp_path, [spec("dense"), spec("lsh", dataset_options={"side": 3})]))
    assert row(frame, method="lsh")["pairs"] == 0 and frame.attrs["notes"]


def test_the_baseline_agrees_where_it_can(tmp_path):
    """Threads and epochs vary for both; the rate varies for one only."""
    runs = [spec("dense", 0, threads=threads, lr=0.001) for threads in (1, 2)]
    runs += [spec("lsh", 0, 5.0, threads=threads, lr=lr) for threads in (1, 2) for lr in (0.01, 0.02)]

    def run(one, report):
        result = fake_run(one)
        changed = [type(epoch)(**{**vars(epoch), "train_s": 1.0 / one.threads}) for epoch in result.epochs]
        return fake_run(one, epochs=changed)

    frame = lshexp.compare(results(tmp_path, runs, run))
    lsh = frame[frame["method"] == "lsh"]
    assert len(lsh) == 4 and set(lsh["time_ratio"]) == {1.0}
    assert {"threads", "lr"} < set(frame.columns) and "batch" not in frame


def rated(valid=None):
    """Dense at three learning rates, the last the best in the test; LSH with the optimiser of the worst."""

    def run(one, report=None):
        result = fake_run(one, report)
        last = result.epochs[-1]
        if one.method == "dense":
            object.__setattr__(last, "test_acc_pct", 90 + 10 * one.lr)
        object.__setattr__(last, "valid_acc_pct", valid(one) if valid else None)
        return result

    runs = [spec("dense", lr=0.1), spec("dense", lr=0.5, optimizer="sgd"), spec("dense", lr=0.6)]
    return [*runs, spec("lsh", 0, 5.0, lr=0.1, optimizer="adagrad")], run


def test_the_baseline_is_the_best_on_validation_whatever_its_optimiser(tmp_path):
    runs, run = rated(lambda one: 99.0 if one.lr == 0.5 else 98.0)
    frame = lshexp.compare(results(tmp_path, runs, run))
    lsh = row(frame, method="lsh")
    assert lsh["difference"] == pytest.approx(97.5 - 95.0) and lsh["chosen_by"] == "validation"
    assert row(frame, lr=0.5)["is_baseline"] and frame["is_baseline"].sum() == 1
    assert lsh["baseline"] == row(frame, lr=0.5)["label"] == "dense sgd lr=0.5"
    assert lsh["differs"] == "adagrad (baseline sgd), lr=0.1 (baseline 0.5)"
    assert row(frame, lr=0.6)["differs"] == "adagrad (baseline sgd), lr=0.6 (baseline 0.5)"
    told = "`dense sgd lr=0.5` is the baseline, the best of 3 with method=dense by validation accuracy"
    assert told in frame.attrs["notes"][0]


def test_without_validation_the_best_in_the_test_is_taken_said_and_marked(tmp_path, capsys):
    runs, run = rated()
    found = results(tmp_path, runs, run)
    frame = lshexp.compare(found)
    lsh = row(frame, method="lsh")
    assert lsh["difference"] == pytest.approx(97.5 - 96.0) and lsh["chosen_by"] == "test"
    assert "by TEST accuracy" in frame.attrs["notes"][0] and "--baseline" in frame.attrs["notes"][0]
    render.comparison(frame, "table")
    out = capsys.readouterr().out
    assert f"{lsh['baseline']}*" in out and "*: chosen as the best by its test accuracy" in out
    for baseline in ("method=dense, lr=0.5", {"method": "dense", "lr": 0.5}):
        frame = lshexp.compare(found, baseline)
        assert row(frame, method="lsh")["chosen_by"] == "" and row(frame, lr=0.5)["is_baseline"]


def test_an_unknown_baseline_is_refused_and_one_that_was_not_run_is_said(tmp_path):
    found = results(tmp_path, sweep_of().runs)
    with pytest.raises(ConfigError, match=r"method=dens; did you mean 'dense'.*there are dense, lsh"):
        lshexp.compare(found, "dens")
    with pytest.raises(ConfigError, match="no run has lr=7"):
        lshexp.compare(found, "method=dense,lr=7")
    assert "no run has method=dropout" in lshexp.compare(found, "dropout").attrs["notes"][0]
    done = CliRunner().invoke(app, ["compare", str(tmp_path / "fake"), "--baseline", "dens"])
    assert isinstance(done.exception, ConfigError) and done.exception.exit_code == 2


def test_baseline_and_margin_come_from_the_sweep(tmp_path):
    results(tmp_path, sweep_of(repeats=5).runs, uneven)
    asked = "name: fake\ntitle: A title\nbaseline: {method: lsh}\nmargin: 0.1\n"
    (tmp_path / "fake" / "sweep.yaml").write_text(asked)
    for source in (tmp_path / "fake", tmp_path / "fake" / "runs.csv", lshexp.read_results(tmp_path / "fake")):
        frame = lshexp.compare(source)
        assert row(frame, method="lsh")["is_baseline"] and row(frame, method="dense")["verdict"] == "better"
    assert lshexp.read_results(tmp_path / "fake").runs.attrs["title"] == "A title"
    asked_for = row(lshexp.compare(tmp_path / "fake", "dense", margin=2.0), method="lsh")
    assert asked_for["verdict"] == "within 2 pt"
    results(tmp_path, sweep_of(repeats=5, lr=0.5).runs, uneven, "other")
    both = lshexp.compare([tmp_path / "fake", tmp_path / "other"])
    assert "different baselines or margins: dense and 1 are taken" in " ".join(both.attrs["notes"])


def test_the_table_fits_80_columns_and_explains_itself(tmp_path, capsys):
    def run(one, report=None):
        return fake_run(one, status="diverged" if one.method == "dropout" else "ok")

    runs = [spec("dense", r, optimizer="momentum", lr=0.1) for r in range(3)]
    long = {"preset": "a_rather_long_name", "rank": "count"}
    runs += [
        spec("winner_take_all", r, 5.0, method_options=long | {"K": K}) for r in range(3) for K in (4, 6)
    ]
    frame = lshexp.compare(results(tmp_path, [*runs, spec("dropout", 0, 25.0)], run))
    render.comparison(frame, "table")
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "against dense; also different: adagrad (baseline momentum)" in " ".join(out.split())
    for word in ("act %", "±", "mult %", "time", "-", "too few seeds"):
        assert f"\n{word}: " in out
    head = next(line for line in out.splitlines() if line.startswith("method"))
    numbers = [line for line in out.splitlines() if " 5.00 " in line]
    ends = {line.index("5.00", head.index("mult %")) + 4 for line in numbers}
    assert ends == {head.index("mult %") + 6}
    render.comparison(frame, "table", wide=True)
    wide = capsys.readouterr().out
    assert "energy_ratio" in wide and "differs" in wide and "lr=0.01 (baseline 0.1)" in wide


def test_what_predicting_costs_is_shown_where_it_was_measured(tmp_path, capsys):
    runs = results(tmp_path, sweep_of().runs).runs.assign(predict_us=[4.0, 2.0, 6.0, 3.0])
    frame = lshexp.compare(runs)
    assert row(frame, method="dense")["predict_us"] == 5.0 and row(frame, method="lsh")["predict_us"] == 2.5
    render.comparison(frame, "csv")
    render.comparison(frame, "table", wide=True)
    assert len(re.findall(r"\bpredict_us\b", capsys.readouterr().out)) == 2


def test_a_missing_time_is_explained(tmp_path):
    runs = results(tmp_path, sweep_of().runs).runs
    runs["timing_valid"] = False
    frame = lshexp.compare(runs)
    assert "1 of 1 rows have no time ratio" in " ".join(frame.attrs["notes"])
    assert "time ratio" not in " ".join(lshexp.compare(tmp_path / "fake").attrs["notes"])


def test_a_bar_in_a_name_does_not_end_a_cell_of_markdown(tmp_path, capsys):
    runs = [spec("dense"), *(spec("lsh", 0, 5.0, method_options={"file": name}) for name in ("a|b.csv", "c"))]
    frame = lshexp.compare(results(tmp_path, runs))
    for wide in (False, True):
        render.comparison(frame, "md", wide)
        lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
        assert any(r"file=a\|b.csv" in line for line in lines)
        assert len({line.replace(r"\|", "").count("|") for line in lines}) == 1


def test_options_show_only_where_one_method_has_several(tmp_path):
    runs = [spec("lsh", method_options={"K": K}) for K in (4, 6)] + [spec("dense", method_options={"x": 1})]
    frame = lshexp.compare(results(tmp_path, runs))
    assert "p_K" in frame and "p_x" not in frame and len(frame) == 3


def test_invalid_times_enter_no_ratio(tmp_path):
    runs = results(tmp_path, sweep_of().runs).runs
    runs.loc[runs["method"] == "dense", "timing_valid"] = [False, pd.NA]
    lsh = row(lshexp.compare(runs), method="lsh")
    assert np.isnan(lsh["time_ratio"]) and lsh["energy_ratio"] == pytest.approx(0.05)


def test_a_run_in_two_folders_counts_once(tmp_path):
    first, second = results(tmp_path, sweep_of().runs, name="a"), results(tmp_path, sweep_of().runs, name="b")
    frame = lshexp.compare([first, tmp_path / "b" / "runs.csv", second.runs])
    assert list(frame["runs"]) == [2, 2] and "8 runs are there more than once" in frame.attrs["notes"][0]


def test_machines_that_round_differently_are_said(tmp_path):
    first = results(tmp_path, sweep_of().runs, name="a")
    results(tmp_path, sweep_of(lr=0.5).runs, name="b")
    alike = " ".join(lshexp.compare(tmp_path).attrs["notes"])
    assert "round differently" not in alike

    def elsewhere(column, value, new_id):
        env = pd.read_csv(tmp_path / "b" / "env.csv", dtype=str)
        runs = pd.read_csv(tmp_path / "b" / "runs.csv", dtype=str)
        env[column], env["env_id"], env["arithmetic_id"] = value, "0123456789ab", new_id
        runs["env_id"] = "0123456789ab"
        env.to_csv(tmp_path / "b" / "env.csv", index=False)
        runs.to_csv(tmp_path / "b" / "runs.csv", index=False)

    elsewhere("blas_kernel", "Another", "0badc0de")
    for source in (tmp_path, [first, tmp_path / "b" / "runs.csv"], lshexp.read_results(tmp_path)):
        told = [note for note in lshexp.compare(source).attrs["notes"] if "round differently" in note]
        assert len(told) == 1 and "2 environments" in told[0] and "(blas_kernel in env.csv)" in told[0]
    for unknown in (first, [first, lshexp.read_results(tmp_path / "b").runs]):
        assert "round differently" not in " ".join(lshexp.compare(unknown).attrs["notes"])
    elsewhere("arithmetic_id", "", "")
    assert "round differently" not in " ".join(lshexp.compare(tmp_path).attrs["notes"])


@pytest.mark.parametrize(
    ("metric", "complaint"),
    [
        ("test_acc", "did you mean 'test_acc_pct'"),
        ("method", "is not a number"),
        ("nonsense", "is not a column"),
    ],
)
def test_a_wrong_metric_is_refused(tmp_path, metric, complaint):
    with pytest.raises(ConfigError, match=complaint):
        lshexp.compare(results(tmp_path, sweep_of().runs), metric=metric)


def test_a_metric_that_was_not_measured_is_said(tmp_path):
    frame = lshexp.compare(results(tmp_path, sweep_of().runs), metric="valid_acc_pct")
    assert frame.attrs["notes"] == ["no run has a valid_acc_pct"] and frame["mean"].isna().all()


def test_baselines_as_in_a_sweep_file(tmp_path):
    columns = ["method", "hidden", "p_K", "p_hash_bits", "lr"]
    given_as = {"method": "lsh", "hidden": [4, 3], "lsh.K": 6, "lsh.hash.bits": 2}
    expected = {"method": "lsh", "hidden": "4-3", "p_K": 6, "p_hash_bits": 2}
    assert baseline_settings(given_as, columns) == expected
    with pytest.raises(ConfigError, match="no column 'methd'; did you mean 'method'"):
        baseline_settings("methd=dense", columns)


def test_an_empty_table_gives_an_empty_comparison(tmp_path):
    frame = lshexp.compare(results(tmp_path, []))
    assert len(frame) == 0 and frame.attrs["notes"] == ["no run has a test_acc_pct"]


@given(st.floats(allow_nan=False) | st.integers(-(2**50), 2**50) | st.text("abc", min_size=1))
def test_cells_equal_their_own_text(value):
    assert equal(value, value) and equal(value, str(value)) and not equal(None, value)
    assert equal(pd.NA, None) and equal(float("nan"), pd.NA)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda text: text.replace("\n1,", "\n7,"), "has schema_version 7 and this lshexp reads 1"),
        (lambda text: text.replace(",lr,", ",rate,"), "it has no column lr"),
        (lambda text: text.replace(",128,", ",many,"), "damaged"),
        (lambda text: text[: len(text) // 2] + '"', "damaged"),
        (lambda text: "", "damaged"),
        (lambda text: "\x00\ud800", "damaged"),
    ],
)
def test_damaged_tables_are_refused_in_one_line(tmp_path, damage, complaint):
    results(tmp_path, sweep_of().runs)
    path = tmp_path / "fake" / "runs.csv"
    path.write_bytes(damage(path.read_text()).encode(errors="surrogatepass"))
    with pytest.raises(StoreError, match=complaint) as caught:
        lshexp.read_results(tmp_path / "fake")
    assert "runs.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_of_sweeps_is_compared_as_one_and_a_wrong_path_points_to_the_right_one(tmp_path):
    results(tmp_path, sweep_of().runs)
    assert list(lshexp.compare(tmp_path)["runs"]) == [2, 2]
    with pytest.raises(StoreError, match=r"did you mean .*fake"):
        lshexp.compare(tmp_path / "runs.csv")
    with pytest.raises(StoreError, match="is not a folder"):
        lshexp.read_results(tmp_path / "nowhere")


def test_the_package_loads_nothing_before_it_is_asked():
    code = "import lshexp, sys; print(lshexp.__all__, {'numpy', 'pandas', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "run_sweep" in done.stdout and done.stdout.strip().endswith("set()")
    with pytest.raises(AttributeError, match="no attribute 'sweeep'"):
        _ = lshexp.sweeep


def test_tables_of_before_a_setting_existed_are_read(tmp_path):
    from lshexp.analysis.results import read_runs

    results(tmp_path, [spec("dense")])
    folder = tmp_path / "fake"
    runs = pd.read_csv(folder / "runs.csv").drop(columns=["input", "probe"])
    runs.to_csv(folder / "runs.csv", index=False)
    assert list(read_runs(folder)["input"]) == ["rows"] and list(read_runs(folder)["probe"]) == [0.0]


def test_options_that_some_runs_lack_keep_their_values(tmp_path):
    runs = [spec("dense"), *(spec("lsh", 0, 5.0, method_options={"follow": f}) for f in (True, False))]
    assert list(results(tmp_path, runs).runs["p_follow"].dropna()) == [True, False]


def test_tables_of_before_something_was_measured_have_it_empty(tmp_path):
    results(tmp_path, [spec("dense")])
    folder = tmp_path / "fake"
    for table, column in (("runs", "bytes_touched"), ("env", "cpu_model")):
        found = pd.read_csv(folder / f"{table}.csv").drop(columns=[column])
        found.to_csv(folder / f"{table}.csv", index=False)
    again = lshexp.read_results(folder)
    assert again.runs["bytes_touched"].isna().all() and again.runs.dtypes["bytes_touched"] == "Int64"
    assert again.env["cpu_model"].isna().all() and len(again.env) == 1


def test_a_folder_of_sweeps_is_read_as_one(tmp_path):
    results(tmp_path, [spec("dense"), spec("lsh", active_pct=5.0, method_options={"K": 6})], name="one")
    results(tmp_path, [spec("dense"), spec("lsh", 1, 5.0, method_options={"hash": "srp"})], name="two")
    found = lshexp.read_results(tmp_path)
    assert list(found.runs["sweep"]) == ["one", "one", "two", "two"]
    assert found.runs.dtypes["method"] == "category" and found.runs.dtypes["mults_total"] == "Int64"
    assert found.runs["p_K"].notna().sum() == 1 and len(found.env) == 1
    assert set(found.epochs["run_id"]) == set(found.runs["run_id"])
    with pytest.raises(StoreError, match="no folder that does; run a sweep first"):
        lshexp.read_results(tmp_path / "one" / "records")


def test_text_that_looks_like_a_number_stays_text(tmp_path):
    """One hidden layer is written `8`, and an environment or hash may be all digits."""
    found = results(tmp_path, [spec("dense", hidden=[8]), spec("lsh", 0, 5.0, hidden=[16])])
    path = tmp_path / "fake" / "runs.csv"
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows.assign(env_id="007", init_hash="12", sweep="2026").to_csv(path, index=False)
    again = lshexp.read_results(tmp_path / "fake")
    for runs in (found.runs, again.runs, lshexp.read_results(tmp_path).runs):
        assert list(runs["hidden"]) == ["8", "16"] and runs["hidden"].str.count("-").sum() == 0
        assert runs.dtypes["hidden"] == "category"
    assert list(again.runs["env_id"]) == ["007", "007"] and list(again.runs["sweep"]) == ["2026", "2026"]
    assert list(again.runs["init_hash"]) == ["12", "12"]


def test_a_comparison_ends_with_what_was_seen_in_one_sentence(tmp_path, capsys):
    found = results(tmp_path, sweep_of(["dense", "lsh", "dropout"], repeats=1).runs)
    render.comparison(lshexp.compare(found), "table")
    words = " ".join(capsys.readouterr().out.partition("In short: ")[2].split())
    assert words.startswith(
        "within 1 pt of dense's mean accuracy: lsh at 5 % (5 % of dense's multiplications"
    )
    assert "further below: dropout at 5 % (-8.00 pt); one seed each, so a first look and no verdict." in words
    render.comparison(lshexp.compare(found, metric="train_s"), "table")
    assert "In short" not in capsys.readouterr().out, "of costs there is no such sentence"
    worse = lshexp.compare(results(tmp_path, sweep_of(["dense", "dropout"], repeats=2).runs, name="two"))
    render.comparison(worse, "table")
    words = " ".join(capsys.readouterr().out.partition("In short: ")[2].split())
    assert (
        words
        == "nothing came within 1 pt of dense's mean accuracy; further below: dropout at 5 % (-8.00 pt)."
    )


@pytest.mark.parametrize("name", ["peak_rss_mb", "mults_select", "timing_valid", "env_id"])
def test_a_table_written_before_a_column_existed_has_it_empty(tmp_path, name):
    results(tmp_path, sweep_of(repeats=1).runs)
    path = tmp_path / "fake" / "runs.csv"
    rows = pd.read_csv(path, dtype=str)
    rows.drop(columns=name, errors="ignore").to_csv(path, index=False)
    found = lshexp.read_results(path.parent).runs
    assert name not in found or found[name].isna().all()
    assert found["mults_total"].notna().all()

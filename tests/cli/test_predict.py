"""`lshexp predict` and `lshexp show`: a run that was kept, asked about and used."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pandas as pd
import pytest
from as_a_user import lshexp

from lshexp.analysis.run import view_run
from lshexp.data.newfile import classes_of
from lshexp.errors import ConfigError, DataError, StoreError
from lshexp.nn.saving import load_network
from lshexp.runs.find import find_network, find_run
from lshexp.runs.predictions import predict_data

SWEEP = """\
name: kept
dataset: {name: csv, path: PATH, label: kind, scale: standard}
hidden: [12, 12]
epochs: 15
batch: 20
save: true
sweep:
  - grid: {method: [lsh, dense]}
    set: {active_pct: 50}
"""
SPARSE = "{name: libsvm, path: PATH}"
FEATURES = ["a", "b", "c", "d"]


def table(rows, seed):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(5, 3, (rows, 4)), columns=FEATURES)
    frame["kind"] = np.where(frame["a"] > frame["b"], "cat, big", "dog")
    return frame


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A sweep of two networks trained on a user's own table."""
    folder = tmp_path_factory.mktemp("kept")
    table(200, 0).to_csv(folder / "train.csv", index=False)
    (folder / "kept.yaml").write_text(SWEEP.replace("PATH", str(folder / "train.csv")))
    done = lshexp("sweep", "kept.yaml", "--executor", "inline", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def network(kept, method="lsh"):
    runs = pd.read_csv(kept / "results" / "kept" / "runs.csv").set_index("method")
    return runs.loc[method, "run_id"], runs.loc[method]


def test_predicting_the_dataset_of_the_run_gives_its_test_accuracy(kept):
    for method in ("lsh", "dense"):
        run_id, row = network(kept, method)
        found = predict_data(load_network(find_network(run_id[:6], kept / "results")), "csv")
        assert found.accuracy_pct == pytest.approx(row["test_acc_pct"])
        assert 100 * found.mults / found.mults_dense == pytest.approx(row["predict_mults_pct_of_dense"])


@pytest.mark.parametrize("update", ["batch", "hogwild"])
def test_sparse_examples_have_the_yardstick_of_the_run(tmp_path, update):
    random = np.random.default_rng(2)
    lines = []
    for row in range(120):
        kept = sorted(random.choice(np.arange(2, 40), 4, replace=False))
        lines.append(
            f"{row % 2} 1:{1 - 2 * (row % 2)} " + " ".join(f"{k}:{random.normal():.3f}" for k in kept)
        )
    (tmp_path / "train.svm").write_text("\n".join(lines) + "\n")
    sweep = SWEEP.replace("{name: csv, path: PATH, label: kind, scale: standard}", SPARSE)
    sweep = sweep.replace("PATH", str(tmp_path / "train.svm")).replace(
        "epochs: 15", f"epochs: 1\nupdate: {update}"
    )
    (tmp_path / "kept.yaml").write_text(sweep)
    done = lshexp("sweep", "kept.yaml", "--executor", "inline", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for method in ("lsh", "dense"):
        run_id, row = network(tmp_path, method)
        found = predict_data(load_network(find_network(run_id[:6], tmp_path / "results")), "libsvm")
        assert 100 * found.mults / found.mults_dense == pytest.approx(row["predict_mults_pct_of_dense"])
        assert method == "lsh" or found.mults == found.mults_dense


def test_new_files_go_through_the_scale_and_names_of_the_training_file(kept, tmp_path):
    run_id, _ = network(kept, "dense")
    new = table(40, 1)
    new.to_csv(tmp_path / "new.csv", index=False)
    new[FEATURES].to_csv(tmp_path / "bare.csv", index=False)
    np.savez(tmp_path / "new.npz", x=new[FEATURES].to_numpy(), y=new["kind"].to_numpy(dtype=str))
    np.savez(tmp_path / "bare.npz", x=new[FEATURES].to_numpy())
    one = new[new["kind"] == "dog"]
    one.to_csv(tmp_path / "one.csv", index=False)

    def predicted(name):
        return predict_data(load_network(find_network(run_id, kept / "results")), str(tmp_path / name))

    whole = predicted("new.csv")
    assert whole.accuracy_pct > 80 and whole.names == ("cat, big", "dog")
    for name in ("bare.csv", "new.npz", "bare.npz"):
        np.testing.assert_array_equal(predicted(name).classes, whole.classes)
    assert predicted("bare.csv").labels is None is predicted("bare.npz").accuracy_pct
    assert predicted("new.npz").accuracy_pct == whole.accuracy_pct
    assert set(predicted("one.csv").labels) == {1}  # a class keeps its number in a file of one class

    out = tmp_path / "out.csv"
    done = lshexp("predict", run_id[:8], tmp_path / "new.csv", "-o", out, cwd=kept)
    assert done.returncode == 0, done.stderr
    frame = pd.read_csv(out)
    assert list(frame["predicted"]) == [whole.names[number] for number in whole.classes]
    assert list(frame["label"]) == list(new["kind"])
    assert "% predicted correctly" in done.stdout and "multiplications an example" in done.stdout


def test_what_cannot_be_predicted_is_an_error_in_one_line(kept, tmp_path):
    run_id, _ = network(kept)
    trained = load_network(find_network(run_id, kept / "results"))
    (tmp_path / "x.doc").write_text("1,2")
    wrong = table(10, 2)
    wrong.loc[3, "kind"] = "cow"
    wrong.to_csv(tmp_path / "cow.csv", index=False)
    table(10, 2)[["a", "kind"]].to_csv(tmp_path / "narrow.csv", index=False)
    for data, kind, words in (
        (tmp_path / "x.doc", ConfigError, "'.doc' are not read"),
        (tmp_path / "cow.csv", DataError, "row 4: label cow is none of the classes"),
        (tmp_path / "narrow.csv", DataError, "have 1 features"),
        ("nobody", ConfigError, "neither a file nor a dataset"),
        ("rectangles", DataError, "784 features"),
    ):
        with pytest.raises(kind, match=words):
            predict_data(trained, str(data))


def test_labels_that_are_numbers_agree_however_they_are_written(tmp_path):
    assert classes_of(tmp_path, np.array([3.0, 7.0]), ("3", "7")).tolist() == [0, 1]
    assert classes_of(tmp_path, np.array(["7", "3"]), ("3.0", "7.0")).tolist() == [1, 0]
    assert classes_of(tmp_path, np.array([2, 0]), None).tolist() == [2, 0]


def test_a_run_is_shown_with_the_command_that_repeats_it(kept):
    run_id, row = network(kept)
    view = view_run(*find_run(run_id[:5], kept / "results"))
    assert [layer.number for layer in view.layers] == [0, 1, 2]
    assert view.layers[0].plan.startswith("rows 4 -> 12") and view.layers[0].mults["predict"] > 0
    assert {"record", "network"} == set(view.files)
    numbers = {entry.name: entry.value for entry in view.numbers}
    assert int(numbers["mults_total"]) == row["mults_total"]

    shown = lshexp("show", run_id[:5], cwd=kept)
    assert shown.returncode == 0, shown.stderr
    for words in (run_id, "settings", "layers", "numbers", "machine", "epochs", "again: lshexp sweep"):
        assert words in shown.stdout
    told = json.loads(lshexp("show", run_id[:5], "--json", cwd=kept).stdout)
    again = lshexp(*shlex.split(told["command"])[1:], "--executor", "inline", cwd=kept)
    assert again.returncode == 3, again.stderr  # the other run of the sweep is left
    repeated = pd.read_csv(kept / "repeated" / "kept" / "runs.csv")
    assert list(repeated["run_id"]) == [run_id]
    assert repeated["test_acc_pct"][0] == row["test_acc_pct"]
    assert repeated["mults_total"][0] == row["mults_total"]


def test_a_run_that_there_is_not_or_that_has_no_network(kept):
    run_id, _ = network(kept)
    with pytest.raises(ConfigError, match="is no run's id"):
        find_run("xyz", kept)
    with pytest.raises(StoreError, match="no run in"):
        find_run("0" * 12, kept)
    with pytest.raises(ConfigError, match="begins the ids of 2 runs"):
        find_run(_common(kept), kept)
    with pytest.raises(StoreError, match="is not a folder"):
        find_run(run_id, kept / "nothing")


def _common(kept):
    """The beginning that the ids of all runs share, made by renaming them in a copy of the table."""
    path = kept / "two" / "runs.csv"
    path.parent.mkdir(exist_ok=True)
    runs = pd.read_csv(kept / "results" / "kept" / "runs.csv", dtype=str)
    runs["run_id"] = ["abcdef000001", "abcdef000002"]
    runs.to_csv(path, index=False)
    return "abcdef"

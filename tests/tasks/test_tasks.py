"""Tasks in sweeps: what a run does, the tables it leaves, and what is refused before anything runs."""

from __future__ import annotations

import csv

import pytest

from lshexp import registry
from lshexp.analysis.figures import draw_figures
from lshexp.analysis.results import read_results
from lshexp.analysis.tasks import task_tables_of
from lshexp.config import load_sweep
from lshexp.errors import ConfigError
from lshexp.runs.meanings import described_columns
from lshexp.runs.sweep import run_sweep
from lshexp.runs.worker import load_runner
from lshexp.spec import RunSpec
from lshexp.tasks.base import run

ONE_SHOT = """
name: few
task: {name: one_shot, episodes: 20, ways: [5], shots: [1], slots: 40, stored: [60], sizes: [50, 80, 120]}
dataset: {name: omniglot_synthetic, background: 12, evaluation: 8, side: 14, rotations: false, versions: 6}
method: dense
hidden: [30]
optimizer: adam
lr: 0.003
epochs: 3
batch: 32
"""
DESCENT = """
name: few
task: {name: sampled_descent, looks: 2}
dataset: {name: rectangles, train: 200, test: 50}
method: dense
hidden: []
batch: 1
optimizer: sgd
epochs: 1
lr: 0.1
"""
PARTITION = """
name: few
task: {name: log_partition, examples: 20, draws: 2, budgets_pct: [5, 20], buckets: [4]}
dataset: {name: xc_synthetic, train: 300, test: 40, features: 500, labels: 200}
input: lists
method: dense
hidden: [16]
optimizer: adam
lr: 0.01
epochs: 1
"""


def swept(folder, text, *overrides):
    path = folder / "few.yaml"
    path.write_text(text, encoding="utf-8")
    sweep = load_sweep(path, overrides)
    done = run_sweep(sweep, folder, run=load_runner("lshexp.tasks.base:run"))
    assert done.complete, [record.result.error for record in done.records]
    return sweep


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def drawn(folder, name):
    """The task's figure can be drawn, and its table has a row for each of its keys."""
    (figure,) = draw_figures(folder, only=[name])
    assert {path.suffix for path in figure.files} == {".svg", ".png", ".csv"}, figure.reason
    results = read_results(folder)
    (table,) = task_tables_of(results)
    keys = [key for key in registry.tasks.lookup(table.task).keys if key in table.frame]
    assert not table.frame.duplicated(keys).any()
    assert len(table.frame) == len(next(iter(results.tasks.values())))


def test_the_plain_task_leaves_ids_as_they_were():
    spec = RunSpec()
    assert spec.task == "classify"
    assert spec.run_id("x") == spec.model_copy(update={"task": "classify"}).run_id("x")
    changed = spec.model_copy(update={"task": "one_shot"})
    assert changed.run_id("x") != spec.run_id("x")
    assert "task" not in spec.model_dump(exclude_defaults=True)


def test_one_shot(tmp_path):
    swept(tmp_path, ONE_SHOT)
    results = read_results(tmp_path / "few")
    table = results.tasks["one_shot"]
    assert set(table["mode"]) == {"episodes", "life", "stored", "made_up"}
    assert set(table["search"]) == {"exact", "lsh"}
    episodes = table[table["mode"] == "episodes"]
    assert (episodes["accuracy_pct"] > 50).all()  # chance is 20
    exact = table[table["search"] == "exact"]
    stored = exact[exact["mode"] == "stored"].iloc[0]
    assert stored["mults_query"] == 60 * 30
    assert stored["mults_pct_of_exact"] == 100
    found = results.runs.iloc[0]
    assert found["measure_exact_5way_1shot_pct"] == exact[exact["mode"] == "episodes"]["accuracy_pct"].iloc[0]
    assert found["measure_growth_of_us"] > 0
    assert found["test_acc_pct"] > 20
    drawn(tmp_path / "few", "memory_query_cost")
    # asked again, the same
    again = rows_of(tmp_path / "few" / "one_shot.csv")
    swept(tmp_path / "few", ONE_SHOT)
    times = ("us", "us_1", "run_id")
    for a, b in zip(again, rows_of(tmp_path / "few" / "few" / "one_shot.csv"), strict=True):
        assert {k: v for k, v in a.items() if k not in times} == {
            k: v for k, v in b.items() if k not in times
        }


def test_sampled_descent(tmp_path):
    swept(tmp_path, DESCENT)
    rows = rows_of(tmp_path / "few" / "descent.csv")
    assert len(rows) == 2 * 3 * 2
    drawn(tmp_path / "few", "loss_vs_mults")
    last = [row for row in rows if row["sampler"] == "uniform" and row["steps"] == "200"]
    assert all(int(row["mults"]) == 200 * 2 * 785 for row in last)
    assert all(float(row["bias_pct"]) == 0 for row in rows if row["sampler"] != "collisions")
    assert all(float(row["variance_pct_of_uniform"]) == 100 for row in rows if row["sampler"] == "uniform")


def test_a_descent_that_diverges_is_a_result(tmp_path):
    path = tmp_path / "few.yaml"
    path.write_text(DESCENT, encoding="utf-8")
    (spec,) = load_sweep(path, ["task.losses=[squared]", "lr=1e30"]).runs
    result = run(spec)
    assert result.status == "diverged"
    assert result.error.count("is too high") == 3  # each way of drawing was tried
    assert "\n" not in result.error


def test_a_task_without_a_network_cannot_be_asked_to_keep_one(tmp_path):
    path = tmp_path / "few.yaml"
    path.write_text(DESCENT, encoding="utf-8")
    with pytest.raises(ConfigError, match="trains no network that could be kept"):
        load_sweep(path, ["save=true"])
    path.write_text(DESCENT + "save: true\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"few\.yaml:11:7: "):
        load_sweep(path)


def test_log_partition(tmp_path):
    swept(tmp_path, PARTITION)
    rows = rows_of(tmp_path / "few" / "log_partition.csv")
    assert len(rows) == 5 * 2 + 1
    drawn(tmp_path / "few", "partition_error_vs_work")
    for row in rows:
        assert abs(float(row["ratio"]) - 1) < 6 * float(row["ratio_error"]) + 0.05
    exact = {row["estimator"]: float(row["mults_pct_of_exact"]) for row in rows}
    assert exact["top_and_tail"] > 100  # it scores all classes to find the largest
    assert exact["uniform"] < 25


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        (ONE_SHOT, {"dataset": "rectangles"}, "keeps no classes apart"),
        (ONE_SHOT, {"task": {"name": "one_shot", "stored": [160]}}, "160 is more than the 159 such examples"),
        (ONE_SHOT, {"task": {"name": "one_shot", "ways": [5, 9]}}, "9 is more than the 8 classes"),
        (ONE_SHOT, {"task": {"name": "one_shot", "shots": [20]}}, "20 is more than the 19 examples"),
        (DESCENT, {"task": {"name": "sampled_descent", "positive": 2}}, "is no class of 'rectangles'"),
        (DESCENT, {"batch": 2}, "give batch: 1"),
        (DESCENT, {"hidden": [5]}, "give hidden: "),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(tmp_path, text, changes, message):
    path = tmp_path / "few.yaml"
    path.write_text(text, encoding="utf-8")
    (spec,) = load_sweep(path).runs
    if isinstance(changes.get("task"), dict):
        options = {key: value for key, value in changes["task"].items() if key != "name"}
        changes = {"task_options": {**spec.task_options, **options}}
    if changes.get("dataset") == "rectangles":
        changes = {**changes, "dataset_options": {"train": 40, "test": 20}}
    with pytest.raises(ConfigError, match=message) as caught:
        run(spec.model_copy(update=changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("task: one_shoot", "did you mean 'one_shot'"),
        ("task: {name: one_shot, wayz: [5]}", "did you mean 'ways'"),
        ("task: {ways: [5]}", "which task are these options for"),
        ("task: {name: one_shot, episodes: 0}", "episodes"),
        ("task: one_shot", "keeps no classes apart"),
        ("task: sampled_descent", "give hidden: "),
        ("task: {name: one_shot, ways: [], life: false, stored: []}", "nothing to be asked"),
    ],
)
def test_mistakes_in_a_sweep_are_found_before_anything_runs(tmp_path, line, message):
    path = tmp_path / "few.yaml"
    path.write_text(f"{line}\nmethod: dense\nepochs: 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_sweep(path)


def test_options_of_a_task_can_be_swept_and_tell_runs_apart(tmp_path):
    path = tmp_path / "few.yaml"
    path.write_text(
        "task: one_shot\nmethod: dense\ndataset: omniglot_synthetic\nsweep:\n  - grid: {task.L: [4, 8]}\n",
        encoding="utf-8",
    )
    runs = load_sweep(path).runs
    assert [run.task_options["L"] for run in runs] == [4, 8]
    assert len({run.run_id("x") for run in runs}) == 2


def test_every_column_of_a_task_is_described():
    own = {f"{task.table}.csv" for task in registry.tasks.discover().values() if task.table}
    assert own == {"one_shot.csv", "descent.csv", "log_partition.csv"}
    for column in described_columns():
        assert column.file not in own or column.meaning, column

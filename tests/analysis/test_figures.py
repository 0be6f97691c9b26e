"""Figures: drawn from what is there, the same bytes each time, left out where there is nothing to draw."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from lshexp.analysis import figures
from lshexp.analysis.figures import draw_figures
from lshexp.config import load_sweep
from lshexp.errors import ConfigError, StoreError
from lshexp.nn.result import EpochRow, RunResult, SelectionRow, WorkRow
from lshexp.runs.sweep import run_sweep

SWEEP = """
name: drawn
dataset: {name: rectangles, train: 40, test: 20}
epochs: 2
probe: 10%
repeats: 2
sweep:
  - grid: {method: [lsh], lsh.preset: [lshexp, paper], active_pct: [5, 25], hidden: [[8], [8, 8], [8, 8, 8]]}
  - grid: {method: [dropout, winner_take_all], active_pct: [5, 25], hidden: [[8], [8, 8], [8, 8, 8]]}
  - grid: {method: [dense], hidden: [[8], [8, 8], [8, 8, 8]]}
"""
ABLATION = """
name: ablated
dataset: {name: rectangles, train: 40, test: 20}
active_pct: 10
hidden: [8, 8]
probe: 10%
repeats: 2
sweep:
  - grid: {method: [lsh]}
  - grid: {method: [lsh], lsh.L: [10, 20]}
  - grid: {method: [lsh], lsh.hash: [srp, dwta], lsh.rank: [count]}
  - grid: {method: [lsh], lsh.refine: [0.0]}
"""
WIDTHS = """\
name: widths
dataset: {name: rectangles, train: 20, test: 10}
baseline: {method: dense}
sweep:
  - grid: {method: [dense], hidden: [[8], [16], [32], [8, 8], [8, 16]]}
  - grid: {method: [lsh]}
    zip: {hidden: [[8], [16], [32]], active_pct: [50, 25, 12.5]}
"""
THREADS = """
name: threads
epochs: 2
dataset: {name: rectangles, train: 40, test: 20}
hidden: [8]
sweep:
  - grid: {method: [dense], threads: [1, 2]}
"""


def invented(spec, report):
    """A result made of the specification, so that every number drawn can be told."""
    accuracy = 90.0 + len(spec.hidden) + spec.repeat + spec.active_pct / 100
    rows = [
        EpochRow(
            epoch=epoch, train_loss=1 / epoch, train_acc_pct=90.0, valid_acc_pct=None, test_acc_pct=accuracy,
            active_pct_achieved=spec.active_pct, mults_total=10, select_s=0.1, train_s=1.0, eval_s=0.1,
        )
        for epoch in (1, 2)
    ]  # fmt: skip
    seen = [
        SelectionRow(
            epoch=epoch, layer=layer, examples=4, recall_pct=50.0 + epoch, positive_pct=99.0, dead_pct=1.0,
            busiest_pct=30.0, turnover_pct=None if epoch == 1 else 20.0, bucket_mean=2.0, bucket_max=4,
            bucket_empty_pct=10.0,
        )
        for epoch in (1, 2)
        for layer in range(len(spec.hidden))
    ]  # fmt: skip
    return RunResult(
        status="ok", error=None, epochs=rows, work=[WorkRow(0, "forward", 5, 5, 20)], mults_dense=100,
        mults_paper=5, mults_dense_paper=100, active_by_layer_pct=[spec.active_pct], compile_s=0.0,
        peak_rss_mb=None, init_hash="a", order_hash="b", selection=seen if spec.probe else [],
    )  # fmt: skip


def results_of(tmp_path, text):
    file = tmp_path / "sweep.yaml"
    file.write_text(text, encoding="utf-8")
    return run_sweep(load_sweep(file), tmp_path / "out", run=invented).plan.folder


@pytest.mark.parametrize(
    "text, drawn",
    [
        (
            SWEEP,
            {
                "accuracy_vs_active",
                "accuracy_vs_depth",
                "accuracy_vs_mults",
                "mults_by_phase",
            },
        ),
        (WIDTHS, {"cost_vs_width", "mults_by_phase"}),
        (ABLATION, {"ablation", "accuracy_vs_mults", "mults_by_phase", "selection_quality"}),
    ],
)
def test_figures_are_drawn_where_there_is_something_to_draw(tmp_path, text, drawn):
    folder = results_of(tmp_path, text)
    done = {figure.name: figure for figure in draw_figures(folder)}
    assert {name for name, figure in done.items() if figure.files} == drawn
    first = {path.name: path.read_bytes() for name in drawn for path in done[name].files}
    assert {path.parent for name in drawn for path in done[name].files} == {folder / "figures"}
    assert len(first) == 3 * len(drawn)
    for name in drawn:
        assert first[f"{name}.png"].startswith(b"\x89PNG")
        assert b"<svg" in first[f"{name}.svg"]
    draw_figures(folder)
    assert first == {path.name: path.read_bytes() for path in (folder / "figures").iterdir()}


def test_a_figure_may_name_its_table(tmp_path):
    results = figures.read_results(results_of(tmp_path, THREADS))
    results = results._replace(runs=results.runs.assign(timing_valid=True))
    (drawing,) = figures.drawings(results, ["time_vs_threads"])
    assert drawing.table == "scaling"
    measured = drawing.frame[drawing.frame["kind"] == "measured"]
    assert measured["threads"].tolist() == [1, 2]
    assert measured["seconds"].tolist() == [1.0, 1.0]
    drawn = figures._write(drawing, tmp_path / "figures")
    assert [path.name for path in drawn.files] == [
        "time_vs_threads.svg",
        "time_vs_threads.png",
        "scaling.csv",
    ]


def test_cost_against_width_is_of_networks_of_one_width(tmp_path):
    results = figures.read_results(results_of(tmp_path, WIDTHS))
    results = results._replace(runs=results.runs.assign(timing_valid=True))
    (drawing,) = figures.drawings(results, ["cost_vs_width"])
    dense = drawing.frame[(drawing.frame["label"] == "dense") & (drawing.frame["measure"] == "mults")]
    assert sorted(dense["width"]) == [8, 8, 16, 32]
    lsh = drawing.frame[drawing.frame["label"] == "lsh lshexp"]
    assert set(lsh["active_nodes"]) == {4}
    assert set(lsh["measure"]) == {"mults", "seconds"}


def test_the_slice_holds_means_and_ranges_of_what_was_run(tmp_path):
    folder = results_of(tmp_path, SWEEP)
    drawn = draw_figures(folder, tmp_path / "elsewhere", ["accuracy_vs_depth"])[0]
    frame = pd.read_csv(io.BytesIO(next(path for path in drawn.files if path.suffix == ".csv").read_bytes()))
    row = frame[(frame["label"] == "lsh paper") & (frame["layers"] == 2) & (frame["active_pct"] == 25)].iloc[
        0
    ]
    assert (row["low"], row["high"], row["runs"]) == (92.25, 93.25, 2)
    assert row["mean"] == pytest.approx(92.75)


def test_ablation_names_rows_by_what_they_change(tmp_path):
    frame = figures.importlib.import_module("lshexp.analysis.figures.ablation").tidy(
        figures.read_results(results_of(tmp_path, ABLATION))
    )
    assert list(frame["name"].drop_duplicates()) == [
        "lsh lshexp: as it is",
        "lsh lshexp: L 10",
        "lsh lshexp: L 20",
        "lsh lshexp: hash srp",
        "lsh lshexp: hash dwta",
        "lsh lshexp: refine 0",
    ]
    recall = frame[frame["measure"] == "recall_pct"]
    assert set(recall["mean"]) == {52.0}


def test_an_unknown_figure_and_a_folder_without_results_are_errors(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'ablation'"):
        draw_figures(tmp_path, only=["ablatoin"])
    with pytest.raises(StoreError, match=r"holds no runs\.csv"):
        draw_figures(tmp_path)

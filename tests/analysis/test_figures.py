"""Figures: no drawn value is a mean over two configurations, and what cannot be drawn says why."""

from __future__ import annotations

import io
import re
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

import lshexp
from lshexp.analysis import figures
from lshexp.analysis.configurations import setting_columns
from lshexp.analysis.figures import draw_figures, style
from lshexp.analysis.figures.canvas import Canvas, looks, split
from lshexp.analysis.figures.lines import NothingToDrawError, labelled
from lshexp.analysis.figures.placing import Label, beside_points, spread
from lshexp.analysis.results import read_results
from lshexp.config import load_sweep
from lshexp.errors import ConfigError, StoreError
from lshexp.nn.result import EpochRow, RunResult, SelectionRow, WorkRow
from lshexp.runs.columns import settings
from lshexp.runs.sweep import run_sweep
from lshexp.spec import RunSpec

HEAD = """
name: drawn
dataset: {name: rectangles, train: 40, test: 20}
epochs: 3
probe: 10%
repeats: 2
"""
SWEEPS = {
    "shares": HEAD
    + """
hidden: [8, 8]
sweep:
  - grid: {method: [lsh], lsh.preset: [lshexp, paper]}
    zip: {active_pct: [5, 25, 50], lr: [0.1, 0.05, 0.02]}
  - grid: {method: [dropout, winner_take_all], active_pct: [5, 25, 50]}
  - grid: {method: [dense]}
""",
    "one_layer": HEAD
    + """
hidden: [8]
sweep:
  - grid: {method: [lsh], active_pct: [5, 25]}
  - grid: {method: [dense]}
""",
    "two_widths": HEAD
    + """
sweep:
  - grid: {method: [lsh], active_pct: [5, 25], hidden: [[8, 8], [16, 16]]}
  - grid: {method: [dense], hidden: [[8, 8], [16, 16]]}
""",
    "k_by_l": HEAD
    + """
hidden: [8, 8]
sweep:
  - grid: {method: [lsh], active_pct: [25], lsh.K: [4, 6, 8], lsh.L: [5, 10, 20]}
  - grid: {method: [dense]}
""",
    "rows_and_lists": HEAD
    + """
hidden: [8, 8]
sweep:
  - grid: {method: [winner_take_all], active_pct: [5], input: [rows, lists]}
  - grid: {method: [lsh], active_pct: [5]}
  - grid: {method: [dense]}
""",
    "own_files": """
name: drawn
epochs: 3
repeats: 2
hidden: [8, 8]
sweep:
  - grid:
      method: [lsh]
      active_pct: [5, 25, 50]
      dataset: [{name: csv, path: ONE}, {name: csv, path: TWO}]
  - grid: {method: [dense], dataset: [{name: csv, path: ONE}, {name: csv, path: TWO}]}
""",
    "depths": HEAD
    + """
sweep:
  - grid: {method: [lsh], active_pct: [25], hidden: [[8], [8, 8], [8, 8, 8], [16], [16, 16], [16, 16, 16]]}
""",
    "widths": HEAD
    + """
sweep:
  - grid: {method: [dense], hidden: [[8], [16], [32], [8, 8], [8, 16]]}
  - grid: {method: [lsh]}
    zip: {hidden: [[8], [16], [32]], active_pct: [50, 25, 12.5]}
""",
    "outputs": HEAD
    + """
hidden: [8]
method: dense
baseline: {output_method: dense}
sweep:
  - grid: {output: [dense, {method: popularity, active_pct: 50}, {method: lsh, active_pct: 50, tail_pct: 25}]}
  - grid: {output.method: [lsh], output.active_pct: [25, 50], output.tail: [popularity]}
""",
    "classes": """
name: drawn
dataset: {name: xc_synthetic, train: 40, test: 20, features: 3000}
epochs: 3
repeats: 2
hidden: [8]
method: dense
baseline: {output_method: dense}
sweep:
  - grid: {dataset.labels: [50, 100, 200], output: [dense]}
  - grid: {output.method: [lsh, popularity]}
    zip: {dataset.labels: [50, 100, 200], output.active_pct: [20, 10, 5]}
""",
    "blocks": HEAD
    + """
sweep:
  - grid: {method: [winner_take_all], block: [1, 4, 8], hidden: [[16, 16], [32, 32]], active_pct: [50]}
    set: {winner_take_all.over: example}
""",
    "one_run": HEAD.replace("repeats: 2", "repeats: 1")
    + "hidden: [8]\nsweep:\n  - grid: {method: [dense]}\n",
    "workers": HEAD
    + """
hidden: [8]
update: batch
sweep:
  - grid: {method: [lsh], active_pct: [25], optimizer: [sgd, adagrad], simulate_workers: [1, 4]}
""",
}
# a value that each run alone has, so that no two configurations can share one by chance
_distinct: dict[str, float] = {}


def invented(spec, report):
    """A result made up for a specification, whose configuration can be told from every number."""
    whole = spec.model_dump()
    key = str({name: value for name, value in sorted(whole.items()) if name not in ("seed", "repeat")})
    number = _distinct.setdefault(key, float(len(_distinct) + 1))
    accuracy = 50.0 + 0.37 * number % 49 + 0.01 * spec.repeat
    rows = [
        EpochRow(
            epoch=epoch, train_loss=1 / epoch, train_acc_pct=90.0, valid_acc_pct=None,
            test_acc_pct=accuracy - 3 + epoch, active_pct_achieved=spec.active_pct,
            mults_total=int(number * 10), select_s=0.1, train_s=1.0 + number, eval_s=0.1,
        )
        for epoch in range(1, spec.epochs + 1)
    ]  # fmt: skip
    seen = [
        SelectionRow(
            epoch=epoch, layer=layer, examples=4, recall_pct=50.0 + epoch + number / 100, positive_pct=99.0,
            dead_pct=1.0, busiest_pct=30.0, turnover_pct=None if epoch == 1 else 20.0, bucket_mean=2.0,
            bucket_max=4, bucket_empty_pct=10.0,
        )
        for epoch in (1, 2)
        for layer in range(len(spec.hidden))
    ]  # fmt: skip
    return RunResult(
        status="ok", error=None, epochs=rows, work=[WorkRow(0, "forward", int(number * 10), 5, 20)],
        mults_dense=1000, mults_paper=5, mults_dense_paper=100, active_by_layer_pct=[spec.active_pct],
        compile_s=0.0, peak_rss_mb=None, init_hash="a", order_hash="b", selection=seen if spec.probe else [],
    )  # fmt: skip


def folder_of(tmp_path, name, run=invented):
    text = SWEEPS[name]
    for word in ("ONE", "TWO"):
        file = tmp_path / "data" / f"{word.lower()}.csv"
        file.parent.mkdir(exist_ok=True)
        file.write_text("a,b,label\n" + "".join(f"{i},{ord(word[0]) + i % 3},{i % 2}\n" for i in range(30)))
        text = text.replace(word, str(file))
    path = tmp_path / "sweep.yaml"
    path.write_text(text, encoding="utf-8")
    return run_sweep(load_sweep(path), tmp_path / "out", run=run).plan.folder


def timed(results):
    return results._replace(runs=results.runs.assign(timing_valid=True))


def means_of_configurations(results, table, value, more=()):
    """The mean of a column for each configuration: the only values that a figure may show."""
    runs = results.runs
    settings = [name for name in setting_columns(runs) if runs[name].notna().any()]
    keyed = runs[["run_id", *settings]].merge(table[["run_id", *more, value]].dropna(), on="run_id")
    means = keyed.groupby([*settings, *more], dropna=False, observed=True)[value].mean()
    return set(means.astype(float).round(6))


DRAWN = {
    "shares": {"accuracy_vs_active", "accuracy_vs_mults", "break_even", "mults_by_phase",
               "requested_vs_achieved"},
    "one_layer": {"accuracy_vs_active", "accuracy_vs_epochs", "accuracy_vs_mults", "mults_by_phase",
                  "selection_quality"},
    "two_widths": {"accuracy_vs_active", "accuracy_vs_epochs", "accuracy_vs_mults", "mults_by_phase",
                   "selection_quality"},
    "k_by_l": {"ablation", "accuracy_vs_epochs", "accuracy_vs_mults", "mults_by_phase"},
    "rows_and_lists": {"accuracy_vs_epochs", "accuracy_vs_mults", "mults_by_phase", "selection_quality"},
    "own_files": {"accuracy_vs_active", "accuracy_vs_epochs", "accuracy_vs_mults", "break_even",
                  "mults_by_phase", "requested_vs_achieved"},
    "depths": {"accuracy_vs_depth", "accuracy_vs_epochs", "mults_by_phase", "selection_quality"},
    "widths": {"accuracy_vs_epochs", "cost_vs_width", "mults_by_phase", "selection_quality"},
    "outputs": {"accuracy_vs_epochs", "accuracy_vs_mults", "output_quality_vs_cost"},
    "classes": {"accuracy_vs_epochs", "accuracy_vs_mults", "output_cost_vs_classes",
                "output_quality_vs_cost"},
    "blocks": {"accuracy_and_time_by_block", "accuracy_vs_epochs", "mults_by_phase", "selection_quality"},
    "one_run": {"accuracy_vs_epochs"},
    "workers": {"accuracy_vs_mults", "accuracy_vs_workers", "mults_by_phase", "selection_quality"},
}  # fmt: skip


@pytest.mark.parametrize("name", SWEEPS)
def test_what_is_drawn_is_never_a_mean_over_two_configurations(tmp_path, name):
    results = timed(read_results(folder_of(tmp_path, name)))
    runs = results.runs
    work = results.work.merge(runs[["run_id", "mults_dense"]], on="run_id")
    work["share_pct"] = 100 * work["mults"].astype(float) / work["mults_dense"].astype(float)
    runs["error"] = 100 - runs["test_acc_pct"]
    runs["seconds"], runs["mults"] = runs["train_s"] / runs["epochs"], runs["mults_total"] / runs["epochs"]
    runs["us_each"], runs["mults_each"] = 1e6 * runs["seconds"] / 40, runs["mults"].astype(float) / 40

    def of(value, table=runs, more=()):
        return means_of_configurations(results, table, value, more)

    allowed = {
        "accuracy_and_time_by_block": ("mean", of("test_acc_pct") | of("seconds")),
        "accuracy_vs_active": ("mean", of("test_acc_pct")),
        "accuracy_vs_depth": ("mean", of("test_acc_pct")),
        "accuracy_vs_mults": ("test_acc_pct", of("test_acc_pct")),
        "accuracy_vs_epochs": ("mean", of("test_acc_pct", results.epochs, ["epoch"])),
        "accuracy_vs_workers": ("mean", of("test_acc_pct", results.epochs, ["epoch"])),
        "ablation": ("mean", of("error") | of("mults_pct_of_dense")
                     | of("recall_pct", results.selection, ["layer", "epoch"])),
        "break_even": ("mean", of("mults_pct_of_dense")),
        "requested_vs_achieved": ("mean", of("active_pct_achieved")),
        "cost_vs_width": ("mean", of("seconds") | of("mults")),
        "mults_by_phase": ("share_pct", of("share_pct", work, ["phase"])),
        "output_cost_vs_classes": ("mean", of("us_each") | of("mults_each")),
        "output_quality_vs_cost": ("mean", of("test_acc_pct")),
        "selection_quality": ("recall_pct", of("recall_pct", results.selection, ["layer", "epoch"])),
        "time_vs_threads": ("seconds", of("seconds")),
    }  # fmt: skip
    drawn = [drawing for drawing in figures.drawings(results) if not drawing.reason]
    assert {drawing.name for drawing in drawn} - {"time_vs_threads"} == DRAWN[name]
    for drawing in drawn:
        column, values = allowed[drawing.name]
        strangers = set(drawing.frame[column].astype(float).round(6)) - values
        assert not strangers, f"{drawing.name} shows {strangers}, which no configuration has"
        canvas = Canvas(style.new_figure())
        drawing.plot.draw(drawing.frame, canvas)
        canvas.finish()
        titles = [axis.get_title() for axis in canvas.axes if axis.get_title()]
        once_a_row = (
            "accuracy_and_time_by_block",
            "selection_quality",
            "cost_vs_width",
            "output_quality_vs_cost",
            "output_cost_vs_classes",
        )
        if drawing.name not in once_a_row:
            assert len(set(titles)) == len(titles), titles


def test_a_network_without_hidden_layers_can_be_drawn(tmp_path):
    runs = read_results(folder_of(tmp_path, "one_run")).runs
    assert settings(RunSpec(hidden=[]))["hidden"] == "none"
    whole = labelled(runs.assign(hidden=pd.Categorical(["none"])))
    assert [*whole["layers"], *whole["network"]] == [0, "none"]


def test_every_configuration_has_a_point_and_a_name_of_its_own(tmp_path):
    for name, points in (("k_by_l", 10), ("rows_and_lists", 4)):
        folder = tmp_path / name
        folder.mkdir()
        (drawing,) = figures.drawings(read_results(folder_of(folder, name)), ["accuracy_vs_mults"])
        frame = drawing.frame
        assert len(frame) == points and set(frame["runs"]) == {2}
        assert not frame.duplicated(["data", "network", "label", "point"]).any()
    assert {"winner_take_all rows", "winner_take_all lists"} <= set(frame["label"])


def test_the_break_even_is_where_the_lines_meet(tmp_path):
    """Dense costs 2 a class, lsh 50 times the fourth root of their number, popularity 1 a class."""
    results = timed(read_results(folder_of(tmp_path, "classes")))
    runs = results.runs
    costs = {"dense": lambda n: 2.0 * n, "lsh": lambda n: 50.0 * n**0.25, "popularity": lambda n: 1.0 * n}
    each = [costs[row.output_method](row.dataset_labels) for row in runs.itertuples()]
    runs["mults_total"] = [40 * 3 * cost for cost in each]
    runs["train_s"] = [40 * 3 * 500.0 / 1e6] * len(runs)
    (drawing,) = figures.drawings(results._replace(runs=runs), ["output_cost_vs_classes"])
    frame = drawing.frame[drawing.frame["measure"] == "mults"]
    found = frame.groupby(frame["label"].astype(str))["break_even"].first()
    assert found["dense output=lsh"] == pytest.approx(25 ** (4 / 3), rel=1e-6)
    assert found["dense output=popularity"] == 50 and np.isnan(found["dense output=dense"])
    level = drawing.frame[drawing.frame["measure"] == "us"]
    assert level["break_even"].isna().all() and set(level["mean"].round(6)) == {500.0}


def test_perplexity_is_the_quality_where_all_runs_have_it(tmp_path):
    results = timed(read_results(folder_of(tmp_path, "outputs")))
    runs = results.runs
    with_it = results._replace(runs=runs.assign(test_perplexity=1000 / runs["test_acc_pct"]))
    for some, quality, best in ((results, "test_acc_pct", max), (with_it, "test_perplexity", min)):
        (drawing,) = figures.drawings(some, ["output_quality_vs_cost"])
        frame = drawing.frame[drawing.frame["against"] == "train_s"]
        assert set(frame["quality"]) == {quality} and frame["on_front"].any()
        assert best(frame["mean"]) in set(frame.loc[frame["on_front"], "mean"])
        cheapest = frame.loc[frame["cost"].idxmin()]
        assert cheapest["on_front"]


def test_two_own_files_have_panels_of_their_own_called_after_them(tmp_path):
    (drawing,) = figures.drawings(read_results(folder_of(tmp_path, "own_files")), ["accuracy_vs_active"])
    titles = [title for title, _ in split(drawing.frame)]
    assert len(titles) == 2 and str(tmp_path) not in "".join(titles)
    assert "one.csv" in titles[0] and "two.csv" in titles[1]


def test_all_methods_are_in_one_panel_and_dense_is_a_level(tmp_path):
    axes = figures.accuracy_vs_active(folder_of(tmp_path, "shares"))
    assert isinstance(axes, Axes)
    names = {text.get_text() for text in axes.texts}
    assert names == {"lsh lshexp", "lsh paper", "dropout", "winner_take_all", "dense"}
    assert any(len(set(line.get_ydata())) == 1 and line.get_linestyle() == "--" for line in axes.lines)
    pyplot.close("all")


def test_settings_that_no_label_shows_are_told(tmp_path):
    (drawing,) = figures.drawings(read_results(folder_of(tmp_path, "shares")), ["accuracy_vs_active"])
    assert "Along a line there also changes: lr." in drawing.caption


def test_only_failures_and_no_runs_are_not_drawn_and_say_why(tmp_path):
    def failing(spec, report):
        raise StoreError("no disk")

    results = read_results(folder_of(tmp_path, "shares", run=failing))
    assert set(results.runs["status"]) == {"failed"}
    for some in (results, results._replace(runs=results.runs.iloc[:0])):
        reasons = {drawing.reason for drawing in figures.drawings(some)}
        assert "no run ended well" in reasons
        assert all(re.match("no (runs? |two numbers of simulated workers)", reason) for reason in reasons)


def test_a_line_keeps_its_colour_when_another_failed(tmp_path):
    whole = read_results(folder_of(tmp_path, "shares")).runs
    status = whole["status"].astype("string").mask(whole["method"] == "dropout", "failed")
    some = looks(labelled(whole.assign(status=status), ["active_pct"]))
    every = looks(labelled(whole, ["active_pct"]))
    assert some == every and len(set(every.values())) == 5


def test_too_many_lines_are_refused_with_their_number(tmp_path):
    frame = pd.DataFrame({"data": "d", "network": "n", "label": [f"l{i}" for i in range(13)]})
    with pytest.raises(NothingToDrawError, match="13 lines in one panel"):
        figures.canvas.check_lines(frame)


def test_files_are_the_same_each_time_and_their_slice_is_what_was_run(tmp_path):
    folder = folder_of(tmp_path, "depths")
    (drawn,) = draw_figures(folder, tmp_path / "new", ["accuracy_vs_depth"])
    first = {path.name: path.read_bytes() for path in drawn.files}
    assert list(first) == ["accuracy_vs_depth.svg", "accuracy_vs_depth.png", "accuracy_vs_depth.csv"]
    draw_figures(folder, tmp_path / "new", ["accuracy_vs_depth"])
    assert first == {path.name: path.read_bytes() for path in drawn.files}
    frame = pd.read_csv(io.BytesIO(first["accuracy_vs_depth.csv"]))
    assert frame.groupby("label")["layers"].apply(list).to_dict() == {
        "lsh, width 8": [1, 2, 3], "lsh, width 16": [1, 2, 3],
    }  # fmt: skip
    assert set(frame["runs"]) == {2} and (frame["high"] - frame["low"]).round(6).eq(0.01).all()


def test_pictures_are_transparent_as_wide_as_a_page_and_follow_the_scheme(tmp_path):
    (drawn,) = draw_figures(folder_of(tmp_path, "one_layer"), only=["accuracy_vs_active"])
    svg = drawn.files[0].read_text(encoding="utf-8")
    assert "prefers-color-scheme:dark" in svg and "currentColor" in svg and "#ffffff" not in svg
    assert float(re.search(r'<svg[^>]* width="([\d.]+)pt"', svg)[1]) * 96 / 72 == pytest.approx(846, abs=1)
    picture = pyplot.imread(drawn.files[1])
    assert picture.shape[1] == 2 * 846 and picture[0, 0, 3] == 0


def test_speed_ups_have_a_table_of_their_own_name(tmp_path):
    results = timed(read_results(folder_of(tmp_path, "one_layer")))
    two = results.runs.assign(threads=2, run_id=results.runs["run_id"] + "b")
    both = pd.concat([results.runs.assign(threads=1), two], ignore_index=True)
    (drawing,) = figures.drawings(results._replace(runs=both), ["time_vs_threads"])
    assert drawing.plot.table == "scaling"
    assert set(drawing.frame.loc[drawing.frame["kind"] == "measured", "threads"]) == {1, 2}


def test_the_python_api_draws_on_given_axes_and_refuses_what_it_cannot(tmp_path):
    results = read_results(folder_of(tmp_path, "two_widths"))
    made = lshexp.figures.accuracy_vs_mults(results.runs)
    assert [axis.get_title() for axis in made] == ["rectangles, 2 x 8", "rectangles, 2 x 16"]
    given = Figure().subplots(1, 2)
    assert lshexp.figures.accuracy_vs_active(results, axes=list(given)) == list(given)
    with pytest.raises(ConfigError, match="2 panels and 1 axes"):
        lshexp.figures.accuracy_vs_active(results, axes=given[0])
    with pytest.raises(ConfigError, match="nothing to draw: no configuration was run at 3 widths"):
        lshexp.figures.cost_vs_width(results)
    with pytest.raises(AttributeError, match="no_such"):
        _ = lshexp.figures.no_such
    pyplot.close("all")


def test_one_more_function_is_one_more_figure(monkeypatch, tmp_path):
    monkeypatch.setattr(figures, "_plots", dict(figures.plots()))

    @figures.figure(lambda results: results.runs[["test_acc_pct"]])
    def histogram(frame, canvas):
        """All accuracies."""
        canvas.grid(1, 1)[0][0].hist(frame["test_acc_pct"])

    (drawn,) = draw_figures(folder_of(tmp_path, "one_run"), only=["histogram"])
    assert drawn.caption == "All accuracies." and len(drawn.files) == 3


def test_an_unknown_figure_and_a_folder_without_results_are_errors(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'ablation'"):
        draw_figures(tmp_path, only=["ablatoin"])
    with pytest.raises(StoreError, match=r"holds no runs\.csv"):
        draw_figures(tmp_path)


def test_labels_are_spread_in_order_with_their_gap():
    places = spread([0.9, 0.9, 0.1, 0.91], 0.1, 0.0, 1.0)
    assert places[2] == 0.1 and max(places) <= 1.0
    assert np.diff(sorted(places)).min() == pytest.approx(0.1)
    assert places[0] < places[3]


def test_labels_beside_points_cover_neither_each_other_nor_points():
    figure = style.new_figure()
    axis = style.grid(figure, 1, 1)[0][0]
    rng = np.random.default_rng(0)
    points = [(float(x), float(y)) for x, y in rng.random((25, 2))]
    axis.plot(*np.transpose(points), "o")
    figure.draw_without_rendering()
    labels = [Label(f"point {i}", x, y, "#000000", far=i < 5) for i, (x, y) in enumerate(points)]
    left_out = beside_points(axis, labels, points)
    assert not any(label.far for label in left_out) and len(left_out) < 12
    renderer = RendererAgg(figure.bbox.width, figure.bbox.height, figure.dpi)
    boxes = [Text.get_window_extent(text, renderer) for text in axis.texts]
    assert len(boxes) == 25 - len(left_out)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    for box in boxes:
        assert not any(box.contains(*axis.transData.transform(point)) for point in points)


@pytest.mark.parametrize("ground", ["#ffffff", "#14181c"])
def test_lines_and_text_stand_out_from_light_and_dark(ground):
    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(colour):
        dim, bright = sorted((luminance(colour), luminance(ground)))
        return (bright + 0.05) / (dim + 0.05)

    assert min(map(contrast, style.COLOURS)) >= 3
    assert contrast(style.INK) >= 4
    assert contrast(style.INK_LIGHT if ground == "#ffffff" else style.INK_DARK) >= 7
    assert (
        len({(look.color, look.linestyle) for look in map(style.look, range(style.MOST_LINES))})
        == style.MOST_LINES
    )
    # points have no dashes
    assert len({look[:2] for look in map(style.look, range(style.MOST_LINES))}) == style.MOST_LINES

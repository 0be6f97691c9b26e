"""The key `output` of a sweep: what it sets, what it leaves out, and what is wrong with it."""

from __future__ import annotations

import pytest

from lshexp.config.sweep import load_sweep, resolved_text
from lshexp.errors import ConfigError
from lshexp.spec import RunSpec

BASE = "name: a\ndataset: convex\nmethod: dense\n"


def load(tmp_path, text):
    file = tmp_path / "a.yaml"
    file.write_text(BASE + text)
    return load_sweep(file)


def test_an_output_is_a_map_of_settings_and_options(tmp_path):
    (run,) = load(tmp_path, "output: {method: lsh, active_pct: 10, K: 3, loss: binary}\n").runs
    assert (run.output_method, run.output_active_pct, run.tail_pct) == ("lsh", 10.0, 5.0)
    assert (run.correction, run.loss, run.output_options["K"]) == ("log_q", "binary", 3)


@pytest.mark.parametrize(
    ("given", "tail"),
    [
        ("{method: lsh, active_pct: 10}", 5.0),
        ("{method: lsh, active_pct: 10, tail_pct: 0}", 0.0),
        ("{method: lsh, active_pct: 10, correction: none}", 0.0),
        ("{method: popularity, active_pct: 10}", 0.0),
    ],
)
def test_the_tail_that_is_left_out(tmp_path, given, tail):
    (run,) = load(tmp_path, f"output: {given}\n").runs
    assert run.tail_pct == tail


def test_a_tail_without_classes_is_no_other_run(tmp_path):
    (plain,) = load(tmp_path, "output: {method: lsh, active_pct: 10, tail_pct: 0}\n").runs
    (named,) = load(tmp_path, "output: {method: lsh, active_pct: 10, tail_pct: 0, tail: popularity}\n").runs
    assert plain == named and plain.tail == "uniform"
    (drawn,) = load(tmp_path, "output: {method: lsh, active_pct: 10, tail: popularity}\n").runs
    assert drawn.tail == "popularity" and drawn.run_id("") != plain.run_id("")


def test_a_dense_output_leaves_the_run_as_it_was(tmp_path):
    (plain,) = load(tmp_path, "").runs
    assert plain == RunSpec(**{**plain.model_dump(), "output_method": "dense"})
    for text in ("output: dense\n", "output: {method: dense, active_pct: 5}\n"):
        sweep = load(tmp_path, text)
        assert [run.run_id("") for run in sweep.runs] == [plain.run_id("")]
    assert "output" not in resolved_text(load(tmp_path, "output: dense\n"))
    loss = load(tmp_path, "output: {method: dense, loss: binary}\n").runs[0]
    assert loss.loss == "binary" and loss.run_id("") != plain.run_id("")


def test_outputs_are_swept_by_part_and_written_out_again(tmp_path):
    text = """sweep:
  - grid: {output.method: [lsh, popularity], output.active_pct: [5, 10]}
  - grid: {output: [dense, {method: dropout, active_pct: 50}]}
"""
    sweep = load(tmp_path, text)
    assert [(run.output_method, run.output_active_pct) for run in sweep.runs] == [
        ("lsh", 5.0), ("popularity", 5.0), ("dense", 100.0), ("dropout", 50.0), ("lsh", 10.0),
        ("popularity", 10.0),
    ]  # fmt: skip
    again = tmp_path / "b.yaml"
    again.write_text(resolved_text(sweep))
    assert load_sweep(again).runs == sweep.runs


def test_excludes_see_outputs(tmp_path):
    text = """sweep:
  - grid: {output.method: [lsh, popularity, dense]}
    set: {output.active_pct: 5}
    exclude: [{output.method: popularity}]
"""
    assert [run.output_method for run in load(tmp_path, text).runs] == ["lsh", "dense"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("output: {active_pct: 5}", "4:9: output: 'method' is missing"),
        ("output: {method: lsh}", "method 'lsh' needs 'active_pct'"),
        ("output: {method: lhs, active_pct: 5}", r"output.method: .*did you mean 'lsh'"),
        ("output: {method: lsh, active_pct: 500}", "output.active_pct: "),
        ("output: {method: lsh, active_pc: 5}", "unknown key 'active_pc'; did you mean 'active_pct'"),
        ("output: {method: popularity, active_pct: 5, K: 3}", "output.K: "),
        ("output: {method: adaptive_dropout, active_pct: 5}", "for hidden layers alone"),
        ("output: {method: popularity, active_pct: 5, tail_pct: 5}", "draws its classes already"),
        (
            "output: {method: lsh, active_pct: 5, tail: lsh}",
            "output.tail: 'lsh' draws no classes.*popularity",
        ),
        ("output: {method: lsh, active_pct: 5, tail: populrity}", "the tail may be uniform"),
        ("output: {method: lsh, active_pct: 5}\nupdate: hogwild", "lock-free threads train a dense softmax"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, text + "\n")


def test_a_baseline_may_be_an_output(tmp_path):
    sweep = load(tmp_path, "baseline: {output_method: dense}\n")
    assert sweep.baseline == {"output_method": "dense"}

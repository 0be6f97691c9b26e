"""What a sound sweep file means: expansion, files, overrides, order."""

from __future__ import annotations

import json
import os
import time

import pytest
from sweep_toys import column, complaints, load, toy_registry

from lshexp.config import load_sweep, read_resolved, resolved_text
from lshexp.errors import ConfigError
from lshexp.spec import RunSpec


@pytest.fixture(autouse=True, scope="module")
def toys():
    with toy_registry():
        yield


DESIGN = """
name: accuracy_vs_active
seed: 2017
repeats: 3
baseline: {method: dense}
sweep:
  - grid: {method: [lsh, chance], hidden: [[1000, 1000], [1000, 1000, 1000]]}
    zip:  {active_pct: [5, 10, 25, 50, 75, 90], lr: [.01, .01, .01, .005, .001, .001]}
    exclude: [{method: chance, active_pct: 5}]
  - grid: {method: [dense], hidden: [[1000, 1000], [1000, 1000, 1000]]}
"""


def test_the_example_of_the_design(tmp_path):
    sweep = load(tmp_path, DESIGN)
    assert (sweep.name, sweep.seed, sweep.repeats, sweep.baseline) == (
        "accuracy_vs_active",
        2017,
        3,
        {"method": "dense"},
    )
    assert len(sweep.runs) == 3 * (2 * 2 * 6 - 2 + 2)
    assert {run.lr for run in sweep.runs if run.active_pct == 50} == {0.005}
    assert not [run for run in sweep.runs if run.method == "chance" and run.active_pct == 5]
    assert len({run.run_id("") for run in sweep.runs}) == len(sweep.runs)


def test_no_sweep_key_is_one_run_of_the_defaults(tmp_path):
    sweep = load(tmp_path, "method: dense\nepochs: 2\n")
    assert column(sweep, "method", "epochs", "dataset", "repeat") == [("dense", 2, "mnist", 0)]
    assert (sweep.name, sweep.repeats, sweep.baseline, sweep.merged) == ("s", 1, {"method": "dense"}, 0)


def test_grid_is_a_product_zip_is_paired_and_set_is_fixed(tmp_path):
    text = """
    active_pct: 5
    sweep:
      - set: {momentum: 0.5}
        grid: {epochs: [1, 2], threads: 3}
        zip: {lr: [0.1, 0.2], batch: [10, 20]}
    """
    found = column(load(tmp_path, text), "epochs", "lr", "batch", "momentum", "threads")
    assert found == [(1, 0.1, 10, 0.5, 3), (1, 0.2, 20, 0.5, 3), (2, 0.1, 10, 0.5, 3), (2, 0.2, 20, 0.5, 3)]


def test_options_are_resolved_and_only_a_runs_own_enter_it(tmp_path):
    text = "lsh: {K: 7}\nactive_pct: 5\nsweep: [{grid: {method: [lsh, chance]}}]"
    options = {run.method: run.method_options for run in load(tmp_path, text).runs}
    assert options["chance"] == {}
    assert options["lsh"] == {
        "K": 7,
        "L": 5,
        "widths": None,
        "rank": "count",
        "family": {"bits": 8, "label": ""},
    }


def test_options_are_swept_by_dotted_keys_or_by_maps(tmp_path):
    head = "method: lsh\nactive_pct: 5\nlsh: {L: 9}\n"
    dotted = load(tmp_path, head + "sweep: [{grid: {lsh.K: [4, 6], lsh.family.bits: [1]}}]")
    maps = load(
        tmp_path, head + "sweep: [{grid: {lsh: [{K: 4, family: {bits: 1}}, {K: 6, family: {bits: 1}}]}}]"
    )
    assert column(dotted, "lsh.K", "lsh.L") == [(4, 9), (6, 9)]
    assert [run.run_id("") for run in dotted.runs] == [run.run_id("") for run in maps.runs]


def test_lists_are_single_values_of_keys_that_take_lists(tmp_path):
    text = "method: lsh\nactive_pct: 5\nsweep: [{grid: {hidden: [[10], [20, 20]], lsh.widths: [[1, 2]]}}]"
    assert column(load(tmp_path, text), "hidden", "lsh.widths") == [([10], [1, 2]), ([20, 20], [1, 2])]


def test_a_dataset_is_a_name_or_a_map(tmp_path):
    text = """
    method: dense
    sweep:
      - grid: {dataset: [mnist, {name: boxes, train: 70}, boxes]}
      - set: {dataset: boxes}
        grid: {dataset.train: [80, 90]}
    """
    found = column(load(tmp_path, text), "dataset", "dataset.train")
    assert found == [("mnist", None), ("boxes", 70), ("boxes", 1000), ("boxes", 80), ("boxes", 90)]


def test_another_dataset_does_not_inherit_options(tmp_path):
    text = "method: dense\ndataset: {name: boxes, train: 70}\nsweep: [{grid: {dataset: [boxes, mnist]}}]"
    assert column(load(tmp_path, text), "dataset", "dataset.train") == [("boxes", 70), ("mnist", None)]


def test_methods_that_use_every_node_ignore_the_share_and_merge(tmp_path):
    sweep = load(tmp_path, "repeats: 2\nsweep: [{grid: {method: [dense, lsh], active_pct: [5, 10, 25]}}]")
    assert sorted(set(column(sweep, "method", "active_pct"))) == [
        ("dense", 100),
        ("lsh", 5),
        ("lsh", 10),
        ("lsh", 25),
    ]
    assert (len(sweep.runs), sweep.merged) == (8, 4)


def test_excludes_compare_with_values_as_written_and_with_defaults(tmp_path):
    text = """
    lsh: {K: 4}
    sweep:
      - grid: {method: [dense, lsh], active_pct: [5, 10]}
        exclude:
          - {method: dense, active_pct: 5.0, optimizer: adagrad}
          - {method: lsh, active_pct: 10, lsh.K: 4, dataset: mnist}
    """
    sweep = load(tmp_path, text)
    assert (column(sweep, "method", "active_pct"), sweep.merged) == ([("dense", 100), ("lsh", 5)], 0)


def test_cases_come_from_a_table_beside_the_sweep(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "c.csv").write_text('active_pct,hidden,lsh.K\n5,"[10, 20]",4\n25,[30],0o10\n')
    text = "method: lsh\nsweep: [{cases: tables/c.csv, grid: {epochs: [1, 2]}}]"
    sweep = load(tmp_path, text)
    found = column(sweep, "epochs", "active_pct", "hidden", "lsh.K")
    assert found == [(1, 5, [10, 20], 4), (1, 25, [30], 8), (2, 5, [10, 20], 4), (2, 25, [30], 8)]
    assert [name.removeprefix(f"{tmp_path}/") for name in sweep.files] == ["s.yaml", "tables/c.csv"]


def test_prefixes_are_balanced_and_repeats_come_one_after_the_other(tmp_path):
    blocks = "{grid: {method: [lsh, chance], active_pct: [5, 10, 25]}}, {set: {method: dense}}"
    runs = load(tmp_path, f"repeats: 2\nsweep: [{blocks}]").runs
    assert [(run.repeat, run.method) for run in runs[:7]] == [
        (0, "lsh"), (0, "chance"), (0, "dense"), (0, "lsh"), (0, "chance"), (0, "lsh"), (0, "chance")
    ]  # fmt: skip
    assert [run.model_copy(update={"repeat": 0}) for run in runs[7:]] == runs[:7]
    for end in range(8):
        taken = [run.method for run in runs[:end]]
        assert abs(taken.count("lsh") - taken.count("chance")) <= 1


class TestExtends:
    def test_maps_merge_lists_are_replaced_and_later_files_win(self, tmp_path):
        (tmp_path / "a.yaml").write_text("name: a\nlsh: {K: 4, L: 4}\nhidden: [1, 2]\nlr: 0.1\nbatch: 7\n")
        (tmp_path / "b.yaml").write_text("lsh: {L: 8}\nlr: 0.2\nsweep: [{grid: {epochs: [1, 2]}}]\n")
        sweep = load(tmp_path, "extends: [a.yaml, b.yaml]\nhidden: [3]\nlsh.widths: [5]\nactive_pct: 5\n")
        assert sweep.name == "s"
        found = column(sweep, "lsh.K", "lsh.L", "lsh.widths", "hidden", "lr", "batch", "epochs")
        assert found == [(4, 8, [5], [3], 0.2, 7, 1), (4, 8, [5], [3], 0.2, 7, 2)]

    def test_files_are_relative_to_the_one_that_names_them(self, tmp_path):
        (tmp_path / "base").mkdir()
        (tmp_path / "base" / "m.yaml").write_text("extends: n.yaml\nsweep: [{cases: c.csv}]")
        (tmp_path / "base" / "n.yaml").write_text("method: dense")
        (tmp_path / "base" / "c.csv").write_text("epochs\n4\n5\n")
        sweep = load(tmp_path, "extends: base/m.yaml")
        assert column(sweep, "epochs") == [4, 5]
        assert [name.removeprefix(f"{tmp_path}/") for name in sweep.files] == [
            "s.yaml", "base/m.yaml", "base/n.yaml", "base/c.csv"
        ]  # fmt: skip

    def test_a_shared_base_is_no_cycle(self, tmp_path):
        (tmp_path / "a.yaml").write_text("extends: c.yaml")
        (tmp_path / "b.yaml").write_text("extends: c.yaml")
        (tmp_path / "c.yaml").write_text("method: dense")
        assert len(load(tmp_path, "extends: [a.yaml, b.yaml]").runs) == 1

    def test_a_cycle_is_shown_with_its_chain(self, tmp_path):
        (tmp_path / "a.yaml").write_text("extends: b.yaml")
        (tmp_path / "b.yaml").write_text("extends: [s.yaml]")
        assert complaints(tmp_path, "extends: a.yaml") == [
            "b.yaml:1:11: extends[0]: extends itself: s.yaml -> a.yaml -> b.yaml -> s.yaml"
        ]

    @pytest.mark.parametrize(
        ("reference", "message"),
        [
            ("/etc/passwd", "'/etc/passwd' is absolute; write it relative to this file"),
            ("../../x.yaml", "'../../x.yaml' lies outside the sweep's folder tree"),
            ("link.yaml", "'link.yaml' lies outside the sweep's folder tree"),
            ("loop.yaml", "cannot"),
            ("none.yaml", "'none.yaml' cannot be read: no such file or directory"),
            ("pipe", "'pipe' is not a regular file"),
            (".", "two' is not a regular file"),
            ("big.yaml", "'big.yaml' is larger than 1,048,576 bytes"),
            ("3", "the name of a file, or a list of names, is wanted"),
            ("{a: b}", "the name of a file, or a list of names, is wanted"),
            ("'a\\0b'", "the text holds"),
        ],
    )
    def test_files_that_may_not_or_cannot_be_read(self, tmp_path, reference, message):
        folder = tmp_path / "one" / "two"
        folder.mkdir(parents=True)
        (tmp_path / "secret.yaml").write_text("method: dense")
        (folder / "link.yaml").symlink_to(tmp_path / "secret.yaml")
        (folder / "loop.yaml").symlink_to("loop.yaml")
        (folder / "big.yaml").write_text("#" * (2**20 + 1))
        os.mkfifo(folder / "pipe")
        reference = reference.replace("'a\\0b'", '"a\\0b"')
        (found,) = complaints(folder, f"method: dense\nextends: {reference}\n")
        assert found.startswith("s.yaml:2:10: extends: ") and message in found

    def test_a_broken_base_is_told_once(self, tmp_path):
        (tmp_path / "a.yaml").write_text("lr: [")
        found = complaints(tmp_path, "extends: [a.yaml, a.yaml]\nbatch: 0")
        assert [line.partition(": ")[0] for line in found] == ["a.yaml:1:6", "s.yaml:2:8"]

    def test_extending_without_end_is_stopped(self, tmp_path):
        for i in range(60):
            (tmp_path / f"f{i}.yaml").write_text(f"extends: [f{i + 1}.yaml, f{i + 1}.yaml]")
        (tmp_path / "f60.yaml").write_text("method: dense")
        assert "extends more than 50 files" in complaints(tmp_path, "extends: f0.yaml")[0]

    def test_text_that_is_not_utf_8(self, tmp_path):
        (tmp_path / "a.yaml").write_bytes(b"method: dense\nname: caf\xe9\n")
        assert complaints(tmp_path, "extends: a.yaml") == [
            "a.yaml:2:10: not UTF-8 text; save the file as UTF-8"
        ]


def test_the_resolved_text_loads_to_the_same_runs(tmp_path):
    (tmp_path / "c.csv").write_text("threads,momentum\n1,0.1\n2,0.2\n")
    text = """
    name: "007"
    repeats: 2
    lsh: {rank: exact}
    dataset: {name: boxes, train: 70}
    sweep:
      - grid: {method: [lsh, chance], hidden: [[1], [2, 3]]}
        zip: {active_pct: [5, 10], lr: [.1, 1e-7]}
        cases: c.csv
        exclude: [{method: chance, active_pct: 5}, {lr: .1, hidden: [1]}]
      - set: {method: dense}
    """
    sweep = load(tmp_path, text, "method=lsh,chance", "lsh.K=3", "active_pct=10,20")
    again = load(tmp_path, sweep.resolved)
    assert again.runs == sweep.runs
    assert (again.name, again.repeats, again.baseline, again.seed) == ("007", 2, {"method": "dense"}, 2017)


def test_the_resolved_text_keeps_what_the_file_says_of_the_whole_sweep(tmp_path):
    text = """
    title: '2017: once more'
    baseline: {method: lsh, active_pct: 5}
    margin: 0.5
    timeout: 90s
    method: dense
    """
    sweep = load(tmp_path, text, "lr=0.5", repeats=3)
    path = tmp_path / "sweep.yaml"
    path.write_text(resolved_text(sweep))
    assert path.read_text().startswith("# ")
    assert "s.yaml -s lr=0.5" in path.read_text().splitlines()[0]
    header = read_resolved(path)
    assert header == sweep.header == load_sweep(path).header
    assert (header.name, header.title, header.repeats) == ("s", "2017: once more", 3)
    assert (header.baseline, header.margin) == ({"method": "lsh", "active_pct": 5}, 0.5)
    assert header.timeout == sweep.timeout_s == 90


def test_a_name_and_a_title_are_not_inherited(tmp_path):
    (tmp_path / "a.yaml").write_text("name: a\ntitle: of a\nmargin: 2\nmethod: dense")
    header = load(tmp_path, "extends: a.yaml").header
    assert (header.name, header.title, header.margin) == ("s", None, 2)


def test_the_header_is_read_where_methods_are_not_installed(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text("name: x\nbaseline: {method: gone}\nmethod: gone\ngone: {a: [1]}\nsweep: [{}]")
    assert read_resolved(path).baseline == {"method": "gone"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "a sweep is a map of settings; this is a list"),
        ("method: dense", "this key is required"),
        ("name: ../x", "sweep.yaml:1:7: name: the name of a sweep names a folder"),
        ("name: x\nmargin: -1", "sweep.yaml:2:9: margin: -1 must be > 0"),
        ("name: [", "not valid YAML"),
    ],
)
def test_a_damaged_resolved_file_is_refused_with_its_place(tmp_path, text, message):
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_resolved(path)
    assert message in str(caught.value)


def test_the_resolved_text_keeps_text_apart_from_numbers(tmp_path):
    labels = [
        ".nan",
        "1e999",
        "on",
        "0o17",
        "null",
        "",
        "007",
        "a: b",
        "10:30",
        "- x",
        "'",
        "#",
        "é",
        "true",
        " y ",
    ]
    text = f"active_pct: 5\nsweep: [{{grid: {{lsh.family.label: {json.dumps(labels)}}}}}]"
    sweep = load(tmp_path, text)
    assert [run.method_options["family"]["label"] for run in sweep.runs] == labels
    assert load(tmp_path, sweep.resolved).runs == sweep.runs


def test_ten_thousand_runs_are_checked_in_seconds(tmp_path):
    axes = "seed: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], epochs: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"
    more = "lsh.K: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], active_pct: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"
    started = time.process_time()
    sweep = load(tmp_path, f"sweep: [{{grid: {{{axes}, {more}}}}}]")
    assert len(sweep.runs) == 10_000
    assert time.process_time() - started < 3


def test_the_path_may_be_text(tmp_path):
    (tmp_path / "s.yaml").write_text("method: dense")
    assert load_sweep(str(tmp_path / "s.yaml")).path == tmp_path / "s.yaml"


def test_a_setting_that_is_added_leaves_the_ids_of_runs_without_it(monkeypatch):
    monkeypatch.setattr("lshexp.spec.KERNEL_REVISION", 2)
    assert RunSpec().run_id("data") == "b59408be1b6c"

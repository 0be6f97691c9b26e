"""A corpus of wrong sweep files: every problem of each, with its place and words, and nothing else."""

# ruff: noqa: E501  the messages stand as they are printed
from __future__ import annotations

from textwrap import dedent

import pytest
from sweep_toys import complaints, load, toy_registry

from lshexp.config import load_sweep
from lshexp.errors import ConfigError


@pytest.fixture(autouse=True, scope="module")
def toys():
    with toy_registry():
        yield


CORPUS = {
    "unknown keys": (
        """
        method: dense
        hiden: [10]
        momentun: 0.5
        grid: {lr: [1]}
        k: 3
        zzz: 1
        """,
        """
        s.yaml:2:1: hiden: unknown key 'hiden'; did you mean 'hidden'?
        s.yaml:3:1: momentun: unknown key 'momentun'; did you mean 'momentum'?
        s.yaml:4:1: grid: 'grid' belongs to a block of 'sweep'
        s.yaml:5:1: k: unknown key 'k'; choose from KEYS
        s.yaml:6:1: zzz: unknown key 'zzz'; choose from KEYS
        """,
    ),
    "internal keys": (
        """
        method: dense
        repeat: 2
        method_options: {K: 3}
        """,
        """
        s.yaml:2:1: repeat: unknown key 'repeat'; did you mean 'repeats'?
        s.yaml:3:1: method_options: unknown key 'method_options'; did you mean 'method'?
        """,
    ),
    "values out of range": (
        """
        method: chance
        active_pct: 0
        lr: 0
        epochs: 1.5
        batch: yes
        momentum: null
        hidden: [10, -1]
        threads: {a: 1}
        seed: true
        optimizer: adagard
        """,
        """
        s.yaml:2:13: active_pct: 0 must be > 0
        s.yaml:3:5: lr: 0 must be > 0
        s.yaml:4:9: epochs: 1.5 is a number, a whole number is wanted
        s.yaml:5:8: batch: "yes" is text, a whole number is wanted
        s.yaml:6:11: momentum: nothing is given, a number is wanted
        s.yaml:7:14: hidden[1]: -1 must be >= 1
        s.yaml:8:10: threads: this is a map, a whole number is wanted
        s.yaml:9:7: seed: true is true or false, a whole number is wanted
        s.yaml:10:12: optimizer: unknown value "adagard"; did you mean 'adagrad'?
        """,
    ),
    "shares": (
        """
        method: lsh
        sweep:
          - grid:
              active_pct: [5, 105, "5%", 5%, .nan, -.inf]
        """,
        """
        s.yaml:4:23: sweep[0].grid.active_pct[1]: 105 must be <= 100
        s.yaml:4:28: sweep[0].grid.active_pct[2]: "5%" is text, write a number: 5
        s.yaml:4:34: sweep[0].grid.active_pct[3]: "5%" is text, write a number: 5
        s.yaml:4:38: sweep[0].grid.active_pct[4]: .nan is not a finite number
        s.yaml:4:44: sweep[0].grid.active_pct[5]: -.inf is not a finite number
        """,
    ),
    "no share": (
        "epochs: 1\nsweep: [{grid: {method: [dense, lsh, chance]}}]",
        """
        s.yaml:2:33: sweep[0].grid.method[1]: method 'lsh' needs 'active_pct', and none is given
        s.yaml:2:38: sweep[0].grid.method[2]: method 'chance' needs 'active_pct', and none is given
        """,
    ),
    "no share, no method": ("epochs: 1", "s.yaml:1:1: method: method 'lsh' needs 'active_pct', and none is given"),
    "unknown plug-ins": (
        """
        active_pct: 5
        dataset: mnits
        torn: {x: 1}
        sweep:
          - grid: {method: [lhs, torn, 3], dataset: [boxes, [mnist], {train: 3}]}
        """,
        """
        s.yaml:2:10: dataset: unknown dataset 'mnits'; did you mean 'mnist'?
        s.yaml:3:1: torn: method 'torn' cannot be loaded: ImportError: no module named 'gone'
        s.yaml:5:21: sweep[0].grid.method[0]: unknown method 'lhs'; did you mean 'lsh'?
        s.yaml:5:26: sweep[0].grid.method[1]: method 'torn' cannot be loaded: ImportError: no module named 'gone'
        s.yaml:5:32: sweep[0].grid.method[2]: unknown method '3'; choose from chance, dense, lsh
        s.yaml:5:53: sweep[0].grid.dataset[1]: the name of one dataset, or a map, is wanted here, this is a list
        """,
    ),
    "options": (
        """
        method: dense
        lsh: {J: 3, rank: cuont}
        dense: {K: 3}
        dataset: {name: boxes, train: 0, tset: 3}
        sweep:
          - grid: {lsh.K: [40, 4], lsh.M: [1, 2], chance: 3}
        """,
        """
        s.yaml:2:7: lsh.J: unknown key 'J'; choose from K, L, widths, rank, family
        s.yaml:2:19: lsh.rank: unknown value "cuont"; did you mean 'count'?
        s.yaml:3:9: dense.K: unknown key 'K'; dense has no options
        s.yaml:4:31: dataset.train: 0 must be >= 1
        s.yaml:4:34: dataset.tset: unknown key 'tset'; did you mean 'test'?
        s.yaml:6:20: sweep[0].grid.lsh.K[0]: 40 must be <= 32
        s.yaml:6:28: sweep[0].grid.lsh.M: unknown key 'M'; choose from K, L, widths, rank, family
        s.yaml:6:51: sweep[0].grid.chance: a map of the options of 'chance' is wanted here, this is a number
        """,
    ),
    "options out of range": (
        """
        method: dense
        lsh: {rank: cuont, family: {bits: 99, bit: 8}}
        dataset: {name: boxes, train: 0}
        sweep:
          - grid: {lsh.K: [40, 4], lsh.L: [500]}
        """,
        """
        s.yaml:2:13: lsh.rank: unknown value "cuont"; did you mean 'count'?
        s.yaml:2:35: lsh.family.bits: 99 must be <= 64
        s.yaml:2:44: lsh.family.bit: unknown key 'bit'; did you mean 'bits'?
        s.yaml:3:31: dataset.train: 0 must be >= 1
        s.yaml:5:20: sweep[0].grid.lsh.K[0]: 40 must be <= 32
        """,
    ),
    "options that do not go together": (
        "method: lsh\nactive_pct: 5\nlsh: {L: 100}\nsweep: [{grid: {lsh.K: [5, 7]}}]",
        "s.yaml:4:28: sweep[0].grid.lsh.K[1]: K * L = 700 bits are too many; 600 are the most",
    ),
    "more examples than there are": (
        """
        method: dense
        train_examples: 700
        sweep:
          - grid: {dataset: [mnist, {name: boxes, train: 600}], test_examples: [500, 501]}
          - set: {validation_examples: 700}
        """,
        """
        s.yaml:2:17: train_examples: 700 is more than the 600 'boxes' has for training
        s.yaml:4:78: sweep[0].grid.test_examples[1]: 501 is more than the 500 'boxes' has for testing
        s.yaml:5:32: sweep[1].set.validation_examples: 700 is more than the 699 that can be held out of 700 for training
        """,
    ),
    "lists in the wrong place": (
        """
        method: dense
        lr: [.1, .2]
        sweep:
          - grid: {hidden: [100, 100], batch: []}
            zip: {epochs: 3, seed: [[1], [2]]}
          - grid: {hidden: 100}
        """,
        """
        s.yaml:2:5: lr: a list cannot be one value of 'lr'; sweep it in a block's grid
        s.yaml:4:20: sweep[0].grid.hidden: one value of 'hidden' is a list; write [[100, 100]] to try just [100, 100]
        s.yaml:4:39: sweep[0].grid.batch: the list is empty; give at least one value
        s.yaml:5:19: sweep[0].zip.epochs: zip pairs lists, this is a number; put it under 'set'
        s.yaml:5:29: sweep[0].zip.seed[0]: a list cannot be one value of 'seed'; sweep it in a block's grid
        s.yaml:5:34: sweep[0].zip.seed[1]: a list cannot be one value of 'seed'; sweep it in a block's grid
        s.yaml:6:20: sweep[1].grid.hidden: 100 is a number, a list is wanted
        """,
    ),
    "shapes of blocks": (
        """
        method: dense
        sweep:
          - grid: [lr]
            zip: 3
            exclude: {lr: 1}
            cases: [a.csv]
          - set: {lr: 1}
            gird: {lr: 2}
            lr: 3
          - text
        """,
        """
        s.yaml:3:11: sweep[0].grid: a map of keys is wanted here, this is a list
        s.yaml:4:10: sweep[0].zip: a map of keys is wanted here, this is a number
        s.yaml:5:14: sweep[0].exclude: a list of maps is wanted here, this is a map
        s.yaml:6:12: sweep[0].cases: a file name is wanted here
        s.yaml:8:5: sweep[1].gird: unknown block key 'gird'; did you mean 'grid'?
        s.yaml:9:5: sweep[1].lr: unknown block key 'lr'; put it under 'set' or 'grid'
        s.yaml:10:5: sweep[2]: a map of keys is wanted here, this is text
        """,
    ),
    "no blocks": (
        "method: dense\nsweep: []",
        "s.yaml:2:8: sweep: the list of blocks is empty; leave 'sweep' out for a single run",
    ),
    "blocks without a list": (
        "method: dense\nsweep: {grid: {lr: [1]}}",
        "s.yaml:2:8: sweep: a list of blocks is wanted here, this is a map",
    ),
    "given twice": (
        """
        method: dense
        lsh.K: 4
        lsh: {K: 5}
        sweep:
          - set: {lr: 1}
            grid: {lr: [1], lsh.K: [4]}
            zip: {lsh: [{K: 4}, {L: 4}], epochs: [1, 2]}
          - grid: {dataset: [mnist], dataset.name: [mnist]}
        """,
        """
        s.yaml:3:7: lsh.K: 'lsh.K' is given twice; the other is at s.yaml:2:1
        s.yaml:6:12: sweep[0].grid.lr: 'lr' is given twice; the other is at s.yaml:5:11
        s.yaml:7:18: sweep[0].zip.lsh[0].K: 'lsh.K' is given twice; the other is at s.yaml:6:21
        s.yaml:8:30: sweep[1].grid.dataset.name: 'dataset.name' is given twice; the other is at s.yaml:8:12
        """,
    ),
    "uneven zip": (
        "method: dense\nsweep: [{zip: {lr: [1, 2], batch: [1, 2, 3]}}]",
        "s.yaml:2:20: sweep[0].zip.lr: lists that are zipped must be equally long: lr has 2, batch has 3",
    ),
    "excludes": (
        """
        active_pct: 5
        sweep:
          - grid: {method: [dense, lsh], batch: [1, 2]}
            exclude: [{batch: 3}, {}, {lsh.K: 6}, {bacth: 3}, {batch: 1}, text, {batch: "1"}, {lr: true}]
        """,
        """
        s.yaml:4:27: sweep[0].exclude[1]: an empty map would exclude every run; name at least one key
        s.yaml:4:44: sweep[0].exclude[3].bacth: unknown key 'bacth'; did you mean 'batch'?
        s.yaml:4:67: sweep[0].exclude[5]: a map of keys is wanted here, this is text
        s.yaml:4:81: sweep[0].exclude[6].batch: "1" is text, write a number: 1
        s.yaml:4:92: sweep[0].exclude[7].lr: true is true or false, a number is wanted
        """,
    ),
    "idle excludes": (
        """
        active_pct: 5
        sweep:
          - grid: {method: [dense, lsh], batch: [1, 2]}
            exclude: [{batch: 3}, {lsh.K: 6}, {batch: 1}]
          - set: {method: lsh}
            exclude: [{method: lsh}]
        """,
        """
        s.yaml:4:15: sweep[0].exclude[0]: matches no run of this block
        s.yaml:4:27: sweep[0].exclude[1]: matches no run of this block
        s.yaml:5:5: sweep[1]: the excludes leave no run in this block
        """,
    ),
    "excludes with a key twice": (
        "active_pct: 5\nsweep: [{grid: {lsh.K: [4, 5]}, exclude: [{lsh.K: 4, lsh: {K: 5}}]}]",
        "s.yaml:2:60: sweep[0].exclude[0].lsh.K: 'lsh.K' is given twice; the other is at s.yaml:2:44",
    ),
    "a default that no run uses": (
        "method: dense\ndataset: mnits\nlr: -1\nsweep: [{set: {dataset: boxes, lr: 1}}]",
        """
        s.yaml:2:10: dataset: unknown dataset 'mnits'; did you mean 'mnist'?
        s.yaml:3:5: lr: -1 must be > 0
        """,
    ),
    "header": (
        """
        name: ../up
        repeats: 0
        baseline: {methd: dense, lr: -1, lsh.K: 3}
        margin: 0
        title: 7
        timeout: soon
        method: dense
        """,
        """
        s.yaml:1:7: name: the name of a sweep names a folder: it must be NAME
        s.yaml:2:10: repeats: 0 must be >= 1
        s.yaml:3:12: baseline.methd: unknown key 'methd' in a baseline; did you mean 'method'?
        s.yaml:3:30: baseline.lr: -1 must be > 0
        s.yaml:3:34: baseline.lsh.K: unknown key 'lsh.K' in a baseline; choose from RUN_KEYS
        s.yaml:4:9: margin: 0 must be > 0
        s.yaml:5:8: title: 7 is a number, text is wanted; put it in quotes
        s.yaml:6:10: timeout: 'soon' is not a duration; write seconds, or 90s, 30m, 2h
        """,
    ),
    "values that do not go together": (
        """
        method: dense
        epochs: 4
        dataset: {name: boxes, train: 600}
        sweep:
          - grid: {average_from: [4, 5], train_examples: [64], batch: [64, 65]}
          - set: {average_from: 2, train_examples: 64, validation_examples: 4, batch: 64}
            grid: {epochs: [1, 2]}
        """,
        """
        s.yaml:5:30: sweep[0].grid.average_from[1]: 5 is beyond the last epoch, 4; nothing would be averaged
        s.yaml:5:68: sweep[0].grid.batch[1]: 65 is more than the 64 examples to train on
        s.yaml:6:25: sweep[1].set.average_from: 2 is beyond the last epoch, 1; nothing would be averaged
        s.yaml:6:79: sweep[1].set.batch: 64 is more than the 60 examples to train on
        """,
    ),
    "shares that cannot fall": (
        """
        dataset: {name: boxes, train: 600}
        active_pct: 10
        epochs: 4
        sweep:
          - set: {active_from: 10, active_until: 3}
          - set: {active_from: 50}
          - set: {active_until: 3}
          - set: {active_from: 50, active_until: 5}
          - set: {active_from: 50, active_until: 4}
        """,
        """
        s.yaml:5:24: sweep[0].set.active_from: 10 is not above active_pct, 10, to which it is to fall
        s.yaml:6:24: sweep[1].set.active_from: give it with active_until, the epoch from which active_pct holds
        s.yaml:7:25: sweep[2].set.active_until: give it with active_from, the share of the first epoch
        s.yaml:8:42: sweep[3].set.active_until: 5 is beyond the last epoch, 4; active_pct would not be reached
        s.yaml:9:24: sweep[4].set.active_from: the share of 'lsh' cannot fall: it knows one share for all batches
        """,
    ),
    "a batch beyond the dataset": (
        """
        method: dense
        dataset: {name: boxes, train: 600}
        batch: 601
        """,
        "s.yaml:3:8: batch: 601 is more than the 600 examples to train on",
    ),
    "an empty baseline": (
        "baseline: {}\nmethod: dense",
        "s.yaml:1:11: baseline: an empty map picks nothing; name at least one key, as in {method: dense}",
    ),
    "names": ("name: 2017\nmethod: dense", "s.yaml:1:7: name: 2017 is a number, text is wanted; put it in quotes"),
    "baseline": ("baseline: dense\nmethod: dense", 's.yaml:1:11: baseline: "dense" is text, a map is wanted'),
    "file keys in a block": (
        "method: dense\nsweep: [{grid: {repeats: [1]}, set: {name: x}}]",
        """
        s.yaml:2:17: sweep[0].grid.repeats: 'repeats' belongs to the top level of the file
        s.yaml:2:38: sweep[0].set.name: 'name' belongs to the top level of the file
        """,
    ),
    "too many runs": (
        "method: dense\nrepeats: 100\nsweep: [{grid: {seed: [0,1,2,3,4,5,6,7,8,9,10], lr: [1,2,3,4,5,6,7,8,9,10], batch: [1,2,3,4,5,6,7,8,9,10]}}]",
        "s.yaml:3:8: sweep: 110,000 runs; a sweep has at most 100,000",
    ),
    "an empty file": ("# nothing\n", "s.yaml:1:1: the file's content is empty; a map of settings is wanted"),
    "a list": ("- method: dense\n", "s.yaml:1:1: the file's content is a list; a map of settings is wanted"),
    "duplicates": (
        "method: dense\nlr: 1\nlr: 2\nsweep:\n  - grid: {lr: [1], lr: [2]}\n  - set: {seed: 1, seed: 1}\n",
        """
        s.yaml:3:1: lr: the key 'lr' is given twice (first on line 2)
        s.yaml:5:21: sweep[0].grid.lr: the key 'lr' is given twice (first on line 5)
        s.yaml:6:20: sweep[1].set.seed: the key 'seed' is given twice (first on line 6)
        """,
    ),
    "syntax": ("method: dense\nsweep: [{grid: {lr: [1}}]\n", "s.yaml:2:23: not valid YAML: while parsing a flow sequence, expected ',' or ']', but got '}'"),
    "deep keys": (
        "method: dense\nlsh.K.x: 3\nlr.x: 1\nlsh.a.b.c.d.e.f.g.h.i.j.k.l: 1\n",
        """
        s.yaml:2:10: lsh.K.x: this is a map, a whole number is wanted
        s.yaml:3:1: lr.x: 'lr' has no parts; write 'lr'
        s.yaml:4:1: lsh.a.b.c.d.e.f.g.h.i.j.k.l: a key of more than 10 parts
        """,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CORPUS.values(), ids=CORPUS.keys())
def test_corpus(tmp_path, text, expected):
    found = complaints(tmp_path, dedent(text).lstrip("\n"))
    wanted = dedent(expected).strip().splitlines()
    cuts = {"KEYS": "choose from", "RUN_KEYS": "choose from", "NAME": "it must be"}
    assert len(found) == len(wanted), "\n".join(found)
    for line, want in zip(found, wanted, strict=True):
        cut = cuts.get(want.split()[-1])
        assert line == want if cut is None else line.startswith(want.rpartition(" ")[0]) and cut in want, line


def test_one_mistake_is_told_once_however_many_runs_it_spoils(tmp_path):
    text = (
        "active_pct: 5\nlsh: {K: 33}\nsweep: [{grid: {seed: [1, 2, 3], batch: [1, 2, 3], epochs: [1, 2, 3]}}]"
    )
    assert complaints(tmp_path, text) == ["s.yaml:2:10: lsh.K: 33 must be <= 32"]


def test_problems_of_all_files_are_told_together(tmp_path):
    (tmp_path / "a.yaml").write_text("lrr: 1\nbatch: 0\n")
    (tmp_path / "c.csv").write_text("epochs,sed\n0,1\n")
    text = "extends: a.yaml\nmethod: dense\nthreads: 0\nsweep: [{cases: c.csv}]"
    assert complaints(tmp_path, text, "momentum=2", "sede=1") == [
        "a.yaml:1:1: lrr: unknown key 'lrr'; did you mean 'lr'?",
        "a.yaml:2:8: batch: 0 must be >= 1",
        "-s sede=1: sede: unknown key 'sede'; did you mean 'seed'?",
        "c.csv:1:8: sweep[0].cases.sed: unknown key 'sed'; did you mean 'seed'?",
        "c.csv:2:1: sweep[0].cases.epochs[0]: 0 must be >= 1",
        "s.yaml:3:10: threads: 0 must be >= 1",
        "-s momentum=2: momentum: 2 must be < 1",
    ]


def test_a_mistake_behind_an_alias_is_placed_at_its_anchor(tmp_path):
    text = "method: dense\nsweep:\n  - grid: {lr: &rates [.1, -1]}\n  - grid: {lr: *rates}\n"
    assert complaints(tmp_path, text) == ["s.yaml:3:28: sweep[0].grid.lr[1]: -1 must be > 0"]


def test_repeats_of_the_command_line_are_checked(tmp_path):
    assert complaints(tmp_path, "method: dense", repeats=0) == ["--repeats: repeats: 0 must be >= 1"]


@pytest.mark.parametrize("name", ["none.yaml", "."])
def test_a_sweep_file_that_cannot_be_read(tmp_path, name):
    with pytest.raises(ConfigError, match=r"cannot be read: no such file|is not a regular file"):
        load_sweep(tmp_path / name)


def test_a_name_may_come_from_the_file_when_it_is_a_safe_one(tmp_path):
    path = tmp_path / "my sweep.yaml"
    path.write_text("method: dense")
    with pytest.raises(ConfigError, match="'name' is not given"):
        load_sweep(path)


def test_nothing_in_a_file_is_executed(tmp_path):
    victim = tmp_path / "victim"
    for tag in ("!!python/object/apply:os.mkdir", "!!python/object/new:os.mkdir", "!!python/name:os.mkdir"):
        with pytest.raises(ConfigError):
            load(tmp_path, f"method: dense\nlr: {tag} [{victim}]\n")
    assert not victim.exists()


def test_a_message_about_a_value_ends_with_what_the_key_means(tmp_path):
    (tmp_path / "s.yaml").write_text("method: dense\nbatch: 0\nhidden: [0]\nrepeats: many\n")
    with pytest.raises(ConfigError) as caught:
        load_sweep(tmp_path / "s.yaml")
    assert [line.partition(": ")[2] for line in str(caught.value).splitlines()] == [
        "batch: 0 must be >= 1; batch: examples in one optimiser step",
        "hidden[0]: 0 must be >= 1; hidden: nodes of each hidden layer, from the input on",
        'repeats: "many" is text, a whole number is wanted; '
        "repeats: runs of each configuration, each with a seed of its own",
    ]

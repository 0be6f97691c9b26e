"""Overrides from the command line: what they change, what they leave, how they fail."""

from __future__ import annotations

import pytest
from sweep_toys import column, complaints, load, toy_registry


@pytest.fixture(autouse=True, scope="module")
def toys():
    with toy_registry():
        yield


class TestOverrides:
    TEXT = """
    epochs: 9
    sweep:
      - grid: {method: [lsh, chance]}
        zip: {active_pct: [5, 10], lr: [.1, .2]}
        exclude: [{method: chance, active_pct: 5}]
      - set: {method: dense, batch: 3}
    """

    def test_a_key_that_is_not_swept_is_set_or_swept_in_every_block(self, tmp_path):
        assert set(column(load(tmp_path, self.TEXT, "epochs=2"), "epochs")) == {2}
        sweep = load(tmp_path, self.TEXT, "epochs=2,3")
        assert len(sweep.runs) == 8 and set(column(sweep, "method", "epochs")) >= {("dense", 2), ("dense", 3)}

    def test_an_axis_is_replaced_where_it_is(self, tmp_path):
        sweep = load(tmp_path, self.TEXT, "active_pct=[25, 50]", "lr=.3,.4")
        found = set(column(sweep, "method", "active_pct", "lr"))
        assert found == {(m, *pair) for m in ("lsh", "chance") for pair in ((25, 0.3), (50, 0.4))} | {
            ("dense", 100, 0.01)
        }

    def test_one_value_holds_for_every_run(self, tmp_path):
        text = "sweep: [{grid: {method: [lsh], active_pct: [5, 10], lr: [.1, .2]}}, {set: {method: dense}}]"
        found = column(load(tmp_path, text, "lr=.5", "active_pct=20"), "method", "active_pct", "lr")
        assert found == [("lsh", 20, 0.5), ("dense", 100, 0.5)]

    def test_a_set_value_is_replaced(self, tmp_path):
        assert set(column(load(tmp_path, self.TEXT, "batch=4,5"), "method", "batch")) >= {
            ("dense", 4),
            ("dense", 5),
        }

    def test_several_values_leave_a_block_that_fixes_the_key(self, tmp_path):
        text = (
            "active_pct: 5\nsweep: [{grid: {method: [lsh, chance, dense]}}, {set: {method: dense, lr: .5}}]"
        )
        found = column(load(tmp_path, text, "method=lsh,chance"), "method", "lr")
        assert found == [("lsh", 0.01), ("chance", 0.01), ("dense", 0.5)]

    def test_a_zip_must_still_fit(self, tmp_path):
        assert complaints(tmp_path, self.TEXT, "active_pct=1,2,3") == [
            "-s active_pct=1,2,3: active_pct: 3 values given, but sweep[0] pairs it with 'lr' (2 values); "
            "give as many, or override those too"
        ]
        assert len(load(tmp_path, self.TEXT, "active_pct=1,2,3", "lr=1,2,3").runs) == 7

    def test_lists_of_keys_that_take_lists(self, tmp_path):
        assert set(map(tuple, column(load(tmp_path, self.TEXT, "hidden=[5, 6]"), "hidden"))) == {(5, 6)}
        assert set(map(tuple, column(load(tmp_path, self.TEXT, "hidden=5,6"), "hidden"))) == {(5, 6)}
        for axis in ("hidden=[5],[6, 7]", "hidden=[[5], [6, 7]]"):
            assert set(map(tuple, column(load(tmp_path, self.TEXT, axis), "hidden"))) == {(5,), (6, 7)}

    def test_options_and_datasets(self, tmp_path):
        sweep = load(tmp_path, self.TEXT, "lsh.K=4,8", "dataset=boxes", "dataset.train=77", "lsh={L: 2}")
        assert set(column(sweep, "method", "lsh.K", "lsh.L", "dataset.train")) == {
            ("lsh", 4, 2, 77), ("lsh", 8, 2, 77), ("chance", None, None, 77), ("dense", None, None, 77)
        }  # fmt: skip

    def test_keys_of_the_file_itself(self, tmp_path):
        sweep = load(tmp_path, self.TEXT, "name=other", "repeats=2", "seed=5", "baseline={method: lsh}")
        assert (sweep.name, sweep.repeats, sweep.seed, sweep.baseline) == ("other", 2, 5, {"method": "lsh"})
        assert set(column(sweep, "seed")) == {5}
        assert load(tmp_path, self.TEXT, repeats=4).repeats == 4

    def test_the_same_values_change_nothing(self, tmp_path):
        same = load(tmp_path, self.TEXT, "active_pct=5,10", "lr=.1,.2", "method=lsh,chance", "epochs=9")
        assert same.runs == load(tmp_path, self.TEXT).runs

    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("epoch=3", "-s epoch=3: epoch: unknown key 'epoch'; did you mean 'epochs'?"),
            ("repeat=3", "-s repeat=3: repeat: unknown key 'repeat'; did you mean 'repeats'?"),
            ("lsh.k=3", "-s lsh.k=3: lsh.k: unknown key 'k'; did you mean 'K'?"),
            ("K=3", "-s K=3: K: unknown key 'K'; did you mean 'lsh.K'?"),
            ("lr.x=3", "-s lr.x=3: lr.x: 'lr' has no parts; write 'lr'"),
            ("batch=0", "-s batch=0: batch: 0 must be >= 1"),
            ("lr=0.1,-1", "-s lr=0.1,-1: lr[1]: -1 must be > 0"),
            ("momentum=5%", '-s momentum=5%: momentum: "5%" is text, write a number: 5'),
            ("lr=", "-s lr=: lr: no value after '='"),
            ("lr=[]", "-s lr=[]: lr: the list is empty; give at least one value"),
            ("lr=[1", "-s lr=[1: lr: not valid YAML"),
            ("lr", "-s lr: write it as -s key=value"),
            ("sweep=[]", "-s sweep=[]: 'sweep' cannot be overridden"),
            ("extends=x", "-s extends=x: 'extends' cannot be overridden"),
            ("name=../x", "-s name=../x: name: the name of a sweep names a folder"),
            ("repeats=0", "-s repeats=0: repeats: 0 must be >= 1"),
            ("batch=\x00\x1b", "-s batch=??: a key that is too long, or a character that cannot be printed"),
            ("hidden=0,5", "-s hidden=0,5: hidden[0]: 0 must be >= 1"),
            ("lsh=3", "-s lsh=3: lsh: a map of the options of 'lsh' is wanted here, this is a number"),
        ],
    )
    def test_wrong_overrides_are_shown_as_they_were_given(self, tmp_path, override, message):
        (found,) = complaints(tmp_path, self.TEXT, override)
        assert found.startswith(message)

    def test_given_twice(self, tmp_path):
        found = complaints(tmp_path, self.TEXT, "lr=1,2", "lr=2,3", "repeats=2", repeats=3)
        assert sorted(found) == [
            "-s lr=2,3: lr: 'lr' is given twice; the other is at -s lr=1,2",
            "-s repeats=2: 'repeats' is given twice; the other is at --repeats",
        ]

    def test_an_override_is_never_hidden_by_the_file(self, tmp_path):
        text = "active_pct: 5\nsweep: [{grid: {lsh.K: [4, 6]}}]"
        (found,) = complaints(tmp_path, text, "lsh={K: 8}")
        assert found == "-s lsh={K: 8}: lsh.K: 'lsh.K' is given twice; the other is at s.yaml:2:17"
        assert column(
            load(tmp_path, "active_pct: 5\nsweep: [{grid: {lsh: [{K: 4}, {K: 6}]}}]", "lsh.K=8"), "lsh.K"
        ) == [8]

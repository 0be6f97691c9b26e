"""How long a sweep still takes."""

from __future__ import annotations

import pytest

from lshexp.render._console import clock
from lshexp.runs.pace import Pace, expected, keep_expected


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock_():
    return Clock()


def test_without_any_knowledge_nothing_is_said_until_a_run_tells_its_speed(clock_):
    pace = Pace(["a", "b"], {}, 1, clock_)
    assert pace.left_s() is None
    pace.started("a")
    clock_.now = 2.0
    pace.progressed("a", 0.01)
    assert pace.left_s() is None  # too little of it is done
    pace.progressed("a", 0.5)
    assert pace.left_of("a") == 2 and pace.left_s() == 2 + 4
    clock_.now = 4.0
    pace.finished("a")
    assert pace.left_s() == 4


def test_expected_times_are_corrected_by_what_has_been_taken(clock_):
    pace = Pace(["a", "b", "c"], {"a": 1.0, "b": 10.0, "c": 5.0}, 1, clock_)
    assert pace.left_s() == 16
    pace.started("a")
    clock_.now = 2.0
    pace.finished("a")
    assert pace.left_s() == 2 * 15
    pace.started("b")
    clock_.now = 12.0
    assert pace.left_s() == 10 + 10


def test_runs_side_by_side_and_a_long_one_at_the_end(clock_):
    assert Pace(["a", "b"], {"a": 4.0, "b": 4.0}, 2, clock_).left_s() == 4
    assert Pace(["a", "b"], {"a": 1.0, "b": 9.0}, 2, clock_).left_s() == 9
    assert Pace([], {}, 2, clock_).left_s() == 0


def test_a_run_that_takes_longer_than_expected_is_not_less_than_done(clock_):
    pace = Pace(["a"], {"a": 1.0}, 1, clock_)
    pace.started("a")
    clock_.now = 5.0
    assert pace.left_s() == 0


def test_what_a_dry_run_expects_is_kept_for_the_sweep(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert expected("mine") == {}
    keep_expected("mine", {"a": 1.5})
    keep_expected("mine", {"b": 2.0})
    assert expected("mine") == {"a": 1.5, "b": 2.0}
    (path,) = tmp_path.rglob("mine.json")
    for text in ("[", "[1]", '{"a": "x", "b": -1, "c": 1e999, "d": 3}'):
        path.write_text(text)
        assert expected("mine") == ({"d": 3.0} if text.startswith("{") else {})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "--:--"), (0, "0:00"), (59.6, "1:00"), (725, "12:05"), (12600, "3:30:00")],
)
def test_clock(seconds, text):
    assert clock(seconds) == text

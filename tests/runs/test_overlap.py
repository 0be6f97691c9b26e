"""Times are valid only when no other run of ours was on the machine."""

from __future__ import annotations

import os

import pytest

from lshexp.runs.overlap import STALE_NS, OverlapWatch


def test_alone_when_others_ran_before_or_after(tmp_path):
    first, second = OverlapWatch(tmp_path), OverlapWatch(tmp_path)
    with first.run():
        pass
    with second.run():
        pass
    with first.run():
        pass
    assert first.alone is True and second.alone is True


def test_both_see_each_other_whoever_starts_or_ends_first(tmp_path):
    outer, inner = OverlapWatch(tmp_path), OverlapWatch(tmp_path)
    with outer.run(), inner.run():
        pass
    assert inner.alone is False and outer.alone is False

    early, late = OverlapWatch(tmp_path), OverlapWatch(tmp_path)
    first, second = early.run(), late.run()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert early.alone is False and late.alone is False


def test_a_run_that_raises_tells_nothing_and_frees_its_place(tmp_path):
    watch, other = OverlapWatch(tmp_path), OverlapWatch(tmp_path)
    with pytest.raises(KeyError), watch.run():
        raise KeyError
    assert watch.alone is None
    with other.run():
        pass
    assert other.alone is True


def test_unknown_when_there_is_no_place_to_look(tmp_path):
    (tmp_path / "file").write_text("")
    watch = OverlapWatch(tmp_path / "file" / "below")
    with watch.run():
        pass
    assert watch.alone is None


def test_files_of_drivers_long_gone_are_removed(tmp_path):
    old, recent = OverlapWatch(tmp_path), OverlapWatch(tmp_path)
    for watch in (old, recent):
        with watch.run():
            pass
    assert len(list(tmp_path.iterdir())) == 2
    path = old._own
    os.utime(path, ns=(0, path.stat().st_mtime_ns - STALE_NS - 10**9))
    OverlapWatch(tmp_path)
    assert list(tmp_path.iterdir()) == [recent._own]


def test_a_place_that_is_given_up_leaves_no_file_unless_others_are_busy(tmp_path):
    gone, busy = OverlapWatch(tmp_path), OverlapWatch(tmp_path)
    with busy.run():
        with gone.run():
            pass
        gone.leave()
        assert gone._own.exists(), "the busy run has yet to see it"
    assert busy.alone is False
    gone.leave()
    busy.leave()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_a_busy_run_has_yet_to_see_is_kept(tmp_path):
    busy, brief = OverlapWatch(tmp_path), OverlapWatch(tmp_path)
    long_ago = 10 * STALE_NS
    with busy.run():
        began = busy._own.stat().st_mtime_ns
        with brief.run():
            pass
        os.utime(busy._own, ns=(0, began - long_ago))
        os.utime(brief._own, ns=(0, began - long_ago + 1))  # after the busy run began, and long idle
        OverlapWatch(tmp_path)
        assert brief._own.exists()
        os.utime(brief._own, ns=(0, began - long_ago - 1))  # before
        OverlapWatch(tmp_path)
        assert not brief._own.exists()

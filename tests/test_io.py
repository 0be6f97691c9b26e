"""Locks and whole files."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lshexp.errors import StoreError
from lshexp.io import atomic_file, file_lock, remove_leftovers, write_atomic


def test_a_lock_is_had_once_and_given_back(tmp_path):
    path = tmp_path / "a.lock"
    with file_lock(path) as first, file_lock(path, 0) as second, file_lock(path, 0.05) as third:
        assert first and not second and not third
    with file_lock(path, 0) as again:
        assert again


def test_a_lock_leaves_its_file_as_it_was(tmp_path):
    path = tmp_path / "a.lock"
    path.write_text("kept")
    os.utime(path, ns=(5, 5))
    before = path.stat()
    with file_lock(path):
        pass
    after = path.stat()
    assert path.read_text() == "kept"
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, 5)


def test_a_lock_ends_with_its_process(tmp_path):
    path = tmp_path / "a.lock"
    code = f"""\
import os
from pathlib import Path
from lshexp.io import file_lock
with file_lock(Path({str(path)!r})):
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with file_lock(path, 0) as mine:
        assert mine


def test_a_write_that_fails_leaves_the_old_content_and_no_other_file(tmp_path):
    path = tmp_path / "a.csv"
    write_atomic(path, b"old")
    with pytest.raises(KeyError), atomic_file(path) as file:
        file.write(b"new")
        raise KeyError
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(StoreError, match="choose another folder with -o"):
        write_atomic(path / "below", b"")


def test_only_old_leftovers_are_removed(tmp_path):
    old, new = tmp_path / ".a.1.tmp", tmp_path / ".b.1.tmp"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [new]

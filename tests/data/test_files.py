"""Where data files are found, and what is refused before a byte is trusted."""

import gzip
import os

import pytest

from lshexp.data import files
from lshexp.data.files import find_file, search_folders
from lshexp.data.reading import read_bounded
from lshexp.errors import DataError


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LSHEXP_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(files, "cache_folder", lambda dataset: tmp_path / "cache" / dataset)
    return tmp_path


@pytest.mark.parametrize("place", ["data/set", "data", "cache/set"])
@pytest.mark.parametrize("name", ["file", "file.gz"])
def test_a_file_is_found_in_each_place_under_each_name(home, place, name):
    (home / place).mkdir(parents=True)
    (home / place / name).touch()
    assert find_file("set", ["file", "file.gz"]) == home / place / name


def test_an_absent_file_says_what_was_searched_and_what_to_do(home):
    with pytest.raises(DataError) as caught:
        find_file("set", ["a", "a.gz"])
    for part in ("found no file a or a.gz", "data/set", "cache/set", "set LSHEXP_DATA to the folder"):
        assert part in str(caught.value)


@pytest.mark.parametrize("value", ["x" * 5000, "~no_such_user/data"])
def test_a_folder_that_cannot_be_searched_is_named(home, monkeypatch, value):
    monkeypatch.setenv("LSHEXP_DATA", value)
    with pytest.raises(DataError, match="cannot be searched") as caught:
        find_file("set", ["a"])
    assert value in str(caught.value)


@pytest.mark.parametrize("value", [None, ""])
def test_an_unset_or_empty_variable_means_the_cache_alone(home, monkeypatch, value):
    monkeypatch.delenv("LSHEXP_DATA") if value is None else monkeypatch.setenv("LSHEXP_DATA", value)
    assert search_folders("set") == [home / "cache" / "set"]


@pytest.mark.parametrize("cut", [1, 2, 5, 12, -1, -4, -8, -30])
def test_a_truncated_gzip_file_is_refused(tmp_path, cut):
    content = bytes(range(256)) * 4
    (tmp_path / "file.gz").write_bytes(gzip.compress(content)[:cut])
    with pytest.raises(DataError, match=r"file\.gz: cannot be read"):
        read_bounded(tmp_path / "file.gz", len(content))


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "file")
    with pytest.raises(DataError, match="not a regular file"):
        read_bounded(tmp_path / "file", 1)


def test_a_file_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    (tmp_path / "file").touch()

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", denied)
    with pytest.raises(DataError, match="Permission denied; check its permissions"):
        read_bounded(tmp_path / "file", 1)

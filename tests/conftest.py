"""Fixtures shared by several test files."""

from __future__ import annotations

import pytest
from fake_runs import Toy
from hypothesis import settings

from lshexp import registry


@pytest.fixture
def toy_dataset(monkeypatch, tmp_path_factory):
    """Register the dataset `toy`, and keep files of running drivers out of the user's cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    with registry.temporarily(dataset={"toy": Toy}):
        yield


# the first call of a kernel compiles it, and a busy machine is not a slow program
settings.register_profile("lshexp", deadline=None)
settings.load_profile("lshexp")

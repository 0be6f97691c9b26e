"""Fixtures shared by several test files, and the matrix products that all of them use."""

from __future__ import annotations

import os
from pathlib import Path

# Numbers on file are those of one set of OpenBLAS kernels, which any x86-64 processor with AVX2 can run.
# Another set rounds otherwise, and what a selection touches may hang on the last bit. It has to be set before
# NumPy is loaded, and so before the imports below.
CPU = Path("/proc/cpuinfo")
if CPU.is_file() and " avx2 " in CPU.read_text():
    os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")

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

"""What env.csv says of a machine: enough to tell two apart whose bits differ."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import pytest

from lshexp.runs.columns import ENV
from lshexp.runs.environment import ARITHMETIC, capture


@pytest.fixture(scope="module")
def env():
    return capture()


def test_what_rounding_hangs_on_is_recorded(env):
    names = {column.name for column in ENV}
    assert {"arithmetic_id", *ARITHMETIC} <= names
    assert env.numba_cpu and env.numpy_simd and env.blas_kernel


@pytest.mark.parametrize("field", ["cpu_vectors", "numpy_simd", "blas_kernel", "numba_cpu", "numpy"])
def test_machines_that_round_otherwise_are_told_apart(env, field):
    other = dataclasses.replace(env, **{field: "another"})
    assert other.cpu_model == env.cpu_model
    assert other.arithmetic_id != env.arithmetic_id
    assert other.id() != env.id()


def test_memory_and_commit_do_not_decide_rounding(env):
    assert dataclasses.replace(env, memory_gb=1.0, git_sha="0").arithmetic_id == env.arithmetic_id


def test_a_named_compilation_target_is_seen(env):
    code = "from lshexp.runs.environment import capture; print(capture().numba_cpu)"
    settings = os.environ | {"NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": "+sse4.2"}
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, env=settings, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "nehalem" != env.numba_cpu

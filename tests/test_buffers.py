"""Memory that is used again: never while an array is in it, and only as long as there is use for it."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from lshexp import buffers
from lshexp.buffers import SMALL, empty, empty_like


@pytest.fixture(autouse=True)
def afresh():
    buffers.release()
    yield
    buffers.release()


def place(array):
    return array.__array_interface__["data"][0]


def test_memory_of_a_dropped_array_is_used_again():
    first = empty((100, 200), np.float32)
    at = place(first)
    assert first.shape == (100, 200) and first.dtype == np.float32 and first.flags.c_contiguous
    del first
    again = empty(40_000, np.int16)
    assert place(again) == at and again.shape == (40_000,) and again.dtype == np.int16


@pytest.mark.parametrize(
    "keep",
    [
        lambda array: array,
        lambda array: array[5:7, 3],
        lambda array: array.T.reshape(-1, 2)[:, 0] if array.T.flags.c_contiguous else array.T[3],
        lambda array: array.view(np.int32),
        lambda array: memoryview(array),
        lambda array: [{"deep": array.ravel()[::2]}],
    ],
    ids=["itself", "part", "transposed", "view", "memoryview", "within"],
)
def test_memory_in_which_there_is_an_array_is_left_alone(keep):
    array = empty((100, 200), np.float32)
    at = place(array)
    kept = keep(array)
    del array
    assert place(empty((100, 200), np.float32)) != at
    del kept
    assert at in {place(empty((100, 200), np.float32)), place(empty((100, 200), np.float32))}


def test_two_arrays_share_no_memory():
    arrays = [empty(SMALL, np.uint8) for _ in range(20)]
    for number, array in enumerate(arrays):
        array[:] = number
    assert [set(array.tolist()) for array in arrays] == [{number} for number in range(20)]


def test_small_arrays_are_numpys_own():
    array = empty(SMALL // 8 - 1, np.float64)
    assert array.base is None and empty(0, np.float32).shape == (0,)


def test_as_another():
    array = np.zeros((70, 90), np.uint32)
    other = empty_like(array)
    assert (other.shape, other.dtype) == (array.shape, array.dtype)


def test_what_is_no_longer_of_use_is_let_go(monkeypatch):
    monkeypatch.setattr(buffers, "SWEEP", 10)
    del (large := {"array": empty(10**6, np.uint8)})["array"]
    for _ in range(40):
        empty(SMALL, np.uint8)
    held = [block.memory.nbytes for blocks in buffers._POOL.blocks.values() for block in blocks]
    assert held == [SMALL] and not large


def test_little_more_is_held_than_was_asked_for():
    for nbytes in (SMALL, SMALL + 1, 99_999, 2**20 - 1, 2**20, 3 * 10**7 + 5):
        assert nbytes <= buffers._rounded(nbytes) <= 1.126 * nbytes


def test_threads_do_not_share():
    empty(10**6, np.uint8)
    found = []
    thread = threading.Thread(target=lambda: found.append(len(buffers._POOL.blocks)))
    thread.start()
    thread.join()
    assert found == [0] and len(buffers._POOL.blocks) == 1

"""`inputs: raw | centered | standard`: statistics of the examples trained on, applied to all the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from lshexp import registry
from lshexp.arrays import CSR
from lshexp.data import inputs, reading
from lshexp.data.base import Dataset, DatasetInfo, Part, Splits
from lshexp.data.inputs import feature_statistics, fit_transform, scaled
from lshexp.errors import DataError
from lshexp.nn.trainer import run
from lshexp.spec import RunSpec

RANDOM = np.random.default_rng(0)


def examples(count=500, features=7, offset=100.0):
    """Features of different sizes far from zero; feature 2 and 3 are constant, 3 is no binary fraction."""
    x = RANDOM.standard_normal((count, features)) * np.logspace(-3, 3, features) + offset
    x[:, 2], x[:, 3] = 5, 0.1
    return Part(x.astype(np.float32), (np.arange(count) % 2).astype(np.int32))


@dataclass(frozen=True)
class Streamed:
    """Examples that are made as they are asked for; counts how many were."""

    part: Part
    asked: list

    @property
    def size(self):
        return self.part.size

    @property
    def features(self):
        return self.part.features

    def batch(self, ids):
        self.asked.append(len(ids))
        return self.part.batch(ids)

    def cut(self, start, stop):
        return Streamed(self.part.cut(start, stop), self.asked)


@pytest.mark.parametrize("cells", [1, 64, 1 << 20])
def test_statistics_are_those_of_numpy_in_double_precision(monkeypatch, cells):
    monkeypatch.setattr(inputs, "_CELLS", cells)  # blocks of one example, of nine, and one of all
    part = examples()
    found = feature_statistics(part)
    exact = part.x.astype(np.float64)
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.deviation, exact.std(axis=0) * [1, 1, 0, 0, 1, 1, 1], rtol=1e-11)
    assert found.deviation[2] == found.deviation[3] == 0
    assert found.mean[3] == np.float32(0.1)


@pytest.mark.parametrize("scaling", ["centered", "standard"])
def test_all_splits_take_the_statistics_of_training(scaling):
    train, valid, test = examples(), examples(20, offset=50), examples(30)
    mean = train.x.mean(axis=0, dtype=np.float64)
    deviation = train.x.std(axis=0, dtype=np.float64)
    deviation[2:4] = 1
    for found, raw in zip(scaled(scaling, train, valid, test), (train, valid, test), strict=True):
        expected = (raw.x - mean) / (deviation if scaling == "standard" else 1)
        np.testing.assert_allclose(found.x, expected, rtol=1e-3, atol=1e-3)
        np.testing.assert_array_equal(found.y, raw.y)
        assert found.x.dtype == np.float32
        assert not found.x.flags.writeable
    moved = scaled(scaling, train)[0].x
    np.testing.assert_array_equal(moved[:, 2:4], 0)  # constant features
    if scaling == "standard":
        np.testing.assert_allclose(moved.std(axis=0), [1, 1, 0, 0, 1, 1, 1], rtol=1e-3)


def test_raw_examples_are_left_alone():
    train, test = examples(), examples()
    assert scaled("raw", train, test) == (train, test)


def test_streamed_examples_are_the_same_as_those_in_memory():
    part, test = examples(), examples(30)
    (held, held_test), (made, made_test) = scaled("standard", part, test), scaled(
        "standard", Streamed(part, []), test
    )  # fmt: skip
    ids = np.array([3, 499, 3, 0])
    np.testing.assert_array_equal(made.batch(ids).x, held.batch(ids).x)
    np.testing.assert_array_equal(made.cut(100, 200).batch(ids[3:]).x, held.x[100:101])
    np.testing.assert_array_equal(made_test.x, held_test.x)
    assert (made.size, made.features, made.cut(1, 4).size) == (500, 7, 3)


def test_a_large_stream_is_looked_at_in_evenly_spaced_places(monkeypatch):
    monkeypatch.setattr(inputs, "MOST_STREAMED", 100)
    part, asked = examples(), []
    found = feature_statistics(Streamed(part, asked))
    assert sum(asked) == 100
    np.testing.assert_allclose(found.mean, part.x[::5].mean(axis=0, dtype=np.float64), rtol=1e-12)
    assert feature_statistics(part).mean.tolist() != found.mean.tolist()  # those in memory are all looked at


def test_sparse_examples_become_dense_rows():
    dense = np.where(RANDOM.random((60, 9)) < 0.2, RANDOM.standard_normal((60, 9)), 0).astype(np.float32)
    y = np.zeros(60, np.int32)
    sparse, plain = Part(CSR.from_dense(dense), y), Part(dense, y)
    np.testing.assert_array_equal(scaled("standard", sparse)[0].x, scaled("standard", plain)[0].x)
    np.testing.assert_array_equal(fit_transform("centered", sparse)(sparse.x), dense - dense.mean(axis=0, dtype=np.float64).astype(np.float32))  # fmt: skip # noqa: E501


def test_what_does_not_fit_the_memory_dense_is_refused(monkeypatch):
    monkeypatch.setattr(reading, "SHARE", 0)
    with pytest.raises(DataError, match=r"inputs: centered: .*memory available"):
        scaled("centered", examples())


class Pictures(Dataset):
    """Dense values far from zero, and other ones among the last examples."""

    def info(self):
        return DatasetInfo(12, 2, 120, 40, "made up")

    def fingerprint(self):
        return "pictures"

    def load(self):
        random = np.random.default_rng(5)
        y = random.integers(0, 2, 160).astype(np.int32)
        x = random.standard_normal((160, 12)) + 2 * (y[:, None] == 1) * (np.arange(12) % 3 == 0) + 10
        x[100:120] *= 1000  # held out below
        x = x.astype(np.float32)
        return Splits(Part(x[:120], y[:120]), Part(x[120:], y[120:]))


@pytest.fixture
def pictures():
    with registry.temporarily(dataset={"pictures": Pictures}):
        yield


def test_a_run_scales_by_what_is_trained_on(pictures, monkeypatch):
    seen = []
    whole = inputs.fit_transform
    monkeypatch.setattr(inputs, "fit_transform", lambda kind, train: seen.append(train) or whole(kind, train))
    spec = RunSpec(
        dataset="pictures", method="dense", hidden=[16], epochs=8, batch=10, lr=0.05,
        validation_examples=20, probe=0.5, inputs="standard",
    )  # fmt: skip
    result = run(spec)
    assert [train.size for train in seen] == [100]  # once, without the examples held out
    assert result.epochs[-1].test_acc_pct > 85
    assert result.epochs[-1].valid_acc_pct is not None
    assert run(spec.model_copy(update={"inputs": "raw"})).epochs[-1].train_loss > result.epochs[-1].train_loss


def test_the_id_of_a_run_changes_and_that_of_a_raw_run_stays():
    ids = {RunSpec(inputs=scaling).run_id("data") for scaling in ("raw", "centered", "standard")}
    assert len(ids) == 3
    assert RunSpec().run_id("data") in ids
    assert "inputs" not in RunSpec().model_dump(exclude_defaults=True)


def test_places_of_files_are_no_part_of_the_id():
    def own(path, **options):
        return RunSpec(dataset="csv", dataset_options={"path": path, **options})

    places = ("path", "test_path")
    assert own("a.csv").run_id("x", places) == own("b/a.csv").run_id("x", places)
    assert own("a.csv").run_id("x") != own("b/a.csv").run_id("x")
    assert own("a.csv", seed=1).run_id("x", places) != own("a.csv", seed=2).run_id("x", places)
    assert own("a.csv").dataset_options == {"path": "a.csv"}

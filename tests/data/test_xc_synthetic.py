"""Planted labels: the same bits for the same seed, and the oracle's P@1 that is promised."""

from __future__ import annotations

import naive_shapes
import numba
import numpy as np
import pytest

from lshexp import registry
from lshexp.data.catalog import check, statistics
from lshexp.data.xc_synthetic import CHUNK, PlantedLabels, planted_examples, planted_patterns
from lshexp.errors import ConfigError, DataError

SMALL = {"train": 400, "test": 300, "features": 500, "labels": 200}


def oracle_p1(dataset, part):
    """Share of examples of which the label that a knower of the patterns answers is a recorded one."""
    patterns, hits = dataset.patterns(), 0
    present = np.zeros(dataset.features, dtype=bool)
    for i in range(part.size):
        present[:] = False
        present[part.x.indices[part.x.indptr[i] : part.x.indptr[i + 1]]] = True
        answer = np.argmax(present[patterns].sum(axis=1))
        hits += answer in part.y.indices[part.y.indptr[i] : part.y.indptr[i + 1]]
    return 100 * hits / part.size


@pytest.mark.parametrize("noise_pct", [0.0, 10.0, 40.0])
@pytest.mark.parametrize("labels_each", [1, 4])
def test_the_planted_classifier_reaches_what_is_promised(noise_pct, labels_each):
    size = 4_000
    dataset = PlantedLabels(
        train=1, test=size, features=1_000, labels=300, labels_each=labels_each, noise_pct=noise_pct
    )
    found = oracle_p1(dataset, dataset.load().test)
    deviation = 100 * np.sqrt(noise_pct / 100 * (1 - noise_pct / 100) / size)
    assert dataset.oracle_p1_pct == 100 - noise_pct
    assert abs(found - dataset.oracle_p1_pct) <= 4 * deviation
    assert f"{dataset.oracle_p1_pct:g} %" in dataset.info().origin


@pytest.mark.parametrize("start", [0, 7])
@pytest.mark.parametrize(("most", "extra", "noise"), [(1, 0, 0.0), (5, 3, 0.5), (7, 20, 1.0)])
def test_the_kernels_are_their_twins(start, most, extra, noise):
    key, features, labels = np.uint64(2**63 + 5), 60, 40
    mine, twin = (np.zeros((labels, 4), np.int32) for _ in range(2))
    planted_patterns(key, features, mine)
    naive_shapes.planted_patterns(key, features, twin)
    np.testing.assert_array_equal(mine, twin)
    frequencies = PlantedLabels(labels=labels, labels_each=1).frequencies()
    found = []
    for draw in (planted_examples, naive_shapes.planted_examples):
        sets, columns = np.full((30, most), -1, np.int32), np.full((30, most * 4 + extra), -1, np.int32)
        counts = np.zeros((30, 2), np.int64)
        draw(key, start, mine, frequencies, features, extra, noise, sets, columns, counts)
        kept = np.arange(most) < counts[:, :1], np.arange(columns.shape[1]) < counts[:, 1:]
        found.append((counts.tolist(), sets[kept[0]].tolist(), columns[kept[1]].tolist()))
    assert found[0] == found[1]


def test_an_example_is_a_function_of_seed_split_and_number(monkeypatch):
    whole = PlantedLabels(**SMALL).examples("train", 0, 60)
    monkeypatch.setattr("lshexp.data.xc_synthetic.CHUNK", 7)
    part = PlantedLabels(**SMALL | {"train": 5}).examples("train", 20, 50)
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        alone = PlantedLabels(**SMALL).examples("train", 20, 50)
    finally:
        numba.set_num_threads(threads)
    for other in (part, alone):
        np.testing.assert_array_equal(whole.x[20:50].to_dense(), other.rows)
        np.testing.assert_array_equal(whole.y[20:50].to_dense(), other.y.to_dense())
    for other in (
        PlantedLabels(**SMALL, seed=1).examples("train", 0, 60),
        PlantedLabels(**SMALL).examples("test", 0, 60),
    ):
        assert not np.array_equal(whole.rows, other.rows)
    assert not whole.y.indices.flags.writeable
    with pytest.raises(ValueError, match="no examples"):
        PlantedLabels().examples("valid", 0, 1)


def test_rows_are_sets_of_unit_length_and_labels_follow_the_power_law():
    dataset = PlantedLabels(train=CHUNK + 3, test=10, features=2_000, labels=100, noise_pct=0.0)
    part = dataset.load().train
    assert part.x.shape == (CHUNK + 3, 2_000) and part.y.shape == (CHUNK + 3, 100)
    np.testing.assert_allclose(np.linalg.norm(part.rows[:500], axis=1), 1, rtol=1e-6)
    for rows in (part.x, part.y):
        places = np.repeat(np.arange(part.size), rows.row_lengths()) * rows.shape[1] + rows.indices
        assert (np.diff(places) > 0).all()
    lengths = part.y.row_lengths()
    assert lengths.min() == 1 and lengths.max() == 3
    single = np.bincount(part.y[np.flatnonzero(lengths == 1)].indices, minlength=100)
    assert single[0] > 1.5 * single[1] > 1.5 * single[4]
    chances = np.diff(dataset.frequencies(), prepend=0)
    assert dataset.frequencies()[-1] == 1 and chances.min() > 0
    assert chances[0] / chances[9] == pytest.approx(10)


def test_sizes_are_known_beforehand():
    dataset = PlantedLabels(**SMALL, labels_each=3)
    info, splits = dataset.info(), dataset.load()
    assert (info.train_examples, info.test_examples, info.classes) == (400, 300, 200)
    assert (splits.train.features, splits.train.y.shape[1]) == (500, 200)
    held = sum(part.x.nbytes + part.y.nbytes for part in splits)
    assert held < dataset.memory_bytes()
    assert "generated" in check(dataset)
    assert statistics(dataset).examples == 400
    assert dataset.fingerprint() != PlantedLabels(**SMALL).fingerprint()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": 1_000_001}, "labels"),
        ({"labels": 8, "labels_each": 3}, "at least 12"),
        ({"features": 100}, "too few to tell 10,000 labels apart"),
        ({"features": 20, "labels": 8}, "too few"),
    ],
)
def test_what_cannot_be_planted_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        registry.datasets.build("xc_synthetic", options)


def test_more_than_the_memory_holds_is_refused(monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 1_000_000})())
    with pytest.raises(DataError, match="25,000 examples need"):
        PlantedLabels().load()

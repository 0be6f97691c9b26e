"""Sparse examples cost what is not zero and give what dense ones give; labels may be any number."""

from __future__ import annotations

import numpy as np
import pytest

from lshexp import registry
from lshexp.arrays import CSR
from lshexp.config import load_sweep
from lshexp.data.base import Dataset, DatasetInfo, Part, Splits, freeze
from lshexp.data.catalog import describe, statistics
from lshexp.data.export import contact_sheet, export_npz
from lshexp.errors import ConfigError, DataError
from lshexp.nn.trainer import run
from lshexp.spec import RunSpec

ONES = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 1, 1], [0, 0, 0, 1], [1, 0, 0, 0]], np.float32)


def part():
    x = np.array([[0, 1, 2], [0, 0, 0], [3, 0, 0], [0, 4, 0], [5, 0, 6]], np.float32)
    return Part(CSR.from_dense(x), CSR.from_dense(ONES))


class Tagged(Dataset):
    """Five examples with up to three of four labels."""

    def info(self):
        return DatasetInfo(3, 4, 5, 5, "made here", sparse=True, multilabel=True)

    def fingerprint(self):
        return "tagged"

    def load(self):
        return Splits(freeze(part()), freeze(part()))


@pytest.fixture
def tagged():
    with registry.temporarily(dataset={"tagged": Tagged}):
        yield Tagged()


def test_batches_and_cuts_keep_each_examples_labels(tagged):
    train = tagged.load().train
    assert (train.size, train.features) == (5, 3)
    ids = np.array([2, 0, 2, 1])
    batch = train.batch(ids)
    np.testing.assert_array_equal(batch.y.to_dense(), ONES[ids])
    np.testing.assert_array_equal(batch.rows, part().rows[ids])
    assert batch.y.data.flags.writeable  # the caller's own
    for start, stop in ((0, 5), (1, 4), (4, 5), (2, 2), (5, 5)):
        cut = train.cut(start, stop)
        assert cut.size == stop - start and cut.y.indptr[0] == 0
        np.testing.assert_array_equal(cut.y.to_dense(), ONES[start:stop])
        np.testing.assert_array_equal(cut.rows, part().rows[start:stop])
    assert train.cut(2, 4).y.indices.base is not None  # a view
    with pytest.raises(TypeError, match="multi-label"):
        _ = train.classes


def test_a_frozen_part_cannot_be_changed_and_must_fit(tagged):
    train = tagged.load().train
    for array in (*train.x.arrays, *train.y.arrays):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0
    with pytest.raises(ValueError, match="a part needs"):
        freeze(Part(part().x, part().y[:3]))
    with pytest.raises(ValueError, match="a part needs"):
        freeze(Part(part().x, np.zeros(4, np.int32)))
    with pytest.raises(ValueError, match="a part needs"):
        freeze(Part(part().rows, ONES))


def test_one_label_an_example_as_a_csr():
    labels = np.array([2, 0, 2], np.int32)
    csr = CSR.from_classes(labels, 4)
    np.testing.assert_array_equal(csr.to_dense(), np.eye(4, dtype=np.float32)[labels])


@pytest.mark.parametrize(
    "rows", [slice(None), slice(1, 3), slice(-2, None), slice(4, 1), slice(None, None, 2)]
)
def test_a_slice_of_a_csr_is_numpys(rows):
    dense = part().rows
    np.testing.assert_array_equal(CSR.from_dense(dense)[rows].to_dense(), dense[rows])


def test_figures_of_sparse_examples_are_those_of_the_dense_ones(tagged):
    sparse = describe(part(), 4)
    dense = describe(Part(part().rows, part().y), 4)
    assert sparse.variance_pct == pytest.approx(dense.variance_pct)
    assert (sparse.mean, sparse.nonzero_pct) == (pytest.approx(dense.mean), dense.nonzero_pct)
    assert (sparse.smallest_class_pct, sparse.largest_class_pct) == (20, 40)
    assert statistics(tagged) == sparse


def test_lock_free_threads_refuse_many_labels_before_anything_runs(tagged, tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("name: a\nsweep:\n  - grid: {dataset: [tagged], method: [dense], update: [hogwild]}\n")
    with pytest.raises(ConfigError, match=r"a\.yaml:3.*'tagged' has any number of labels an example"):
        load_sweep(file)
    with pytest.raises(ConfigError, match="'tagged' has any number of labels"):
        run(RunSpec(dataset="tagged", method="dense", hidden=[4], update="hogwild"))


def test_what_needs_one_label_an_example_says_so(tagged, tmp_path):
    with pytest.raises(DataError, match="one label an example"):
        export_npz(tagged, tmp_path / "a.npz")
    pictures = DatasetInfo(3, 4, 5, 5, "made here", picture=(1, 1, 3), multilabel=True)
    with pytest.raises(DataError, match="several labels"):
        contact_sheet(part(), pictures)


FEATURES = 400
NONZERO = 6  # of each example


@pytest.fixture
def file(tmp_path):
    random = np.random.default_rng(0)
    lines = []
    for number in range(96):
        ids = np.sort(random.choice(FEATURES, NONZERO, replace=False)) + 1
        lines.append(f"{number % 3} " + " ".join(f"{id}:{random.uniform(0.5, 2):.3f}" for id in ids))
    (tmp_path / "a.txt").write_text("\n".join(lines), encoding="utf-8")
    return str(tmp_path / "a.txt")


def result(file, method="lsh", dense=False, **changes):
    options = {"path": file, "features": FEATURES, "dense": dense}
    spec = RunSpec(
        dataset="libsvm", dataset_options=options, method=method, hidden=[24, 16], epochs=2, batch=16,
        active_pct=100.0 if method == "dense" else 25.0, validation_examples=8, probe=0.2, **changes,
    )  # fmt: skip
    return run(spec)


@pytest.mark.parametrize("method", ["lsh", "dropout", "adaptive_dropout", "winner_take_all"])
def test_sparse_rows_train_as_listed_dense_ones(file, method):
    sparse, dense = result(file, method), result(file, method, dense=True, input="lists")
    assert sparse.work == dense.work
    assert sparse.selection == dense.selection
    for a, b in zip(sparse.epochs, dense.epochs, strict=True):
        assert (a.train_loss, a.test_acc_pct, a.valid_acc_pct) == (
            b.train_loss,
            b.test_acc_pct,
            b.valid_acc_pct,
        )


@pytest.mark.parametrize("how", [{"update": "hogwild"}, {"simulate_workers": 3}])
def test_sparse_rows_train_asynchronously_too(file, how):
    sparse, dense = result(file, **how), result(file, dense=True, input="lists", **how)
    assert [row.train_loss for row in sparse.epochs] == [row.train_loss for row in dense.epochs]
    assert sparse.work == dense.work and sparse.notes == dense.notes


def test_the_dense_method_reads_stored_inputs_alone(file):
    """The first layer multiplies what is not zero; all that follows, and what is learned, is the same."""
    sparse, dense = result(file, "dense"), result(file, "dense", dense=True)
    works = {}
    for name, found in (("sparse", sparse), ("dense", dense)):
        works[name] = {(row.layer, row.phase): row.mults for row in found.work}
    examples = sparse.epochs[-1].epoch * (96 - 19 - 8)
    assert works["sparse"][0, "forward"] == examples * NONZERO * 24 < works["dense"][0, "forward"]
    assert works["sparse"][1, "forward"] == works["dense"][1, "forward"]
    losses = [[row.train_loss for row in found.epochs] for found in (sparse, dense)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


def test_an_example_costs_its_nonzeros_for_each_active_node(file):
    found = result(file, "dropout")
    forward = next(row for row in found.work if (row.layer, row.phase) == (0, "forward"))
    examples = found.epochs[-1].epoch * (96 - 19 - 8)
    active = found.active_by_layer_pct[0] / 100 * 24
    # dropout also multiplies each live activation by its scale
    assert examples * active * NONZERO <= forward.mults <= examples * active * (NONZERO + 1)


def test_scaling_keeps_zeros_or_needs_whole_rows(file):
    plain = registry.datasets.build("libsvm", {"path": file}).load()
    unit = registry.datasets.build("libsvm", {"path": file, "scale": "unit"}).load()
    largest = plain.train.x.to_dense().max()
    np.testing.assert_allclose(unit.test.x.to_dense(), plain.test.x.to_dense() / largest, rtol=1e-6)
    with pytest.raises(ConfigError, match="use unit, or set dense: true"):
        registry.datasets.build("libsvm", {"path": file, "scale": "standard"})
    whole = registry.datasets.build("libsvm", {"path": file, "scale": "standard", "dense": True}).load()
    assert abs(whole.train.x.mean()) < 1e-5


def test_a_sample_is_dense(file):
    dataset = registry.datasets.build("libsvm", {"path": file})
    assert dataset.sample(10).x.shape == (10, dataset.info().features)

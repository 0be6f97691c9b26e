"""Sparse examples give the numbers that dense ones give, for what their non-zeros cost."""

from __future__ import annotations

import numpy as np
import pytest

from lshexp import registry
from lshexp.errors import ConfigError
from lshexp.nn.trainer import run
from lshexp.spec import RunSpec

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

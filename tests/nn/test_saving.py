"""Trained networks that are kept: they predict as they did at the end of their run."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.sparse
from safetensors.numpy import load_file, save_file

import lshexp
from lshexp import registry
from lshexp.errors import DataError, LshexpError, StoreError
from lshexp.nn import trainer
from lshexp.nn.saving import load_network
from lshexp.nn.trainer import run
from lshexp.spec import RunSpec

METHODS = {
    "dense": ("dense", {}),
    "dropout": ("dropout", {}),
    "adaptive_dropout": ("adaptive_dropout", {}),
    "winners-batch": ("winner_take_all", {"over": "batch"}),
    "winners-node": ("winner_take_all", {"over": "node"}),
    "winners-scan": ("winner_take_all", {"over": "example", "where_sparse": "scan"}),
    "lsh": ("lsh", {"L": 8, "hash": {"dims": 4}, "rehash_every": 50}),
    "lsh-no-tables": ("lsh", {"L": 0, "hash": {"dims": 4}}),
    "lsh-hybrid": ("lsh", {"preset": "hybrid", "L": 8, "hash": {"dims": 4}}),
    "lsh-paper": ("lsh", {"preset": "paper", "K": 3, "probes": 4}),
    "lsh-dwta": ("lsh", {"hash": "dwta", "L": 8, "rank": "count", "rehash_every": 50}),
    "lsh-simple": ("lsh", {"hash": "simple_lsh", "L": 8, "rank": "count", "refine": 2.0}),
    "lsh-srp": ("lsh", {"hash": "srp", "L": 8, "rank": "count", "bucket_cap": 5, "rehash_every": 50}),
    "lsh-learned": ("lsh", {"hash": "learned_hash", "K": 3, "L": 8, "rank": "count", "learn_every": 50}),
    "predictor": ("predictor", {"width": 4, "share": 0.5}),
    "product_key": ("product_key", {"dims": 4}),
    "low_rank": ("low_rank", {"rank": 3}),
    "hashed_weights": ("hashed_weights", {"keep_pct": 20.0}),
    "int8_weights": ("quantized_weights", {"to": "int8"}),
    "pow2_weights": ("quantized_weights", {"to": "pow2"}),
    "sparse_weights": ("sparse_weights", {"keep_pct": 20.0, "exchange_every": 5}),
}
SETTINGS = {
    "dataset": "rectangles",
    "train_examples": 90,
    "test_examples": 300,
    "hidden": [48, 40, 40],
    "active_pct": 8.0,
    "epochs": 2,
    "batch": 16,
    "lr": 0.05,
}


def keep(tmp_path, monkeypatch, spec):
    """Train, and return the file kept and what the network said of the test examples at the end."""
    seen = []
    original = trainer.predict_split

    def spy(network, part, epoch, weights=None):
        x = part.batch(np.arange(part.size)).x
        done = original(network, part, epoch, weights)
        parts = np.array_split(np.arange(part.size), [256])
        seen.append([network.scores(x[ids], trainer.Batch(ids, epoch, False))[0] for ids in parts])
        return done

    monkeypatch.setattr(trainer, "predict_split", spy)
    path = tmp_path / "networks" / "one.safetensors"
    result = run(spec, keep=path)
    assert result.status == "ok"
    return path, np.concatenate(seen[-1]), result


def held_out(spec):
    return registry.datasets.build(spec.dataset, spec.dataset_options).load().test.cut(0, 300)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"average_from": 1, "optimizer": "sgd"},
        {"inputs": "standard", "input": "lists", "skip": True},
        {"average_from": 1, "block": 8},
        {"active_from": 60.0, "active_until": 2},
    ],
    ids=["plain", "averaged", "standard", "blocks", "falling"],
)
def test_a_kept_network_predicts_as_at_the_end_of_its_run(tmp_path, monkeypatch, name, more):
    method, options = METHODS[name]
    if "block" in more and registry.methods.lookup(method).gated:
        pytest.skip("a gate is that of a single node")
    if more.get("skip"):
        more = {**more, "hidden": [40, 40, 40]}
    if "active_from" in more and registry.methods.build(method, options).fixed_share:
        pytest.skip("its share cannot fall")
    spec = RunSpec(method=method, method_options=options, **{**SETTINGS, **more})
    path, scores, result = keep(tmp_path, monkeypatch, spec)
    kept = load_network(path)
    part = held_out(spec).batch(np.arange(300))
    np.testing.assert_array_equal(kept.scores(part.x), scores)
    hits = np.mean(kept.predict(part.x) == part.y)
    assert 100 * hits == pytest.approx(result.epochs[-1].test_acc_pct)
    shares = kept.predict_proba(part.x)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    assert kept.work.mults == 3 * sum(row.mults for row in result.work if row.phase == "predict")


@pytest.fixture
def network_file(tmp_path):
    spec = RunSpec(method="lsh", method_options={"L": 8, "hash": {"dims": 4}}, **SETTINGS)
    path = tmp_path / "one.safetensors"
    run(spec, keep=path)
    return path


def test_examples_may_be_lists_frames_or_sparse(network_file):
    kept = lshexp.load_network(network_file)
    x = held_out(kept.about.spec).batch(np.arange(20)).x
    expected = kept.predict(x)
    for form in (x.tolist(), x.astype(np.float64), scipy.sparse.csr_array(x), scipy.sparse.coo_matrix(x)):
        np.testing.assert_array_equal(kept.predict(form), expected)
    assert kept.predict(x[:0]).shape == (0,)


@pytest.mark.parametrize("x", [[[1.0, 2.0]], [1.0] * 784, [[np.nan] * 784], [["a"] * 784], [[1e40] * 784]])
def test_what_is_no_example_of_its_data_is_refused(network_file, x):
    with pytest.raises(DataError, match=r"features|finite|numbers"):
        lshexp.load_network(network_file).predict(x)


def _edited(path, change):
    arrays = load_file(path)
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["lshexp"])
    change(arrays, header)
    save_file(arrays, path, {"lshexp": json.dumps(header)})


EDITS = {
    "other weights": lambda a, h: a.update({"layer0.weights": np.zeros((3, 3), np.float32)}),
    "doubles": lambda a, h: a.update({"layer0.bias": a["layer0.bias"].astype(np.float64)}),
    "no bias": lambda a, h: a.pop("layer1.bias"),
    "no codes": lambda a, h: a.pop("selection0.codes"),
    "codes beyond the buckets": lambda a, h: a["selection0.codes"].fill(2**31),
    "codes of other tables": lambda a, h: a.update({"selection0.codes": np.zeros((48, 3), np.uint32)}),
    "huge layers": lambda a, h: h["spec"].update({"hidden": [10_000_000]}),
    "no spec": lambda a, h: h.pop("spec"),
    "unknown key": lambda a, h: h.update({"code": "1"}),
    "another format": lambda a, h: h.update({"format": 2}),
    "another revision": lambda a, h: h.update({"kernel_revision": -1}),
    "unknown method": lambda a, h: h["spec"].update({"method": "nobody"}),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_hostile_or_damaged_file_is_an_error_in_one_line(network_file, edit):
    _edited(network_file, EDITS[edit])
    with pytest.raises(LshexpError) as caught:
        load_network(network_file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, b"{}", (10).to_bytes(8, "little") + b"{" * 10])
def test_what_is_no_network_is_refused(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        load_network(path)
    with pytest.raises(StoreError, match="cannot read"):
        load_network(tmp_path / "nothing")


def test_a_diverged_network_is_not_kept(tmp_path):
    path = tmp_path / "one.safetensors"
    spec = RunSpec(method="dense", **{**SETTINGS, "lr": 1e12, "optimizer": "sgd"})
    assert run(spec, keep=path).status == "diverged" and not path.exists()

"""Contracts that every registered plug-in keeps; a new file is tested without an edit here."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_networks import data, network, train

from lshexp import registry
from lshexp.arrays import CSR
from lshexp.errors import ConfigError
from lshexp.fields import describe
from lshexp.hashing.base import HashFamily
from lshexp.methods.base import Batch
from lshexp.work import LayerWork, Work

ROOT = Path(__file__).parent.parent
KINDS = [(kind, name) for kind in registry.KINDS for name in registry.KINDS[kind].discover()]
FAMILIES = list(registry.hashes.discover())


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_every_plugin_is_described_and_survives_a_round_trip(kind, name):
    cls = registry.KINDS[kind].lookup(name)
    assert cls.summary().endswith((".", "?", ")")) or "(" in cls.summary()
    assert len(cls.summary()) > 15
    try:
        plugin = cls()
    except ValueError:
        pytest.skip("has required options")
    assert registry.KINDS[kind].build(name, plugin.model_dump(mode="json")) == plugin
    with pytest.raises(ConfigError, match="unknown key 'no_such_option'"):
        registry.KINDS[kind].build(name, {"no_such_option": 1})


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_every_option_is_described_once_where_it_is_defined(kind, name):
    for option in describe(registry.KINDS[kind].lookup(name)):
        assert option.description, option.name
        assert not option.description.endswith("."), option.name


def test_no_plugin_of_ours_is_unavailable():
    assert not any(kind.unavailable() for kind in registry.KINDS.values())


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'dropout'"):
        registry.methods.build("dropuot")


@pytest.mark.parametrize("name", registry.methods.discover())
def test_every_method_trains_predicts_and_counts(name):
    """Methods for outputs alone are tested there (`tests/nn/test_output.py`)."""
    cls = registry.methods.lookup(name)
    assert cls.for_hidden or cls.for_output
    if not cls.for_hidden:
        with pytest.raises(ConfigError, match="for outputs alone"), network(name):
            pass
        return
    x, y = data(24)
    with network(name) as net:
        train(net, x, y)
        assert sum(layer.work.mults() for layer in net.layers) > 0
        assert 0 <= net.predict(x, y, Batch(np.arange(24), 0, False)).hits <= 24
        assert all(
            isinstance(count, int) for selector in net.selectors for count in selector.notes().values()
        )


def family(name) -> HashFamily:
    built = registry.hashes.build(name)
    assert isinstance(built, HashFamily)
    return built


@pytest.mark.parametrize("name", FAMILIES)
def test_every_hash_family_fills_its_tables(name):
    random = np.random.default_rng(0)
    weights = random.standard_normal((30, 12)).astype(np.float32)
    weights[3] = 0
    bias = np.zeros(30, np.float32)
    rows = random.standard_normal((7, 12)).astype(np.float32)
    rows[2] = 0
    sparse = CSR(
        np.arange(8) * 12, np.tile(np.arange(12, dtype=np.int32), 7), rows.ravel().copy(), rows.shape
    )
    hasher, work = family(name).draw(4, 5, 30, 12, key=1), LayerWork()
    hasher.learn(rows, work)
    codes = hasher.hash_nodes(weights, bias, np.arange(30, dtype=np.int32), work)
    assert codes.shape == (30, 5)
    assert codes.dtype == np.uint32
    assert codes.max() < 2**4
    again = hasher.hash_nodes(weights, bias, np.array([4, 20], np.int32), work)
    np.testing.assert_array_equal(again, codes[[4, 20]])
    by_rows, by_lists = hasher.hash_inputs(rows, work), hasher.hash_inputs(sparse, work)
    np.testing.assert_array_equal(by_rows.codes, by_lists.codes)
    assert by_rows.margins.shape in ((7, 5, 4), (7, 5, 0))
    for phase in ("select", "rebuild"):
        tally = work.tally(phase)
        assert (tally.mults > 0) == (name != "dwta")  # which only compares
        assert tally.bytes > 0
    assert work.tally("forward") == Work(0, 0, 0)


def collision_rate(name, weights, query, draws=400, bits=1, **options):
    """How often each weight row shares a bucket of `bits` bits with the query, over independent draws."""
    ids = np.arange(len(weights), dtype=np.int32)
    built = registry.hashes.build(name, options)
    hasher = built.draw(bits, draws, len(weights), weights.shape[1], key=3)
    work = LayerWork()
    codes = hasher.hash_nodes(weights, np.zeros(len(weights), np.float32), ids, work)
    return (codes == hasher.hash_inputs(query[None], work).codes).mean(axis=1)


def angles(vectors, query):
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(query)
    return np.arccos(np.clip(vectors @ query / norms, -1, 1))


def test_srp_collides_with_probability_one_minus_angle_over_pi():
    random = np.random.default_rng(1)
    weights = random.standard_normal((20, 8)).astype(np.float32)
    query = random.standard_normal(8).astype(np.float32)
    weights[0], weights[1] = query, -query
    rate = collision_rate("srp", weights, query, 4000)
    assert np.abs(rate - (1 - angles(weights, query) / np.pi)).max() < 5 * 0.5 / np.sqrt(4000)
    assert rate[0] == 1
    assert rate[1] == 0


def test_simple_lsh_and_alsh_collide_by_the_angle_of_their_transforms():
    random = np.random.default_rng(2)
    weights = (random.standard_normal((20, 8)) * random.uniform(0.1, 1, (20, 1))).astype(np.float32)
    query = random.standard_normal(8).astype(np.float32)
    squared = (weights**2).sum(axis=1)
    simple = np.hstack([weights, np.sqrt(squared.max() - squared)[:, None]])
    rate = collision_rate("simple_lsh", weights, query, 4000)
    expected = 1 - angles(simple, np.append(query, 0)) / np.pi
    assert np.abs(rate - expected).max() < 5 * 0.5 / np.sqrt(4000)
    # equal lengths make the order by collisions the order by inner product
    assert np.corrcoef(rate, weights @ query)[0, 1] > 0.98
    scaled = 0.75 / np.sqrt(squared.max()) * weights
    power = (scaled**2).sum(axis=1)
    asymmetric = np.hstack([scaled, 0.5 - power[:, None], 0.5 - power[:, None] ** 2])
    rate = collision_rate("alsh", weights, query, 4000)
    expected = 1 - angles(asymmetric, np.append(query, [0, 0])) / np.pi
    assert np.abs(rate - expected).max() < 5 * 0.5 / np.sqrt(4000)


def test_dwta_collides_as_often_as_windows_share_their_largest():
    random = np.random.default_rng(4)
    weights = random.standard_normal((12, 7)).astype(np.float32)
    query = random.standard_normal(7).astype(np.float32)
    weights[0] = np.exp(query)  # any increasing map
    weights[1] = -query
    windows = list(itertools.combinations(range(7), 4))
    expected = np.mean(
        [[w[list(s)].argmax() == query[list(s)].argmax() for s in windows] for w in weights], 1
    )
    rate = collision_rate("dwta", weights, query, 4000, bits=2, window=4)
    assert np.abs(rate - expected).max() < 5 * 0.5 / np.sqrt(4000)
    assert rate[0] == 1
    assert rate[1] == 0
    # three bits: a window of four and one of two, drawn apart
    pairs = list(itertools.combinations(range(7), 2))
    agree = np.mean([[w[[*s]].argmax() == query[[*s]].argmax() for s in pairs] for w in weights], axis=1)
    rate = collision_rate("dwta", weights, query, 4000, bits=3, window=4)
    assert np.abs(rate - expected * agree).max() < 5 * 0.5 / np.sqrt(4000)


def test_dwta_sees_rows_and_lists_alike():
    random = np.random.default_rng(5)
    rows = (random.random((6, 40)) * (random.random((6, 40)) < 0.3)).astype(np.float32)
    rows[2] = 0
    sparse = CSR.from_dense(rows)
    hasher = registry.hashes.build("dwta").draw(7, 20, 5, 40, key=3)
    codes = [hasher.hash_inputs(inputs, LayerWork()).codes for inputs in (rows, sparse)]
    np.testing.assert_array_equal(*codes)
    assert codes[0].max() < 2**7
    assert not codes[0][2].any()


@pytest.mark.parametrize("listed", [False, True])
def test_sketch_finds_the_principal_directions_and_scores_by_them(listed):
    random = np.random.default_rng(3)
    x = (random.standard_normal((300, 3)) @ random.standard_normal((3, 20)) + 2).astype(np.float32)
    inputs = x
    if listed:
        inputs = CSR(
            np.arange(301) * 20, np.tile(np.arange(20, dtype=np.int32), 300), x.ravel().copy(), x.shape
        )
    weights = random.standard_normal((15, 20)).astype(np.float32)
    bias = random.standard_normal(15).astype(np.float32)
    hasher = registry.hashes.build("sketch", {"dims": 3}).draw(4, 5, 15, 20, key=1)
    work = LayerWork()
    hasher.learn(inputs, work)
    hasher.hash_nodes(weights, bias, np.arange(15, dtype=np.int32), work)
    scores = hasher.hash_inputs(inputs, work).coordinates @ hasher.coordinates.T
    # three directions hold all that varies, so the stand-ins' inner products are the pre-activations
    np.testing.assert_allclose(scores, x @ weights.T + bias, rtol=1e-3, atol=1e-2)


def test_sketch_collides_by_the_angle_of_its_hashed_coordinates():
    random = np.random.default_rng(6)
    x = (random.standard_normal((200, 20)) * np.linspace(3, 0.1, 20) + 1).astype(np.float32)
    weights = random.standard_normal((15, 20)).astype(np.float32)
    bias = random.standard_normal(15).astype(np.float32)
    hasher = registry.hashes.build("sketch", {"dims": 4, "rank_dims": 9}).draw(1, 4000, 15, 20, key=2)
    work = LayerWork()
    hasher.learn(x, work)
    codes = hasher.hash_nodes(weights, bias, np.arange(15, dtype=np.int32), work)
    query = hasher.hash_inputs(x[:1], work)
    hashed = [0, 1, 2, 3, 9]  # the leading directions and the offset
    expected = 1 - angles(hasher.coordinates[:, hashed], query.coordinates[0, hashed]) / np.pi
    rate = (codes == query.codes).mean(axis=1)
    assert np.abs(rate - expected).max() < 5 * 0.5 / np.sqrt(4000)


def test_a_plugin_is_one_file(tmp_path):
    """The recipes of the guide, followed to the letter: their files are dropped in and a sweep uses them."""
    guide = (ROOT / "docs" / "adding.md").read_text(encoding="utf-8")
    package = tmp_path / "lshexp"
    shutil.copytree(ROOT / "lshexp", package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in re.findall(r"```python\n# (\S+)\n(.*?)```", guide, flags=re.S):
        (tmp_path / name).write_text(text, encoding="utf-8")
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(
        "name: recipe\nmethod: first_k\nactive_pct: 50\nhidden: [8]\nepochs: 1\n"
        "dataset: {name: rectangles, train: 40, test: 20}\n",
        encoding="utf-8",
    )

    def lshexp(*words):
        command = [sys.executable, "-m", "lshexp", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    lshexp("sweep", str(sweep), "-o", str(tmp_path / "out"))
    assert "first_k" in (tmp_path / "out" / "recipe" / "runs.csv").read_text(encoding="utf-8")
    assert "flat" in lshexp(
        "energy", str(tmp_path / "out" / "recipe"), "-m", "flat,picojoules=2.0", "--baseline", "first_k"
    )

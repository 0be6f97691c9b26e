"""The parts of a run's memory, against the arrays that its network really holds."""

from __future__ import annotations

import numpy as np
import pytest

from lshexp import registry
from lshexp.methods.base import Batch
from lshexp.nn.gemm import Gemm
from lshexp.nn.network import Network
from lshexp.nn.threads import using_threads
from lshexp.runs.memory import Memory, memory_of
from lshexp.spec import RunSpec

CLASSES, FEATURES, HIDDEN = 6000, 300, 64
CASES = {
    "dense": ("dense", {}),
    "lsh": ("lsh", {}),
    "lsh, few tables": ("lsh", {"K": 4, "L": 3, "hash": {"dims": 4, "rank_dims": 20}}),
    "lsh, no tables": ("lsh", {"L": 0}),
    "lsh, signed projections": ("lsh", {"hash": "srp", "rank": "count"}),
    "lsh, rolling": ("lsh", {"rehash": "rolling"}),
    "dropout": ("dropout", {}),
    "popularity": ("popularity", {}),
}
TAILED = {"tail": "popularity", "tail_pct": 2.0}


def arrays_of(thing, seen, skip=()):
    """Every array that an object of ours holds, each once."""
    if id(thing) in seen or isinstance(thing, skip):
        return
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        if thing.base is None:
            yield thing
    elif isinstance(thing, dict | list | tuple):
        for part in thing.values() if isinstance(thing, dict) else thing:
            yield from arrays_of(part, seen, skip)
    elif type(thing).__module__.startswith("lshexp"):
        yield from arrays_of(vars(thing), seen, skip)


@pytest.mark.parametrize(
    ("case", "threads", "tail"),
    [*((case, threads, {}) for case in CASES for threads in (1, 2)), ("lsh, no tables", 1, TAILED)],
)
def test_what_methods_keep_is_what_is_said(case, threads, tail):
    method, options = CASES[case]
    spec = RunSpec(
        dataset="xc_synthetic", dataset_options={"labels": CLASSES, "features": 3000}, method="dense",
        hidden=[HIDDEN], output_method=method, output_options=options, output_active_pct=1.0,
        optimizer="adam", threads=threads, **tail,
    )  # fmt: skip
    said = memory_of(spec, registry.datasets.build(spec.dataset, spec.dataset_options), 10)
    random = np.random.default_rng(1)
    x = random.normal(size=(32, 3000)).astype(np.float32)
    with using_threads(threads), Gemm(threads) as gemm:
        counts = np.ones(CLASSES, np.int64)
        net = Network(spec, registry.methods.build("dense"), 3000, CLASSES, gemm, label_counts=counts)
        net.train_batch(x, random.integers(0, CLASSES, 32).astype(np.int32), Batch(np.arange(32), 0, True))
    layer = net.output
    weights = sum(a.nbytes for one in net.layers for a in (one.weights, one.bias))
    state = sum(a.nbytes for one in net.layers for a in (one.state, one.bias_state))
    assert said.weights == pytest.approx(weights / 1e6, rel=1e-6)
    assert said.optimizer == pytest.approx(state / 1e6, rel=1e-6)
    seen = {id(a) for a in (layer.weights, layer.bias, layer.state, layer.bias_state)}
    kept = sum(a.nbytes for a in arrays_of(net.head, seen, (Gemm,)) if a.nbytes >= 1000) / 1e6
    assert said.selection == pytest.approx(kept, rel=0.1, abs=0.06)


def test_parts_in_words():
    assert str(Memory(343.2, 686.4, 1.0, 0.2, 0.0)) == "343 MB weights, 686 MB optimizer, 1 MB selection"
    assert str(Memory(0.1, 0, 0, 0, 0)) == "less than 1 MB each"

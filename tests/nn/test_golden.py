"""Golden numbers: tiny runs whose counters and weights are on file and must not move unnoticed.

`golden.json` holds, for every method, optimiser, update mode and storage of weights and inputs, what two
epochs on forty examples came to. Work counters are integers and compared exactly. Losses and digests of the
weights are compared to a relative 2e-4, which leaves room for the rounding of another processor's vector
unit and for nothing else. `python tests/nn/test_golden.py` writes the file anew, and with `--new` only the
cases that it does not have.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from lshexp import registry
from lshexp.methods.base import Batch
from lshexp.nn.asynchronous import workers_of
from lshexp.nn.gemm import Gemm
from lshexp.nn.network import Network
from lshexp.nn.threads import using_threads
from lshexp.spec import KERNEL_REVISION, RunSpec
from lshexp.work import PHASES

FILE = Path(__file__).parent / "golden.json"
TOLERANCE = 2e-4
FEATURES, CLASSES, EXAMPLES, BATCH, EPOCHS = 60, 4, 40, 8, 2

METHODS = {
    "dense": ("dense", {}),
    "dropout": ("dropout", {}),
    "adaptive_dropout": ("adaptive_dropout", {}),
    "winners-batch": ("winner_take_all", {"over": "batch"}),
    "winners-node": ("winner_take_all", {"over": "node"}),
    "winners-example": ("winner_take_all", {"over": "example"}),
    "winners-scan": ("winner_take_all", {"over": "example", "where_sparse": "scan"}),
    "lsh": ("lsh", {"L": 8, "hash": {"dims": 4}, "rehash_every": 16}),
    "lsh-touched": ("lsh", {"L": 8, "hash": {"dims": 4}, "rehash": "touched"}),
    "lsh-no-follow": ("lsh", {"L": 8, "hash": {"dims": 4}, "rehash_every": 16, "follow": False}),
    "lsh-no-tables": ("lsh", {"L": 0, "hash": {"dims": 4}}),
    "lsh-hybrid": ("lsh", {"preset": "hybrid", "L": 8, "hash": {"dims": 4}, "rehash_every": 16}),
    "lsh-paper": ("lsh", {"preset": "paper", "K": 3, "probes": 4}),
    "lsh-authors": ("lsh", {"preset": "authors_code", "K": 3, "L": 10, "rehash_every": 16}),
    "lsh-dwta": ("lsh", {"hash": "dwta", "L": 8, "rank": "count", "rehash_every": 16}),
    "lsh-simple": ("lsh", {"hash": "simple_lsh", "L": 8, "rank": "count", "refine": 2.0}),
    "lsh-srp": ("lsh", {"hash": "srp", "L": 8, "rank": "count", "bucket_cap": 5, "rehash_every": 16}),
    "lsh-learned": (
        "lsh",
        {
            "K": 3,
            "L": 4,
            "hash": {"name": "learned_hash", "examples": 8},
            "rank": "count",
            "rehash": "moved",
            "rehash_every": 16,
            "learn_every": 20,
        },
    ),
    "predictor": ("predictor", {"width": 4, "share": 0.5}),
    "predictor-unrefined": ("predictor", {"width": 4, "share": 0.5, "refine": 0.0}),
    "product-key": ("product_key", {"dims": 6}),
    "low-rank": ("low_rank", {"keep_pct": 30.0}),
    "hashed-weights": ("hashed_weights", {"keep_pct": 20.0}),
    "int8-weights": ("quantized_weights", {"to": "int8"}),
    "pow2-weights": ("quantized_weights", {"to": "pow2"}),
    "sparse-weights": ("sparse_weights", {"keep_pct": 20.0, "exchange_every": 2, "exchange_until": 8}),
}
# Selected outputs: 2 of the 4 classes, and where they are looked up 1 of the others.
LOOKED_UP = {"output_active_pct": 50.0, "tail_pct": 25.0}
OUTPUTS = {
    "lsh": {"output_method": "lsh", "output_options": {"L": 8, "K": 2, "hash": {"dims": 4}}, **LOOKED_UP},
    "lsh-binary": {"output_method": "lsh", "output_options": {"L": 0}, "loss": "binary", **LOOKED_UP},
    "winners": {"output_method": "winner_take_all", "output_options": {"over": "example"}, **LOOKED_UP},
    "uncorrected": {"output_method": "lsh", "correction": "none", **LOOKED_UP},
    "uniform": {"output_method": "dropout", "output_active_pct": 50.0},
    "popularity": {"output_method": "popularity", "output_active_pct": 50.0},
    "predictor": {"output_method": "predictor", "output_options": {"width": 3, "share": 0.5}, **LOOKED_UP},
}
IN_BLOCKS = (
    "winners-example", "winners-batch", "lsh", "lsh-no-tables", "lsh-hybrid", "dropout", "adaptive_dropout",
    "predictor",
)  # fmt: skip
BLOCKS = {
    4: {"optimizer": "adam", "skip": True, "active_pct": 20.0},
    8: {"optimizer": "sgd", "input": "lists", "active_pct": 20.0},
    16: {"optimizer": "momentum", "threads": 2, "skip": True, "active_pct": 40.0},
}
FALLING = (
    "dropout", "winners-example", "winners-scan", "lsh", "lsh-no-tables", "lsh-hybrid", "lsh-paper",
    "predictor", "product-key",
)  # fmt: skip
SCANNING = ("winners-scan", "lsh-hybrid")
OPTIMIZERS = ("sgd", "momentum", "adagrad", "adagrad_momentum", "adam")
UPDATES = {
    "batch": {},
    "two-threads": {"threads": 2},
    "hogwild": {"update": "hogwild"},
    "simulated": {"simulate_workers": 3},
}


def _cases():
    """Every method under every optimiser, in every update mode, with both forms of input and shares."""
    cases = {}
    for name, (method, options) in METHODS.items():
        for optimizer in OPTIMIZERS:
            cases[f"{name} {optimizer}"] = (method, options, {"optimizer": optimizer})
        built = registry.methods.build(method, options)
        for update, changes in UPDATES.items():
            if (built.gated or built.storage) and update == "hogwild":
                continue  # refused
            for optimizer in ("sgd", "adagrad"):
                cases[f"{name} {optimizer} {update} lists"] = (
                    method, options, {"optimizer": optimizer, "input": "lists", **changes},
                )  # fmt: skip
        if name not in ("lsh-srp", "lsh-simple", "lsh-dwta"):
            skip = {"optimizer": "adam", "skip": True, "hidden": [40, 40, 40, 40]}
            cases[f"{name} adam skip"] = (method, options, skip)
        for share in (30.0, 100.0) if name not in SCANNING else ():  # refused without a sparse input
            cases[f"{name} {share:g} %"] = (method, options, {"active_pct": share, "optimizer": "sgd"})
    for name in IN_BLOCKS:  # of 40 nodes, which 16 do not divide
        method, options = METHODS[name]
        for block, changes in BLOCKS.items():
            hidden = [40, 40, 40]
            cases[f"{name} block {block}"] = (method, options, {"block": block, "hidden": hidden, **changes})
    for name in FALLING:
        method, options = METHODS[name]
        for optimizer, skip in (("sgd", False), ("adam", True)):
            changes = {"optimizer": optimizer, "skip": skip, "input": "lists", "hidden": [40, 40, 40]}
            cases[f"{name} {optimizer} falling"] = (
                method, options, {"active_from": 50.0, "active_until": 2, **changes},
            )  # fmt: skip
    for name, changes in OUTPUTS.items():
        for optimizer in ("sgd", "adam"):
            cases[f"output {name} {optimizer}"] = ("dense", {}, {"optimizer": optimizer, **changes})
        cases[f"output {name} adagrad sparse"] = ("lsh", {"L": 8, "hash": {"dims": 4}}, changes)
    return cases


CASES = _cases()


def _data():
    random = np.random.default_rng(7)
    x = random.random((EXAMPLES, FEATURES)) * (random.random((EXAMPLES, FEATURES)) < 0.4)
    x[0] = 0
    return x.astype(np.float32), random.integers(0, CLASSES, EXAMPLES).astype(np.int32)


def train(name):
    """Train one case and return what is kept of it."""
    method, options, changes = CASES[name]
    settings = {"hidden": [48, 40, 40], "active_pct": 8.0, "lr": 0.05, "batch": BATCH, **changes}
    spec = RunSpec(method=method, method_options=options, **settings)
    x, y = _data()
    losses = []
    with using_threads(spec.threads), Gemm(spec.threads) as gemm:
        counts = np.bincount(y, minlength=CLASSES)
        built = registry.methods.build(method, options)
        network = Network(spec, built, FEATURES, CLASSES, gemm, label_counts=counts)
        trained = workers_of(spec, network) or network
        selected = np.zeros(len(spec.hidden), dtype=np.int64)
        for epoch in range(EPOCHS):
            loss = 0.0
            for first in range(0, EXAMPLES, BATCH):
                ids = np.arange(first, first + BATCH)
                outcome = trained.train_batch(x[ids], y[ids], Batch(ids, epoch, True))
                loss += outcome.loss
                selected += outcome.selected
            if trained is not network:
                trained.drain()
            losses.append(loss)
        tested = network.predict(x, y, Batch(np.arange(EXAMPLES), EPOCHS, False))
        work = [[list(layer.work.tally(phase)) for phase in PHASES] for layer in network.layers]
        weights = [_digest(layer.weights, layer.bias) for layer in network.layers]
    return {
        "losses": [float(f"{loss:.8g}") for loss in losses],
        "test_loss": float(f"{tested.loss:.8g}"),
        "hits": tested.hits,
        "selected": [*map(int, selected), *map(int, tested.selected)],
        "work": work,
        "weights": weights,
    }


def _digest(weights, bias):
    """Two projections of a layer on fixed random directions, and its norm: any changed weight moves them."""
    flat = np.concatenate((np.ravel(weights), bias)).astype(np.float64)
    directions = np.random.default_rng(11).standard_normal((2, len(flat)))
    return [float(f"{value:.8g}") for value in (*(directions @ flat), np.linalg.norm(flat))]


def _on_file():
    return json.loads(FILE.read_text())


@pytest.mark.parametrize("name", CASES)
def test_numbers_have_not_moved(name):
    """The same configuration gives the numbers on file."""
    stored = _on_file()
    assert stored["kernel_revision"] == KERNEL_REVISION, (
        f"write {FILE.name} anew: python tests/nn/test_golden.py"
    )
    kept, now = stored["runs"][name], train(name)
    advice = (
        "the numbers of this configuration have moved: if that is meant, raise KERNEL_REVISION in spec.py"
    )
    for key in ("work", "selected", "hits"):
        assert now[key] == kept[key], f"{advice} ({key})"
    for key in ("losses", "test_loss", "weights"):
        close = np.allclose(now[key], kept[key], rtol=TOLERANCE, atol=TOLERANCE)
        assert close, f"{advice} ({key}: {now[key]} on file {kept[key]})"


def test_every_case_on_file_is_still_run():
    """No case leaves the file or the list by itself."""
    assert set(_on_file()["runs"]) == set(CASES)


def test_a_moved_weight_is_noticed():
    """The digest of a layer changes by more than the tolerance when a single weight does."""
    weights = np.random.default_rng(0).standard_normal((40, 48)).astype(np.float32)
    moved = weights.copy()
    moved[17, 5] += 0.1
    bias = np.zeros(40, dtype=np.float32)
    before, after = _digest(weights, bias), _digest(moved, bias)
    assert not np.allclose(before, after, rtol=TOLERANCE, atol=TOLERANCE)


if __name__ == "__main__":
    known = _on_file()["runs"] if "--new" in sys.argv else {}
    runs = {name: known.get(name) or train(name) for name in CASES}
    lines = [f"{json.dumps(name)}: {json.dumps(run)}" for name, run in runs.items()]
    text = ",\n".join(lines)
    FILE.write_text(f'{{"kernel_revision": {KERNEL_REVISION}, "runs": {{\n{text}\n}}}}\n')
    sys.stdout.write(f"{len(runs)} runs written to {FILE}\n")

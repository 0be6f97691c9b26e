"""Small networks whose output selects its classes, for tests of training and counting."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np

from lshexp import registry
from lshexp.arrays import CSR
from lshexp.nn.gemm import Gemm
from lshexp.nn.network import Network
from lshexp.nn.threads import using_threads
from lshexp.spec import RunSpec

FEATURES, CLASSES, EXAMPLES = 9, 40, 12
METHODS = {
    "lsh": ("lsh", {"L": 6, "K": 2, "hash": {"dims": 4}, "rehash_every": 12}, {"tail_pct": 10.0}),
    "lsh unrefined": ("lsh", {"preset": "paper", "K": 2, "L": 4, "probes": 1}, {"tail_pct": 10.0}),
    "lsh uncorrected": ("lsh", {"L": 0, "hash": {"dims": 4}}, {"correction": "none"}),
    "lsh rolling": (
        "lsh",
        {"L": 6, "K": 2, "hash": {"dims": 4}, "rehash": "rolling", "rehash_nodes": 1, "learn_growth": 2},
        {"tail_pct": 10.0},
    ),
    "lsh, unigram tail": (
        "lsh",
        {"L": 6, "K": 2, "hash": {"dims": 4}},
        {"tail_pct": 20.0, "tail": "popularity"},
    ),
    "winners, unigram tail": (
        "winner_take_all",
        {"over": "example"},
        {"tail_pct": 20.0, "tail": "popularity"},
    ),
    "winners, Bernoulli tail": ("winner_take_all", {"over": "batch"}, {"tail_pct": 20.0, "tail": "dropout"}),
    "winners": ("winner_take_all", {"over": "example"}, {"tail_pct": 10.0}),
    "winners over batch": ("winner_take_all", {"over": "batch"}, {"tail_pct": 5.0}),
    "predictor": ("predictor", {"width": 3, "share": 0.5}, {"tail_pct": 10.0}),
    "uniform": ("dropout", {}, {}),
    "uniform uncorrected": ("dropout", {}, {"correction": "none"}),
    "unigram": ("popularity", {}, {}),
    "log-uniform": ("popularity", {"distribution": "log_uniform"}, {}),
}


def data(labels="one", seed=3):
    random = np.random.default_rng(seed)
    x = random.normal(size=(EXAMPLES, FEATURES)).astype(np.float32)
    y = (CLASSES * random.random(EXAMPLES) ** 2).astype(np.int32)
    if labels == "one":
        return x, y
    mask = random.random((EXAMPLES, CLASSES)) < 0.06
    mask[np.arange(EXAMPLES), y] = True
    mask[4] = False  # an example without labels
    return x, CSR.from_dense(mask.astype(np.float32))


@contextmanager
def network(case, hidden_method="dense", threads=1, **more):
    method, options, settings = METHODS.get(case) or (case, {}, {})
    spec = RunSpec(
        method=hidden_method,
        output_method=method,
        threads=threads,
        **(
            {"hidden": [16], "output_active_pct": 20.0, "active_pct": 30.0, "lr": 0.1}
            | {"output_options": options}
            | settings
            | more
        ),
    )
    counts = np.bincount(data()[1], minlength=CLASSES)
    with using_threads(threads), Gemm(threads) as gemm:
        yield Network(
            spec, registry.methods.build(hidden_method), FEATURES, CLASSES, gemm, label_counts=counts
        )


def taken(net, x, y, batch):
    """The steps of a batch, and the selection of classes that its output made."""
    selections = []
    select = net.head.selector.select

    def spy(inputs, batch):
        selections.append(select(inputs, batch))
        return selections[-1]

    net.head.selector.select = spy
    pending = net.start(x, y, batch)
    net.head.selector.select = select
    return pending, selections[0]

"""The selection probe against a recount by plain NumPy on networks small enough to see through."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from small_networks import data, network, train

from lshexp.data.base import Part
from lshexp.methods.base import Batch
from lshexp.nn.probe import Probe
from lshexp.nn.result import SelectionRow
from lshexp.spec import RunSpec

ACTIVE = 25.0


def recount(net, x, before):
    """Rows of the probe's numbers, layer by layer, with sets; and the active sets."""
    signal = x.astype(np.float32)
    rows, sets = [], []
    for layer, selector in zip(net.hidden, net.selectors, strict=True):
        active = selector.select(signal, Batch(np.arange(len(x)), 0, False)).active
        scores = signal @ layer.weights.T + layer.bias
        k = max(1, round(ACTIVE / 100 * layer.nodes))
        chosen = [
            set(active.indices[a:b].tolist()) for a, b in zip(active.indptr, active.indptr[1:], strict=False)
        ]
        best = [set(np.argsort(-row, kind="stable")[:k].tolist()) for row in scores]
        total = sum(map(len, chosen))
        load = np.bincount([node for nodes in chosen for node in nodes], minlength=layer.nodes)
        hits = sum(len(c & b) for c, b in zip(chosen, best, strict=True))
        positive = sum(scores[b, node] > 0 for b, nodes in enumerate(chosen) for node in nodes)
        old = before[len(rows)] if before else None
        new = None if old is None else sum(len(c - o) for c, o in zip(chosen, old, strict=True))
        rows.append(
            (
                100 * hits / (k * len(x)),
                100 * positive / total,
                100 * np.mean(load == 0),
                100 * load.max() / len(x),
                None if new is None else 100 * new / total,
            )
        )
        sets.append(chosen)
        dense = np.zeros_like(scores)
        for b, nodes in enumerate(chosen):
            dense[b, list(nodes)] = np.maximum(scores[b, list(nodes)], 0)
        signal = dense
    return rows, sets


@pytest.mark.parametrize(
    "method, options",
    [
        ("lsh", {"K": 2, "L": 4, "hash": {"name": "sketch", "dims": 4}}),
        ("lsh", {"preset": "paper", "K": 3, "probes": 2}),
        ("winner_take_all", {"over": "example"}),
    ],
)
def test_probe_counts_what_plain_sets_count(method, options):
    x, y = data(40)
    with network(method, options, active_pct=ACTIVE) as net:
        train(net, x, y)
        probe = Probe(net, Part(x, y), 0.3, ACTIVE / 100, key=5)
        watched = x[probe._ids]
        assert len(watched) == 12
        before = None
        for epoch in range(2):
            rows = probe.look(epoch)
            wanted, before = recount(net, watched, before)
            for row, want in zip(rows, wanted, strict=True):
                got = (row.recall_pct, row.positive_pct, row.dead_pct, row.busiest_pct, row.turnover_pct)
                assert got == pytest.approx(want)
                assert (row.epoch, row.examples) == (epoch + 1, 12)
            train(net, x, y, epoch=epoch)


def test_probe_leaves_the_run_as_it_is():
    x, y = data(30)
    ends = []
    for watched in (False, True):
        with network("lsh", {"K": 2, "L": 4, "hash": {"name": "sketch", "dims": 4}}) as net:
            probe = Probe(net, Part(x, y), 0.5, ACTIVE / 100, key=5)
            for epoch in range(2):
                train(net, x, y, epoch=epoch)
                if watched:
                    probe.look(epoch)
            ends.append([(layer.weights.tobytes(), layer.work.mults()) for layer in net.layers])
    assert ends[0] == ends[1]


def test_every_node_is_every_winner():
    x, y = data(10)
    with network("dense") as net:
        row = Probe(net, Part(x, y), 1.0, ACTIVE / 100, key=5).look(0)[0]
    assert (row.recall_pct, row.dead_pct, row.busiest_pct, row.turnover_pct) == (100, 0, 100, None)
    assert row.bucket_mean is None


def test_buckets_are_those_of_the_tables():
    x, y = data(30)
    with network("lsh", {"K": 2, "L": 4, "hash": {"name": "srp"}, "rank": "count"}) as net:
        train(net, x, y)
        row: SelectionRow = Probe(net, Part(x, y), 1.0, ACTIVE / 100, key=5).look(0)[0]
        filled = [n for table in net.selectors[0].selector.tables.occupancy() for n in table if n]
    assert row.bucket_mean == pytest.approx(np.mean(filled))
    assert row.bucket_max == max(filled)
    assert row.bucket_empty_pct == pytest.approx(100 * (1 - len(filled) / 16))


@pytest.mark.parametrize("written, share", [("1%", 0.01), ("12.5 %", 0.125), (0.5, 0.5), (0, 0)])
def test_a_probe_is_a_share_or_a_percentage(written, share):
    assert RunSpec(probe=written).probe == pytest.approx(share)


@pytest.mark.parametrize("written", ["200%", "1", "one", -0.1, 2])
def test_other_probes_are_refused(written):
    with pytest.raises(ValidationError):
        RunSpec(probe=written)


def test_a_run_without_a_probe_keeps_its_id(monkeypatch):
    monkeypatch.setattr("lshexp.spec.KERNEL_REVISION", 2)
    assert RunSpec().run_id("data") == RunSpec(probe=0.0).run_id("data") == "b59408be1b6c"
    assert RunSpec(probe=0.5).run_id("data") != RunSpec().run_id("data")

"""An active share that falls from epoch to epoch: what training asks for, and what tests keep to."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import data, network, train

from lshexp.errors import ConfigError
from lshexp.methods.base import Batch
from lshexp.nn.network import Network
from lshexp.nn.plan import plan_layers
from lshexp.nn.trainer import run
from lshexp.plugin import check
from lshexp.registry import methods
from lshexp.spec import RunSpec

EXAMPLES = 18
FALLING = {"active_pct": 6.25, "active_from": 50.0, "active_until": 4, "epochs": 5}
SHARES = [50.0, 25.0, 12.5, 6.25, 6.25]  # halved from epoch to epoch
COUNTING = {  # methods that choose so and so many nodes
    "winners": ("winner_take_all", {"over": "example"}),
    "lsh": ("lsh", {"L": 0, "hash": {"dims": 4}}),
    "lsh in tables": ("lsh", {"K": 1, "L": 40, "hash": {"dims": 4}, "refine": 0}),
    "predictor": ("predictor", {"width": 3, "share": 0.5}),
    "product_key": ("product_key", {"dims": 4}),
}


def test_shares_fall_by_one_factor_to_the_last():
    spec = RunSpec(**FALLING)
    assert [spec.active_pct_in(epoch) for epoch in range(5)] == pytest.approx(SHARES)
    assert spec.active_pct_in(3) == spec.active_pct_in(100) == 6.25
    assert RunSpec(active_pct=5.0).active_pct_in(0) == 5.0


def test_runs_of_one_share_keep_their_ids(monkeypatch):
    monkeypatch.setattr("lshexp.spec.KERNEL_REVISION", 2)
    assert RunSpec().run_id("data") == "b59408be1b6c"
    falling = RunSpec(**FALLING)
    ids = {falling.model_copy(update=change).run_id("data") for change in (
        {}, {"active_from": 40.0}, {"active_until": 3}, {"active_from": None, "active_until": None},
    )}  # fmt: skip
    assert len(ids) == 4


@pytest.mark.parametrize(
    "more", [{}, {"simulate_workers": 3}, {"block": 4}], ids=["batch", "simulated", "blocks"]
)
@pytest.mark.parametrize("name", COUNTING)
def test_each_epoch_has_its_number_of_nodes_and_tests_the_last(name, more):
    if "block" in more and name == "product_key":
        pytest.skip("a gate is that of a single node")
    x, y = data(EXAMPLES)
    hidden = [64, 64]
    with network(*COUNTING[name], hidden=hidden, lr=0.01, **FALLING, **more) as net:
        for epoch, share in enumerate(SHARES):
            ids = np.arange(EXAMPLES)
            outcome = net.train_batch(x, y, Batch(ids, epoch, True))
            assert outcome.selected == [EXAMPLES * round(share / 100 * n) for n in hidden], epoch
            assert net.predict(x, y, Batch(ids, epoch, False)).selected == [EXAMPLES * 4] * 2


def test_dropout_draws_and_scales_by_the_share_of_the_epoch():
    x, y = data(EXAMPLES)
    with network("dropout", hidden=[2000], **FALLING) as net:
        for epoch, share in enumerate(SHARES):
            (selected,) = net.train_batch(x, y, Batch(np.arange(EXAMPLES), epoch, True)).selected
            assert selected / (EXAMPLES * 2000) == pytest.approx(share / 100, rel=0.1)
            assert net.selectors[0].selections[-1].multiplier == pytest.approx(100 / share)


def test_the_output_keeps_its_share():
    x, y = data(EXAMPLES)
    asked = []
    output = {
        "output_method": "winner_take_all",
        "output_options": {"over": "example"},
        "output_active_pct": 34.0,
    }
    with network("winner_take_all", {"over": "example"}, **FALLING, **output) as net:
        select = net.head.selector.select
        net.head.selector.select = lambda inputs, batch: asked.append(batch.share) or select(inputs, batch)
        train(net, x, y)
    assert asked == [None] * 3


def test_averaged_weights_are_tested_at_active_pct_while_the_share_falls(monkeypatch):
    """Their selectors are copies of those in training, which are wide at that moment."""
    tested = []
    predict = Network.predict
    scores = Network.scores

    def spy(self, x, batch):
        found = scores(self, x, batch)
        tested.append((len(x), found[1]))
        return found

    monkeypatch.setattr(Network, "scores", spy)
    assert Network.predict is predict
    spec = RunSpec(
        method="lsh", dataset="rectangles", dataset_options={"train": 60, "test": 20}, hidden=[64, 64],
        batch=20, average_from=1, **FALLING,
    )  # fmt: skip
    result = run(spec)
    assert result.status == "ok"
    assert len(tested) > 5 and all(selected == [4 * n, 4 * n] for n, selected in tested)
    assert [row.active_pct_achieved for row in result.epochs] == pytest.approx(SHARES)
    assert result.active_by_layer_pct == pytest.approx([np.mean(SHARES)] * 2)
    assert [row.mults_total for row in result.epochs[1:]] < [row.mults_total for row in result.epochs[:-1]]


def test_lock_free_threads_take_the_share_of_the_epoch():
    spec = RunSpec(
        method="winner_take_all", method_options={"over": "example"}, dataset="rectangles", hidden=[64, 64],
        batch=20, dataset_options={"train": 60, "test": 20}, update="hogwild", **FALLING,
    )  # fmt: skip
    assert [row.active_pct_achieved for row in run(spec).epochs] == pytest.approx(SHARES)


@pytest.mark.parametrize(
    ("method", "options", "reason"),
    [
        ("winner_take_all", {}, "over: batch tests by the thresholds"),
        ("adaptive_dropout", {}, "tests by an offset"),
        ("dense", {}, "knows one share"),
        ("sparse_weights", {}, "knows one share"),
    ],
)
def test_who_cannot_change_the_share_says_why(method, options, reason):
    spec = RunSpec(method=method, method_options=options, **FALLING)
    with pytest.raises(ConfigError, match=f"active_from: the share of '{method}' cannot fall: .*{reason}"):
        plan_layers(spec, methods.build(method, options), [11, 8, 8, 3])


def test_a_method_that_only_says_it_can_is_found_out(monkeypatch):
    """The contract check asks it for two shares."""
    assert any("share that a batch asks for" in line for line in check("method", "predictor"))
    monkeypatch.setattr("lshexp.methods.predictor.Batch.wanted", lambda self, own, nodes: own)
    with pytest.raises(AssertionError, match="no more nodes"):
        check("method", "predictor")

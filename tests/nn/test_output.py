"""Selected outputs: active classes, losses and gradients beside PyTorch on the same active set."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest

from lshexp import registry
from lshexp.arrays import CSR
from lshexp.methods.base import Batch
from lshexp.methods.popularity import draws_for
from lshexp.nn.gemm import Gemm
from lshexp.nn.network import Network
from lshexp.nn.trainer import using_threads
from lshexp.spec import RunSpec

FEATURES, CLASSES, EXAMPLES = 9, 40, 12
METHODS = {
    "lsh": ("lsh", {"L": 6, "K": 2, "hash": {"dims": 4}, "rehash_every": 12}, {"tail_pct": 10.0}),
    "lsh unrefined": ("lsh", {"preset": "paper", "K": 2, "L": 4, "probes": 1}, {"tail_pct": 10.0}),
    "lsh uncorrected": ("lsh", {"L": 0, "hash": {"dims": 4}}, {"correction": "none"}),
    "winners": ("winner_take_all", {"over": "example"}, {"tail_pct": 10.0}),
    "winners over batch": ("winner_take_all", {"over": "batch"}, {"tail_pct": 5.0}),
    "uniform": ("dropout", {}, {}),
    "uniform uncorrected": ("dropout", {}, {"correction": "none"}),
    "unigram": ("popularity", {}, {}),
    "log-uniform": ("popularity", {"distribution": "log_uniform"}, {}),
}
LABELS = ("one", "many")
LOSSES = ("softmax", "binary")


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
    method, options, settings = METHODS[case]
    spec = RunSpec(
        method=hidden_method,
        output_method=method,
        output_options=options,
        threads=threads,
        **({"hidden": [16], "output_active_pct": 20.0, "active_pct": 30.0, "lr": 0.1} | settings | more),
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


def chances(net, case, labels, selection, active):
    """The chance with which each active class became active, from the description of the methods."""
    chance = np.ones((EXAMPLES, CLASSES))
    if METHODS[case][2].get("correction") == "none":
        return chance
    own = (labels if isinstance(labels, CSR) else CSR.from_classes(labels, CLASSES)).to_dense() > 0
    found = selection.active.with_data(np.ones(selection.active.nnz, np.float32)).to_dense() > 0
    if METHODS[case][0] == "dropout":
        chance[:] = 0.2
    elif METHODS[case][0] == "popularity":
        method = registry.methods.build("popularity", METHODS[case][1])
        shares = method.shares(net.output.label_counts.astype(float))
        chance[:] = 1 - (1 - shares) ** draws_for(shares, 8)
    else:
        for b in range(EXAMPLES):
            tail = active[b] & ~own[b] & ~found[b]
            chance[b, tail] = tail.sum() / (CLASSES - (own[b] | found[b]).sum())
    chance[own] = 1
    return chance


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("case", METHODS)
def test_loss_and_gradients_are_those_of_pytorch_on_the_same_active_set(case, labels, loss):
    torch = pytest.importorskip("torch")
    x, y = data(labels)
    with network(case, loss=loss) as net:
        for epoch in range(2):  # some methods learn at the first batch
            batch = Batch(np.arange(EXAMPLES), epoch, True)
            pending, selection = taken(net, x, y, batch)
            net.finish(pending) if epoch == 0 else None
        step = pending.steps[0]
        active = step.pairs.by_example.with_data(np.ones(step.pairs.by_example.nnz, np.float32))
        active = active.to_dense() > 0
        own = (y if isinstance(y, CSR) else CSR.from_classes(y, CLASSES)).to_dense() > 0
        assert (own & ~active).sum() == 0
        q = torch.tensor(chances(net, case, y, selection, active))
        parameters = [torch.tensor(a.astype(np.float64), requires_grad=True)
                      for layer in net.layers for a in (layer.weights, layer.bias)]  # fmt: skip
        hidden = torch.relu(torch.tensor(x.astype(np.float64)) @ parameters[0].T + parameters[1])
        z = hidden @ parameters[2].T + parameters[3]
        losses = []
        for b in range(EXAMPLES):
            live, target = torch.tensor(active[b]), torch.tensor(own[b][active[b]].astype(float))
            if loss == "softmax":
                if target.sum() == 0:
                    continue
                corrected = (z[b] - torch.log(q[b]))[live][None]
                share = (target / target.sum())[None]
                losses.append(torch.nn.functional.cross_entropy(corrected, share))
            else:
                weight = 1 / q[b][live]
                losses.append(torch.nn.functional.binary_cross_entropy_with_logits(
                    z[b][live], target, weight=weight, reduction="sum"))  # fmt: skip
        total = sum(losses)
        (total / EXAMPLES).backward()
        assert pending.outcome.loss == pytest.approx(float(total), rel=1e-4)
        assert pending.outcome.active_classes == active.sum()
        before = [a.copy() for layer in net.layers for a in (layer.weights, layer.bias)]
        for layer in net.layers:
            layer.rule = registry_rule()
        net.finish(pending)
        after = [a for layer in net.layers for a in (layer.weights, layer.bias)]
        for old, new, parameter in zip(before, after, parameters, strict=True):
            np.testing.assert_allclose(old - new, parameter.grad.numpy(), rtol=2e-3, atol=2e-6)


def registry_rule():
    from lshexp.kernels.step import rule_of

    return rule_of("sgd", 1.0, 0.9)

"""How layers are stored and computed: the plan, what it refuses, and what follows from it."""

from __future__ import annotations

import sys

import pytest
from numba.core.dispatcher import Dispatcher

from lshexp import registry
from lshexp.errors import ConfigError
from lshexp.kernels.step import OPTIMIZERS
from lshexp.nn import plan
from lshexp.nn.dense_cost import DenseCost
from lshexp.nn.plan import plan_layers
from lshexp.nn.trainer import run
from lshexp.spec import Optimizer, RunSpec

WIDTHS = [784, 1000, 1000, 10]
HYBRID = {"preset": "hybrid"}


def planned(method, options=None, widths=WIDTHS, sparse=False, **spec):
    run_spec = RunSpec(method=method, hidden=widths[1:-1], **spec)
    return plan_layers(run_spec, registry.methods.build(method, options or {}), widths, sparse)


def test_each_layer_says_how_it_is_stored_and_computed():
    assert [str(layer) for layer in planned("lsh", HYBRID, active_pct=5.0, optimizer="sgd")] == [
        "rows 784 -> 1000 by node: forward_rows update_rows",
        "csr 1000 -> 1000 by input: scan_csr input_gradient_by_input descend_by_input",
        "csr 1000 -> 10 by node: forward_csr input_gradient_csr update_csr",
    ]
    assert [str(layer) for layer in planned("dense")] == [
        "rows 784 -> 1000 by node: blas step_dense",
        "rows 1000 -> 1000 by node: blas step_dense",
        "rows 1000 -> 10 by node: blas step_dense",
    ]


def test_the_input_form_follows_share_option_and_data():
    assert [layer.input for layer in planned("lsh", active_pct=12.5)] == ["rows", "csr", "csr"]
    assert [layer.input for layer in planned("lsh", active_pct=13.0)] == [
        "rows",
        "rows or csr",
        "rows or csr",
    ]
    assert planned("lsh", active_pct=50.0, input="lists")[0].input == "csr"
    assert planned("lsh", active_pct=50.0, sparse=True)[0].input == "csr"
    assert str(planned("dense", sparse=True)[0]) == "csr 784 -> 1000 by input: scan_csr update_by_input"
    assert [layer.input for layer in planned("dense", sparse=True)[1:]] == ["rows", "rows"]
    assert planned("dense", sparse=True, update="hogwild")[0].input == "rows"


def test_a_selected_output_is_a_layer_like_any_other():
    output = {"output_method": "lsh", "output_active_pct": 5.0}
    assert str(planned("dense", **output)[-1]) == (
        "rows 1000 -> 10 by node: forward_rows input_gradient_rows update_rows"
    )
    assert str(planned("lsh", active_pct=5.0, **output)[-1]) == (
        "csr 1000 -> 10 by node: forward_csr input_gradient_csr update_csr"
    )


@pytest.mark.parametrize(
    ("settings", "where", "message"),
    [
        ({"method": "popularity", "active_pct": 5.0}, ("method",), "for outputs alone"),
        ({"output_method": "adaptive_dropout"}, ("output", "method"), "for hidden layers alone"),
        ({"output_method": "dropout", "tail_pct": 5.0}, ("output", "tail_pct"), "draws its classes already"),
        (
            {"output_method": "lsh", "output_options": HYBRID},
            ("output", "where_sparse"),
            "weights are stored by class",
        ),
        ({"output_method": "lsh", "output_options": {"K": -1}}, ("output", "K"), "K"),
        ({"output_method": "nothing"}, ("output",), "nothing"),
    ],
)
def test_what_an_output_cannot_do_is_refused(settings, where, message):
    with pytest.raises(ConfigError, match=message) as caught:
        planned(**({"method": "dense", "output_active_pct": 5.0} | settings))
    assert caught.value.problems[0].where[: len(where)] == where


def test_lock_free_threads_train_a_dense_softmax():
    with pytest.raises(ValueError, match="lock-free threads train a dense softmax"):
        RunSpec(update="hogwild", output_method="lsh", output_active_pct=5.0)


def test_weights_beyond_the_cache_have_their_gradient_formed_by_node():
    wide = planned("lsh", active_pct=5.0, widths=[784, 2048, 2048, 10])
    assert [layer.gradient_by_node for layer in wide] == [False, True, False]
    assert "input_products" in str(wide[1])


@pytest.mark.parametrize(
    ("method", "options"), [("lsh", HYBRID), ("winner_take_all", {"over": "example", "where_sparse": "scan"})]
)
def test_scanning_without_a_sparse_input_is_refused(method, options):
    for changes in ({"active_pct": 25.0}, {"active_pct": 5.0, "widths": [784, 1000, 10]}):
        with pytest.raises(ConfigError, match="no hidden layer of this network has sparse input") as caught:
            planned(method, options, **changes)
        assert caught.value.problems[0].where == (method, "where_sparse")
    free = planned(method, options, active_pct=5.0, update="hogwild")
    assert [layer.scan for layer in free] == [False, True, False]
    assert not any(layer.by_input for layer in free)  # threads without locks read and write by node


def test_every_optimizer_can_be_asked_for():
    assert set(Optimizer.__args__) == set(OPTIMIZERS)


@pytest.mark.parametrize("update", ["batch", "hogwild"])
def test_the_dense_yardstick_takes_the_steps_that_the_run_takes(update):
    spec = RunSpec(
        dataset="rectangles", dataset_options={"train": 60, "test": 20}, hidden=[8], method="dense",
        epochs=1, batch=20, optimizer="adagrad", update=update,
    )  # fmt: skip
    steps = 60 if update == "hogwild" else 3
    assert run(spec).mults_dense == DenseCost([784, 8, 2]).training(60, steps, "adagrad")


def signatures():
    """Every compiled kernel and how many signatures it has been compiled for."""
    return {
        f"{value.__module__}.{name}": len(value.signatures)
        for module in list(sys.modules.values())
        if getattr(module, "__name__", "").startswith("lshexp.kernels.")
        for name, value in vars(module).items()
        if isinstance(value, Dispatcher)
    }


RUNS = {
    "dense": ("dense", {}, {}),
    "dropout": ("dropout", {}, {}),
    "adaptive_dropout": ("adaptive_dropout", {}, {}),
    "winners of a batch": ("winner_take_all", {}, {}),
    "winners scanned": ("winner_take_all", {"over": "example", "where_sparse": "scan"}, {"input": "lists"}),
    "lsh": ("lsh", {"L": 4, "hash": {"dims": 4}, "rehash_every": 20}, {"optimizer": "sgd", "probe": 0.2}),
    "lsh touched": ("lsh", {"preset": "paper", "K": 3, "probes": 2}, {}),
}
MODES = {"batch": {}, "hogwild": {"update": "hogwild"}, "simulated": {"simulate_workers": 3}}


@pytest.mark.parametrize("large", [False, True], ids=["cached", "beyond the cache"])
@pytest.mark.parametrize("share", [5.0, 50.0])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", RUNS)
def test_nothing_compiles_once_training_has_begun(name, mode, share, large, monkeypatch):
    method, options, changes = RUNS[name]
    if large:
        monkeypatch.setattr(plan, "BEYOND_CACHE", 0)
    trainer = sys.modules["lshexp.nn.trainer"]
    after = {}
    warm_up = trainer.warm_up

    def noted(*args):
        seconds = warm_up(*args)
        after.update(signatures())
        return seconds

    monkeypatch.setattr(trainer, "warm_up", noted)
    settings = {"optimizer": "adagrad_momentum", "hidden": [40, 40], "epochs": 2, "batch": 20, **MODES[mode]}
    spec = RunSpec(
        dataset="rectangles", dataset_options={"train": 60, "test": 20}, method=method, active_pct=share,
        method_options=registry.methods.build(method, options).recorded(), **{**settings, **changes},
    )  # fmt: skip
    assert run(spec).status == "ok"
    assert after == signatures()

"""What a sweep is said to cost is what it costs: work, memory by its parts, and the time that is left."""

from __future__ import annotations

import numpy as np
import pytest

from lshexp import registry
from lshexp.config import load_sweep
from lshexp.methods.base import Batch
from lshexp.nn.gemm import Gemm
from lshexp.nn.network import Network
from lshexp.nn.threads import using_threads
from lshexp.nn.trainer import run
from lshexp.render._console import clock
from lshexp.runs.estimate import _from_the_ends, estimate
from lshexp.runs.memory import Memory, memory_of
from lshexp.runs.pace import Pace, expected, keep_expected
from lshexp.runs.plan import plan_sweep
from lshexp.runs.tables import default_energy_model
from lshexp.spec import RunSpec

SWEEP = """\
name: small
dataset: {name: rectangles, train: 600, test: 100}
hidden: [120, 80]
epochs: 2
batch: 20
repeats: 2
sweep:
  - grid: {method: [dense, dropout, adaptive_dropout, winner_take_all, lsh], active_pct: [10, 30]}
"""


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "small.yaml").write_text(SWEEP, encoding="utf-8")
    return plan_sweep(load_sweep(tmp_path / "small.yaml"), tmp_path)


def test_multiplications_are_near_those_counted_later(plan):
    costs = estimate(plan.runs, default_energy_model(), seconds=1e9)
    assert all(cost.measured and cost.seconds > 0 and cost.joules > 0 for cost in costs)
    for cost in costs[:9]:
        counted = sum(row.mults for row in run(cost.run.spec).work)
        exact = cost.run.spec.method == "dense"
        assert cost.mults == pytest.approx(counted, rel=0.05 if exact else 0.5), cost.run.spec.method


def test_a_falling_share_costs_the_mean_of_its_epochs(tmp_path):
    """Beside the same run at its last share, and as its work is counted later."""
    text = (
        SWEEP.partition("  - grid")[0].replace("epochs: 2", "epochs: 4").replace("repeats: 2", "repeats: 1")
    )
    runs = "  - grid: {method: [dropout, lsh], active_pct: [5]}\n    set: {}\n"
    falling = runs.replace("{}", "{active_from: 60, active_until: 3}")
    (tmp_path / "small.yaml").write_text(text + runs + falling, encoding="utf-8")
    planned = plan_sweep(load_sweep(tmp_path / "small.yaml"), tmp_path).runs
    costs = estimate(planned, default_energy_model(), seconds=1e9)
    by = {(cost.run.spec.method, cost.run.spec.active_from): cost for cost in costs}
    for method in ("dropout", "lsh"):
        constant, falling = by[method, None], by[method, 60.0]
        assert falling.mults > 1.5 * constant.mults
        counted = sum(row.mults for row in run(falling.run.spec).work if row.phase != "predict")
        assert falling.mults == pytest.approx(counted, rel=0.5)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 10])
def test_the_ends_are_measured_first(n):
    order = _from_the_ends(range(n))
    assert sorted(order) == list(range(n))
    assert order[0] == n - 1
    assert order[-1 if n == 1 else 1] == 0


def test_what_is_not_measured_is_scaled_and_says_so(plan):
    measured = {cost.run.run_id: cost for cost in estimate(plan.runs, default_energy_model(), seconds=1e9)}
    scaled = estimate(plan.runs, default_energy_model(), seconds=0)
    assert [cost.run.spec.method for cost in scaled if cost.measured and cost.run.spec.repeat == 0] == [
        "dense", "dropout", "adaptive_dropout", "winner_take_all", "lsh",
    ]  # fmt: skip
    for cost in scaled:
        assert 0.2 < cost.mults / measured[cost.run.run_id].mults < 5
        assert cost.memory == measured[cost.run.run_id].memory
        assert cost.memory.total > cost.memory.weights > 0


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


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock_():
    return Clock()


def test_without_any_knowledge_nothing_is_said_until_a_run_tells_its_speed(clock_):
    pace = Pace(["a", "b"], {}, 1, clock_)
    assert pace.left_s() is None
    pace.started("a")
    clock_.now = 2.0
    pace.progressed("a", 0.01)
    assert pace.left_s() is None  # too little of it is done
    pace.progressed("a", 0.5)
    assert pace.left_of("a") == 2 and pace.left_s() == 2 + 4
    clock_.now = 4.0
    pace.finished("a")
    assert pace.left_s() == 4


def test_expected_times_are_corrected_by_what_has_been_taken(clock_):
    pace = Pace(["a", "b", "c"], {"a": 1.0, "b": 10.0, "c": 5.0}, 1, clock_)
    assert pace.left_s() == 16
    pace.started("a")
    clock_.now = 2.0
    pace.finished("a")
    assert pace.left_s() == 2 * 15
    pace.started("b")
    clock_.now = 12.0
    assert pace.left_s() == 10 + 10


def test_runs_side_by_side_and_a_long_one_at_the_end(clock_):
    assert Pace(["a", "b"], {"a": 4.0, "b": 4.0}, 2, clock_).left_s() == 4
    assert Pace(["a", "b"], {"a": 1.0, "b": 9.0}, 2, clock_).left_s() == 9
    assert Pace([], {}, 2, clock_).left_s() == 0


def test_a_run_that_takes_longer_than_expected_is_not_less_than_done(clock_):
    pace = Pace(["a"], {"a": 1.0}, 1, clock_)
    pace.started("a")
    clock_.now = 5.0
    assert pace.left_s() == 0


def test_what_a_dry_run_expects_is_kept_for_the_sweep(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert expected("mine") == {}
    keep_expected("mine", {"a": 1.5})
    keep_expected("mine", {"b": 2.0})
    assert expected("mine") == {"a": 1.5, "b": 2.0}
    (path,) = tmp_path.rglob("mine.json")
    for text in ("[", "[1]", '{"a": "x", "b": -1, "c": 1e999, "d": 3}'):
        path.write_text(text)
        assert expected("mine") == ({"d": 3.0} if text.startswith("{") else {})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "--:--"), (0, "0:00"), (59.6, "1:00"), (725, "12:05"), (12600, "3:30:00")],
)
def test_clock(seconds, text):
    assert clock(seconds) == text

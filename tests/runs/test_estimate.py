"""What a sweep is said to cost beforehand is what it costs."""

from __future__ import annotations

import pytest

from lshexp.config import load_sweep
from lshexp.nn.trainer import run
from lshexp.runs.estimate import _from_the_ends, estimate
from lshexp.runs.plan import plan_sweep
from lshexp.runs.tables import default_energy_model

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

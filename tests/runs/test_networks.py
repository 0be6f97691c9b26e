"""`save: true` keeps trained networks and changes nothing else."""

from __future__ import annotations

import lshexp
from lshexp.config import load_sweep
from lshexp.runs.executors import Inline
from lshexp.runs.plan import plan_sweep

SWEEP = """\
name: kept
dataset: rectangles
train_examples: 40
test_examples: 20
hidden: [12]
epochs: 1
sweep:
  - grid: {method: [dense, lsh]}
    set: {active_pct: 50}
"""


def write(tmp_path, extra=""):
    path = tmp_path / "kept.yaml"
    path.write_text(SWEEP + extra)
    return path


def test_networks_are_kept_beside_the_results_and_change_no_id(tmp_path):
    plain = load_sweep(write(tmp_path))
    lshexp.run_sweep(plain, tmp_path, executor=Inline())
    ids = {run.run_id for run in plan_sweep(plain, tmp_path).runs}
    assert not (tmp_path / "kept" / "networks").exists()
    assert not plan_sweep(plain, tmp_path).to_run()

    saving = load_sweep(write(tmp_path), ["save=true"])
    plan = plan_sweep(saving, tmp_path)
    assert {run.run_id for run in plan.to_run()} == ids  # done, but without networks
    summary = lshexp.run_sweep(saving, tmp_path, executor=Inline())
    assert summary.ran == 2 and summary.complete
    files = {path.stem: path for path in (tmp_path / "kept" / "networks").glob("*.safetensors")}
    assert set(files) == ids
    assert not plan_sweep(saving, tmp_path).to_run()
    assert "save: true" in (tmp_path / "kept" / "sweep.yaml").read_text()
    kept = lshexp.load_network(files[min(ids)])
    assert kept.predict([[0.0] * 784]).shape == (1,)


def test_the_file_of_a_sweep_says_so_too(tmp_path):
    assert load_sweep(write(tmp_path, "save: true\n")).save
    assert not load_sweep(write(tmp_path)).save

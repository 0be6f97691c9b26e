"""Running many runs: resuming, failing, interrupting, killing."""

from __future__ import annotations

import csv
import errno
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from fake_runs import FakeSweep, Toy, accuracy, fake_run, spec, sweep_of

import lshexp
from lshexp import registry
from lshexp.config import load_sweep
from lshexp.errors import ConfigError, DataError, StoreError
from lshexp.render.progress import label
from lshexp.runs.plan import Wanted, plan_sweep
from lshexp.runs.store import Store
from lshexp.runs.sweep import Listener, SweepInterrupted, run_sweep
from lshexp.runs.worker import without_machine_paths

pytestmark = pytest.mark.usefixtures("toy_dataset")


def rows(out: Path, table: str = "runs") -> list[dict[str, str]]:
    with (out / "fake" / f"{table}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


class Counting:
    """A run function that remembers what it ran and can be told to fail."""

    def __init__(self, fail_on=lambda run: None):
        self.ran = []
        self.fail_on = fail_on

    def __call__(self, run, report):
        self.ran.append((run.method, run.repeat))
        error = self.fail_on(run)
        if error is not None:
            raise error
        return fake_run(run, report)


def test_rows_come_in_the_order_of_the_sweep_and_a_second_call_runs_nothing(tmp_path):
    run = Counting()
    summary = run_sweep(sweep_of(), tmp_path, run=run)
    assert summary.complete and summary.ran == 4
    assert [(row["method"], row["repeat"]) for row in rows(tmp_path)] == [
        ("dense", "0"), ("lsh", "0"), ("dense", "1"), ("lsh", "1"),
    ]  # fmt: skip
    before = (tmp_path / "fake" / "runs.csv").read_bytes()
    again = run_sweep(sweep_of(), tmp_path, run=run)
    assert again.ran == 0 and again.complete and len(run.ran) == 4
    assert (tmp_path / "fake" / "runs.csv").read_bytes() == before


def test_changing_the_sweep_runs_only_what_is_new_and_keeps_old_records_out_of_the_tables(tmp_path):
    run = Counting()
    run_sweep(sweep_of(["dense", "lsh"]), tmp_path, run=run)
    replace = Wanted(replace=True)
    summary = run_sweep(sweep_of(["dense", "dropout"]), tmp_path, run=run, wanted=replace)
    assert summary.ran == 2 and summary.plan.orphans == 2
    assert {row["method"] for row in rows(tmp_path)} == {"dense", "dropout"}
    assert len(Store(tmp_path / "fake").run_ids()) == 6
    assert run_sweep(sweep_of(["dense", "lsh"]), tmp_path, run=run, wanted=replace).ran == 0


def test_another_learning_rate_or_dataset_option_is_another_run(tmp_path):
    run_sweep(sweep_of(), tmp_path, run=fake_run)
    replace = Wanted(replace=True)
    assert run_sweep(sweep_of(lr=0.5), tmp_path, run=fake_run, wanted=replace).ran == 4
    sides = sweep_of(dataset_options={"side": 3})
    assert run_sweep(sides, tmp_path, run=fake_run, wanted=replace).ran == 4


def test_force_runs_everything_again(tmp_path):
    run = Counting()
    run_sweep(sweep_of(), tmp_path, run=run)
    assert run_sweep(sweep_of(), tmp_path, run=run, wanted=Wanted(force=True)).ran == 4
    assert len(run.ran) == 8 and len(rows(tmp_path)) == 4


def test_a_failed_run_leaves_a_row_and_a_log_and_is_tried_again(tmp_path):
    broken = Counting(lambda run: DataError("no\ndata") if run.method == "lsh" else None)
    summary = run_sweep(sweep_of(), tmp_path, run=broken)
    assert dict(summary.counts) == {"ok": 2, "failed": 2, "left": 0} and not summary.complete
    failed = [row for row in rows(tmp_path) if row["status"] == "failed"]
    assert [row["error"] for row in failed] == ["DataError: no data"] * 2
    outcome = ("test_acc_pct", "mults_total", "mults_dense", "energy_proxy_j", "compile_s", "timing_valid")
    assert [failed[0][name] for name in outcome] == [""] * 6
    log = Store(tmp_path / "fake").log_path(failed[0]["run_id"])
    assert "Traceback" in log.read_text() and str(Path.cwd()) not in log.read_text()

    mended = Counting()
    assert run_sweep(sweep_of(), tmp_path, run=mended).complete
    assert mended.ran == [("lsh", 0), ("lsh", 1)] and not log.exists()


def test_a_diverged_run_is_a_result_and_is_kept(tmp_path):
    def diverge(run, report):
        return fake_run(run, report, status="diverged", error="loss is not finite", epochs=[])

    summary = run_sweep(sweep_of(), tmp_path, run=diverge)
    assert summary.counts["diverged"] == 4
    assert rows(tmp_path)[0]["test_acc_pct"] == "" and rows(tmp_path)[0]["mults_total"] == "1000"
    again = run_sweep(sweep_of(), tmp_path, run=Counting())
    assert again.ran == 0 and not again.complete


def test_a_result_that_breaks_its_contract_costs_one_run(tmp_path):
    summary = run_sweep(sweep_of(), tmp_path, run=lambda run, report: fake_run(run, mults_dense="many"))
    assert summary.counts["failed"] == 4 and "mults_dense" in rows(tmp_path)[0]["error"]


def test_fail_fast_stops_at_the_first_failure(tmp_path):
    summary = run_sweep(sweep_of(), tmp_path, fail_fast=True, run=Counting(lambda run: ValueError("x")))
    assert summary.ran == 1 and summary.counts["left"] == 3


def test_an_interrupt_keeps_finished_rows_and_the_next_call_does_the_rest(tmp_path):
    stopping = Counting(lambda run: KeyboardInterrupt() if run.repeat == 1 else None)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(sweep_of(), tmp_path, run=stopping)
    assert len(rows(tmp_path)) == 2 and len(rows(tmp_path, "epochs")) == 4
    rest = Counting()
    assert run_sweep(sweep_of(), tmp_path, run=rest).complete
    assert rest.ran == [("dense", 1), ("lsh", 1)]


def test_a_full_disk_stops_the_sweep_and_damages_nothing(tmp_path):
    run_sweep(FakeSweep([spec("dense")]), tmp_path, run=fake_run)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.suffix in (".json", ".csv")}

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as patch:

        def run_on_a_full_disk(run, report):
            patch.setattr(os, "fsync", full)
            return fake_run(run, report)

        with pytest.raises(StoreError, match=r"No space left.*free some disk space") as caught:
            run_sweep(sweep_of(), tmp_path, run=run_on_a_full_disk)
    assert caught.value.exit_code == 5 and "\n" not in str(caught.value)
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.suffix in (".json", ".csv")}
    assert {path.name for path in after} == {path.name for path in before}
    assert list(tmp_path.rglob("*.tmp")) == []
    assert run_sweep(sweep_of(), tmp_path, run=fake_run).complete


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="choose another folder with -o"):
        run_sweep(sweep_of(), tmp_path, run=fake_run)
    tmp_path.chmod(0o700)


def test_an_output_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "fake").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot create .*choose another folder with -o"):
        run_sweep(sweep_of(), tmp_path, run=fake_run)


def test_a_killed_driver_loses_and_doubles_nothing(tmp_path):
    command = [sys.executable, str(Path(__file__).parents[1] / "fake_runs.py"), str(tmp_path), "6", "0.15"]
    environment = {**os.environ, "PYTHONPATH": str(Path(lshexp.__file__).parents[1])}
    driver = subprocess.Popen(command, env=environment)
    deadline = time.monotonic() + 20
    while len(list((tmp_path / "fake" / "records").glob("*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    kept = len(rows(tmp_path))
    assert 1 <= kept < 6
    subprocess.run(command, env=environment, check=True, timeout=30)
    assert [row["repeat"] for row in rows(tmp_path)] == [str(repeat) for repeat in range(6)]
    executed = (tmp_path / "executed.txt").read_text().split()
    assert len(executed) <= 7, "at most the run that was going is done twice"


def test_two_drivers_of_one_folder_share_its_runs(tmp_path):
    inner, outer = Counting(), []

    class Impatient(Listener):
        """Leaves rather than wait for the first driver, which is waiting for this one here."""

        def run_finished(self, run, record):
            if run.number == 4:
                raise KeyboardInterrupt

    def nested(run, report):
        outer.append((run.method, run.repeat))
        with pytest.raises(KeyboardInterrupt):
            run_sweep(sweep_of(), tmp_path, run=inner, listener=Impatient())
        return fake_run(run, report)

    summary = run_sweep(sweep_of(), tmp_path, run=nested)
    assert summary.complete and summary.ran == 1 and outer == [("dense", 0)]
    assert inner.ran == [("lsh", 0), ("dense", 1), ("lsh", 1)]
    assert len(rows(tmp_path)) == 4


def test_leftovers_of_a_killed_writer_are_removed(tmp_path):
    run_sweep(sweep_of(), tmp_path, run=fake_run)
    leftover = tmp_path / "fake" / "records" / ".0123456789ab.json.1.tmp"
    leftover.write_text("{")
    run_sweep(sweep_of(), tmp_path, run=fake_run)
    assert leftover.exists(), "its writer may still be at it"
    os.utime(leftover, (0, 0))
    run_sweep(sweep_of(), tmp_path, run=fake_run)
    assert not leftover.exists()


def test_a_damaged_record_is_named_and_not_dropped(tmp_path):
    run_sweep(sweep_of(), tmp_path, run=fake_run)
    record = next((tmp_path / "fake" / "records").glob("*.json"))
    record.write_bytes(record.read_bytes()[:-20])
    with pytest.raises(StoreError, match=rf"{record.name} is damaged .* delete that file"):
        run_sweep(sweep_of(), tmp_path, run=fake_run)
    record.unlink()
    assert run_sweep(sweep_of(), tmp_path, run=fake_run).ran == 1


def test_the_plan_needs_no_folder_and_makes_none(tmp_path):
    plan = plan_sweep(sweep_of(), tmp_path / "results")
    assert [run.state for run in plan.runs] == ["missing"] * 4 and not (tmp_path / "results").exists()
    run_sweep(sweep_of(["dense"]), tmp_path / "results", run=fake_run)
    plan = plan_sweep(sweep_of(), tmp_path / "results")
    assert [run.state for run in plan.runs] == ["done", "missing"] * 2
    assert len(plan.to_run()) == 2 and len(plan.to_run(Wanted(force=True))) == 4


def test_the_listener_hears_everything_in_order(tmp_path):
    heard = []

    class Ear(Listener):
        def sweep_started(self, plan, to_run, slots):
            heard.append(f"{len(to_run)}, {slots} at a time")

        def run_started(self, run):
            heard.append(f"start {run.number}")

        def run_progressed(self, run, progress):
            heard.append(f"epoch {progress.epoch}")

        def run_finished(self, run, record):
            heard.append(f"{record.status} {accuracy(record.spec)}")

        def sweep_ended(self):
            heard.append("end")

    run_sweep(sweep_of(repeats=1), tmp_path, run=fake_run, listener=Ear())
    assert heard == [
        "2, 1 at a time", "start 1", "epoch 1", "ok 98.0", "start 2", "epoch 1", "ok 97.5", "end"
    ]  # fmt: skip


def test_machine_paths_are_cut_from_messages(monkeypatch, tmp_path):
    monkeypatch.setenv("LSHEXP_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    text = f"no {tmp_path}/data/mnist, {tmp_path}/here.yaml, {Path.home()}/x nor /"
    assert without_machine_paths(text) == "no $LSHEXP_DATA/mnist, here.yaml, ~/x nor /"


def test_records_hold_no_machine_names(tmp_path):
    run_sweep(sweep_of(), tmp_path, run=fake_run)
    for path in (tmp_path / "fake").rglob("*.[jc]s*"):
        content = path.read_text()
        assert str(tmp_path) not in content, path
        assert not re.search(rf"\b{re.escape(platform.node())}\b", content), path
    record = json.loads(next((tmp_path / "fake" / "records").glob("*.json")).read_text())
    assert record["schema_version"] == 1 and record["spec"]["dataset"] == "toy"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"epochs": 2}, {"epochs": 3}, "4 finished runs with epochs=2 would leave the tables"),
        ({"method_options": {"K": 5}}, {"method_options": {"K": 6}}, "4 finished runs with p_K=5 would"),
        ({"dataset_options": {"side": 2}}, {"dataset_options": {"side": 3}}, "with dataset_side=2 would"),
    ],
)
def test_finished_rows_do_not_leave_the_tables_unasked(tmp_path, before, after, said):
    run_sweep(sweep_of(**before), tmp_path, run=fake_run)
    tables = {path: path.read_bytes() for path in (tmp_path / "fake").glob("*.csv")}
    changed = sweep_of(**after)
    assert said in f"{plan_sweep(changed, tmp_path).leaving} would leave the tables"
    with pytest.raises(ConfigError, match=rf"{said}.*--replace .* -o or another name") as caught:
        run_sweep(changed, tmp_path, run=fake_run)
    assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in (tmp_path / "fake").glob("*.csv")} == tables
    assert run_sweep(changed, tmp_path, run=fake_run, wanted=Wanted(replace=True)).ran == 4
    assert run_sweep(changed, tmp_path, run=fake_run).ran == 0


def test_rows_of_fewer_values_and_of_another_revision_are_told_from_each_other(tmp_path, monkeypatch):
    run_sweep(sweep_of(["dense", "lsh"]), tmp_path, run=fake_run)
    assert (
        plan_sweep(sweep_of(["dense"]), tmp_path).leaving == "2 finished runs with method=lsh active_pct=5.0"
    )
    monkeypatch.setattr("lshexp.spec.KERNEL_REVISION", 99)
    assert "another revision of the kernels" in str(plan_sweep(sweep_of(["dense", "lsh"]), tmp_path).leaving)


def test_a_clone_has_the_tables_without_records_and_keeps_each_row_until_its_run_is_done_again(tmp_path):
    probed = sweep_of(method_options={"K": 5})
    run_sweep(probed, tmp_path, run=fake_run)
    tables = {path.name: path.read_bytes() for path in (tmp_path / "fake").glob("*.csv")}
    shutil.rmtree(tmp_path / "fake" / "records")
    plan = plan_sweep(probed, tmp_path)
    assert len(plan.to_run()) == 4 and len(plan.unrecorded) == 4

    def stop(run, report):
        raise KeyboardInterrupt

    with pytest.raises(SweepInterrupted) as caught:
        run_sweep(probed, tmp_path, run=stop)
    assert caught.value.summary.counts["left"] == 4
    assert {path.name: path.read_bytes() for path in (tmp_path / "fake").glob("*.csv")} == tables

    run_sweep(probed, tmp_path, run=Counting(lambda run: ValueError("x")), fail_fast=True)
    assert [row["status"] for row in rows(tmp_path)] == ["ok"] * 4, "a failure replaces no result"

    def better(run, report):
        return fake_run(run, report, mults_dense=2000)

    summary = run_sweep(probed, tmp_path, run=better, wanted=Wanted(only=(plan.runs[1].run_id,)))
    assert summary.ran == 1
    assert [row["mults_dense"] for row in rows(tmp_path)] == ["1000", "2000", "1000", "1000"]
    assert len(rows(tmp_path, "epochs")) == 8 and len(rows(tmp_path, "work")) == 40
    assert run_sweep(probed, tmp_path, run=better).complete
    assert {row["mults_dense"] for row in rows(tmp_path)} == {"2000"}


def test_rows_kept_from_before_a_setting_existed_have_its_default(tmp_path):
    run_sweep(sweep_of(), tmp_path, run=fake_run)
    path = tmp_path / "fake" / "runs.csv"
    before = pd.read_csv(path, dtype=str, keep_default_na=False)
    before.drop(columns=["skip", "loss"]).to_csv(path, index=False, lineterminator="\n")
    shutil.rmtree(tmp_path / "fake" / "records")
    first = plan_sweep(sweep_of(), tmp_path).runs[0].run_id
    run_sweep(sweep_of(), tmp_path, run=fake_run, wanted=Wanted(only=(first,)))
    after = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert after[["skip", "loss"]].equals(before[["skip", "loss"]]) and set(after["loss"]) == {"softmax"}


def test_missing_data_is_told_once_before_any_run(tmp_path):
    class Gone(Toy):
        def check_files(self):
            raise DataError(f"{self.side} is not there")

    run = Counting()
    sweep = FakeSweep([spec(repeat=n, dataset_options={"side": side}) for n in range(3) for side in (2, 3)])
    with registry.temporarily(dataset={"toy": Gone}), pytest.raises(DataError) as caught:
        run_sweep(sweep, tmp_path, run=run)
    assert run.ran == [] and not (tmp_path / "fake").exists()
    lines = str(caught.value).splitlines()
    assert [line.split(";")[0] for line in lines] == ["2 is not there", "3 is not there"]


def test_the_resolved_sweep_is_beside_its_results(tmp_path):
    (tmp_path / "s.yaml").write_text(
        "name: small\nbaseline: {method: dense}\nhidden: [8]\nactive_pct: 50\n"
        "dataset: {name: rectangles, train: 60, test: 40}\nsweep:\n  - grid: {method: [dense, dropout]}\n"
    )
    sweep = load_sweep(tmp_path / "s.yaml")
    run_sweep(sweep, tmp_path, run=fake_run)
    again = load_sweep(tmp_path / "small" / "sweep.yaml")
    assert again.runs == sweep.runs and again.baseline == {"method": "dense"}
    assert run_sweep(again, tmp_path, run=fake_run).ran == 0


def test_the_settings_that_tell_runs_apart_are_few(tmp_path):
    sweep = FakeSweep(
        [spec("dense"), *(spec("lsh", n, share, lr=lr, method_options={"K": k, "L": k})
                          for n in range(2) for k in (5, 6) for share, lr in ((5.0, 0.1), (10.0, 0.2)))]
    )  # fmt: skip
    plan = plan_sweep(sweep, tmp_path)
    assert plan.distinguishing == ("method", "active_pct", "p_K"), "lr goes with the share, and L with K"
    assert len({label(run, plan) for run in plan.runs}) == len(plan.runs)
    assert label(plan.runs[1], plan) == "lsh 5% K=5 #0"
    assert plan.swept == {"method": ["dense", "lsh"], "active_pct": [100.0, 5.0, 10.0],
                          "lr": [0.01, 0.1, 0.2], "p_K": [5, 6], "p_L": [5, 6]}  # fmt: skip

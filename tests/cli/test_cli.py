"""The command line as a user meets it: exit codes, one-line errors, what goes where."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from as_a_user import ROOT, lshexp, python

TINY = """\
name: tiny
dataset: {name: rectangles, train: 60, test: 40}
hidden: [12]
epochs: 2
batch: 20
sweep:
  - grid: {method: [lsh, dropout], active_pct: [25, 50]}
  - grid: {method: [dense]}
"""
TIMES = [
    "compile_s", "select_s", "train_s", "eval_s", "predict_us", "predict_us_1", "peak_rss_mb", "timing_valid",
    "started_utc", "env_id",
]  # fmt: skip


@pytest.fixture
def tiny(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    return tmp_path


def write(folder, text):
    (folder / "bad.yaml").write_text(text, encoding="utf-8")
    return folder / "bad.yaml"


HEAVY = {"numpy", "numba", "scipy", "pandas", "pydantic", "rich", "matplotlib", "yaml", "torch"}


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from lshexp.cli import main; sys.argv[1:] = ['--help']\n"
        f"try: main()\nfinally: sys.stderr.write(str({HEAVY} & set(sys.modules)))"
    )
    done = python("-c", code, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
    for command in ("sweep", "compare", "reproduce", "bench"):
        assert f"  {command} " in done.stdout
    assert done.stderr == "set()"


def test_a_misspelt_command_or_option_gets_a_suggestion(tmp_path):
    for words, offer in (
        (["swep"], "sweep"),
        (["sweep", "--bugdet", "3"], "--budget"),
        (["bench", "--onyl", "a"], "--only"),
    ):
        done = lshexp(*words, cwd=tmp_path)
        assert done.returncode == 2
        assert offer in done.stderr.splitlines()[-1]


def test_reproduce_needs_the_sweeps_of_the_paper(tmp_path):
    done = lshexp("reproduce", "smoke", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: no paper_*.yaml in 'experiments'; change to the project's checkout, or give --experiments DIR"
    ]
    assert lshexp("reproduce", "huge", cwd=tmp_path).returncode == 2


def test_sweep_compare_and_resume(tiny):
    first = lshexp("sweep", "tiny.yaml", cwd=tiny)
    assert first.returncode == 0, first.stderr
    assert first.stdout == ""
    assert "\r" not in first.stderr
    assert "\x1b" not in first.stderr
    assert "[5/5]" in first.stderr
    runs = (tiny / "results/tiny/runs.csv").read_bytes()
    again = lshexp("sweep", "tiny.yaml", cwd=tiny)
    assert again.returncode == 0
    assert "nothing to do" in again.stderr
    assert (tiny / "results/tiny/runs.csv").read_bytes() == runs
    frame = pd.read_csv(tiny / "results/tiny/runs.csv")
    assert list(frame["status"]) == ["ok"] * 5
    phases = ["select", "forward", "backward", "update", "rebuild"]
    assert (frame[[f"mults_{phase}" for phase in phases]].sum(axis=1) == frame["mults_total"]).all()
    assert frame["init_hash"].nunique() == frame["order_hash"].nunique() == 1
    dense = frame[frame["method"] == "dense"].iloc[0]
    assert dense["mults_total"] == dense["mults_dense"]
    assert dense["mults_pct_of_dense"] == dense["mults_pct_of_dense_paper"] == 100
    for form in ("table", "md", "csv", "json"):
        shown = lshexp("compare", "results/tiny", "--format", form, cwd=tiny)
        assert shown.returncode == 0, shown.stderr
        assert "dropout" in shown.stdout
        assert "\x1b" not in shown.stdout


def test_the_same_rows_at_one_and_two_threads_and_on_a_second_run(tiny):
    frames = []
    for number, threads in enumerate((1, 2, 1)):
        out = tiny / f"out{number}"
        done = lshexp(
            "sweep", "tiny.yaml", "-o", out, "-s", f"threads={threads}", cwd=tiny, NUMBA_NUM_THREADS="2"
        )
        assert done.returncode == 0, done.stderr
        frame = pd.read_csv(out / "tiny/runs.csv").drop(columns=[*TIMES, "threads", "run_id"])
        frames.append(frame)
    pd.testing.assert_frame_equal(frames[0], frames[1])
    pd.testing.assert_frame_equal(frames[0], frames[2])


def test_dry_run_runs_nothing(tiny):
    done = lshexp("sweep", "tiny.yaml", "--dry-run", cwd=tiny)
    assert done.returncode == 0
    assert "5 of 5 runs to do" in done.stderr
    assert "dropout" in done.stdout
    assert not (tiny / "results").exists()


BAD = {
    "unknown method": ("method: lhs\nactive_pct: 5\n", "bad.yaml:1:9", "did you mean 'lsh'"),
    "zero": ("method: lsh\nactive_pct: 0\n", "bad.yaml:2:13", "0"),
    "above 100": ("method: lsh\nactive_pct: 105\n", "bad.yaml:2:13", "105"),
    "text": ('method: lsh\nactive_pct: "5%"\n', "bad.yaml:2:13", "5"),
    "nan": ("method: lsh\nactive_pct: .nan\n", "bad.yaml:2:13", "nan"),
    "K zero": ("method: lsh\nactive_pct: 5\nlsh: {K: 0}\n", "bad.yaml:3:", "K"),
    "K forty": ("method: lsh\nactive_pct: 5\nlsh: {K: 40}\n", "bad.yaml:3:", "40"),
    "hash option": ("method: lsh\nactive_pct: 5\nlsh: {hash: {name: srpp}}\n", "bad.yaml:3:", "srp"),
    "empty grid": ("active_pct: 5\nsweep:\n  - grid: {method: []}\n", "bad.yaml:3:", "empty"),
    "duplicate key": ("lr: 0.1\nlr: 0.2\n", "bad.yaml:2:1", "lr"),
    "include cycle": ("extends: [bad.yaml]\n", "bad.yaml:1:", "bad.yaml"),
    "hidden": ("method: dense\nhidden: [0]\n", "bad.yaml:2:", "0"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_line_and_runs_nothing(tmp_path, name):
    text, place, word = BAD[name]
    write(tmp_path, text if "name:" in text.splitlines()[0] else text + "name: bad\n")
    done = lshexp("sweep", "bad.yaml", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert place in done.stderr
    assert word in done.stderr
    assert not (tmp_path / "results").exists()


def test_every_mistake_of_a_file_is_told_at_once(tmp_path):
    write(tmp_path, "name: bad\nmethod: lhs\nactive_pct: 105\nepochz: 3\nlr: -1\n")
    done = lshexp("sweep", "bad.yaml", cwd=tmp_path)
    assert done.returncode == 2
    for place in ("bad.yaml:2:", "bad.yaml:3:", "bad.yaml:4:", "bad.yaml:5:"):
        assert place in done.stderr, done.stderr
    assert "did you mean 'epochs'" in done.stderr


def test_missing_data_is_exit_5_before_any_run_and_in_the_dry_run(tmp_path):
    (tmp_path / "m.yaml").write_text(
        "name: m\nmethod: dense\nhidden: [8]\nepochs: 1\nrepeats: 3\n", encoding="utf-8"
    )
    for words in ([], ["--dry-run"]):
        done = lshexp(
            "sweep",
            "m.yaml",
            *words,
            cwd=tmp_path,
            LSHEXP_DATA=str(tmp_path),
            XDG_CACHE_HOME=str(tmp_path / "cache"),
        )
        assert done.returncode == 5, done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert "lshexp data fetch mnist" in done.stderr
        assert not (tmp_path / "results").exists()


def test_divergence_is_a_row_and_the_sweep_goes_on(tiny):
    done = lshexp("sweep", "tiny.yaml", "-s", "optimizer=sgd", "-s", "lr=1e+30", cwd=tiny)
    assert done.returncode == 3
    frame = pd.read_csv(tiny / "results/tiny/runs.csv")
    assert set(frame["status"]) == {"diverged"}
    assert len(frame) == 5
    assert frame["error"].str.contains("not finite").all()


def test_an_output_folder_that_is_a_file_is_exit_5(tiny):
    (tiny / "blocked").write_text("", encoding="utf-8")
    done = lshexp("sweep", "tiny.yaml", "-o", "blocked", cwd=tiny)
    assert done.returncode == 5
    assert len(done.stderr.strip().splitlines()) == 1
    assert "-o" in done.stderr


@pytest.mark.parametrize(
    "words", [["sweep"], ["swep"], ["compare", "nowhere", "--format", "xml"], ["list", "x"]]
)
def test_usage_errors_are_exit_2(tmp_path, words):
    done = lshexp(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_compare_of_nothing_names_the_remedy(tmp_path):
    done = lshexp("compare", "nowhere", cwd=tmp_path)
    assert done.returncode == 5
    assert "nowhere" in done.stderr


def test_an_unknown_metric_is_answered_with_the_nearest(tiny):
    assert lshexp("sweep", "tiny.yaml", cwd=tiny).returncode == 0
    done = lshexp("compare", "results/tiny", "--metric", "test_acc", cwd=tiny)
    assert done.returncode == 2
    assert "test_acc_pct" in done.stderr


def test_interrupt_in_mid_run_keeps_finished_rows(tiny):
    runs = tiny / "results/slow/runs.csv"
    with subprocess.Popen(
        [sys.executable, "-m", "lshexp", "sweep", "slow.yaml"],
        cwd=write_slow(tiny),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        # a job that a shell put into the background ignores interrupts, and so would its children
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            deadline = time.monotonic() + 120
            while not (runs.exists() and "ok" in runs.read_text(encoding="utf-8")):
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert errors.splitlines()[-1] == "interrupted: 1 of 2 done; the same command goes on"
    assert list(pd.read_csv(runs)["status"]) == ["ok"]


def write_slow(folder):
    text = "name: slow\nmethod: dense\nhidden: [8]\ndataset: {name: rectangles, train: 60, test: 40}\n"
    text += "sweep:\n  - grid: {epochs: [1, 1000000]}\n"
    (folder / "slow.yaml").write_text(text, encoding="utf-8")
    return folder


def test_a_sweep_that_changed_is_refused_until_its_rows_may_go(tiny):
    (tiny / "tiny.yaml").write_text(
        "name: tiny\nmethod: dense\nhidden: [4]\nepochs: 1\n"
        "dataset: {name: rectangles, train: 60, test: 40}\n"
    )
    words = ["sweep", "tiny.yaml"]
    assert lshexp(*words, cwd=tiny).returncode == 0
    done = lshexp(*words, "-s", "epochs=2", cwd=tiny)
    assert done.returncode == 2
    assert "1 finished run with epochs=1 would leave the tables" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert lshexp(*words, "-s", "epochs=2", "--replace", cwd=tiny).returncode == 0


@pytest.mark.parametrize("words", [["--executor", "slurm"], ["--executor", "slurm", "--fail-fast", "-n"]])
def test_an_executor_that_is_not_there_is_one_line(tiny, words):
    done = lshexp("sweep", "tiny.yaml", *words, cwd=tiny)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "Slurm" in done.stderr


def test_options_that_a_preset_implies_are_not_shown(tiny):
    words = ["-s", "lsh.preset=lshexp,paper", "-s", "active_pct=25"]
    assert lshexp("sweep", "tiny.yaml", *words, cwd=tiny).returncode == 0
    shown = lshexp("compare", "results/tiny", cwd=tiny).stdout
    assert "lsh lshexp" in shown and "lsh paper" in shown
    assert "probes" not in shown
    assert "probes" not in lshexp("compare", "results/tiny", "--format", "md", "--wide", cwd=tiny).stdout


@pytest.mark.parametrize("kind", ["methods", "datasets", "hashes", "energy", "optimizers"])
def test_list(tmp_path, kind):
    done = lshexp("list", kind, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 2


def test_info_and_version(tmp_path):
    done = lshexp("info", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "threading_layer" in done.stdout
    assert lshexp("--version", cwd=tmp_path).stdout.startswith("lshexp 0.")


def test_the_shell_completes_commands_datasets_and_run_ids(tiny):
    (tiny / "lshexp").write_text("import sys\nfrom lshexp.cli import main\nsys.exit(main())\n")
    (tiny / "results/tiny/records").mkdir(parents=True)
    (tiny / "results/tiny/records/0123456789ab.json").touch()

    def offered(words):
        done = python(
            "lshexp",
            cwd=tiny,
            _LSHEXP_COMPLETE="complete_bash",
            COMP_WORDS=f"lshexp {words}",
            COMP_CWORD=str(len(words.split())),
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    assert offered("sw") == ["sweep"]
    assert offered("list me") == ["methods"]
    assert {"rectangles", "rectangles_images"} <= set(offered("data show rect"))
    assert offered("sweep tiny.yaml --only 01") == ["0123456789ab"]
    assert offered("sweep tiny.yaml --only ff") == []

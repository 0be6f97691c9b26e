"""Break sweeps on purpose, many times over: `make faults`, some ten minutes.

    python tests/faults.py [kills|disk|drivers|thousand] ...

KILLS in the environment says how many kills (100), SEED which (2017), so that they can be done in portions.
Each check prints what it saw and ends the script with an error when a row is lost, doubled or different.
Quick versions of them are in tests/runs/.
"""

from __future__ import annotations

import contextlib
import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)])}
VOLATILE = ("compile_s", "timing_valid", "started_utc", "env_id", "peak_rss_mb")
KILLS, SEED, RUNS = int(os.environ.get("KILLS", "100")), int(os.environ.get("SEED", "2017")), 40


def drive(out: Path, runs: int, seconds: float, jobs: int = 2) -> subprocess.Popen[str]:
    """Start a driver of a made-up sweep in a process of its own."""
    command = [sys.executable, str(HERE / "fake_runs.py"), str(out), str(runs), str(seconds), str(jobs)]
    return subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)


def rows(out: Path) -> list[dict[str, str]]:
    """The rows of the sweep's runs.csv that are the same on every machine."""
    with (out / "fake" / "runs.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    return [{key: cell for key, cell in row.items() if key not in VOLATILE} for row in table]


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The fork server and the workers of a driver."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def kills(work: Path) -> str:
    """Kill a worker, the driver or both at random instants; one more plain call must mend everything."""
    whole = work / "whole"
    started = time.monotonic()
    assert drive(whole, RUNS, 0.02).wait() == 0
    length = time.monotonic() - started
    expected, dice = rows(whole), random.Random(SEED)
    victims = {"worker": 0, "driver": 0, "both": 0}
    for number in range(KILLS):
        out = work / f"kill{number}"
        driver, victim = drive(out, RUNS, 0.02), dice.choice(list(victims))
        time.sleep(dice.uniform(0, length))
        victims[victim] += driver.poll() is None
        doomed = family(driver) if victim != "driver" else []
        if victim != "worker":
            driver.kill()
        for process in dice.sample(doomed, 1) if victim == "worker" and doomed else doomed:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        driver.wait()
        again = drive(out, RUNS, 0.02)
        assert again.wait() == 0, again.stderr.read() if again.stderr else ""
        assert rows(out) == expected, f"trial {number}, {victim} killed"
        shutil.rmtree(out)
    return f"{victims} killed in mid-sweep of {KILLS} trials; all {RUNS} rows, each once, equal"


def drivers(work: Path) -> str:
    """Eight drivers at once: each run is executed once."""
    all_of_them = [drive(work, RUNS, 0.1, 1) for _ in range(8)]
    assert [driver.wait() for driver in all_of_them] == [0] * 8
    executed = sorted(map(int, (work / "executed.txt").read_text().split()))
    assert executed == list(range(RUNS)) and len(rows(work)) == RUNS
    return f"8 drivers, {len(executed)} runs executed, each once"


def disk(work: Path) -> str:
    """Fill the disk in mid-sweep: exit as promised, nothing written before is damaged, a rerun completes."""
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(work)], check=False)
    if mount.returncode:
        return "not done: mounting a small file system needs root"
    try:
        driver = drive(work, RUNS, 0.01)
        code, said = driver.wait(), driver.stderr.read().strip() if driver.stderr else ""
        assert code == 5 and "No space left" in said and len(said.splitlines()) == 1, (code, said)
        kept = len(list((work / "fake" / "records").glob("*.json")))
        subprocess.run(["mount", "-o", "remount,size=20m", str(work)], check=True)
        assert drive(work, RUNS, 0.01).wait() == 0 and len(rows(work)) == RUNS
    finally:
        subprocess.run(["umount", "-l", str(work)], check=True)
    return f"full after {kept} records: {said!r}; the rerun completed {RUNS}"


def thousand(work: Path) -> str:
    """What the driver adds to a thousand runs that take no time, and its memory."""
    memory, started = [], time.monotonic()
    driver = drive(work, 1000, 0.0, 1)
    while driver.poll() is None:
        with contextlib.suppress(psutil.Error):
            memory.append(psutil.Process(driver.pid).memory_info().rss / 1e6)
        time.sleep(0.2)
    assert driver.returncode == 0 and len(rows(work)) == 1000
    each = 1000 * (time.monotonic() - started) / 1000
    half = len(memory) // 2
    most = max(memory[half:])
    return f"{each:.1f} ms a run; driver's memory {memory[half]:.0f} MB half-way, {most:.0f} MB most"


CHECKS = {"kills": kills, "drivers": drivers, "disk": disk, "thousand": thousand}


def main(names: list[str]) -> None:
    """Run the checks of these names, or all."""
    for name in names or CHECKS:
        with tempfile.TemporaryDirectory() as folder:
            sys.stdout.write(f"{name}: {CHECKS[name](Path(folder))}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])

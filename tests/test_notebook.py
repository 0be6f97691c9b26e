"""A notebook, run headless as a reader would run it."""

from __future__ import annotations

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

ROOT = Path(__file__).parents[1]
SWEEP = """\
name: note
dataset: {name: rectangles, train: 60, test: 40}
hidden: [12]
epochs: 1
sweep:
  - grid: {method: [lsh, dense]}
    set: {active_pct: 50}
"""
CELLS = (
    "import lshexp\nsummary = lshexp.run_sweep(lshexp.load_sweep('note.yaml'), 'results')\nsummary.complete",
    "results = lshexp.read_results('results/note')\nresults.runs.attrs['units']['train_s']",
    "results.runs[['method', 'test_acc_pct', 'mults_pct_of_dense']].dtypes",
    "lshexp.compare(results)[['label', 'mean', 'mults_pct_of_dense']]",
)


def test_a_sweep_is_run_read_and_compared_in_a_notebook(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "note.yaml").write_text(SWEEP)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = nbclient.NotebookClient(
        notebook, timeout=180, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    said = [
        "".join(
            output["data"]["text/plain"] for output in cell.outputs if output.output_type == "execute_result"
        )
        for cell in notebook.cells
    ]
    shown = "".join(
        output.get("text", "") or str(output.get("data", "")) for output in notebook.cells[0].outputs
    )
    assert "note" in shown and "100%" in shown and "2/2 runs" in shown, "the bar of the sweep"
    assert said[0] == "True"
    assert said[1] == "'seconds'"
    assert "category" in said[2] and said[2].count("float64") >= 2
    assert "lsh" in said[3] and "dense" in said[3]


INTERRUPTED = """\
import _thread, threading, lshexp
from lshexp.runs.listener import Listener

class Stop(Listener):
    def run_finished(self, run, record):
        threading.Thread(target=_thread.interrupt_main).start()

try:
    lshexp.run_sweep(lshexp.load_sweep('note.yaml'), 'results', listener=Stop())
except KeyboardInterrupt as stopped:
    said = str(stopped)
said, lshexp.run_sweep(lshexp.load_sweep('note.yaml'), 'results').complete
"""


def test_a_sweep_in_a_notebook_can_be_interrupted_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "note.yaml").write_text(SWEEP)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(INTERRUPTED)])
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=180, kernel_name="python3", resources=resources).execute()
    (result,) = (out for out in notebook.cells[0].outputs if out.output_type == "execute_result")
    assert result["data"]["text/plain"] == "('1 of 2 done; the same call goes on', True)"

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
    assert said[0] == "True"
    assert said[1] == "'seconds'"
    assert "category" in said[2] and said[2].count("float64") >= 2
    assert "lsh" in said[3] and "dense" in said[3]

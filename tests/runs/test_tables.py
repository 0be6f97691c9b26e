"""Records and CSV files: columns, round trips, damage."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import replace

import pytest
from fake_runs import fake_run, spec, sweep_of
from hypothesis import given
from hypothesis import strategies as st

from lshexp.analysis.results import read_results, read_runs
from lshexp.errors import StoreError
from lshexp.nn.result import EpochRow, SelectionRow
from lshexp.runs.columns import flatten, plain, text
from lshexp.runs.environment import Environment
from lshexp.runs.record import Record
from lshexp.runs.store import Store
from lshexp.runs.sweep import run_sweep
from lshexp.runs.tables import ResultTables

pytestmark = pytest.mark.usefixtures("toy_dataset")

RUN_COLUMNS = re.findall(
    r"\S+",
    """
schema_version run_id sweep status error dataset method hidden active_pct lr optimizer batch epochs threads
update seed repeat
p_K p_hash_bits p_hash_name
test_acc_pct best_test_acc_pct valid_acc_pct train_loss active_pct_achieved mults_select mults_forward
mults_backward mults_update mults_rebuild mults_total mults_dense mults_pct_of_dense mults_pct_of_dense_paper
bytes_touched energy_proxy_j energy_model energy_rapl_j compile_s select_s train_s eval_s peak_rss_mb
timing_valid init_hash order_hash env_id started_utc
momentum train_examples test_examples validation_examples average_from active_from active_until probe input
inputs simulate_workers skip block output_method output_active_pct tail_pct correction loss tail task
active_by_layer_pct predict_mults_pct_of_dense predict_us predict_us_1
test_p3_pct test_p5_pct test_psp1_pct test_psp3_pct test_psp5_pct test_recall20_pct test_ndcg20_pct
test_perplexity test_acc_pct_retrieved test_p3_pct_retrieved test_p5_pct_retrieved test_psp1_pct_retrieved
test_psp3_pct_retrieved test_psp5_pct_retrieved test_recall20_pct_retrieved test_ndcg20_pct_retrieved
output_active_pct_achieved mults_predict_retrieved predict_us_retrieved predict_us_1_retrieved
dataset_side note_capped
""",
)
ENV = Environment(
    git_sha=None, git_dirty=None, kernel_revision=1, lshexp="0", python="3", numpy="2", numba="0",
    llvmlite="0", blas_name="openblas", blas_version=None, blas_threads=2, threading_layer="omp",
    cpu_model='a, "quoted" one', cores_physical=1, cores_logical=2, cores_usable=2, memory_gb=8.0,
    os="Linux",
)  # fmt: skip
RUN_ID = "0123456789ab"


def record(run=None, run_id=RUN_ID, **changes):
    run = run or spec("lsh", 0, 5.0)
    return Record(
        run_id=run_id,
        sweep="fake",
        spec=run,
        result=fake_run(run, **changes),
        env=ENV,
        started_utc="2026-01-02T03:04:05Z",
        timing_valid=True,
    )


def table(folder, *records):
    """The rows of runs.csv that these records give."""
    tables = ResultTables(Store(folder), [record.run_id for record in records])
    for one in records:
        tables.add(one)
    tables.write()
    with (folder / "runs.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_columns_and_values_of_a_run(tmp_path):
    options = {"K": 6, "hash": {"name": "srp", "bits": 4}}
    run = spec("lsh", 1, 5.0, method_options=options, dataset_options={"side": 2})
    (row,) = table(tmp_path, record(run, notes={"capped": 3}))
    assert list(row) == RUN_COLUMNS
    expected = {
        "hidden": "4-3", "active_pct": "5.0", "p_hash_name": "srp", "p_K": "6", "note_capped": "3",
        "test_acc_pct": "97.6", "best_test_acc_pct": "97.85", "valid_acc_pct": "", "train_loss": "0.5",
        "mults_select": "0", "mults_forward": "20", "mults_total": "50", "mults_pct_of_dense": "5.0",
        "mults_pct_of_dense_paper": "5.0", "bytes_touched": "80", "energy_model": "horowitz45",
        "energy_rapl_j": "", "select_s": "0.25", "train_s": "1.0", "eval_s": "0.5", "timing_valid": "true",
        "train_examples": "", "active_by_layer_pct": "5.0-5.0",
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert float(row["energy_proxy_j"]) == pytest.approx((50 * 3.7 + 50 * 0.9) * 1e-12)


def test_a_falling_share_is_told_by_its_mean(tmp_path):
    """The last epoch's share would tell a wide run from a narrow one by nothing."""
    rows = [
        EpochRow(n + 1, 0.5, 90.0, None, 90.0, share, 1, 0.0, 1.0, 0.1)
        for n, share in enumerate((40.0, 20.0, 10.0, 10.0))
    ]
    falling = spec("lsh", active_pct=10.0, active_from=40.0, active_until=3, epochs=4)
    constant = spec("lsh", active_pct=10.0, epochs=4)
    first, second = table(
        tmp_path, record(falling, epochs=rows), record(constant, run_id="ba9876543210", epochs=rows)
    )
    assert (first["active_pct_achieved"], second["active_pct_achieved"]) == ("20.0", "10.0")
    assert (first["active_from"], first["active_until"]) == ("40.0", "3")
    assert (second["active_from"], second["active_until"]) == ("", "")


def test_options_of_one_method_are_empty_for_another(tmp_path):
    first = record(spec("lsh", method_options={"K": 6}))
    second = record(spec("dropout", method_options={"keep": True}), run_id="ba9876543210")
    rows = table(tmp_path, first, second)
    assert [(row["p_K"], row["p_keep"]) for row in rows] == [("6", ""), ("", "true")]


def test_files_have_unix_line_ends_and_one_row_an_epoch_and_phase(tmp_path):
    run_sweep(sweep_of(), tmp_path, run=fake_run)
    lines = {}
    for name in ("runs", "epochs", "work", "env"):
        content = (tmp_path / "fake" / f"{name}.csv").read_bytes()
        assert b"\r" not in content and content.endswith(b"\n")
        lines[name] = content.decode().splitlines()
    assert {name: len(rows) - 1 for name, rows in lines.items()} == {
        "runs": 4, "epochs": 8, "work": 4 * 10, "env": 1,
    }  # fmt: skip
    assert lines["work"][0] == "schema_version,run_id,layer,phase,mults,adds,bytes,plan"
    assert lines["epochs"][0].startswith(
        "schema_version,run_id,epoch,train_loss,train_acc_pct,valid_acc_pct,"
    )


def test_selection_has_a_file_only_where_there_is_a_probe(tmp_path):
    run_sweep(sweep_of(), tmp_path, run=fake_run)
    file = tmp_path / "fake" / "selection.csv"
    assert not file.exists()
    without = read_results(tmp_path / "fake").selection
    file.write_text("left over\n")
    run_sweep(sweep_of(), tmp_path, run=fake_run)
    assert not file.exists()
    probed = replace(fake_run(spec()), selection=[SelectionRow(1, 0, 8, 50.0, None, 0.0, 25.0, None)])
    run_sweep(sweep_of(), tmp_path / "probed", run=lambda *_: probed)
    found = read_results(tmp_path / "probed" / "fake").selection
    assert without.empty and list(without.dtypes.items()) == list(found.dtypes.items())
    assert without.attrs == found.attrs and set(found["recall_pct"]) == {50.0}


@given(st.floats())
def test_floats_survive_the_table(value):
    back = float(text(value))
    assert back == value or (math.isnan(back) and math.isnan(value))


@given(st.floats() | st.none(), st.text())
def test_records_survive_the_disk(tmp_path_factory, loss, message):
    store = Store(tmp_path_factory.mktemp("fake"))
    original = record(error=message)
    if loss is not None:
        epochs = [replace(original.result.epochs[0], train_loss=loss)]
        original = record(error=message, epochs=epochs)
    store.write(original)
    back = store.read(RUN_ID)
    assert back is not None and back.to_json() == original.to_json()


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda data: data[:100], "damaged"),
        (lambda data: b"", "damaged"),
        (lambda data: b"\xff" + data, "damaged"),
        (lambda data: b"[" * 100_000, "damaged"),
        (lambda data: b"[1, 2]", "damaged"),
        (lambda data: data.replace(b'"ok"', b'"fine"'), r"damaged .*result\.status"),
        (
            lambda data: data.replace(b'"mults_dense": 1000', b'"mults_dense": "1000"'),
            "damaged .*mults_dense",
        ),
        (lambda data: data.replace(b'"repeat"', b'"again"'), "damaged"),
        (lambda data: data.replace(RUN_ID.encode(), b"ba9876543210"), "belongs to run ba9876543210"),
        (lambda data: data.replace(b'"schema_version": 1', b'"schema_version": 2'), "has schema 2 and this"),
    ],
)
def test_a_damaged_record_is_refused_in_one_line(tmp_path, damage, complaint):
    store = Store(tmp_path)
    store.write(record())
    path = store.record_path(RUN_ID)
    path.write_bytes(damage(record().to_json()))
    with pytest.raises(StoreError, match=complaint) as caught:
        store.read(RUN_ID)
    assert path.name in str(caught.value) and "\n" not in str(caught.value)


def test_a_stamp_tells_a_record_from_its_successor(tmp_path):
    store = Store(tmp_path)
    assert store.stamp(RUN_ID) is None
    store.write(record(status="failed", error="x"))
    before = store.stamp(RUN_ID)
    store.write(record())
    assert before is not None and store.stamp(RUN_ID) != before
    kept = store.read(RUN_ID)
    assert kept is not None and kept.result.error is None


def test_a_claim_is_given_once(tmp_path):
    store = Store(tmp_path)
    with store.claimed(RUN_ID) as mine, store.claimed(RUN_ID) as again, store.claimed("0" * 12) as other:
        assert mine and not again and other
    with store.claimed(RUN_ID) as mine:
        assert mine


def test_nested_options_become_one_level():
    options = {"a": 1, "b": {"c": {"d": None}, "e": [1, 2.5]}, "f": [{"g": 1}]}
    assert flatten("p", options) == {"p_a": 1, "p_b_c_d": None, "p_b_e": "1-2.5", "p_f": '[{"g": 1}]'}


def test_a_record_is_not_read_beyond_its_bound(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.write(record())
    monkeypatch.setattr("lshexp.runs.record.MAX_RECORD_BYTES", 100)
    for read in (store.read, store.stamp):
        with pytest.raises(StoreError, match="larger than 100 bytes"):
            read(RUN_ID)


def test_a_record_that_was_edited_is_refused_as_its_id_stands_for_other_settings(tmp_path):
    store = Store(tmp_path)
    store.write(record(spec("lsh", 0, 5.0, lr=0.5)))
    assert store.read(RUN_ID) is not None
    with pytest.raises(StoreError, match=r"lr in it: not what its run id stands for.*delete that file"):
        store.read(RUN_ID, spec("lsh", 0, 5.0))


@given(st.text())
def test_text_survives_its_cell_and_no_cell_is_a_formula(value):
    cell = text(value)
    assert plain(cell) == value
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_numbers_keep_their_sign():
    assert [text(-1.5), text(-2)] == ["-1.5", "-2"]


def test_a_table_is_read_back_without_the_apostrophes(tmp_path):
    formula = "=HYPERLINK(1)"
    options = {"path": "-a", "dims": -1}
    (row,) = table(
        tmp_path,
        record(spec("lsh", 0, 5.0, method_options=options), status="diverged", error=formula),
    )
    assert (row["error"], row["p_path"], row["p_dims"]) == (f"'{formula}", "'-a", "-1")
    frame = read_runs(tmp_path)
    assert (frame["error"][0], frame["p_path"][0], frame["p_dims"][0]) == (formula, "-a", -1)


def test_an_option_that_was_derived_is_in_its_column(tmp_path):
    left_out = record(spec("lsh", method_options={"K": None}), derived={"K": 5})
    given = record(spec("lsh", method_options={"K": 7}), run_id="ba9876543210")
    assert [row["p_K"] for row in table(tmp_path, left_out, given)] == ["5", "7"]


def test_so_is_one_of_the_output(tmp_path):
    options = {"output_method": "lsh", "output_options": {"K": None, "L": 9}}
    left_out = record(spec("dense", **options), derived_output={"K": 11})
    (row,) = table(tmp_path, left_out)
    assert (row["output_K"], row["output_L"]) == ("11", "9")

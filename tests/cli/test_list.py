"""`lshexp list`: what there is, and what each option, key and column means."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from lshexp import registry
from lshexp.cli import app
from lshexp.config.keys import BLOCK_KEYS, FILE_KEYS, RUN_KEYS, described_keys
from lshexp.errors import ConfigError
from lshexp.runs.meanings import FILES, described_columns


def listed(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["list", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


@pytest.mark.parametrize("kind", ["methods", "datasets", "hashes", "energy", "optimizers", "keys", "columns"])
def test_every_kind_can_be_listed(kind):
    assert len(listed(kind).splitlines()) > 2


def test_a_method_is_shown_with_type_default_range_and_meaning_of_each_option():
    lines = {line.split("  ")[0]: line for line in listed("methods", "lsh").splitlines()}
    assert " null " in lines["K"] and " whole number, 1 to 24 " in lines["K"]
    assert "bits of a hash" in lines["K"]
    assert "one of hash, scan" in lines["where_sparse"]
    assert set(registry.methods.lookup("lsh").model_fields) <= lines.keys()


def test_what_has_no_options_says_so():
    assert "has no options" in listed("methods", "dense")


def test_a_required_option_is_told():
    assert " required " in next(line for line in listed("datasets", "csv").splitlines() if "path " in line)


def test_an_unknown_name_is_answered_with_the_nearest():
    for kind, name, nearest in [
        ("methods", "lhs", "lsh"),
        ("keys", "epoch", "epochs"),
        ("columns", "lrr", "lr"),
    ]:
        with pytest.raises(ConfigError, match=f"did you mean '{nearest}'"):
            listed(kind, name)


def test_every_key_is_described():
    keys = described_keys()
    assert {key.field.name for key in keys} == {*FILE_KEYS, *BLOCK_KEYS, *RUN_KEYS, "METHOD"}
    assert [key.field.name for key in keys if not key.field.description] == []
    kinds = {key.field.name: key.field.kind for key in keys}
    assert (kinds["timeout"], kinds["dataset"], kinds["batch"]) == ("duration", "text or map", "whole number")
    assert listed("keys", "batch").splitlines()[2].endswith("examples in one optimiser step")


def test_every_column_has_a_meaning():
    assert [(column.file, column.name) for column in described_columns() if not column.meaning] == []


def test_no_meaning_is_left_of_a_column_that_is_gone():
    from lshexp.runs import meanings

    for file, texts in meanings._MEANINGS_OF.items():
        names = {column.name for column in FILES[file]}
        assert {name for name in texts if not name.endswith("*")} <= names, file


def test_columns_tell_their_unit():
    units = {(column.file, column.name): column.unit for column in described_columns()}
    assert units["runs.csv", "test_acc_pct"] == "per cent"
    assert units["runs.csv", "mults_pct_of_dense"] == "per cent"
    assert units["runs.csv", "mults_total"] == "multiplications"
    assert units["runs.csv", "peak_rss_mb"] == "10^6 bytes"
    assert units["epochs.csv", "train_s"] == "seconds"
    assert units["runs.csv", "method"] == ""


def test_the_columns_of_one_file_or_of_one_name():
    assert "selection.csv" not in listed("columns", "work.csv")
    assert [line for line in listed("columns", "train_s").splitlines() if line.endswith(".csv")] == [
        "runs.csv", "epochs.csv"
    ]  # fmt: skip

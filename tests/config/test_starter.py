"""The starter sweep runs as it is, and the JSON Schema accepts what the reader accepts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lshexp.cli import app
from lshexp.config import load_sweep
from lshexp.config.document import read_document
from lshexp.config.nodes import Problems
from lshexp.config.starter import json_schema
from lshexp.errors import ConfigError
from lshexp.runs.plan import plan_sweep

EXPERIMENTS = Path(__file__).parent.parent.parent / "experiments"


def init(*arguments: object):
    return CliRunner().invoke(app, ["init", *map(str, arguments)])


def test_the_starter_parses_and_plans_and_is_small(tmp_path):
    path = tmp_path / "new" / "my.yaml"
    done = init(path)
    assert done.exit_code == 0, done.output
    sweep = load_sweep(path)
    assert (sweep.name, sweep.baseline, sweep.header.margin) == ("my", {"method": "dense"}, 1.0)
    assert {run.method for run in sweep.runs} == {"lsh", "dropout", "dense"}
    assert len(sweep.runs) == 15
    plan = plan_sweep(sweep, tmp_path / "results")
    assert len(plan.to_run()) == 15
    assert all(run.epochs * run.dataset_options["train"] <= 4000 for run in sweep.runs)


def test_editors_find_the_schema_by_the_first_line(tmp_path):
    init(tmp_path / "my.yaml")
    first = (tmp_path / "my.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=my.schema.json"
    assert json.loads((tmp_path / "my.schema.json").read_text())["title"] == "lshexp sweep file"


@pytest.mark.parametrize("there", ["my.yaml", "my.schema.json"])
def test_nothing_is_replaced_without_force(tmp_path, there):
    (tmp_path / there).write_text("mine")
    refused = init(tmp_path / "my.yaml")
    assert isinstance(refused.exception, ConfigError)
    assert there in str(refused.exception) and "--force" in str(refused.exception)
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"
    assert init(tmp_path / "my.yaml", "--force").exit_code == 0
    assert load_sweep(tmp_path / "my.yaml").name == "my"


@pytest.mark.parametrize("name", ["my.txt", "my", "two words.yaml", ".yaml"])
def test_a_file_that_could_not_be_a_sweep_is_refused(tmp_path, name):
    assert "NAME.yaml" in str(init(tmp_path / name).exception)
    assert not list(tmp_path.iterdir())


def accepts(text: str) -> bool:
    validator = pytest.importorskip("jsonschema").Draft202012Validator
    schema = json_schema()
    validator.check_schema(schema)
    problems = Problems()
    root = read_document(text, "f", problems)
    problems.raise_any()
    return validator(schema).is_valid(root.plain())


def test_the_schema_accepts_the_sweeps_that_are_shipped():
    pytest.importorskip("jsonschema")
    sweeps = [
        path for path in sorted(EXPERIMENTS.rglob("*.yaml")) if path.parent.name in ("experiments", "base")
    ]
    texts = {path.name: path.read_text(encoding="utf-8") for path in sweeps}
    texts = {name: text for name, text in texts.items() if "\nclaims:" not in text}
    assert len(texts) > 10
    assert [name for name, text in texts.items() if not accepts(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "{probe: 5%, timeout: 30m, dataset: mnist}",
        "{dataset: {name: csv, path: a.csv}, lsh: {hash: srp}, lsh.hash.dims: 3}",
        "{sweep: [{grid: {hidden: [[10], []], lr: 0.1}, zip: {lsh.K: [1, null]}, exclude: [{method: lsh}]}]}",
    ],
)
def test_the_schema_accepts(text):
    assert accepts(text)


@pytest.mark.parametrize(
    "text",
    [
        "{epoch: 3}",
        "{epochs: 0}",
        "{method: lhs}",
        "{dataset: mnits}",
        "{dataset: {name: mnist, path: a}}",
        "{lsh: {k: 3}}",
        "{lsh.K: 99}",
        "{sweep: []}",
        "{sweep: [{grid: {lr: []}}]}",
        "{sweep: [{gird: {lr: [1]}}]}",
        "{sweep: [{zip: {lr: 1}}]}",
        "{margin: -1}",
        "{repeat: 1}",
    ],
)
def test_the_schema_refuses(text):
    assert not accepts(text)

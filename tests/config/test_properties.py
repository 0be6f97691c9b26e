"""What holds for every sweep file: sizes, orders, identities; and no file, however damaged, is a crash."""

from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sweep_toys import load, toy_registry

from lshexp.config import Sweep
from lshexp.errors import ConfigError, Problem


@pytest.fixture(autouse=True, scope="module")
def toys():
    with toy_registry():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sweeps")


VALUES = {
    "method": st.sampled_from(["lsh", "chance"]),
    "active_pct": st.integers(1, 100) | st.floats(0.5, 99.5),
    "lr": st.floats(1e-6, 10),
    "batch": st.integers(1, 512),
    "epochs": st.integers(1, 50),
    "hidden": st.lists(st.integers(1, 2000), max_size=3),
    "dataset": st.sampled_from(["mnist", "boxes"]),
    "lsh.K": st.integers(1, 32),
    "lsh.L": st.integers(1, 10),
    "lsh.rank": st.sampled_from(["count", "exact"]),
}


def axes(minimum: int = 1):
    """Draw keys and distinct values for each, as a grid writes them."""
    keys = st.lists(st.sampled_from(sorted(VALUES)), unique=True, min_size=1, max_size=5)
    return keys.flatmap(
        lambda chosen: st.fixed_dictionaries(
            {key: st.lists(VALUES[key], unique_by=json.dumps, min_size=minimum, max_size=3) for key in chosen}
        )
    )


def ids(sweep: Sweep) -> set[str]:
    return {run.run_id("") for run in sweep.runs}


def text_of(content: dict) -> str:
    return json.dumps(content)  # JSON is YAML 1.2


quick = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(grid=axes(), repeats=st.integers(1, 3))
def test_a_grid_is_the_product_of_its_axes(folder, grid, repeats):
    sweep = load(folder, text_of({"active_pct": 5, "repeats": repeats, "sweep": [{"grid": grid}]}))
    assert len(sweep.runs) + sweep.merged == repeats * math.prod(len(values) for values in grid.values())
    assert len(ids(sweep)) == len(sweep.runs)


@quick
@given(grid=axes(), data=st.data())
def test_excludes_take_away_what_they_match(folder, grid, data):
    key = data.draw(st.sampled_from(sorted(grid)))
    exclude = {key: grid[key][0]}
    block = {"grid": grid, "exclude": [exclude]}
    content = {"active_pct": 5, "dataset": "mnist", "sweep": [block]}
    total = math.prod(len(values) for values in grid.values())
    left = total - total // len(grid[key])
    if left == 0:
        with pytest.raises(ConfigError, match="leave no run"):
            load(folder, text_of(content))
        return
    sweep = load(folder, text_of(content))
    assert len(sweep.runs) + sweep.merged == left


@quick
@given(grid=axes(), seed=st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(folder, grid, seed):
    defaults = {"active_pct": 5, "momentum": 0.5, "lsh": {"K": 3, "family": {"bits": 5}}, "threads": 2}
    if any(key.startswith("lsh.") for key in grid):
        defaults["lsh"] = {"family": {"bits": 5}}

    def shuffled(content: dict) -> dict:
        items = [
            (key, shuffled(value) if isinstance(value, dict) else value) for key, value in content.items()
        ]
        seed.shuffle(items)
        return dict(items)

    one = load(folder, text_of({**defaults, "sweep": [{"grid": grid}]}))
    other = load(folder, text_of(shuffled({**defaults, "sweep": [{"grid": shuffled(grid)}]})))
    assert ids(one) == ids(other)


@quick
@given(grid=axes(), data=st.data())
def test_overriding_with_the_same_values_changes_nothing(folder, grid, data):
    key = data.draw(st.sampled_from(sorted(grid)))
    text = text_of({"active_pct": 5, "sweep": [{"grid": grid}]})
    override = f"{key}={json.dumps(grid[key])}"
    assert load(folder, text, override).runs == load(folder, text).runs


@quick
@given(rows=st.lists(st.tuples(VALUES["lr"], VALUES["batch"]), min_size=1, max_size=5), grid=axes())
def test_a_zip_and_its_table_of_cases_are_the_same(folder, rows, grid):
    grid = {key: values for key, values in grid.items() if key not in ("lr", "batch")}
    (folder / "c.csv").write_text("lr,batch\n" + "".join(f"{lr!r},{batch}\n" for lr, batch in rows))
    pairs = {"lr": [lr for lr, _ in rows], "batch": [batch for _, batch in rows]}
    head = {"active_pct": 5}
    zipped = load(folder, text_of({**head, "sweep": [{"grid": grid, "zip": pairs}]}))
    tabled = load(folder, text_of({**head, "sweep": [{"grid": grid, "cases": "c.csv"}]}))
    assert zipped.runs == tabled.runs


@quick
@given(blocks=st.lists(axes(), min_size=1, max_size=3))
def test_the_resolved_text_is_a_fixed_point(folder, blocks):
    sweep = load(folder, text_of({"active_pct": 5, "sweep": [{"grid": grid} for grid in blocks]}))
    again = load(folder, sweep.resolved)
    assert again.runs == sweep.runs
    assert again.resolved == sweep.resolved


@quick
@given(grid=axes(minimum=2), data=st.data())
def test_every_wrong_value_is_found_where_it_is(folder, grid, data):
    bad = {
        "lr": -1,
        "batch": "many",
        "epochs": 0,
        "active_pct": 105,
        "hidden": [0],
        "method": "lhs",
        "lsh.K": 40,
    }
    spoilt = {key: data.draw(st.integers(0, len(values) - 1)) for key, values in grid.items() if key in bad}
    lines = ["active_pct: 5", "sweep:", "- grid:"]
    marks = set()
    for key, values in grid.items():
        lines.append(f"    {key}:")
        for i, value in enumerate(values):
            wrong = spoilt.get(key) == i
            lines.append(f"    - {json.dumps(bad[key] if wrong else value)}")
            if wrong:
                marks.add(f"s.yaml:{len(lines)}:{8 if key == 'hidden' else 7}")
    try:
        load(folder, "\n".join(lines))
        found = set()
    except ConfigError as error:
        found = {problem.mark.removeprefix(f"{folder}/") for problem in error.problems}
    assert found == marks


SEEDS = [
    """
name: one
extends: base.yaml
repeats: 2
lsh: {K: 4, family: &f {bits: 3}}
sweep:
  - grid: {method: [lsh, chance], hidden: [[10], [20, 30]], lsh.L: [2, 3]}
    zip: {active_pct: [5, 10.5], lr: [1e-3, .1]}
    exclude: [{method: chance, active_pct: 5}]
  - set: {method: dense, dataset: {name: boxes, train: 9}}
    cases: c.csv
""",
    """
baseline: {method: lsh, active_pct: 5}
seed: 3
active_pct: &share 5
dataset: "mnist"
sweep:
- grid:
    method:
    - lsh
    - dense   # comment
    active_pct: *share
    dataset.name: [mnist, boxes]
  set: {lsh: {widths: [1, 2], rank: 'exact'}}
""",
]
SCRAPS = [
    "[", "]", "{", "}", ":", ": ", ",", "- ", " ", "\n", "\t", "'", '"', "#", "%", "? ", "|\n", ">", "\\",
    "\\ud800", "&a ", "*a", "*f", "!!int ", "!x ", "---", "...", "<<: ", "é", "\x00", "\ud7ff", "\u2028",
    "[" * 40, "a" * 999, "~", "null", ".nan", "1e999", "-1", "0", "7", "105", "5%", "yes", "0x", "9" * 30,
    "text", "../", "/etc/passwd", "lsh.K", "lsh.K.a.b", "dataset", "dataset.name", "name", "method",
    "repeats", "extends: s.yaml\n", "sweep", "grid", "zip", "cases", "set", "exclude",
]  # fmt: skip


def damage(text: str, draw: random.Random) -> str:
    """Insert, delete, repeat or replace a piece or two, or whole lines."""
    for _ in range(draw.choice([1, 1, 1, 2])):
        text = text or "\n"
        if draw.random() < 0.4:
            lines = text.splitlines(keepends=True)
            k = draw.randrange(len(lines))
            lines[k : k + 1] = draw.choice([[], [lines[k]] * 2, [draw.choice(lines)]])
            text = "".join(lines)
            continue
        i = draw.randrange(len(text))
        j = min(len(text), i + draw.choice([1, 1, 2, 5, 20]))
        scrap = draw.choice(SCRAPS)
        text = text[:i] + draw.choice([scrap + text[i:j], scrap, "", text[i:j] * 30]) + text[j:]
    return text


@pytest.mark.parametrize("part", range(4))
def test_damaged_files_give_config_errors_with_places_or_a_sweep(tmp_path, part):
    draw = random.Random(part)
    (tmp_path / "base.yaml").write_text("hidden: [7]\nthreads: 2\n")
    outcomes = {"sweep": 0, "error": 0}
    for _ in range(125):
        (tmp_path / "c.csv").write_text(
            damage("lr,batch\n0.1,2\n1e-3,'4'\n", draw) if draw.random() < 0.1 else "lr\n1\n"
        )
        text = damage(draw.choice(SEEDS), draw)
        overrides = [damage("lsh.K=4,5", draw)] if draw.random() < 0.1 else []
        try:
            sweep = load(tmp_path, text, *overrides)
        except ConfigError as error:
            outcomes["error"] += 1
            assert error.problems
            for problem in error.problems:
                assert problem.mark or problem == Problem((), problem.message)
                assert str(problem).isprintable() and len(str(problem)) < 2000
        else:
            outcomes["sweep"] += 1
            assert sweep.runs
            assert ids(load(tmp_path, sweep.resolved)) == ids(sweep)
    assert min(outcomes.values()) >= 5, outcomes  # the damage is neither always fatal nor always harmless

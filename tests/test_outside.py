"""Plug-ins from outside the package: a file, an entry point, the contract, and the id of a run."""

from __future__ import annotations

import os
import re

import pytest
from as_a_user import ROOT, python

from lshexp import registry
from lshexp.plugin import check

BLOCKS = re.findall(
    r"^```python\n# (my_\w+\.py)\n(.*?)^```$", (ROOT / "docs" / "adding.md").read_text(), re.M | re.S
)
DOCUMENTED = dict(BLOCKS)
METHOD = '''\
"""A method of one's own."""

import numpy as np

from lshexp.plugin import CSR, Field, Method, Selection, Selector, register, wanted_nodes


@register("method", "first_ones")
class FirstOnes(Method):
    """Keep the first nodes of every layer, whatever the example."""

    start: int = Field(default=0, ge=0, description="number of the first node that is kept")

    def selector(self, layer, share, key):
        return _First(layer, wanted_nodes(share, layer.nodes), self.start)


class _First(Selector):
    def __init__(self, layer, k, start):
        self._layer, self._k, self._start = layer, k, start

    def select(self, inputs, batch):
        n = len(inputs)
        active = CSR.from_lengths(np.full(n, self._k), self._layer.nodes)
        active.indices[:] = np.tile((self._start + np.arange(self._k)) % self._layer.nodes, n)
        return Selection(active)
'''
SWEEP = """\
name: own
dataset: {name: rectangles, train: 60, test: 40}
hidden: [12]
epochs: 1
sweep:
  - grid: {method: [first_ones, dense]}
    set: {active_pct: 50}
"""
CHECK = "from lshexp.plugin import check; print(check('method', 'first_ones', start=3))"


@pytest.fixture
def own(tmp_path):
    (tmp_path / "mine.py").write_text(METHOD)
    (tmp_path / "own.yaml").write_text(SWEEP)
    return tmp_path


def ids(done):
    assert done.returncode == 0, done.stderr
    return done.stdout


PLAN = (
    "from lshexp.config import load_sweep; from lshexp.runs.plan import plan_sweep; "
    "print(*(run.run_id for run in plan_sweep(load_sweep('own.yaml'), 'x').runs))"
)


def test_a_sweep_runs_a_method_of_a_file_in_its_worker_processes(own):
    lshexp = ("-m", "lshexp", "sweep", "own.yaml", "--progress", "none")
    refused = python(*lshexp, cwd=own)
    assert refused.returncode == 2 and "first_ones" in refused.stderr
    done = python(*lshexp, "--plugin", "mine.py", cwd=own)
    assert done.returncode == 0, done.stderr
    assert "first_ones" in (own / "results" / "own" / "runs.csv").read_text()
    listed = python("-m", "lshexp", "list", "methods", "first_ones", "--plugin", "mine.py", cwd=own)
    assert "number of the first node" in listed.stdout
    assert python("-m", "lshexp", "list", "methods", "--plugin", "no.py", cwd=own).returncode == 2


def test_the_content_of_the_file_is_in_the_ids_of_the_runs_that_use_it(own):
    use = {"LSHEXP_PLUGINS": str(own / "mine.py")}
    mine, dense = ids(python("-c", PLAN, cwd=own, **use)).split()
    (own / "moved.py").write_text(METHOD)
    assert ids(python("-c", PLAN, cwd=own, LSHEXP_PLUGINS=str(own / "moved.py"))).split() == [mine, dense]
    (own / "mine.py").write_text(METHOD + "\n# changed\n")
    changed, same = ids(python("-c", PLAN, cwd=own, **use)).split()
    assert changed != mine and same == dense
    (own / "own.yaml").write_text(SWEEP.replace("first_ones, dense", "dense"))
    assert ids(python("-c", PLAN, cwd=own)).split() == [dense]  # no plug-in, no change


def test_the_contract_can_be_tried_and_can_fail(own):
    use = {"LSHEXP_PLUGINS": str(own / "mine.py")}
    assert "the same at one thread and at two" in ids(python("-c", CHECK, cwd=own, **use))
    broken = METHOD.replace("np.tile((self._start", "np.tile(0 * (self._start")
    (own / "mine.py").write_text(broken)
    assert "active twice" in python("-c", CHECK, cwd=own, **use).stderr


def test_a_file_that_fails_is_an_error_in_one_line(own):
    (own / "mine.py").write_text("raise RuntimeError('on purpose')\n")
    done = python("-m", "lshexp", "list", "methods", "--plugin", "mine.py", cwd=own)
    assert done.returncode == 2 and "on purpose" in done.stderr and "Traceback" not in done.stderr


def test_an_entry_point_of_an_installed_package_is_found_with_its_version(own):
    package = own / "site"
    info = package / "mine-1.5.dist-info"
    info.mkdir(parents=True)
    (package / "mine.py").write_text(METHOD)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text("[lshexp.plugins]\nfirst = mine\nbad = nowhere\n")
    code = (
        "from lshexp import registry; print(registry.origin('method', 'first_ones'), "
        "registry.methods.unavailable())"
    )
    done = python("-c", code, cwd=own, PYTHONPATH=f"{ROOT}{os.pathsep}{package}")
    assert done.stdout.startswith("mine 1.5 {'bad': \"ModuleNotFoundError"), done.stderr


@pytest.mark.parametrize("name", registry.methods.discover())
def test_every_method_of_ours_keeps_the_contract(name):
    method = registry.methods.build(name)
    heeds_shares = method.uses_active_pct and not method.fixed_share
    assert len(check("method", name)) == (5 + heeds_shares if method.for_hidden else 1)


@pytest.mark.parametrize("name", registry.hashes.discover())
def test_every_hash_family_of_ours_keeps_the_contract(name):
    assert len(check("hash", name)) == 4


def test_a_dataset_and_the_energy_models_keep_the_contract():
    assert len(check("dataset", "rectangles", train=50, test=20)) == 3
    assert len(check("energy", "horowitz45")) == 2


def test_a_figure_of_ours_keeps_the_contract():
    assert len(check("figure", "accuracy_vs_mults", results=ROOT / "results" / "quickstart")) == 3


def test_a_figure_of_a_file_is_drawn_and_keeps_the_contract(tmp_path):
    (tmp_path / "my_figure.py").write_text(DOCUMENTED["my_figure.py"])
    results = ROOT / "results" / "quickstart"
    words = ("figures", str(results), "-o", "drawn", "--only", "accuracy_by_method")
    refused = python("-m", "lshexp", *words, cwd=tmp_path)
    assert refused.returncode == 2 and "no figure 'accuracy_by_method'" in refused.stderr
    done = python("-m", "lshexp", *words, "--plugin", "my_figure.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "drawn" / "accuracy_by_method.svg").exists()
    code = (
        "import sys; from lshexp.plugin import check; "
        "print(len(check('figure', 'accuracy_by_method', results=sys.argv[1])))"
    )
    use = {"LSHEXP_PLUGINS": str(tmp_path / "my_figure.py")}
    assert ids(python("-c", code, str(results), cwd=tmp_path, **use)) == "3\n"
    nothing = DOCUMENTED["my_figure.py"].replace("if results.runs.empty", "if True")
    (tmp_path / "my_figure.py").write_text(nothing)
    assert "is not drawn of these" in python("-c", code, str(results), cwd=tmp_path, **use).stderr


def test_a_competitor_of_a_file_is_timed_and_keeps_the_contract(tmp_path):
    (tmp_path / "my_competitor.py").write_text(DOCUMENTED["my_competitor.py"])
    code = "from lshexp.plugin import check; print(len(check('competitor', 'numpy')))"
    use = {"LSHEXP_PLUGINS": str(tmp_path / "my_competitor.py")}
    assert ids(python("-c", code, cwd=tmp_path, **use)) == "3\n"
    options = (
        "--only numpy --reference numpy_8 --widths 8 --threads 1 --examples 32 --repeats 1 --seconds 0.1"
    )
    bench = ("-m", "lshexp", "bench", "-o", "timed", *options.split())
    assert python(*bench, cwd=tmp_path).returncode == 2
    done = python(*bench, "--plugin", "my_competitor.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "numpy_8" in (tmp_path / "timed" / "bench.csv").read_text()
    lazy = DOCUMENTED["my_competitor.py"].replace("weights[:] -=", "0 *")
    (tmp_path / "my_competitor.py").write_text(lazy)
    assert "does not learn" in python("-c", code, cwd=tmp_path, **use).stderr
    taken = DOCUMENTED["my_competitor.py"].replace('f"numpy_{BATCH}"', '"lsh"')
    (tmp_path / "my_competitor.py").write_text(taken)
    assert "two competitors are named 'lsh'" in python("-c", code, cwd=tmp_path, **use).stderr


@pytest.mark.parametrize("name", ["ours", "scikit_learn", "pytorch_lsh"])
def test_competitors_of_ours_keep_the_contract(name):
    assert len(check("competitor", name)) in (1, 3)

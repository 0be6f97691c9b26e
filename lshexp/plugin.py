"""What to write a method, hash family, dataset, task, energy model, figure or bench competitor against.

    # my_method.py; used with: lshexp sweep my.yaml --plugin my_method.py
    from lshexp.plugin import Field, Method, Selection, Selector, register

    @register("method", "first_ones")
    class FirstOnes(Method):
        '''Keep the first nodes of every layer.'''
        ...

The fields of the class are its options in a sweep file, and the first line of its docstring is what
`lshexp list` shows. A package offers the same by an entry point of the group `lshexp.plugins` that names a
module. Version, or digest of the file's content, are part of a run's id. A figure is a function under
`@figure(numbers)`, a bench competitor a class under `@competitor("name")`.

`check("method", "first_ones")` tries the contract.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from lshexp import registry
from lshexp.arrays import CSC, CSR, BoolArray, FloatArray, Inputs, IntArray, OffsetArray
from lshexp.data.base import Dataset, DatasetInfo, Part, Splits, freeze
from lshexp.energy.base import EnergyModel
from lshexp.hashing.base import Hasher, HashFamily, Query
from lshexp.methods.base import Batch, LayerView, Method, Selection, Selector, Step, wanted_nodes
from lshexp.nn.gemm import Gemm
from lshexp.nn.network import Network
from lshexp.nn.threads import using_threads
from lshexp.registry import Plugin, register
from lshexp.spec import RunSpec
from lshexp.streams import stream, stream_key
from lshexp.tasks.base import RunTask, column
from lshexp.work import LayerWork, Work

if TYPE_CHECKING:
    from lshexp.analysis.figures import figure
    from lshexp.analysis.figures.canvas import Canvas
    from lshexp.analysis.figures.lines import NothingToDrawError
    from lshexp.analysis.results import Results
    from lshexp.bench.competitors import competitor
    from lshexp.bench.task import Networks, Predictor, Predictors, Recipe, Task, Trainee

__all__ = [
    "CSC", "CSR", "Batch", "BoolArray", "Canvas", "Dataset", "DatasetInfo", "EnergyModel", "Field",
    "FloatArray", "HashFamily", "Hasher", "Inputs", "IntArray", "LayerView", "LayerWork", "Method",
    "Networks", "NothingToDrawError", "OffsetArray", "Part", "Plugin", "Predictor", "Predictors", "Query",
    "Recipe", "Results", "RunTask", "Selection", "Selector", "Splits", "Step", "Task", "Trainee", "Work",
    "check", "column", "competitor", "figure", "freeze", "register", "stream", "stream_key", "wanted_nodes",
]  # fmt: skip

_FEATURES, _CLASSES, _EXAMPLES = 12, 3, 24
# loaded when first used: a run of a sweep needs none of them
_HOMES = {
    "figure": "lshexp.analysis.figures",
    "Canvas": "lshexp.analysis.figures.canvas",
    "NothingToDrawError": "lshexp.analysis.figures.lines",
    "Results": "lshexp.analysis.results",
    "competitor": "lshexp.bench.competitors",
    **dict.fromkeys(
        ("Networks", "Predictor", "Predictors", "Recipe", "Task", "Trainee"), "lshexp.bench.task"
    ),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def check(kind: str, name: str, **options: object) -> list[str]:
    """Try the contract of a registered plug-in with these options, and return what has been found to hold.

    A figure takes `results`, the folder of a sweep that it can be drawn of. Raises AssertionError that says
    what does not hold, ConfigError for a name or for options that are wrong.
    """
    if kind == "figure":
        return _check_figure(name, **options)
    if kind == "competitor":
        return _check_competitor(name)
    plugin = registry.KINDS[kind].build(name, options)
    held = ["its options are read and written"]
    again = registry.KINDS[kind].build(name, plugin.model_dump(mode="json"))
    assert again == plugin, "options that are written out and read again give another plug-in"
    assert len(plugin.summary()) > 15, "the first line of its docstring says what it does"
    if isinstance(plugin, Method) and plugin.for_hidden:
        held += _check_method(name, plugin)
    elif isinstance(plugin, HashFamily):
        held += _check_family(plugin)
    elif isinstance(plugin, Dataset):
        held += _check_dataset(plugin)
    elif isinstance(plugin, EnergyModel):
        joules = plugin.joules(Work(10**6, 10**6, 10**6))
        assert joules >= 0 and np.isfinite(joules), f"{joules} joules for some work"
        held.append("it prices work")
    return held


def _check_method(name: str, method: Method) -> list[str]:
    one, two = _trained(name, method, 1), _trained(name, method, 2)
    for layer, other in zip(one[0].layers, two[0].layers, strict=True):
        assert np.array_equal(layer.weights, other.weights), "weights differ between one thread and two"
    assert np.array_equal(one[1], two[1]), "predictions differ between one thread and two"
    assert sum(layer.work.mults() for layer in one[0].layers) > 0, "no work is counted"
    falls = not method.fixed_share and method.uses_active_pct
    if falls:
        wide, narrow = (_selected(one[0], share) for share in (0.75, 0.25))
        assert wide > narrow, "at a wider share of a batch it chooses no more nodes; see Method.fixed_share"
    return ["it heeds the share that a batch asks for"] * falls + [
        "active nodes are distinct, within the layer, and given for each example",
        "its inputs are left as they are",
        "numbers are the same at one thread and at two",
        "its state is taken over by a network of the same weights",
    ]


def _trained(name: str, method: Method, threads: int) -> tuple[Network, FloatArray]:
    """Train a small network, looking at every selection; return it and its scores."""
    random = np.random.default_rng(0)
    x = (random.random((_EXAMPLES, _FEATURES)) * (random.random((_EXAMPLES, _FEATURES)) < 0.6)).astype("f4")
    x[0] = 0
    y = random.integers(0, _CLASSES, _EXAMPLES).astype(np.int32)
    spec = RunSpec(
        method=name,
        method_options=method.recorded(),
        hidden=[16, 24],
        active_pct=25.0,
        batch=6,
        threads=threads,
    )
    with using_threads(threads), Gemm(threads) as gemm:
        network = Network(spec, method, _FEATURES, _CLASSES, gemm)
        for first in range(0, _EXAMPLES, 6):
            ids = np.arange(first, first + 6)
            for selector, layer in zip(network.selectors[:1], network.hidden[:1], strict=True):
                _look(selector, layer.nodes, x[ids], Batch(ids, 0, False))
            network.train_batch(x[ids], y[ids], Batch(ids, 0, True))
        batch = Batch(np.arange(_EXAMPLES), 1, False)
        scores, _ = network.scores(x, batch)
        parameters = [(layer.stored, layer.bias) for layer in network.layers]
        copy = Network(spec, method, _FEATURES, _CLASSES, gemm, network.plans, parameters=parameters)
        for old, new in zip(network.selectors, copy.selectors, strict=True):
            new.restore(old.state())
        assert np.array_equal(copy.scores(x, batch)[0], scores), (
            "a network that is kept would predict otherwise; see Selector.state and restore"
        )
    return network, scores


def _selected(network: Network, share: float) -> int:
    """Nodes that the first layer chooses for a few examples at some share."""
    x = np.random.default_rng(1).random((6, _FEATURES), dtype=np.float32)
    active = network.selectors[0].select(x, Batch(np.arange(6), 1, True, share=share)).active
    assert active is not None, "in training it chooses every node"
    return active.nnz


def _look(selector: Selector, nodes: int, x: FloatArray, batch: Batch) -> None:
    given = x.copy()
    active = selector.select(x, batch).active
    assert np.array_equal(x, given), "select has changed its inputs"
    if active is None:
        return
    assert active.shape == (len(x), nodes), f"active pairs have shape {active.shape}, not {(len(x), nodes)}"
    rows = np.repeat(np.arange(len(x)), active.row_lengths())
    ids = active.indices
    assert not len(ids) or (ids.min() >= 0 and ids.max() < nodes), "an active node is outside the layer"
    assert len(np.unique(rows * nodes + ids)) == len(ids), "a node is active twice for one example"


def _check_family(family: HashFamily) -> list[str]:
    random = np.random.default_rng(0)
    weights, bias = random.standard_normal((30, 12)).astype(np.float32), np.zeros(30, np.float32)
    rows = random.standard_normal((7, 12)).astype(np.float32)
    hasher, work = family.draw(4, 5, 30, 12, 1), LayerWork()
    hasher.learn(rows, work)
    codes = hasher.hash_nodes(weights, bias, np.arange(30, dtype=np.int32), work)
    assert codes.shape == (30, 5) and codes.dtype == np.uint32, "hash_nodes gives uint32[nodes, L]"
    assert codes.max() < 2**4, "a code has more than K bits"
    some = np.array([4, 20], np.int32)
    assert np.array_equal(hasher.hash_nodes(weights, bias, some, work), codes[some]), "a node alone differs"
    query = hasher.hash_inputs(rows, work)
    sparse = hasher.hash_inputs(CSR.from_dense(rows), work)
    assert np.array_equal(query.codes, sparse.codes), "rows and a CSR of them are hashed differently"
    assert query.margins.shape in ((7, 5, 4), (7, 5, 0)), "margins are float32[B, L, K] or empty"
    return ["codes are of K bits and L tables", "nodes are hashed alike alone and together",
            "inputs are hashed alike as rows and as a CSR"]  # fmt: skip


def _check_dataset(dataset: Dataset) -> list[str]:
    info, (train, test) = dataset.info(), dataset.load()
    assert train.size == info.train_examples and test.size == info.test_examples, "info tells other sizes"
    for split in (train, test):
        part = split.batch(np.arange(min(split.size, 64)))
        assert part.features == info.features, "info tells another number of features"
        values = part.x.data if isinstance(part.x, CSR) else part.x
        assert values.dtype == np.float32 and np.isfinite(values).all(), "examples are finite float32"
        if not isinstance(part.y, CSR):
            assert part.y.dtype == np.int32 and 0 <= part.y.min() <= part.y.max() < info.classes, "labels"
    assert dataset.fingerprint() == dataset.fingerprint(), "the fingerprint changes by itself"
    return ["sizes are those it tells", "examples are finite float32, labels classes"]


def _check_figure(name: str, results: Any) -> list[str]:
    from lshexp.analysis.figures import drawings
    from lshexp.analysis.results import read_results

    (first,), (second,) = (list(drawings(read_results(results), [name])) for _ in range(2))
    assert len(first.plot.caption) > 15, "the first paragraph of its docstring is the caption"
    assert not first.reason, f"it is not drawn of these results: {first.reason}"
    assert len(first.frame), "the frame that is drawn has no rows"
    assert first.csv() == second.csv(), "the numbers drawn change by themselves"
    assert first.rendered("svg") == second.rendered("svg"), "the picture changes by itself"
    return ["it has a caption", "the numbers that are drawn can be written", "its picture is always the same"]


def _check_competitor(name: str) -> list[str]:
    from lshexp.bench.competitors import family_of
    from lshexp.bench.task import Task

    family = family_of(name)
    assert family.NAMES and len(set(family.NAMES)) == len(family.NAMES), "NAMES of its networks differ"
    assert {recipe.name for recipe in family.RECIPES} <= set(family.NAMES), "a recipe is of no name in NAMES"
    if reason := family.missing():
        return [f"it says why it cannot run here: {reason}"]
    random = np.random.default_rng(0)
    y = random.integers(0, _CLASSES, _EXAMPLES).astype(np.int32)
    x = random.random((_EXAMPLES, _FEATURES), dtype=np.float32)
    x[np.arange(_EXAMPLES), y] += 3
    before = x.copy()
    task = Task(_FEATURES, _CLASSES, (64, 64), 12.5, 8, 1)  # sparse enough for every way of choosing
    with family.networks(task, family.NAMES) as networks:
        assert tuple(each.name for each in networks.trainees) == family.NAMES, "its networks are not NAMES"
        for each in networks.trainees:
            losses = [each.train(x, y) for _ in range(30)]
            assert np.isfinite(losses).all() and losses[-1] < losses[0], f"{each.name} does not learn"
            assert 0 <= each.test(x, y) <= _EXAMPLES, f"{each.name} counts what it gets right wrongly"
        for predictor in networks.predictors().ready:
            predictor.predict(x, y)
    assert np.array_equal(x, before), "the examples have been changed"
    return ["its networks learn, one for each name", "examples are left as they are", "it predicts"]

"""What a sweep will cost before it is run: multiplications, energy, memory and time."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from lshexp import registry
from lshexp.data.base import Dataset, DatasetInfo
from lshexp.energy.base import EnergyModel
from lshexp.nn.calibration import Cost, measure
from lshexp.nn.dense_cost import DenseCost
from lshexp.nn.plan import plan_layers
from lshexp.runs.memory import Memory, memory_of
from lshexp.runs.plan import PlannedRun
from lshexp.spec import RunSpec
from lshexp.work import Work

T = TypeVar("T")

EVALUATION_SHARE = 1 / 3  # of a training pass over as many examples: forward, without backward and update
SHORTEST_S, LONGEST_S = 0.02, 0.2  # of a measurement


@dataclass(frozen=True)
class Estimate:
    """What one run is expected to take: work, energy, memory and time."""

    run: PlannedRun
    mults: float
    mults_dense: float | None  # what the dense network would take; None where that hangs on the data
    joules: float  # of the training arithmetic, under the default energy model
    memory: Memory
    seconds: float  # training and evaluation, on this machine
    measured: bool  # from batches of this very configuration, not scaled from another of the same method
    plan: tuple[str, ...]  # how each layer will be stored and computed


def estimate(runs: Sequence[PlannedRun], energy: EnergyModel, seconds: float = 20.0) -> list[Estimate]:
    """Estimate each run from a calibration that takes about so many seconds in all, compiling aside.

    Of each method the largest configuration is measured first, then the smallest, then what is farthest from
    those measured; once the time is spent, the rest is scaled by active multiplications from the measured one
    of the same method that is nearest in size.
    """
    kinds = {_kind(run.spec): run.spec for run in runs}
    each = min(LONGEST_S, max(SHORTEST_S, seconds / (2 * max(1, len(kinds)))))
    known: dict[str, _Known] = {}
    spent = 0.0
    for kind, spec in _spread(kinds):
        first = not any(_methods(other.spec) == _methods(spec) for other in known.values())
        if first or spent < seconds:
            started, info = time.perf_counter(), _info(spec)
            known[kind] = _Known(spec, measure(spec, info.features, info.classes, each, info.sparse))
            spent += 0 if first else time.perf_counter() - started  # the first of a method compiles
    return [_estimate(run, known, energy) for run in runs]


def _spread(kinds: Mapping[str, RunSpec]) -> Iterator[tuple[str, RunSpec]]:
    """Configurations of all methods in turn; of each the largest, the smallest, and what lies between."""
    methods: dict[tuple[str, str], list[tuple[str, RunSpec]]] = {}
    for kind, spec in kinds.items():
        methods.setdefault(_methods(spec), []).append((kind, spec))
    queues = [_from_the_ends(sorted(own, key=lambda one: _size(one[1]))) for own in methods.values()]
    for turn in itertools.zip_longest(*queues):
        yield from (one for one in turn if one is not None)


def _from_the_ends(items: Sequence[T]) -> list[T]:
    """The last, the first, and then halfway between those that have been taken, again and again."""
    taken: list[int] = [len(items) - 1, 0] if len(items) > 1 else [0]
    while len(taken) < len(items):
        places = sorted(taken)
        taken += [(a + b) // 2 for a, b in itertools.pairwise(places) if b - a > 1]
    return [items[place] for place in taken]


class _Known(NamedTuple):
    spec: RunSpec
    cost: Cost


def _methods(spec: RunSpec) -> tuple[str, str]:
    """The methods of hidden layers and output."""
    return spec.method, spec.output_method


def _kind(spec: RunSpec) -> str:
    """What decides the cost of an example: the run without what only decides its length or its draws."""
    plain = RunSpec.model_fields
    same = ["seed", "repeat", "lr", "average_from", "probe", "validation_examples"]
    same += ["epochs"] if spec.active_from is None else []
    changes = {name: plain[name].default for name in (*same, "train_examples", "test_examples")}
    return spec.model_copy(update=changes).model_dump_json()


def _estimate(run: PlannedRun, known: dict[str, _Known], energy: EnergyModel) -> Estimate:
    spec, info = run.spec, _info(run.spec)
    kind = _kind(spec)
    like = known.get(kind) or min(
        (other for other in known.values() if _methods(other.spec) == _methods(spec)),
        key=lambda other: abs(math.log(_size(spec) / _size(other.spec))),
    )
    cost = like.cost if kind in known else _scaled(like.cost, _size(spec) / _size(like.spec))
    train = (spec.train_examples or info.train_examples) - spec.validation_examples
    test = spec.test_examples or info.test_examples
    examples = train * spec.epochs
    kept = test + (0 if info.streamed else train + spec.validation_examples)
    tested = (test + spec.validation_examples) * spec.epochs
    work = _scaled(cost, examples).work
    return Estimate(
        run=run,
        mults=work.mults,
        mults_dense=_mults_dense(spec, info, train),
        joules=energy.joules(work),
        memory=memory_of(spec, _dataset(spec), kept),
        seconds=cost.seconds * (examples + EVALUATION_SHARE * tested),
        measured=kind in known,
        plan=_layers(spec, info),
    )


def _mults_dense(spec: RunSpec, info: DatasetInfo, train: int) -> float | None:
    if info.sparse:
        return None
    steps = spec.epochs * math.ceil(train / spec.batch)
    dense = DenseCost([info.features, *spec.hidden, info.classes])
    return dense.training(spec.epochs * train, steps, spec.optimizer)


def _layers(spec: RunSpec, info: DatasetInfo) -> tuple[str, ...]:
    method = registry.methods.build(spec.method, spec.method_options)
    widths = [info.features, *spec.hidden, info.classes]
    return tuple(str(plan) for plan in plan_layers(spec, method, widths, info.sparse))


def _scaled(cost: Cost, factor: float) -> Cost:
    return Cost(cost.seconds * factor, Work(*(round(amount * factor) for amount in cost.work)))


def _size(spec: RunSpec) -> float:
    """Active multiplications of an example, up to a factor that is the same for all runs of a method."""
    falling = range(spec.epochs if spec.active_from is not None else 1)
    shares = [spec.active_pct_in(epoch) / 100 for epoch in falling]
    features = _info(spec).features
    active = [[features, *(width * share for width in spec.hidden)] for share in shares]
    return sum(a * b for widths in active for a, b in itertools.pairwise(widths)) / len(shares)


def _info(spec: RunSpec) -> DatasetInfo:
    return _dataset(spec).info()


def _dataset(spec: RunSpec) -> Dataset:
    return registry.datasets.build(spec.dataset, spec.dataset_options)

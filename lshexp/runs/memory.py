"""The memory that a run will take, part by part, known before it is run."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

from lshexp import registry
from lshexp.data.base import Dataset, DatasetInfo
from lshexp.kernels.step import OPTIMIZERS
from lshexp.nn.dense_cost import DenseCost
from lshexp.nn.plan import output_method, tail_method
from lshexp.nn.prediction import EVALUATION_BATCH, MOST_SCORES
from lshexp.spec import RunSpec

FLOAT_BYTES = 4
DECIMAL_MEGABYTE = 1e6


class Memory(NamedTuple):
    """Parts of a run's memory, in MB of a million bytes; libraries and the interpreter come on top."""

    weights: float  # and biases, with their running mean where weights are averaged
    optimizer: float  # its state
    selection: float  # what methods keep: tables, stand-ins, thresholds, scratch
    data: float  # examples; while inputs are scaled there is a second array of them
    scores: float  # of all nodes of a layer for the examples of a batch, and their gradient

    @property
    def total(self) -> float:
        """All parts together."""
        return sum(self)

    def __str__(self) -> str:
        """The parts in words, those of a megabyte or more: `343 MB weights, 686 MB optimizer`."""
        parts = [f"{part:,.0f} MB {name}" for name, part in self._asdict().items() if part >= 1]
        return ", ".join(parts) or "less than 1 MB each"


def memory_of(spec: RunSpec, dataset: Dataset, examples: int) -> Memory:
    """The memory of a run of which `examples` examples are kept."""
    info = dataset.info()
    parameters = FLOAT_BYTES * _parameters(spec, info)
    scaled = FLOAT_BYTES * examples * info.features if spec.inputs != "raw" else 0
    parts = (
        parameters * (1 + (spec.average_from is not None)),
        parameters * OPTIMIZERS[spec.optimizer].slots,
        sum(_kept_by_methods(spec, info)),
        dataset.memory_bytes() + scaled,
        2 * FLOAT_BYTES * _most_scores(spec, info),
    )
    return Memory(*(part / DECIMAL_MEGABYTE for part in parts))


def _parameters(spec: RunSpec, info: DatasetInfo) -> int:
    """Numbers that are trained: what layers store for weights, and biases."""
    storage = registry.methods.build(spec.method, spec.method_options).storage
    numbers = DenseCost([info.features, *spec.hidden, info.classes]).parameters
    if storage:
        for fan_in, nodes in itertools.pairwise([info.features, *spec.hidden]):
            numbers += math.prod(storage.shape(nodes, fan_in)) - nodes * fan_in
    return numbers


def _kept_by_methods(spec: RunSpec, info: DatasetInfo) -> Iterator[int]:
    """Bytes that the method of each layer keeps."""
    method, output = registry.methods.build(spec.method, spec.method_options), output_method(spec)
    for fan_in, nodes in itertools.pairwise([info.features, *spec.hidden]):
        yield method.memory_bytes(nodes, fan_in, spec.active_pct / 100, spec.threads)
    fan_in = spec.hidden[-1] if spec.hidden else info.features
    yield output.memory_bytes(info.classes, fan_in, spec.output_active_pct / 100, spec.threads)
    tail = tail_method(spec)
    if tail:
        yield tail.memory_bytes(info.classes, fan_in, spec.tail_pct / 100, spec.threads)
    if output.uses_active_pct:
        yield 2 * FLOAT_BYTES * spec.threads * info.classes  # marks and cursors of the active classes


def _most_scores(spec: RunSpec, info: DatasetInfo) -> int:
    """Scores of all classes that are in memory together: at test, or in training where none is selected."""
    tested = min(EVALUATION_BATCH, max(1, MOST_SCORES // info.classes))
    trained = 0 if output_method(spec).uses_active_pct else spec.batch
    return info.classes * max(tested, trained)

"""What a method is: an answer to one question, which nodes of this layer are active for these examples?

Forward, backward, update, counting, timing, data order and initial weights belong to `lshexp.nn` and
are the same for every method.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from lshexp.arrays import CSC, CSR, FloatArray, Inputs, IntArray, OffsetArray
from lshexp.registry import Plugin
from lshexp.work import LayerWork


class LayerView(Protocol):
    """What a method may see of a layer. Arrays are live: they hold the weights of the moment."""

    nodes: int
    fan_in: int
    weights: FloatArray  # float32[nodes, fan_in]
    bias: FloatArray  # float32[nodes]
    work: LayerWork
    threads: int
    rate: np.float32 | None  # where steps are plain SGD's, w -= rate * gradient; otherwise None
    sparse_input: bool  # whether its inputs are always sparse

    def scores_of_all(self, inputs: Inputs, phase: str = "forward") -> FloatArray:
        """Pre-activations of every node, float32[B, nodes], counted under `phase`."""

    def scores_of_pairs(self, inputs: Inputs, active: CSR, phase: str = "forward") -> FloatArray:
        """Pre-activations of the active pairs, float32[P], counted under `phase`."""


class Batch(NamedTuple):
    """Which examples a selection is for."""

    examples: OffsetArray  # ids within the split, the same in every epoch
    epoch: int  # 0-based
    training: bool


class Selection(NamedTuple):
    """The answer. `active` None means every node.

    `scored` says that active.data (or `scores`, when active is None) already hold pre-activations that the
    selection had to compute. Activations are multiplied by `scale`, and by `gate` where there is one
    (float32[B, N], every node only). `memo` is handed back with the step that these nodes end in.
    """

    active: CSR | None
    scored: bool = False
    scale: float = 1.0
    scores: FloatArray | None = None
    gate: FloatArray | None = None
    memo: object = None


class Step(NamedTuple):
    """What an optimiser step was made of: the selected pairs that were live, grouped by node."""

    by_node: CSC
    deltas: FloatArray  # float32[P], gradient of the batch loss at each pair's pre-activation
    memo: object = None  # what the selection left for it

    @property
    def touched(self) -> IntArray:
        """Nodes whose rows have changed, ascending."""
        return np.flatnonzero(self.by_node.column_lengths()).astype(np.int32)


class Selector(ABC):
    """A method at work on one hidden layer."""

    @abstractmethod
    def select(self, inputs: Inputs, batch: Batch) -> Selection:
        """Choose the active nodes of each example of a batch."""

    def after_update(self, step: Step) -> None:  # noqa: B027 - most methods keep no tables
        """Learn that weight rows have changed, and how."""

    def refresh(self) -> None:  # noqa: B027 - most methods keep no tables
        """Learn that all weights have changed at once."""

    def occupancy(self) -> OffsetArray | None:
        """Nodes in each bucket of each hash table, int64[L, buckets]; None where there are no tables."""
        return None

    def notes(self) -> dict[str, int]:
        """Counters of fallbacks and caps, by name, over the run so far."""
        return {}


class Method(Plugin):
    """Base of every registered method; its fields are its YAML options."""

    uses_active_pct: ClassVar[bool] = True

    @classmethod
    def label(cls, options: Mapping[str, Any]) -> str:
        """Name of the method with these options, for tables, legends and colours.

        `options` are recorded ones; some may be absent, as in tables that older versions wrote. It is the
        method's name alone, unless the method has variants that readers know by a name of their own.
        """
        return cls.name

    def scans(self, sparse_input: bool) -> bool:
        """Whether a hidden layer has all its nodes computed from a few live inputs each.

        Its weights are then stored by input. `sparse_input`: its inputs are always sparse.
        """
        return False

    def derived(self, share: float) -> dict[str, Any]:
        """Values in effect of options that were left out and follow from the active share, by option."""
        return {}

    @abstractmethod
    def selector(self, layer: LayerView, share: float, key: int) -> Selector:
        """Set the method to work on a hidden layer.

        `share` is the wanted active share, 0 < share <= 1; `key` seeds the method's own draws for this
        layer and differs between layers.
        """


def wanted_nodes(share: float, nodes: int) -> int:
    """Number of active nodes that a share asks for: rounded, at least one."""
    return min(nodes, max(1, round(share * nodes)))

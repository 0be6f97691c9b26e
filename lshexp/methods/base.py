"""What a method is: an answer to one question, which nodes of this layer are active for these examples?

Forward, backward, update, counting, timing, data order and initial weights belong to `lshexp.nn` and
are the same for every method.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

from numpy.typing import NDArray

from lshexp.arrays import CSC, CSR, FloatArray, Inputs, IntArray, OffsetArray
from lshexp.registry import Plugin
from lshexp.work import LayerWork

if TYPE_CHECKING:
    from lshexp.kernels.step import Rule


class LayerView(Protocol):
    """What a method may see of a layer. Arrays are live: they hold the weights of the moment."""

    nodes: int  # where nodes are chosen in blocks, a node is a block: its weights are the sum of theirs
    fan_in: int
    threads: int
    rule: Rule  # the optimiser
    label_counts: OffsetArray | None  # of an output: training examples of each class; None where not counted

    @property
    def weights(self) -> FloatArray:
        """float32[nodes, fan_in]."""

    @property
    def bias(self) -> FloatArray:
        """float32[nodes]."""

    @property
    def work(self) -> LayerWork:
        """The layer's counters."""

    @property
    def scan(self) -> bool:
        """Whether the plan has all nodes computed, exactly, from the few inputs that are not zero.

        True in no layer unless the method asks for it with `scans_sparse_inputs`.
        """

    def scores_of_all(self, inputs: Inputs, phase: str = "forward") -> FloatArray:
        """Pre-activations of every node, float32[B, nodes], counted under `phase`."""

    def scores_of_pairs(self, inputs: Inputs, active: CSR, phase: str = "forward") -> FloatArray:
        """Pre-activations of the active pairs, float32[P], counted under `phase`."""


class Batch(NamedTuple):
    """Which examples a selection is for."""

    examples: OffsetArray  # ids within the split, the same in every epoch
    epoch: int  # 0-based
    training: bool
    weights: FloatArray | None = None  # float32[B], how much each example counts in training; None = 1
    share: float | None = None  # active share that is wanted; None = the one the selector was made for

    def wanted(self, own: int, nodes: int) -> int:
        """Active nodes wanted of so many: a selector's `own` number, unless the batch has another share."""
        return own if self.share is None else wanted_nodes(self.share, nodes)


class Selection(NamedTuple):
    """The answer. `active` None means every node.

    `scored` says that active.data (or `scores`, when active is None) already hold pre-activations that the
    selection had to compute. Activations are multiplied by `multiplier`: a number; or, where every node is
    active, float32[B, nodes]; or gates, float32[P], one for each active pair, of a method that is `gated`.
    `token` is what the method wants back with the step that these nodes end in.

    `log_inclusion` is for methods that draw: the logarithm of the chance with which each active pair was
    drawn, one number or float32[P]. An output corrects its scores by it and ignores the multiplier.
    """

    active: CSR | None
    scored: bool = False
    scores: FloatArray | None = None
    multiplier: float | FloatArray = 1.0
    token: object = None
    log_inclusion: float | FloatArray = 0.0


class Gates(NamedTuple):
    """What the activations of active pairs were multiplied by, and what that did to the loss."""

    values: FloatArray  # float32[P]
    gradients: FloatArray  # float32[P], gradient of the batch loss at the logarithm of each


class Step(NamedTuple):
    """What an optimiser step was made of: the selected pairs that were live, grouped by node."""

    by_node: CSC
    deltas: FloatArray  # float32[P], gradient of the batch loss at each pair's pre-activation
    token: object = None  # that of the selection
    gates: Gates | None = None  # of a method that is `gated`

    @property
    def touched(self) -> IntArray:
        """Nodes whose rows have changed, ascending."""
        return self.by_node.filled_columns()


class Selector(ABC):
    """A method at work on one layer: a hidden one, or the output."""

    @abstractmethod
    def select(self, inputs: Inputs, batch: Batch) -> Selection:
        """Choose the active nodes of each example of a batch."""

    def winners(self, batch: Batch) -> int | None:
        """How many nodes of largest pre-activation it selects, after computing all; None of other methods."""
        return None

    def after_update(self, step: Step) -> None:  # noqa: B027 - most methods keep no tables
        """Take note that a step has changed weight rows, and how."""

    def refresh(self) -> None:  # noqa: B027 - most methods keep no tables
        """Take note that all weights have changed at once."""

    def state(self) -> dict[str, NDArray[Any]]:
        """What selecting at test needs beyond weights, options and seed: arrays by name.

        It is kept with a trained network. Most methods have none.
        """
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over the `state` of the same method in a network of the same weights.

        Without a state of its own, a method is told that all weights are new. Raises ValueError or KeyError
        for arrays that are not such a state.
        """
        self.refresh()

    def diagnostics(self) -> Mapping[str, float]:
        """Measures of the method's own state, by the name of their column in selection.csv."""
        return {}

    def notes(self) -> dict[str, int]:
        """Counters of fallbacks and caps, by name, over the run so far."""
        return {}


class Kept(NamedTuple):
    """Few weights of each node instead of all, some of which are exchanged for others while it trains."""

    share: float  # of the inputs that a node reads
    every: int  # steps from one exchange to the next; 0: none
    exchanged: float  # share of a node's weights that the first exchange would replace
    until: int  # steps after which there are no more

    def weights_of_node(self, fan_in: int) -> int:
        """How many weights a node has."""
        return wanted_nodes(self.share, fan_in)

    def shape(self, nodes: int, fan_in: int) -> tuple[int, int]:
        """Shape of `Layer.stored`: all weights, zeros among them."""
        return nodes, fan_in

    def words(self, nodes: int, fan_in: int) -> str:
        """How a layer is stored."""
        return f"with {self.weights_of_node(fan_in)} weights each"

    def exchanged_at(self, step: int) -> float:
        """Share of a node's weights to be replaced after this step, counted from 1; it falls as a cosine."""
        if not self.every or step % self.every or step >= self.until:
            return 0.0
        return self.exchanged / 2 * (1 + math.cos(math.pi * step / self.until))


class Factors(NamedTuple):
    """A product of two thin matrices, [nodes, rank] and [rank, fan_in]."""

    share: float  # of the full matrix's weights, and so of its multiplications, that both have together
    rank: int | None  # in place of the share; at most the narrower side of a layer

    def rank_of(self, nodes: int, fan_in: int) -> int:
        """The rank of a layer."""
        rank = self.rank or round(self.share * nodes * fan_in / (nodes + fan_in))
        return min(nodes, fan_in, max(1, rank))

    def shape(self, nodes: int, fan_in: int) -> tuple[int, int]:
        """Shape of `Layer.stored`: the first factor transposed, and the second one beside it."""
        return self.rank_of(nodes, fan_in), nodes + fan_in

    def words(self, nodes: int, fan_in: int) -> str:
        """How a layer is stored."""
        return f"of rank {self.rank_of(nodes, fan_in)}"


class Hashed(NamedTuple):
    """Fewer numbers than weights: a hash function says which of them each weight is, and with which sign."""

    share: float  # of the full matrix's weights that there are numbers for

    def shape(self, nodes: int, fan_in: int) -> tuple[int, int]:
        """Shape of `Layer.stored`: one row of numbers."""
        return 1, wanted_nodes(self.share, nodes * fan_in)

    def words(self, nodes: int, fan_in: int) -> str:
        """How a layer is stored."""
        return f"as {self.shape(nodes, fan_in)[1]} shared numbers"


class Rounded(NamedTuple):
    """Weights of few bits, and the float32 weights that they are rounded from."""

    to: Literal["int8", "pow2"]

    def shape(self, nodes: int, fan_in: int) -> tuple[int, int]:
        """Shape of `Layer.stored`: the float32 weights."""
        return nodes, fan_in

    def words(self, nodes: int, fan_in: int) -> str:
        """How a layer is stored."""
        return f"rounded to {self.to}"


Storage = Kept | Factors | Hashed | Rounded


class Method(Plugin):
    """Base of every registered method; its fields are its YAML options."""

    uses_active_pct: ClassVar[bool] = True
    for_hidden: ClassVar[bool] = True  # whether it can choose the nodes of hidden layers
    for_output: ClassVar[bool] = True  # whether it can choose classes
    draws: ClassVar[bool] = False  # whether it draws nodes, by known chances, instead of looking for the best
    gated: ClassVar[bool] = False  # whether it multiplies the activations of active pairs by gates that learn
    counts_labels: ClassVar[bool] = False  # whether it asks for `LayerView.label_counts`
    variant: ClassVar[str | None] = None  # option whose values name variants that readers know: a preset

    @property
    def scans_sparse_inputs(self) -> bool:
        """Whether layers whose input is always sparse are to have all nodes computed, to select among them.

        `lshexp.nn.plan` then stores their weights by input and sets `LayerView.scan`; a network without any
        such layer is refused.
        """
        return False

    @property
    def fixed_share(self) -> str:
        """Why a selector cannot choose another share in each batch; empty where it heeds `Batch.share`."""
        return "it knows one share for all batches"

    @property
    def storage(self) -> Storage | None:
        """What hidden layers have in place of a full matrix of weights; None: the matrix."""
        return None

    def derived(self, share: float) -> dict[str, Any]:
        """Values in effect of options that were left out and follow from the active share, by option."""
        return {}

    def memory_bytes(self, nodes: int, fan_in: int, share: float, threads: int) -> int:
        """Memory that its selector keeps for a layer from one batch to the next, in bytes."""
        return 0

    @abstractmethod
    def selector(self, layer: LayerView, share: float, key: int) -> Selector:
        """Set the method to work on a layer.

        `share` is the wanted active share, 0 < share <= 1; `key` seeds the method's own draws for this
        layer and differs between layers.
        """


def wanted_nodes(share: float, nodes: int) -> int:
    """Number of active nodes that a share asks for: rounded, at least one."""
    return min(nodes, max(1, round(share * nodes)))

"""The parts of a run, each checked once: single values, datasets, options of methods."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import reduce
from typing import Any, Final

from lshexp.config.nodes import Node, Problems, kind_of
from lshexp.config.settings import merge, nested
from lshexp.config.vocabulary import Vocabulary
from lshexp.data.base import Dataset, DatasetInfo
from lshexp.errors import ConfigError
from lshexp.methods.base import Method
from lshexp.registry import build, lookup
from lshexp.spec import RunSpec
from lshexp.validation import validate


class _Bad(Enum):
    BAD = "bad"


BAD: Final = _Bad.BAD  # stands for a value whose problem has been recorded


@dataclass(frozen=True)
class DatasetChoice:
    """A dataset with all its options resolved."""

    name: str
    options: dict[str, Any]
    info: DatasetInfo


class Values:
    """Turns nodes into checked values; each node is looked at once, however many runs use it."""

    def __init__(self, vocabulary: Vocabulary, problems: Problems) -> None:
        self._vocabulary = vocabulary
        self._problems = problems
        self._piles: dict[tuple[Node, ...], Node] = {}
        self._plain: dict[tuple[str, Node], Any] = {}
        self._datasets: dict[Node, DatasetChoice | _Bad] = {}
        self._options: dict[tuple[str, Node], dict[str, Any] | _Bad] = {}

    def pile(self, layers: tuple[tuple[str, Node], ...]) -> Node:
        """Merge settings of one first part, given by dotted key, later ones over earlier ones."""
        nodes = tuple(node for _, node in layers)
        if nodes not in self._piles:
            self._piles[nodes] = reduce(merge, (nested(key, node) for key, node in layers))
        return self._piles[nodes]

    def plain(self, key: str, node: Node) -> Any:
        """Return the value of a key without parts, `BAD` when it is out of range or of the wrong kind."""
        if (key, node) not in self._plain:
            self._plain[key, node] = self._check_plain(key, node)
        return self._plain[key, node]

    def _check_plain(self, key: str, node: Node) -> Any:
        if isinstance(node.value, list) and not self._vocabulary.takes_list(key):
            self._problems.at(node, f"a list cannot be one value of '{key}'; sweep it in a block's grid")
            return BAD
        try:
            if key == "method":
                lookup("method", node.plain(), (key,))
            return getattr(validate(RunSpec, {key: node.plain()}), key)
        except ConfigError as error:
            self._problems.below(Node({key: node}, (), node.mark, node.key_mark), error)
            return BAD

    def dataset_name(self, node: Node) -> str | _Bad:
        """Return the name of a registered dataset."""
        try:
            return lookup("dataset", node.plain()).name
        except ConfigError as error:
            self._problems.below(node, error)
            return BAD

    def dataset(self, node: Node) -> DatasetChoice | _Bad:
        """Return the dataset that a map of its name and options describes."""
        if node not in self._datasets:
            self._datasets[node] = self._check_dataset(node)
        return self._datasets[node]

    def _check_dataset(self, node: Node) -> DatasetChoice | _Bad:
        if not isinstance(node.value, dict):
            self._problems.at(
                node, f"the name of one dataset, or a map, is wanted here, this is {kind_of(node)}"
            )
            return BAD
        if "name" not in node.value:
            self._problems.at(node, "'name' is missing: which dataset are these options for?")
            return BAD
        name = self.dataset_name(node.value["name"])
        if name is BAD:
            return BAD
        try:
            options = {key: child.plain() for key, child in node.value.items() if key != "name"}
            dataset = build("dataset", name, options)
            assert isinstance(dataset, Dataset)  # what the kind registers
            return DatasetChoice(name, dataset.recorded(), dataset.info())
        except ConfigError as error:
            self._problems.below(node, error)
            return BAD

    def options(self, method: str, node: Node) -> dict[str, Any] | _Bad:
        """Return all options of a method, those that are not given at their defaults."""
        if (method, node) not in self._options:
            self._options[method, node] = self._check_options(method, node)
        return self._options[method, node]

    def _check_options(self, method: str, node: Node) -> dict[str, Any] | _Bad:
        if not isinstance(node.value, dict):
            self._problems.at(
                node, f"a map of the options of '{method}' is wanted here, this is {kind_of(node)}"
            )
            return BAD
        try:
            return build("method", method, node.plain()).recorded()
        except ConfigError as error:
            self._problems.below(node, error)
            return BAD

    def uses_active_pct(self, method: str) -> bool:
        """Tell whether a method that is known by now chooses a share of the nodes."""
        cls = self._vocabulary.methods[method]
        assert issubclass(cls, Method)  # what the kind registers
        return cls.uses_active_pct

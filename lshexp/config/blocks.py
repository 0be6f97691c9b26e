"""Blocks of a sweep: what each one varies, as written; nothing is expanded here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from lshexp.config.cases import read_cases
from lshexp.config.files import read_text, refer
from lshexp.config.includes import Settings
from lshexp.config.nodes import Node, Problems, kind_of
from lshexp.config.settings import leaves, report_twice
from lshexp.config.vocabulary import BLOCK_KEYS, Vocabulary
from lshexp.validation import suggest


class Axis(NamedTuple):
    """A key and the values it takes, as written at `node`."""

    key: str
    node: Node
    values: tuple[Node, ...]


Group = list[Axis]


@dataclass(frozen=True)
class Exclude:
    """A partial match: runs that agree with all `leaves`, dotted keys and values, are left out."""

    node: Node
    leaves: dict[str, Node]


@dataclass(frozen=True)
class Block:
    """A product of groups, less the excludes.

    The axes of a group advance together, so they need equally many values: an axis of a grid is a group of
    its own, a zip is a group, and so is a table of cases.
    """

    node: Node
    groups: list[Group] = field(default_factory=list)
    excludes: list[Exclude] = field(default_factory=list)

    def axes(self) -> Iterator[Axis]:
        """All axes, group by group."""
        return (axis for group in self.groups for axis in group)

    def size(self) -> int:
        """Number of combinations before the excludes."""
        return math.prod(len(group[0].values) for group in self.groups)


def read_blocks(settings: Settings, vocabulary: Vocabulary, problems: Problems) -> list[Block]:
    """Return the blocks under `sweep`; without that key, one block that varies nothing."""
    node = settings.entries.get("sweep")
    if node is None:
        return [Block(Node({}, (), settings.start, settings.start))]
    if not isinstance(node.value, list):
        problems.at(node, f"a list of blocks is wanted here, this is {kind_of(node)}")
        return []
    if not node.value:
        problems.at(node, "the list of blocks is empty; leave 'sweep' out for a single run")
    reader = _Reader(settings, vocabulary, problems)
    return [reader.block(item) for item in node.value]


class _Reader:
    def __init__(self, settings: Settings, vocabulary: Vocabulary, problems: Problems) -> None:
        self._settings = settings
        self._vocabulary = vocabulary
        self._problems = problems

    def block(self, node: Node) -> Block:
        entries = self._map(node)
        for key, entry in entries.items():
            if key not in BLOCK_KEYS:
                setting = self._vocabulary.complaint(key) is None
                hint = "; put it under 'set' or 'grid'" if setting else suggest(key, BLOCK_KEYS)
                self._problems.at_key(entry, f"unknown block key '{key}'{hint}")
        fixed = [Axis(key, item, (item,)) for key, item in self._entries(entries.get("set"))]
        grid = [self._grid_axis(key, item) for key, item in self._entries(entries.get("grid"))]
        zipped = [self._zip_axis(key, item) for key, item in self._entries(entries.get("zip"))]
        cases = self._cases(entries["cases"]) if "cases" in entries else []
        axes = [*fixed, *grid, *zipped, *cases]
        report_twice(((axis.key, axis.values) for axis in axes), self._problems)
        groups = [*([axis] for axis in fixed + grid), zipped, cases]
        filled = [[axis for axis in group if axis.values] for group in groups]
        return Block(node, [group for group in filled if group], self._excludes(entries.get("exclude")))

    def _map(self, node: Node | None) -> dict[str, Node]:
        if node is None:
            return {}
        if isinstance(node.value, dict):
            return node.value
        self._problems.at(node, f"a map of keys is wanted here, this is {kind_of(node)}")
        return {}

    def _entries(self, node: Node | None) -> list[tuple[str, Node]]:
        """Return what is known of the entries of a grid, zip, set or exclude."""
        found = [
            (key, self._vocabulary.known(key, item, self._problems)) for key, item in self._map(node).items()
        ]
        return [(key, item) for key, item in found if item]

    def _grid_axis(self, key: str, node: Node) -> Axis:
        if not isinstance(node.value, list):
            return Axis(key, node, (node,))
        return self._axis(key, node, node.value)

    def _zip_axis(self, key: str, node: Node) -> Axis:
        if not isinstance(node.value, list):
            self._problems.at(node, f"zip pairs lists, this is {kind_of(node)}; put it under 'set'")
            return Axis(key, node, ())
        return self._axis(key, node, node.value)

    def _axis(self, key: str, node: Node, values: list[Node]) -> Axis:
        if not values:
            self._problems.at(node, "the list is empty; give at least one value")
        if self._vocabulary.takes_list(key) and values and not isinstance(values[0].value, list):
            one = f"[{', '.join(str(value.plain()) for value in values[:4])}{', ...' * (len(values) > 4)}]"
            self._problems.spoil(
                node.where, node.mark, f"one value of '{key}' is a list; write [{one}] to try just {one}"
            )
            return Axis(key, node, ())
        return Axis(key, node, tuple(values))

    def _cases(self, node: Node) -> Group:
        written_in = self._settings.sources[node.mark.source]
        source = refer(node, written_in, self._settings.tree, self._problems)
        text = read_text(source, self._problems, node) if source else None
        if source is None or text is None:
            return []
        self._settings.sources[source.shown] = source
        axes = []
        for key, column in read_cases(text, source, node.where, self._problems):
            known = self._vocabulary.known(key, column, self._problems)
            if known and isinstance(known.value, list):
                axes.append(Axis(key, known, tuple(known.value)))
        return axes

    def _excludes(self, node: Node | None) -> list[Exclude]:
        if node is None:
            return []
        if not isinstance(node.value, list):
            self._problems.at(node, f"a list of maps is wanted here, this is {kind_of(node)}")
            return []
        excludes = []
        for item in node.value:
            entries = self._entries(item)
            report_twice(((key, [value]) for key, value in entries), self._problems)
            if isinstance(item.value, dict) and not item.value:
                self._problems.at(item, "an empty map would exclude every run; name at least one key")
            elif len(entries) == len(self._map(item)):
                matches = dict(leaf for key, value in entries for leaf in leaves(key, value))
                excludes.append(Exclude(item, matches))
        return excludes

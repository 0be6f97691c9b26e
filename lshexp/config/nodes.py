"""Values that know where they were written, trees of them, and the list of what is wrong with them.

Settings are trees: `lsh.K: 4` and `lsh: {K: 4}` are the same setting. `merge` lays the trees of several files
over one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from lshexp.errors import ConfigError, Location, Problem

Scalar = str | int | float | bool | None

_NAMES = {"dataset": "name", "task": "name", "output": "method"}  # what a name alone stands for
MAX_PROBLEMS = 50  # more than a screenful helps nobody


class Mark(NamedTuple):
    """A place in a file, 1-based; or, with line 0, a source without lines such as a command-line option."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True, eq=False, slots=True)
class YamlNode:
    """A value of a sweep file, compared by identity.

    `where` is the path of keys and indices to it and `mark` its place. `key_mark` is the place of its key, or
    of the key of the list it stands in.
    """

    value: Scalar | list[YamlNode] | dict[str, YamlNode]
    where: Location
    mark: Mark
    key_mark: Mark

    def plain(self) -> Any:
        """Return the value without places: scalars, lists and dicts."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def part(self, path: Sequence[str]) -> Any:
        """Return the plain value at a path of keys below this one, None where there is nothing."""
        node = self
        for key in path:
            if not isinstance(node.value, dict) or key not in node.value:
                return None
            node = node.value[key]
        return node.plain()

    def deepest(self, location: Location) -> tuple[Location, Mark]:
        """Follow `location` down from here as far as it goes; return where that leads and its mark.

        Parts that name no child are kept when they are keys missing from a map, and skipped otherwise:
        pydantic puts the names of union members into its locations.
        """
        node, missing = self, Location()
        for part in location:
            children = node.value
            if isinstance(children, dict) and isinstance(part, str) and not missing:
                if part in children:
                    node = children[part]
                else:
                    missing = (part,)
            elif isinstance(children, list) and isinstance(part, int) and part < len(children):
                node = children[part]
        return (*node.where, *missing), node.mark


def kind_of(node: YamlNode) -> str:
    """Name the kind of a value in the words of a YAML user."""
    if isinstance(node.value, dict):
        return "a map"
    if isinstance(node.value, list):
        return "a list"
    if node.value is None:
        return "empty"
    if isinstance(node.value, bool):
        return "true or false"
    return "text" if isinstance(node.value, str) else "a number"


class Problems:
    """Everything found wrong so far, so that a file's errors are reported together.

    One message at one place is kept once, however many runs it concerns.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[Mark, str], Problem] = {}
        self._rejected: set[tuple[Location, Mark]] = set()

    def __len__(self) -> int:
        return len(self._found)

    def add(self, where: Location, mark: Mark, message: str) -> None:
        """Record a problem at a place."""
        if (where, mark) not in self._rejected:
            self._found.setdefault((mark, message), Problem(where, message, str(mark)))

    def reject(self, where: Location, mark: Mark, message: str) -> None:
        """Record that nothing usable stands at a place; later problems there only follow from it."""
        self.add(where, mark, message)
        self._rejected.add((where, mark))

    def at(self, node: YamlNode, message: str) -> None:
        """Record a problem with a value."""
        self.add(node.where, node.mark, message)

    def at_key(self, node: YamlNode, message: str) -> None:
        """Record a problem with the key that a value, or the list it stands in, is given for."""
        where = node.where
        while where and isinstance(where[-1], int):
            where = where[:-1]
        self.add(where, node.key_mark, message)

    def at_parts(self, node: YamlNode, error: ConfigError) -> None:
        """Record the problems of a check of `node.plain()`, each at the part of `node` it is about."""
        for problem in error.problems:
            where, mark = node.deepest(problem.where)
            self.add(where, mark, problem.message)

    def raise_any(self) -> None:
        """Raise ConfigError with all problems, in the order of the files, if there are any."""
        if not self._found:
            return
        rank = {mark.source: i for i, mark in reversed(list(enumerate(mark for mark, _ in self._found)))}
        in_order = sorted(self._found.items(), key=lambda item: (rank[item[0][0].source], item[0][0]))
        shown = [problem for _, problem in in_order[:MAX_PROBLEMS]]
        if len(in_order) > MAX_PROBLEMS:
            shown.append(Problem((), f"... and {len(in_order) - MAX_PROBLEMS} more"))
        raise ConfigError(shown)


def nested(key: str, node: YamlNode) -> YamlNode:
    """Return the value that setting a dotted key gives to its first part: for `lsh.K`, the map {K: node}.

    A dataset given by its name alone becomes the map {name: node}, and an output the map {method: node}.
    """
    path = key.split(".")[1:]
    if key in _NAMES and not isinstance(node.value, (dict, list)):
        path = [_NAMES[key]]
    for part in reversed(path):
        node = YamlNode({part: node}, node.where, node.mark, node.key_mark)
    return node


def merge(base: YamlNode, over: YamlNode) -> YamlNode:
    """Lay `over` on `base`: maps are merged key by key, anything else is replaced.

    Two maps with different `name`s describe different things, a dataset and another one; the later replaces
    the earlier, so that no option of the one is taken for an option of the other.
    """
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    one, other = base.value.get("name"), over.value.get("name")
    if one and other and one.plain() != other.plain():
        return over
    entries = dict(base.value)
    for key, node in over.value.items():
        entries[key] = merge(entries[key], node) if key in entries else node
    return YamlNode(entries, over.where, over.mark, over.key_mark)


def leaves(key: str, node: YamlNode) -> Iterator[tuple[str, YamlNode]]:
    """Yield the dotted keys that setting `key` to `node` decides, each with its value."""
    head, value = key.partition(".")[0], nested(key, node)
    pending = [(head, value)]
    while pending:
        name, item = pending.pop()
        if isinstance(item.value, dict) and item.value:
            pending += [(f"{name}.{part}", child) for part, child in item.value.items()]
        else:
            yield name, item


def report_twice(assignments: Iterable[tuple[str, Iterable[YamlNode]]], problems: Problems) -> None:
    """Record every key that two assignments decide; an assignment is a key and the values it may take.

    Deciding `lsh` as a whole and deciding `lsh.K` clash too.
    """
    seen: dict[str, YamlNode] = {}
    above: dict[str, YamlNode] = {}  # every proper prefix of the keys seen
    for key, values in assignments:
        decided = dict(leaf for value in values for leaf in leaves(key, value))
        for name, node in decided.items():
            candidates = [above.get(name), *(seen.get(part) for part in (name, *_prefixes(name)))]
            clash = next((first for first in candidates if first), None)
            if clash:
                problems.at_key(node, f"'{name}' is given twice; the other is at {clash.key_mark}")
        seen |= decided
        above |= {prefix: node for name, node in decided.items() for prefix in _prefixes(name)}


def _prefixes(key: str) -> list[str]:
    parts = key.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]

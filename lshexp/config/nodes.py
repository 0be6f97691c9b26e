"""Values that know where they were written, and the list of what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from lshexp.errors import ConfigError, Location, Problem

Scalar = str | int | float | bool | None

MAX_PROBLEMS = 50  # more than a screenful helps nobody


class Mark(NamedTuple):
    """A place in a file, 1-based; or, with line 0, a source without lines such as a command-line option."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """A value of a sweep file, compared by identity.

    `where` is the path of keys and indices to it and `mark` its place. `key_mark` is the place of its key, or
    of the key of the list it stands in.
    """

    value: Scalar | list[Node] | dict[str, Node]
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


def kind_of(node: Node) -> str:
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

    One message at one place is kept once, however many runs it spoils.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[Mark, str], Problem] = {}
        self._spoilt: set[tuple[Location, Mark]] = set()

    def __len__(self) -> int:
        return len(self._found)

    def add(self, where: Location, mark: Mark, message: str) -> None:
        """Record a problem at a place."""
        if (where, mark) not in self._spoilt:
            self._found.setdefault((mark, message), Problem(where, message, str(mark)))

    def spoil(self, where: Location, mark: Mark, message: str) -> None:
        """Record that nothing usable stands at a place; later problems there only follow from it."""
        self.add(where, mark, message)
        self._spoilt.add((where, mark))

    def at(self, node: Node, message: str) -> None:
        """Record a problem with a value."""
        self.add(node.where, node.mark, message)

    def at_key(self, node: Node, message: str) -> None:
        """Record a problem with the key that a value, or the list it stands in, is given for."""
        where = node.where
        while where and isinstance(where[-1], int):
            where = where[:-1]
        self.add(where, node.key_mark, message)

    def below(self, node: Node, error: ConfigError) -> None:
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

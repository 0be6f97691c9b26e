"""The keys of the sweep language, as the registry stands: what may be set, and what takes a list."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any

from lshexp.config.nodes import Node, Problems
from lshexp.registry import Plugin, discover, suggest, unavailable
from lshexp.spec import RunSpec

# Filled from the options' maps and from `repeats`; never written by hand.
_INTERNAL = frozenset({"dataset_options", "method_options", "repeat"})
RUN_KEYS = tuple(key for key in RunSpec.model_fields if key not in _INTERNAL)
FILE_KEYS = ("name", "extends", "repeats", "baseline", "sweep")
BLOCK_KEYS = ("grid", "zip", "cases", "set", "exclude")


class Vocabulary:
    """Answers questions about keys; made anew for each sweep, as plug-ins come and go."""

    def __init__(self) -> None:
        self.methods = discover("method")
        self.datasets = discover("dataset")
        self._broken = unavailable("method")

    def check(self, key: str, node: Node, problems: Problems, also: Sequence[str] = ()) -> bool:
        """Tell whether a dotted key can be set for runs, and so can the options in maps given for it.

        Each unknown one is recorded in `problems`, with the nearest valid name; `also` are names valid there.
        """
        known = True
        for name, place in self._written(key, node):
            complaint = self.complaint(name, also)
            if complaint:
                problems.at_key(place, complaint)
                known = False
        return known

    def _written(self, key: str, node: Node) -> list[tuple[str, Node]]:
        """Return the key and, where it holds options, the keys of its maps."""
        names = [(key, node)]
        if key == "dataset" or key in self.methods:
            for item in node.value if isinstance(node.value, list) else [node]:
                if isinstance(item.value, dict):
                    names += [(f"{key}.{part}", child) for part, child in item.value.items()]
        return names

    def complaint(self, key: str, also: Sequence[str] = ()) -> str | None:
        """Say what keeps a dotted key from being set for runs, or return None when it can be."""
        head, *rest = key.split(".")
        if head == "dataset":
            return self._unknown_option(head, rest, ["name", *_options(self.datasets.values())])
        if head in RUN_KEYS:
            return f"'{head}' has no parts; write '{head}'" if rest else None
        if head in self.methods:
            return self._unknown_option(head, rest, list(_options([self.methods[head]])))
        if head in self._broken:
            return f"method '{head}' cannot be loaded: {self._broken[head]}"
        if head in FILE_KEYS:
            return f"'{head}' belongs to the top level of the file"
        if head in BLOCK_KEYS:
            return f"'{head}' belongs to a block of 'sweep'"
        homes = [f"{name}.{head}" for name, cls in self.methods.items() if head in cls.model_fields]
        if homes:
            return f"unknown key '{head}'; did you mean '{homes[0]}'?"
        return f"unknown key '{head}'{suggest(head, [*also, *RUN_KEYS, *self.methods])}"

    @staticmethod
    def _unknown_option(head: str, rest: list[str], options: list[str]) -> str | None:
        if not rest or rest[0] in options:
            return None
        if not options:
            return f"unknown key '{rest[0]}'; {head} has no options"
        return f"unknown key '{rest[0]}'{suggest(rest[0], options)}"

    def takes_list(self, key: str) -> bool:
        """Tell whether one value of `key` is a list, so that an axis of it is a list of lists."""
        head, *rest = key.split(".")
        if not rest:
            return head in RunSpec.model_fields and _only_list(RunSpec.model_fields[head].annotation)
        homes = self.datasets.values() if head == "dataset" else [self.methods[head]]
        fields = [cls.model_fields[rest[0]] for cls in homes if rest[0] in cls.model_fields]
        return len(rest) == 1 and bool(fields) and all(_only_list(field.annotation) for field in fields)


def _options(classes: Iterable[type[Plugin]]) -> dict[str, None]:
    return {option: None for cls in classes for option in cls.model_fields}


def _only_list(annotation: Any) -> bool:
    """Tell whether an annotation admits lists and, None aside, nothing else."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _only_list(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        others = [part for part in typing.get_args(annotation) if part is not type(None)]
        return all(_only_list(part) for part in others)
    return origin in (list, tuple) or annotation in (list, tuple)

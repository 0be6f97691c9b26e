"""The keys of the sweep language, as the registry stands: what may be set, and what takes a list."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from lshexp.config.nodes import Node, Problems
from lshexp.registry import Plugin, discover, unavailable
from lshexp.spec import RunSpec
from lshexp.validation import suggest

# Filled from the options' maps and from `repeats`; never written by hand.
_INTERNAL = frozenset({"dataset_options", "method_options", "repeat"})
RUN_KEYS = tuple(key for key in RunSpec.model_fields if key not in _INTERNAL)
FILE_KEYS = ("name", "extends", "repeats", "baseline", "timeout", "sweep")
BLOCK_KEYS = ("grid", "zip", "cases", "set", "exclude")
MAX_PARTS = 10  # of a dotted key, after its first


class Vocabulary:
    """Answers questions about keys; made anew for each sweep, as plug-ins come and go."""

    def __init__(self) -> None:
        self.methods = discover("method")
        self.datasets = discover("dataset")
        self._broken = unavailable("method")

    def known(self, key: str, node: Node, problems: Problems, also: Sequence[str] = ()) -> Node | None:
        """Return what can be set for runs of a dotted key and its value, options in maps looked up too.

        Each unknown key is recorded in `problems`, with the nearest valid name, and left out; `also` are
        names that are valid there beside the settings of runs.
        """
        complaint = self.complaint(key, also)
        if complaint:
            problems.at_key(node, complaint)
            return None
        if key == "dataset" or key in self.methods:
            return self._known_options(key, node, problems)
        return node

    def _known_options(self, key: str, node: Node, problems: Problems) -> Node:
        value = node.value
        if isinstance(value, list):
            items = [self._known_options(key, item, problems) for item in value]
            return replace(node, value=items)
        if isinstance(value, dict):
            options = {part: self.known(f"{key}.{part}", child, problems) for part, child in value.items()}
            return replace(node, value={part: child for part, child in options.items() if child})
        return node

    def complaint(self, key: str, also: Sequence[str] = ()) -> str | None:
        """Say what keeps a dotted key from being set for runs, or return None when it can be."""
        head, *rest = key.split(".")
        if len(rest) > MAX_PARTS:
            return f"a key of more than {MAX_PARTS} parts"
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

"""YAML text to a tree of marked values: nothing constructed, everything bounded.

PyYAML's parser supplies events; its composer and constructors, with their YAML 1.1 rules, tags and recursion,
are not used.
"""

from __future__ import annotations

from collections.abc import Iterator

import yaml
from yaml.error import Mark as YamlMark
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from lshexp.config.nodes import Mark, Node, Problems, Scalar
from lshexp.config.scalars import resolve
from lshexp.errors import Location

MAX_NODES = 20_000
MAX_DEPTH = 20
MAX_TEXT = 250  # characters of one scalar


class _RefusedError(Exception):
    """The document cannot be read any further."""

    def __init__(self, mark: Mark, message: str) -> None:
        super().__init__(message)
        self.mark, self.message = mark, message


def read_document(text: str, source: str, problems: Problems) -> Node | None:
    """Parse the one document of a YAML file.

    Returns None when it is unreadable, and a value of None when nothing is in it. Whatever is wrong is
    recorded in `problems`.
    """
    return _read(text, _Builder(problems, source=source), Location(), Mark(source, 1, 1))


def read_value(text: str, where: Location, mark: Mark, problems: Problems) -> Node | None:
    """Parse a YAML value that stands alone, such as that of an override, all of it at one mark."""
    return _read(text, _Builder(problems, fixed=mark), where, mark)


def _read(text: str, builder: _Builder, where: Location, start: Mark) -> Node | None:
    problems = builder.problems
    try:
        root = builder.document(yaml.parse(text, Loader=yaml.SafeLoader), where)
        return root or Node(None, where, start, start)
    except _RefusedError as refusal:
        problems.add(where, refusal.mark, refusal.message)
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        message = ", ".join(part for part in (error.context, error.problem) if part)
        problems.add(where, builder.mark(place) if place else start, f"not valid YAML: {message}")
    except yaml.reader.ReaderError as error:
        problems.add(where, builder.at_offset(text, error.position), "a character that YAML does not allow")
    except (ValueError, OverflowError):  # PyYAML lets these escape from damaged escapes and directives
        problems.add(where, start, "not valid YAML: an escape sequence or directive is out of range")
    return None


class _Builder:
    """Builds nodes from events. Either every mark is `fixed`, or marks are lines and columns of `source`."""

    def __init__(self, problems: Problems, source: str = "", fixed: Mark | None = None) -> None:
        self.problems = problems
        self._source = source
        self._fixed = fixed
        self._anchors: dict[str, Node] = {}
        self._count = 0

    def mark(self, place: object) -> Mark:
        """Convert a mark of PyYAML, which counts from 0."""
        assert isinstance(place, YamlMark)  # PyYAML types it more loosely than it is
        return self._fixed or Mark(self._source, place.line + 1, place.column + 1)

    def at_offset(self, text: str, offset: int) -> Mark:
        """Convert an offset in characters."""
        line = text.count("\n", 0, offset) + 1
        return self._fixed or Mark(self._source, line, offset - text.rfind("\n", 0, offset))

    def document(self, events: Iterator[Event], where: Location) -> Node | None:
        """Build the root, and see that nothing follows it."""
        root: Node | None = None
        for event in events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    raise _RefusedError(self.mark(event.start_mark), "a second document: one is read")
                if event.tags or event.version not in (None, (1, 2)):
                    raise _RefusedError(
                        self.mark(event.start_mark), "directives other than %YAML 1.2 are not read"
                    )
            elif not isinstance(event, (StreamStartEvent, StreamEndEvent, DocumentEndEvent)):
                root = self._node(event, events, where, None, depth=0)
        return root

    def _node(
        self, event: Event, events: Iterator[Event], where: Location, key_mark: Mark | None, depth: int
    ) -> Node:
        mark = self.mark(event.start_mark)
        key_mark = key_mark or mark
        self._admit(mark, depth)
        assert isinstance(event, NodeEvent)  # the parser's grammar allows nothing else here
        if isinstance(event, AliasEvent):
            if event.anchor not in self._anchors:
                raise _RefusedError(mark, f"alias *{event.anchor} stands before the end of its anchor")
            return self._copy(self._anchors[event.anchor], where, key_mark, depth)
        tag: str | None = getattr(event, "tag", None)
        if tag is not None:
            self.problems.add(where, mark, f"tag {tag[:50]} is not allowed; write the plain value")
        node = Node(self._content(event, events, where, key_mark, depth), where, mark, key_mark)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _content(
        self, event: NodeEvent, events: Iterator[Event], where: Location, key_mark: Mark, depth: int
    ) -> Scalar | list[Node] | dict[str, Node]:
        if isinstance(event, SequenceStartEvent):
            items: list[Node] = []
            while not isinstance(inner := next(events), SequenceEndEvent):
                items.append(self._node(inner, events, (*where, len(items)), key_mark, depth + 1))
            return items
        if isinstance(event, MappingStartEvent):
            return self._map(events, where, depth)
        assert isinstance(event, ScalarEvent)
        return self._scalar(event, where)

    def _map(self, events: Iterator[Event], where: Location, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        while not isinstance(event := next(events), MappingEndEvent):
            mark = self.mark(event.start_mark)
            key = self._node(event, events, where, None, depth + 1).value
            if not isinstance(key, str) or isinstance(event, AliasEvent):
                self.problems.add(where, mark, "keys must be text; put a number or the like in quotes")
                self._node(next(events), events, where, mark, depth + 1)
                continue
            node = self._node(next(events), events, (*where, key), mark, depth + 1)
            if key in entries:
                first = entries[key].key_mark
                place = f" (first on line {first.line})" if first.line else ""
                self.problems.at_key(node, f"the key '{key}' is given twice{place}")
            entries[key] = node
        return entries

    def _scalar(self, event: ScalarEvent, where: Location) -> Scalar:
        text = event.value
        mark = self.mark(event.start_mark)
        if len(text) > MAX_TEXT:
            self.problems.spoil(where, mark, f"a text longer than {MAX_TEXT:,} characters")
            return text[:20]
        if not text.isprintable():
            self.problems.spoil(
                where, mark, "the text holds a line break or a character that cannot be printed"
            )
            return ascii(text)
        if not event.implicit[0]:  # quoted or block text
            return text
        try:
            return resolve(text)
        except ValueError as error:
            self.problems.spoil(where, mark, str(error))
            return None

    def _copy(self, node: Node, where: Location, key_mark: Mark, depth: int) -> Node:
        """Repeat an anchored value at its alias: with its own path and the mark of the anchor."""
        self._admit(node.mark, depth)
        value = node.value
        if isinstance(value, dict):
            copies = {
                key: self._copy(child, (*where, key), child.key_mark, depth + 1)
                for key, child in value.items()
            }
            return Node(copies, where, node.mark, key_mark)
        if isinstance(value, list):
            items = [self._copy(child, (*where, i), key_mark, depth + 1) for i, child in enumerate(value)]
            return Node(items, where, node.mark, key_mark)
        return Node(value, where, node.mark, key_mark)

    def _admit(self, mark: Mark, depth: int) -> None:
        """Count a value towards the limits, before it is built."""
        self._count += 1
        if depth > MAX_DEPTH:
            raise _RefusedError(mark, f"nested more than {MAX_DEPTH} levels deep")
        if self._count > MAX_NODES:
            raise _RefusedError(mark, f"more than {MAX_NODES:,} values, counting each use of an alias")

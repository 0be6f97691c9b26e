"""A YAML text as a tree of marked values: nothing is constructed from it, and everything is bounded.

PyYAML composes the text; tags are refused, and what an unquoted word means is decided here by the core schema
of YAML 1.2.2 (section 10.3.2): `on`, `yes` and `10:30` are text, `1e-3` is a number, `0o17` is fifteen and
`010` is ten.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import yaml

from lshexp.config.nodes import Mark, Problems, Scalar, YamlNode
from lshexp.errors import Location

MAX_NODES = 20_000
MAX_DEPTH = 20
MAX_TEXT = 250  # characters of one scalar
MAX_INTEGER = 2**63 - 1  # the largest a column of a table can hold
_MAX_DIGITS = 400

_CONSTANTS: Mapping[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

# what `_Composer` writes into the tags of nodes that have none in the text; others begin with "tag "
_PLAIN = "plain"  # an unquoted word
_OTHER = "other"  # quoted or block text, a list, a map
_ALIASED_KEY = "alias as a key"


def read_document(text: str, source: str, problems: Problems) -> YamlNode | None:
    """Read the one document of a YAML file.

    Returns None when it is unreadable, and a value of None when it is empty. Whatever is wrong is recorded in
    `problems`.
    """
    return _read(text, _Converter(problems, source=source), Location(), Mark(source, 1, 1))


def read_value(text: str, where: Location, mark: Mark, problems: Problems) -> YamlNode | None:
    """Read a YAML value that stands alone, such as that of an override; all of it gets the one mark."""
    return _read(text, _Converter(problems, fixed=mark), where, mark)


def read_scalar(text: str) -> Scalar:
    """Return the value of an unquoted word.

    Raises ValueError, worded for the user, for numbers that no setting can take: not finite, or integers
    that need more than 64 bits.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is not a finite number")
    for pattern, base in ((_DECIMAL, 10), (_OCTAL, 8), (_HEXADECIMAL, 16)):
        if pattern.fullmatch(text):
            return _integer(text, base)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if not math.isfinite(number):
            raise ValueError(f"{text} is too large for a number")
        return number
    return text


def _integer(text: str, base: int) -> int:
    """Convert digits; their number is bounded first, as conversion takes more than linear time."""
    number = int(text, base) if len(text) <= _MAX_DIGITS else MAX_INTEGER + 1
    if abs(number) > MAX_INTEGER:
        raise ValueError(f"{text[:20]}{'...' if len(text) > 20 else ''} is too large for a whole number")
    return number


class _RefusedError(Exception):
    """The document cannot be read any further."""

    def __init__(self, mark: Any, message: str) -> None:
        super().__init__(message)
        self.mark, self.message = mark, message


class _Composer(yaml.BaseLoader):
    """PyYAML's composer with limits. A node's tag says how it was written; see the constants above."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._count = 0
        self._complete: set[str] = set()  # anchors whose values have ended

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        """Return the tag of a node that has none in the text."""
        return _PLAIN if kind is yaml.ScalarNode and implicit[0] else _OTHER

    def _next(self) -> Any:
        """The event that comes next, left in its place."""
        return self.peek_event()  # type: ignore[no-untyped-call]

    def compose_document(self) -> yaml.Node | None:
        """Compose the document, and see that nothing follows it."""
        start = self._next()
        if start.tags or start.version not in (None, (1, 2)):
            raise _RefusedError(start.start_mark, "directives other than %YAML 1.2 are not read")
        root: yaml.Node | None = super().compose_document()
        if not self.check_event(yaml.StreamEndEvent):
            raise _RefusedError(self._next().start_mark, "a second document: only one is read")
        return root

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a value, counted towards the limits before its parts are composed."""
        event = self._next()
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._complete:
                raise _RefusedError(
                    event.start_mark, f"alias *{event.anchor} stands before the end of its anchor"
                )
            if isinstance(parent, yaml.MappingNode) and index is None:
                self.get_event()  # type: ignore[no-untyped-call]
                start: Any = event.start_mark
                return yaml.ScalarNode(_ALIASED_KEY, "", start, start)
            return super().compose_node(parent, index)
        self._count += 1
        _check_limits(event.start_mark, self._depth, self._count)
        if event.anchor is not None:  # YAML lets a later anchor take the name of an earlier one
            self.anchors.pop(event.anchor, None)
            self._complete.discard(event.anchor)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is not None and event.tag is not None:
            node.tag = f"tag {event.tag[:50]}"
        if event.anchor is not None:
            self._complete.add(event.anchor)
        return node


def _check_limits(mark: Any, depth: int, count: int) -> None:
    if depth > MAX_DEPTH:
        raise _RefusedError(mark, f"nested more than {MAX_DEPTH} levels deep")
    if count > MAX_NODES:
        raise _RefusedError(mark, f"more than {MAX_NODES:,} values, counting each use of an alias")


def _read(text: str, converter: _Converter, where: Location, start: Mark) -> YamlNode | None:
    problems = converter.problems
    try:
        root: yaml.Node | None = yaml.compose(text, Loader=_Composer)
        return converter.convert(root, where) if root is not None else YamlNode(None, where, start, start)
    except _RefusedError as refusal:
        problems.add(where, converter.mark(refusal.mark), refusal.message)
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        message = ", ".join(part for part in (error.context, error.problem) if part)
        problems.add(where, converter.mark(place) if place else start, f"not valid YAML: {message}")
    except yaml.reader.ReaderError as error:
        mark = converter.mark_at_offset(text, error.position)
        problems.add(where, mark, "a character that YAML does not allow")
    except (ValueError, OverflowError):  # PyYAML lets these escape from damaged escapes and directives
        problems.add(where, start, "not valid YAML: an escape sequence or directive is out of range")
    return None


class _Converter:
    """Turns composed nodes into `YamlNode`s. A value is converted again at each of its aliases.

    Either every mark is `fixed`, or marks are lines and columns of `source`.
    """

    def __init__(self, problems: Problems, source: str = "", fixed: Mark | None = None) -> None:
        self.problems = problems
        self._source = source
        self._fixed = fixed
        self._count = 0

    def mark(self, place: Any) -> Mark:
        """Convert a mark of PyYAML, which counts from 0."""
        return self._fixed or Mark(self._source, place.line + 1, place.column + 1)

    def mark_at_offset(self, text: str, offset: int) -> Mark:
        """Convert an offset in characters."""
        line = text.count("\n", 0, offset) + 1
        return self._fixed or Mark(self._source, line, offset - text.rfind("\n", 0, offset))

    def convert(
        self, node: yaml.Node, where: Location, key_mark: Mark | None = None, depth: int = 0
    ) -> YamlNode:
        """Convert a value and all that is in it; `key_mark` is the place of its key, by default its own."""
        self._count += 1
        _check_limits(node.start_mark, depth, self._count)
        mark = self.mark(node.start_mark)
        key_mark = key_mark or mark
        if node.tag.startswith("tag "):
            self.problems.add(where, mark, f"{node.tag} is not allowed; write the plain value")
        value: Scalar | list[YamlNode] | dict[str, YamlNode]
        if isinstance(node, yaml.MappingNode):
            value = self._map(node, where, depth)
        elif isinstance(node, yaml.SequenceNode):
            items = enumerate(node.value)
            value = [self.convert(item, (*where, i), key_mark, depth + 1) for i, item in items]
        else:
            value = self._scalar(node, where, mark)
        return YamlNode(value, where, mark, key_mark)

    def _map(self, node: yaml.MappingNode, where: Location, depth: int) -> dict[str, YamlNode]:
        entries: dict[str, YamlNode] = {}
        for key_node, value_node in node.value:
            mark = self.mark(key_node.start_mark)
            key = self.convert(key_node, where, None, depth + 1).value
            if not isinstance(key, str) or key_node.tag == _ALIASED_KEY:
                self.problems.add(where, mark, "keys must be text; put a number or the like in quotes")
                self.convert(value_node, where, mark, depth + 1)
                continue
            entry = self.convert(value_node, (*where, key), mark, depth + 1)
            if key in entries:
                first = entries[key].key_mark
                place = f" (first on line {first.line})" if first.line else ""
                self.problems.at_key(entry, f"the key '{key}' is given twice{place}")
            entries[key] = entry
        return entries

    def _scalar(self, node: yaml.Node, where: Location, mark: Mark) -> Scalar:
        text: str = node.value
        if len(text) > MAX_TEXT:
            self.problems.reject(where, mark, f"a text longer than {MAX_TEXT:,} characters")
            return text[:20]
        if not text.isprintable():
            self.problems.reject(
                where, mark, "the text holds a line break or a character that cannot be printed"
            )
            return ascii(text)
        if node.tag != _PLAIN:
            return text
        try:
            return read_scalar(text)
        except ValueError as error:
            self.problems.reject(where, mark, str(error))
            return None

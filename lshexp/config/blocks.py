"""Blocks of a sweep: what each one varies, as written in the file or in a CSV table of cases.

Nothing is expanded here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from lshexp.config.document import MAX_TEXT, read_scalar, read_value
from lshexp.config.files import MergedFiles, SweepFile, read_text, refer
from lshexp.config.keys import BLOCK_KEYS, KeyRules
from lshexp.config.nodes import Mark, Problems, YamlNode, kind_of, leaves, report_twice
from lshexp.errors import Location
from lshexp.validation import suggest

_CELL = re.compile(r'[ \t]*"(?P<quoted>(?:[^"]|"")*)"[ \t]*(?=[,\r\n]|\Z)|(?P<bare>[^",\r\n]*)(?=[,\r\n]|\Z)')
_LINE_END = re.compile(r"\r\n|\n|\r")


class Axis(NamedTuple):
    """A key and the values it takes, as written at `node`."""

    key: str
    node: YamlNode
    values: tuple[YamlNode, ...]


AxisGroup = list[Axis]


@dataclass(frozen=True)
class Exclude:
    """A partial match: runs that agree with all `leaves`, dotted keys and values, are left out."""

    node: YamlNode
    leaves: dict[str, YamlNode]


@dataclass(frozen=True)
class SweepBlock:
    """A product of groups, less the excludes.

    The axes of a group advance together, so they need equally many values: an axis of a grid is a group of
    its own, a zip is a group, and so is a table of cases.
    """

    node: YamlNode
    groups: list[AxisGroup] = field(default_factory=list)
    excludes: list[Exclude] = field(default_factory=list)

    def axes(self) -> Iterator[Axis]:
        """All axes, group by group."""
        return (axis for group in self.groups for axis in group)

    def size(self) -> int:
        """Number of combinations before the excludes."""
        return math.prod(len(group[0].values) for group in self.groups)


def read_blocks(merged: MergedFiles, rules: KeyRules, problems: Problems) -> list[SweepBlock]:
    """Return the blocks under `sweep`; without that key, one block that varies nothing."""
    node = merged.entries.get("sweep")
    if node is None:
        return [SweepBlock(YamlNode({}, (), merged.start, merged.start))]
    if not isinstance(node.value, list):
        problems.at(node, f"a list of blocks is wanted here, this is {kind_of(node)}")
        return []
    if not node.value:
        problems.at(node, "the list of blocks is empty; leave 'sweep' out for a single run")
    reader = _BlockReader(merged, rules, problems)
    return [reader.block(item) for item in node.value]


class _BlockReader:
    def __init__(self, merged: MergedFiles, rules: KeyRules, problems: Problems) -> None:
        self._merged = merged
        self._rules = rules
        self._problems = problems

    def block(self, node: YamlNode) -> SweepBlock:
        entries = self._map(node)
        for key, entry in entries.items():
            if key not in BLOCK_KEYS:
                is_setting = self._rules.complaint(key) is None
                hint = "; put it under 'set' or 'grid'" if is_setting else suggest(key, BLOCK_KEYS)
                self._problems.at_key(entry, f"unknown block key '{key}'{hint}")
        fixed = [Axis(key, item, (item,)) for key, item in self._entries(entries.get("set"))]
        grid = [self._grid_axis(key, item) for key, item in self._entries(entries.get("grid"))]
        zipped = [self._zip_axis(key, item) for key, item in self._entries(entries.get("zip"))]
        cases = self._cases(entries["cases"]) if "cases" in entries else []
        axes = [*fixed, *grid, *zipped, *cases]
        report_twice(((axis.key, axis.values) for axis in axes), self._problems)
        groups = [*([axis] for axis in fixed + grid), zipped, cases]
        filled = [[axis for axis in group if axis.values] for group in groups]
        return SweepBlock(node, [group for group in filled if group], self._excludes(entries.get("exclude")))

    def _map(self, node: YamlNode | None) -> dict[str, YamlNode]:
        if node is None:
            return {}
        if isinstance(node.value, dict):
            return node.value
        self._problems.at(node, f"a map of keys is wanted here, this is {kind_of(node)}")
        return {}

    def _entries(self, node: YamlNode | None) -> list[tuple[str, YamlNode]]:
        """Return what is known of the entries of a grid, zip, set or exclude."""
        found = [(key, self._rules.known(key, item, self._problems)) for key, item in self._map(node).items()]
        return [(key, item) for key, item in found if item]

    def _grid_axis(self, key: str, node: YamlNode) -> Axis:
        if not isinstance(node.value, list):
            return Axis(key, node, (node,))
        return self._axis(key, node, node.value)

    def _zip_axis(self, key: str, node: YamlNode) -> Axis:
        if not isinstance(node.value, list):
            self._problems.at(node, f"zip pairs lists, this is {kind_of(node)}; put it under 'set'")
            return Axis(key, node, ())
        return self._axis(key, node, node.value)

    def _axis(self, key: str, node: YamlNode, values: list[YamlNode]) -> Axis:
        if not values:
            self._problems.at(node, "the list is empty; give at least one value")
        if self._rules.takes_list(key) and values and not isinstance(values[0].value, list):
            one = f"[{', '.join(str(value.plain()) for value in values[:4])}{', ...' * (len(values) > 4)}]"
            self._problems.reject(
                node.where, node.mark, f"one value of '{key}' is a list; write [{one}] to try just {one}"
            )
            return Axis(key, node, ())
        return Axis(key, node, tuple(values))

    def _cases(self, node: YamlNode) -> AxisGroup:
        written_in = self._merged.files[node.mark.source]
        source = refer(node, written_in, self._merged.tree, self._problems)
        text = read_text(source, self._problems, node) if source else None
        if source is None or text is None:
            return []
        self._merged.files[source.shown] = source
        axes = []
        for key, column in read_cases(text, source, node.where, self._problems):
            known = self._rules.known(key, column, self._problems)
            if known and isinstance(known.value, list):
                axes.append(Axis(key, known, tuple(known.value)))
        return axes

    def _excludes(self, node: YamlNode | None) -> list[Exclude]:
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


class _Cell(NamedTuple):
    text: str
    mark: Mark


def read_cases(text: str, file: SweepFile, where: Location, problems: Problems) -> list[tuple[str, YamlNode]]:
    """Return the columns of a CSV text, each a key and the list of its values, read as YAML would read them.

    Cells may be quoted as spreadsheets do it, which lists need: "[1000, 1000]". Keys are not looked up. Rows
    that do not fit the header are recorded in `problems` and left out.
    """
    rows = list(_rows(text, file, where, problems))
    if not rows:
        problems.add(where, Mark(file.shown, 1, 1), "the table is empty; its first row names the keys")
        return []
    header = [YamlNode(cell.text, (*where, cell.text), cell.mark, cell.mark) for cell in rows[0]]
    if len(rows) == 1:
        problems.add(where, rows[0][0].mark, "the table has a header and no rows")
    columns: list[list[YamlNode]] = [[] for _ in header]
    for cells in rows[1:]:
        if len(cells) != len(header):
            problems.add(where, cells[0].mark, f"{len(cells)} cells in a row, {len(header)} in the header")
            continue
        for name, column, cell in zip(header, columns, cells, strict=True):
            column.append(_value(cell, (*name.where, len(column)), name.mark, problems))
    return [
        (str(name.value), YamlNode(column, name.where, name.mark, name.mark))
        for name, column in zip(header, columns, strict=True)
    ]


def _rows(text: str, file: SweepFile, where: Location, problems: Problems) -> Iterator[list[_Cell]]:
    """Split a CSV text, RFC 4180, into rows of marked cells; empty lines are passed over."""
    row: list[_Cell] = []
    at, line, line_start = 0, 1, 0
    while at < len(text) or row:
        mark = Mark(file.shown, line, at - line_start + 1)
        found = _CELL.match(text, at)
        if not found:
            problems.add(where, mark, "a quote that is not closed, or stands inside a cell")
            return
        quoted = found["quoted"]
        row.append(_Cell((found["bare"] if quoted is None else quoted.replace('""', '"')).strip(), mark))
        for end in _LINE_END.finditer(text, at, found.end()):
            line, line_start = line + 1, end.end()
        at = found.end()
        if text.startswith(",", at):
            at += 1
            continue
        if len(row) > 1 or row[0].text or quoted is not None:
            yield row
        row = []
        if end_of_line := _LINE_END.match(text, at):
            line, line_start, at = line + 1, end_of_line.end(), end_of_line.end()


def _value(cell: _Cell, where: Location, key_mark: Mark, problems: Problems) -> YamlNode:
    nothing = YamlNode(None, where, cell.mark, key_mark)
    if cell.text.startswith(("[", "{")):
        return read_value(cell.text, where, cell.mark, problems) or nothing
    if len(cell.text) > MAX_TEXT or not cell.text.isprintable():
        message = f"the cell is longer than {MAX_TEXT:,} characters or holds one that cannot be printed"
        problems.reject(where, cell.mark, message)
        return nothing
    try:
        return YamlNode(read_scalar(cell.text), where, cell.mark, key_mark)
    except ValueError as error:
        problems.reject(where, cell.mark, str(error))
        return nothing

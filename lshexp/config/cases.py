"""Cases in a table: a CSV file whose columns are keys and whose rows are runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from lshexp.config.document import MAX_TEXT, read_value
from lshexp.config.files import Source
from lshexp.config.nodes import Mark, Node, Problems
from lshexp.config.scalars import resolve
from lshexp.errors import Location

_CELL = re.compile(r'[ \t]*"(?P<quoted>(?:[^"]|"")*)"[ \t]*(?=[,\r\n]|\Z)|(?P<bare>[^",\r\n]*)(?=[,\r\n]|\Z)')
_LINE_END = re.compile(r"\r\n|\n|\r")


class _Cell(NamedTuple):
    text: str
    mark: Mark


def read_cases(text: str, source: Source, where: Location, problems: Problems) -> list[tuple[str, Node]]:
    """Return the columns of a CSV text, each a key and the list of its values, read as YAML would read them.

    Cells may be quoted as spreadsheets do it, which lists need: "[1000, 1000]". Keys are not looked up. Rows
    that do not fit the header are recorded in `problems` and left out.
    """
    rows = list(_rows(text, source, where, problems))
    if not rows:
        problems.add(where, Mark(source.shown, 1, 1), "the table is empty; its first row names the keys")
        return []
    header = [Node(cell.text, (*where, cell.text), cell.mark, cell.mark) for cell in rows[0]]
    if len(rows) == 1:
        problems.add(where, rows[0][0].mark, "the table has a header and no rows")
    columns: list[list[Node]] = [[] for _ in header]
    for cells in rows[1:]:
        if len(cells) != len(header):
            problems.add(where, cells[0].mark, f"{len(cells)} cells in a row, {len(header)} in the header")
            continue
        for name, column, cell in zip(header, columns, cells, strict=True):
            column.append(_value(cell, (*name.where, len(column)), name.mark, problems))
    return [
        (str(name.value), Node(column, name.where, name.mark, name.mark))
        for name, column in zip(header, columns, strict=True)
    ]


def _rows(text: str, source: Source, where: Location, problems: Problems) -> Iterator[list[_Cell]]:
    """Split a CSV text, RFC 4180, into rows of marked cells; empty lines are passed over."""
    row: list[_Cell] = []
    at, line, line_start = 0, 1, 0
    while at < len(text) or row:
        mark = Mark(source.shown, line, at - line_start + 1)
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


def _value(cell: _Cell, where: Location, key_mark: Mark, problems: Problems) -> Node:
    nothing = Node(None, where, cell.mark, key_mark)
    if cell.text.startswith(("[", "{")):
        return read_value(cell.text, where, cell.mark, problems) or nothing
    if len(cell.text) > MAX_TEXT or not cell.text.isprintable():
        message = f"the cell is longer than {MAX_TEXT:,} characters or holds one that cannot be printed"
        problems.spoil(where, cell.mark, message)
        return nothing
    try:
        return Node(resolve(cell.text), where, cell.mark, key_mark)
    except ValueError as error:
        problems.spoil(where, cell.mark, str(error))
        return nothing

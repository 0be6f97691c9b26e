"""A checked sweep written out again as one YAML file, for the record."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from lshexp.config.blocks import Block, Group
from lshexp.config.header import Header
from lshexp.config.nodes import Node
from lshexp.config.scalars import resolve


class _Dumper(yaml.SafeDumper):
    """Writes each value so that the rules of YAML 1.1 and of 1.2 both read it back, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _write_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    try:
        quote = None if resolve(text) == text else "'"  # PyYAML itself quotes what 1.1 would misread
    except ValueError:
        quote = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=quote)


_Dumper.add_representer(str, _write_text)


def write_resolved(header: Header, defaults: Mapping[str, Node], blocks: Iterable[Block]) -> str:
    """Return a sweep file without `extends`, `cases` or overrides that loads to the same runs."""
    given = {key: value for key, value in header._asdict().items() if value is not None}
    content = given | {key: node.plain() for key, node in defaults.items() if node.value != {}}
    content["sweep"] = [_block(block) for block in blocks]
    text: str = yaml.dump(content, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=110)
    return text


def _block(block: Block) -> dict[str, Any]:
    fixed, grid, paired = {}, {}, []
    for group in block.groups:
        if len(group) > 1:
            paired.append(group)
        elif len(group[0].values) > 1:
            grid[group[0].key] = [value.plain() for value in group[0].values]
        else:
            fixed[group[0].key] = group[0].values[0].plain()
    entries = {
        "set": fixed,
        "grid": grid,
        "zip": _zip(paired),
        "exclude": [e.node.plain() for e in block.excludes],
    }
    return {key: entry for key, entry in entries.items() if entry}


def _zip(groups: list[Group]) -> dict[str, list[Any]]:
    """Write groups as one: a block has one zip, so a zip and a table of cases are multiplied out."""
    keys = [axis.key for group in groups for axis in group]
    rows = itertools.product(*(list(zip(*(axis.values for axis in group), strict=True)) for group in groups))
    columns = zip(*(itertools.chain.from_iterable(row) for row in rows), strict=True) if groups else []
    return {key: [value.plain() for value in column] for key, column in zip(keys, columns, strict=True)}

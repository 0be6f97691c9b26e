"""What the command line sets: overrides of a sweep, or the options of one dataset.

`-s key=value` holds for every run. `-s key=one,two` takes the place of the key's values in each block that
gives it several, and leaves the others, such as one that fixes the baseline; when no block gives it several,
all do from then on.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lshexp import registry
from lshexp.config.blocks import Axis, AxisGroup, SweepBlock
from lshexp.config.document import MAX_TEXT, read_value
from lshexp.config.keys import BLOCK_KEYS, FILE_KEYS, KeyRules
from lshexp.config.nodes import Mark, Problems, YamlNode, merge, nested, report_twice
from lshexp.data.base import Dataset
from lshexp.errors import format_location

_FIXED_KEYS = frozenset({"extends", "sweep", *BLOCK_KEYS})
TOP_KEYS = tuple(key for key in FILE_KEYS if key not in _FIXED_KEYS)
_SHOWN = 60  # characters of an override in messages


@dataclass(frozen=True)
class Overrides:
    """`top` replaces keys of the file itself, `axes` the values of keys in every run."""

    top: dict[str, YamlNode] = field(default_factory=dict)
    axes: list[Axis] = field(default_factory=list)

    def keys(self) -> set[str]:
        """Dotted keys of the axes."""
        return {axis.key for axis in self.axes}


def read_overrides(
    texts: Sequence[str], repeats: int | None, rules: KeyRules, problems: Problems
) -> Overrides:
    """Read `key=value` texts, and the option `--repeats` where it is given.

    A value is YAML; `5,25` means the same as `[5, 25]`, several values of the key. For a key whose one value
    is a list, such as `hidden`, several values are a list of lists.
    """
    overrides = Overrides()
    if repeats is not None:
        option = Mark("--repeats")
        overrides.top["repeats"] = YamlNode(repeats, ("repeats",), option, option)
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        mark = _option_mark(text)
        if not text.isprintable() or len(key) > MAX_TEXT:
            problems.add((), mark, "a key that is too long, or a character that cannot be printed")
        elif not equals:
            problems.add((), mark, "write it as -s key=value")
        elif key in _FIXED_KEYS:
            problems.add((), mark, f"'{key}' cannot be overridden; override single keys, as in -s lr=0.01")
        elif key in overrides.top:
            problems.add((), mark, f"'{key}' is given twice; the other is at {overrides.top[key].mark}")
        elif (node := _value(value, key, mark, problems)) is None:
            continue
        elif key in TOP_KEYS:
            overrides.top[key] = node
        elif known := rules.known(key, node, problems, TOP_KEYS):
            overrides.axes.append(_axis(key, known, rules))
    report_twice(((axis.key, axis.values) for axis in overrides.axes), problems)
    return overrides


def _option_mark(text: str) -> Mark:
    return Mark("-s " + "".join(c if c.isprintable() else "?" for c in text[:_SHOWN]))


def _value(text: str, key: str, mark: Mark, problems: Problems) -> YamlNode | None:
    """Parse the text as a list first: one item is the value itself, several are separated by commas."""
    items = read_value(f"[{text}]", (key,), mark, problems)
    if items is None:
        return None
    if not items.value:
        problems.add((key,), mark, "no value after '='")
        return None
    node = items
    if isinstance(items.value, list) and len(items.value) == 1:
        single = read_value(text, (key,), mark, problems)
        if single is None:
            return None
        node = single
    if node.value == []:
        problems.add((key,), mark, "the list is empty; give at least one value")
        return None
    return node


def _axis(key: str, node: YamlNode, rules: KeyRules) -> Axis:
    if not isinstance(node.value, list):
        return Axis(key, node, (node,))
    one_value = rules.takes_list(key) and not all(isinstance(item.value, list) for item in node.value)
    return Axis(key, node, (node,) if one_value else tuple(node.value))


def override_defaults(entries: dict[str, YamlNode], overrides: Overrides) -> dict[str, YamlNode]:
    """Return the top-level entries with `top` replaced and single values set."""
    changed = entries | overrides.top
    for axis in overrides.axes:
        if len(axis.values) == 1:
            head, value = axis.key.partition(".")[0], nested(axis.key, axis.values[0])
            changed[head] = merge(changed[head], value) if head in changed else value
    return changed


def override_blocks(
    blocks: Sequence[SweepBlock], overrides: Overrides, problems: Problems
) -> list[SweepBlock]:
    """Return the blocks with overridden keys taking the values of their overrides.

    A key that a block varies keeps its place there, in a zip too; another becomes an axis of its own.
    """
    changed = list(blocks)
    for axis in overrides.axes:
        everywhere = len(axis.values) == 1 or not any(_varies(block, axis.key) for block in blocks)
        for i, block in enumerate(changed):
            if not everywhere and not _varies(block, axis.key):
                continue
            deeper = [other for other in block.axes() if other.key.startswith(f"{axis.key}.")]
            report_twice(((each.key, each.values) for each in [*deeper, axis]), problems)
            groups = [_replaced(group, axis) for group in block.groups]
            if axis not in itertools.chain.from_iterable(groups):
                groups.append([axis])
            changed[i] = replace(block, groups=groups)
    return changed


def _varies(block: SweepBlock, key: str) -> bool:
    """Tell whether a block gives a key several values."""
    return any(axis.key == key and len(axis.values) > 1 for axis in block.axes())


def _replaced(group: AxisGroup, axis: Axis) -> AxisGroup:
    return [axis if other.key == axis.key else other for other in group]


def fits(block: SweepBlock, overrides: Overrides, problems: Problems) -> bool:
    """Tell whether the axes of each group have equally many values; record those that do not."""
    uneven = [group for group in block.groups if len({len(axis.values) for axis in group}) > 1]
    keys = overrides.keys()
    for group in uneven:
        overridden = [axis for axis in group if axis.key in keys]
        if not overridden:
            counts = ", ".join(f"{axis.key} has {len(axis.values)}" for axis in group)
            problems.at(group[0].node, f"lists that are zipped must be equally long: {counts}")
        for axis in overridden:
            others = [other for other in group if len(other.values) != len(axis.values)]
            partners = ", ".join(f"'{other.key}' ({len(other.values)} values)" for other in others)
            place = format_location(block.node.where)
            given = f"{len(axis.values)} value{'s' * (len(axis.values) != 1)} given"
            problems.at(
                axis.node,
                f"{given}, but {place} pairs it with {partners}; give as many, or override those too",
            )
    return not uneven


def chosen_dataset(name: str, options: Sequence[str]) -> Dataset:
    """Build the dataset `name`; each option's value is read as YAML would read it.

    Raises ConfigError for an unknown name or option, a value out of range, or an option given twice.
    """
    problems = Problems()
    values: dict[str, Any] = {}
    for text in options:
        key, equals, value = (part.strip() for part in text.partition("="))
        mark = _option_mark(text)
        if not equals or not key:
            problems.add((), mark, "write it as -s key=value")
        elif key in values:
            problems.add((), mark, f"'{key}' is given twice")
        elif (node := read_value(value, (key,), mark, problems)) is not None:
            values[key] = node.plain()
    problems.raise_any()
    dataset = registry.datasets.build(name, values)
    return dataset

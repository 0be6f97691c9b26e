"""One dataset named on the command line, with options given as `key=value`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lshexp.config.document import read_value
from lshexp.config.nodes import Mark, Problems
from lshexp.data.base import Dataset
from lshexp.registry import build

_SHOWN = 60  # characters of an option in messages


def chosen_dataset(name: str, options: Sequence[str]) -> Dataset:
    """Build the dataset `name`; each option's value is read as YAML would read it.

    Raises ConfigError for an unknown name or option, a value out of range, or an option given twice.
    """
    problems = Problems()
    values: dict[str, Any] = {}
    for text in options:
        key, equals, value = (part.strip() for part in text.partition("="))
        mark = Mark("-s " + "".join(c if c.isprintable() else "?" for c in text[:_SHOWN]))
        if not equals or not key:
            problems.add((), mark, "write it as -s key=value")
        elif key in values:
            problems.add((), mark, f"'{key}' is given twice")
        elif (node := read_value(value, (key,), mark, problems)) is not None:
            values[key] = node.plain()
    problems.raise_any()
    dataset = build("dataset", name, values)
    assert isinstance(dataset, Dataset)  # what the kind registers
    return dataset

"""Energy models as they are named on a command line: a registered one with options, or a file of prices."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from lshexp import registry
from lshexp.config.document import read_value
from lshexp.config.files import read_model
from lshexp.config.nodes import Mark, Problems, Scalar, kind_of
from lshexp.energy.base import EnergyModel, PriceTable
from lshexp.errors import ConfigError, Problem

WHERE = ("energy",)


class NamedModel(NamedTuple):
    """An energy model and what it is called in tables."""

    label: str
    model: EnergyModel


def energy_model(text: str) -> NamedModel:
    """Find the model that a user means.

    `horowitz45` and `horowitz45_mem,memory=sram_8kb` are registered models; anything that ends in .yaml or
    .yml is a file with the keys title, source, picojoules (mult, add, access) and access_bytes.

    Raises ConfigError: with file, line and column for what is wrong in a file.
    """
    if text.endswith((".yaml", ".yml")):
        table = load_table(Path(text))
        return NamedModel(table.title, table)
    name, *pairs = (part.strip() for part in text.split(","))
    options: dict[str, Scalar] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign:
            raise ConfigError([Problem(WHERE, f"'{pair}' is no option; write {name},key=value")])
        options[key.strip()] = _scalar(value, (*WHERE, key.strip()))
    model = registry.energy_models.build(name, options, WHERE)
    return NamedModel(",".join([name, *pairs]), model)


def load_table(path: Path) -> PriceTable:
    """Read a table of prices. Raises ConfigError with every problem at its line and column."""
    return read_model(path, PriceTable, "a table of prices is a map with title and picojoules")


def _scalar(text: str, where: tuple[str, ...]) -> Scalar:
    problems = Problems()
    node = read_value(text, where, Mark("--energy"), problems)
    problems.raise_any()
    assert node is not None
    if isinstance(node.value, dict | list):
        raise ConfigError([Problem(where, f"'{text}' is {kind_of(node)}, a single value is wanted")])
    return node.value

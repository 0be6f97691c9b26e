"""What there is: plug-ins and their options, keys of sweep files, columns of results, the machine."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from lshexp import registry
from lshexp.errors import ConfigError, LshexpError
from lshexp.fields import FieldWords, describe
from lshexp.render._console import print_lines, print_table, say
from lshexp.validation import suggest

if TYPE_CHECKING:
    from lshexp.runs.environment import Environment

KINDS = {
    "methods": "method", "datasets": "dataset", "tasks": "task", "hashes": "hash", "energy": "energy"
}  # fmt: skip
_PLACES = {
    "top": "at the top of the file, once",
    "block": "in a block of `sweep`",
    "run": "of runs: at the top of the file, or in a block's grid, zip, set or exclude",
}


def listing(kind: str, name: str | None = None) -> None:
    """Print what there is of a kind, or all that is known of one `name` of it.

    Raises ConfigError for a name that there is not.
    """
    if name is not None and name not in names(kind):
        raise ConfigError(f"list {kind}: there is no '{name}'{suggest(name, names(kind))}")
    if kind == "keys":
        _keys(name)
    elif kind == "columns":
        _columns(name)
    elif kind == "optimizers":
        from lshexp.kernels.step import OPTIMIZERS

        costs = {key: f"{cost.mults} mults, {cost.adds} adds a weight" for key, cost in OPTIMIZERS.items()}
        rows = [[key, cost] for key, cost in costs.items() if name in (None, key)]
        print_table(["optimizer", "cost of a step"], rows, text=2)
    elif name is not None:
        _plugin(kind, name)
    else:
        _plugins(kind)


def names(kind: str) -> list[str]:
    """What `listing` can show alone, of a kind."""
    if kind == "keys":
        from lshexp.config.keys import described_keys

        return list(dict.fromkeys(key.field.name for key in described_keys()))
    if kind == "columns":
        from lshexp.runs.meanings import described_columns

        columns = described_columns()
        return list(dict.fromkeys([column.file for column in columns] + [column.name for column in columns]))
    if kind == "optimizers":
        from lshexp.kernels.step import OPTIMIZERS

        return list(OPTIMIZERS)
    return list(registry.KINDS[KINDS[kind]].discover()) if kind in KINDS else []


def _plugins(kind: str) -> None:
    found = registry.KINDS[KINDS[kind]]
    rows = [
        [name, cls.summary(), ", ".join(cls.model_fields) or "none"] for name, cls in found.discover().items()
    ]
    print_table([KINDS[kind], "what it is", "options"], rows, text=3)
    for module, reason in found.unavailable().items():
        say(f"unavailable: {module}: {reason}")
    say(f"options in full: lshexp list {kind} NAME")


def _plugin(kind: str, name: str) -> None:
    cls = registry.KINDS[KINDS[kind]].lookup(name)
    for paragraph in f"{name}: {inspect.cleandoc(cls.__doc__ or '')}".split("\n\n"):
        print_lines([" ".join(paragraph.split())], indent="")
        sys.stdout.write("\n")
    options = describe(cls)
    if options:
        print_table(["option", "default", "values", "meaning"], _fields(options), text=4)
    else:
        sys.stdout.write(f"{name} has no options\n")


def _fields(fields: Iterable[FieldWords]) -> list[list[str]]:
    return [[field.name, field.default or "required", _values(field), field.description] for field in fields]


def _values(field: FieldWords) -> str:
    return f"{field.kind}, {field.range}" if field.range else field.kind


def _keys(name: str | None) -> None:
    from lshexp.config.keys import described_keys

    for place, title in _PLACES.items():
        fields = [
            key.field for key in described_keys() if key.place == place and name in (None, key.field.name)
        ]
        rows = [[field.name, field.default, _values(field), field.description] for field in fields]
        if rows:
            print_table(["key", "default", "values", "meaning"], rows, title=f"Keys {title}", text=4)


def _columns(name: str | None) -> None:
    from lshexp.runs.meanings import described_columns

    columns = described_columns()
    for file in dict.fromkeys(column.file for column in columns):
        rows = [
            [column.name, column.kind, column.unit, column.meaning]
            for column in columns
            if column.file == file and name in (None, file, column.name)
        ]
        if rows:
            print_table(["column", "kind", "unit", "meaning"], rows, title=file, text=4)


def environment(env: Environment) -> None:
    """Print the machine and code state, and whether MNIST can be read."""
    import dataclasses

    from lshexp.data.mnist import Mnist

    rows = [
        [name, "unknown" if value is None else str(value)] for name, value in dataclasses.asdict(env).items()
    ]
    try:
        Mnist().load()
        rows.append(["mnist", "found, checksums right"])
    except LshexpError as error:
        rows.append(["mnist", str(error)])
    rows.append(["rapl", _meter()])
    print_table(["what", "value"], rows, text=2)


def _meter() -> str:
    """The domains of the energy counters, or why they cannot be read."""
    from lshexp.energy.rapl import UnreadableError, find_domains

    try:
        return ", ".join(domain.label for domain in find_domains())
    except UnreadableError as error:
        return str(error)

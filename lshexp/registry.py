"""One registry for methods, hash families, datasets and energy models.

A plug-in is one file in its kind's folder with one decorated class:

    @register("method", "dropout")
    class Dropout(Plugin):
        '''Keep each node with a fixed probability.'''
        some_option: int = Field(default=3, ge=1)

The class's fields are its YAML options, their defaults the defaults, and the first line of its
docstring is what `lshexp list` shows. Files whose name starts with an underscore hold shared code and
are not searched for plug-ins.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict

from lshexp.errors import ConfigError, Location, LshexpError, Problem
from lshexp.validation import suggest, validate

FOLDERS: Mapping[str, str] = {
    "method": "lshexp.methods",
    "hash": "lshexp.hashing",
    "dataset": "lshexp.data",
    "energy": "lshexp.energy",
}


class Plugin(BaseModel):
    """Options of one registered entry: immutable, strictly typed, unknown keys refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    name: ClassVar[str]
    kind: ClassVar[str]

    @classmethod
    def summary(cls) -> str:
        """First line of the docstring, as shown by `lshexp list`."""
        return (cls.__doc__ or "").strip().partition("\n")[0]

    def recorded(self) -> dict[str, Any]:
        """All options as they are recorded, and as a run's id depends on them."""
        return self.model_dump(mode="json")


P = TypeVar("P", bound=type[Plugin])

_entries: dict[str, dict[str, type[Plugin]]] = {kind: {} for kind in FOLDERS}
_unavailable: dict[str, dict[str, str]] = {}


def register(kind: str, name: str) -> Callable[[P], P]:
    """Enter a `Plugin` class under `kind` and `name`; a name taken twice is an error of the programmer."""

    def enter(cls: P) -> P:
        known = _entries[kind].get(name)
        if known is not None and known.__module__ != cls.__module__:
            raise LshexpError(f"two {kind}s are named '{name}': {known.__module__} and {cls.__module__}")
        cls.name, cls.kind = name, kind
        _entries[kind][name] = cls
        return cls

    return enter


def discover(kind: str) -> dict[str, type[Plugin]]:
    """Import every module of the kind's folder, in sorted order, and return name -> class.

    A module that fails to import is remembered as unavailable with its reason, and is an error only
    when a sweep asks for it by name.
    """
    if kind not in _unavailable:
        failures: dict[str, str] = {}
        folder = importlib.import_module(FOLDERS[kind])
        for module in sorted(info.name for info in pkgutil.iter_modules(folder.__path__)):
            if module.startswith("_"):
                continue
            try:
                importlib.import_module(f"{FOLDERS[kind]}.{module}")
            except Exception as error:  # a broken plug-in must not take the others down
                failures[module] = f"{type(error).__name__}: {error}"
        _unavailable[kind] = failures
    return dict(sorted(_entries[kind].items()))


def unavailable(kind: str) -> dict[str, str]:
    """Modules of the kind's folder that could not be imported, with the reason."""
    discover(kind)
    return dict(_unavailable[kind])


def lookup(kind: str, name: object, where: Location = ()) -> type[Plugin]:
    """Return the class registered as `name`.

    Raises ConfigError, with `where` as its place, when there is none.
    """
    known = discover(kind)
    if isinstance(name, str) and name in known:
        return known[name]
    if isinstance(name, str) and name in _unavailable[kind]:
        raise ConfigError([Problem(where, f"{kind} '{name}' cannot be loaded: {_unavailable[kind][name]}")])
    raise ConfigError([Problem(where, f"unknown {kind} '{name}'{suggest(str(name), known)}")])


def build(kind: str, name: object, options: Mapping[str, Any] | None = None, where: Location = ()) -> Plugin:
    """Construct the plug-in `name` from its YAML options.

    Raises ConfigError listing every unknown option and every value out of range, each placed under `where`.
    """
    cls = lookup(kind, name, where)
    return validate(cls, options or {}, where)

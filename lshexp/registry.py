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

import difflib
import importlib
import json
import pkgutil
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from lshexp.errors import ConfigError, Location, LshexpError, Problem

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


def suggest(word: str, choices: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, the choices when none is close, or nothing when there are none."""
    options = {choice.casefold(): choice for choice in choices}
    if not options:
        return ""
    close = difflib.get_close_matches(word.casefold(), options, n=1, cutoff=0.6)
    return (
        f"; did you mean '{options[close[0]]}'?" if close else f"; choose from {', '.join(options.values())}"
    )


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


M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], values: Mapping[str, Any], where: Location = ()) -> M:
    """Construct a pydantic model, turning its complaints into Problems a user can act on."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(_explain(model, detail, where) for detail in error.errors()) from None


_LIMITS: Mapping[str, tuple[str, str]] = {
    "greater_than": (">", "gt"),
    "greater_than_equal": (">=", "ge"),
    "less_than": ("<", "lt"),
    "less_than_equal": ("<=", "le"),
}
_WANTED: Mapping[str, str] = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a map",
    "model_type": "a map",
}
_KINDS: Mapping[type, str] = {str: "text", bool: "true or false", int: "a number", float: "a number"}
_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*%?\s*")
_SHOWN = 60  # characters of a wrong value in a message


def _explain(model: type[BaseModel], detail: Any, where: Location) -> Problem:
    """Word one pydantic error: what was given, what is allowed, what was probably meant."""
    place: Location = (*where, *detail["loc"])
    kind, given, context = detail["type"], detail["input"], detail.get("ctx", {})
    key = str(place[-1]) if place else ""
    if kind == "extra_forbidden":
        return Problem(place, f"unknown key '{key}'{suggest(key, _keys_at(model, detail['loc']))}")
    if kind == "missing":
        return Problem(place, "this key is required")
    if kind == "value_error":
        return Problem(place, str(context.get("error", detail["msg"])))
    if kind in _LIMITS:
        sign, name = _LIMITS[kind]
        limit = int(context[name]) if context[name] == int(context[name]) else context[name]
        return Problem(place, f"{_shown(given)} must be {sign} {_shown(limit)}")
    if kind in _WANTED:
        return Problem(place, _mismatch(given, _WANTED[kind]))
    if kind == "literal_error":
        expected = context["expected"].replace("'", "").replace(" or ", ", ")
        return Problem(place, f"unknown value {_shown(given)}{suggest(str(given), expected.split(', '))}")
    return Problem(place, f"{_shown(given)}: {detail['msg'][0].lower()}{detail['msg'][1:]}")


def _shown(value: object) -> str:
    """Write a wrong value as YAML would, cut to fit a line."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _mismatch(given: object, wanted: str) -> str:
    """Say what kind of value was given where another is wanted, and how to write it where that is clear."""
    if given is None:
        return f"nothing is given, {wanted} is wanted"
    number = _NUMBER.fullmatch(given) if isinstance(given, str) and "number" in wanted else None
    remedy = f"write a number: {number[1]}" if number else f"{wanted} is wanted"
    if isinstance(given, (list, dict)):
        return f"this is {'a list' if isinstance(given, list) else 'a map'}, {remedy}"
    return f"{_shown(given)} is {_KINDS.get(type(given), type(given).__name__)}, {remedy}"


def _keys_at(model: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    """Field names valid where an unknown key was met; nested models are followed."""
    current: Any = model
    for part in location[:-1]:
        field = getattr(current, "model_fields", {}).get(part)
        annotation = getattr(field, "annotation", None)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            current = annotation
    return list(current.model_fields)

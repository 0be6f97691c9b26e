"""Checked construction of pydantic models, with messages a user can act on.

A message says what was given, what is allowed, and, where the field has one, what the field means.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from lshexp.errors import ConfigError, Location, Problem
from lshexp.fields import meaning, model_at

M = TypeVar("M", bound=BaseModel)


def suggest(word: str, choices: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, the choices when none is close, or nothing when there are none."""
    options = {choice.casefold(): choice for choice in choices}
    if not options:
        return ""
    close = difflib.get_close_matches(word.casefold(), options, n=1, cutoff=0.6)
    return (
        f"; did you mean '{options[close[0]]}'?" if close else f"; choose from {', '.join(options.values())}"
    )


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
    """Word one pydantic error: what was given, what is allowed, what was probably meant, what the key means.

    An error of a model as a whole belongs to the key it begins with, as in `ratio: a ratio needs a baseline`.
    """
    location: tuple[str | int, ...] = detail["loc"]
    kind = detail["type"]
    key = str(location[-1]) if location else ""
    if kind == "extra_forbidden":
        hint = suggest(key, model_at(model, location[:-1]).model_fields)
        return Problem((*where, *location), f"unknown key '{key}'{hint}")
    if kind == "missing":
        message = "this key is required"
    elif kind == "value_error":
        message = str(detail.get("ctx", {}).get("error", detail["msg"]))
        first, colon, rest = message.partition(": ")
        if colon and first in model_at(model, location).model_fields:
            return Problem((*where, *location, first), rest)
        return Problem((*where, *location), message)
    else:
        message = _complaint(kind, detail)
    name, text = meaning(model, location)
    return Problem((*where, *location), f"{message}; {name}: {text}" if text else message)


def _complaint(kind: str, detail: Any) -> str:
    """Say what is wrong with a value by itself."""
    given, context = detail["input"], detail.get("ctx", {})
    if kind in _LIMITS:
        sign, name = _LIMITS[kind]
        limit = int(context[name]) if context[name] == int(context[name]) else context[name]
        return f"{_shown(given)} must be {sign} {_shown(limit)}"
    if kind in _WANTED:
        return _mismatch(given, _WANTED[kind])
    if kind == "literal_error":
        expected = context["expected"].replace("'", "").replace(" or ", ", ")
        return f"unknown value {_shown(given)}{suggest(str(given), expected.split(', '))}"
    return f"{_shown(given)}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


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
    if wanted == "text":
        remedy += "; put it in quotes"
    return f"{_shown(given)} is {_KINDS.get(type(given), type(given).__name__)}, {remedy}"

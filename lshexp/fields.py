"""The fields of a pydantic model in words: kind, default, range and meaning.

A field is described once, where it is defined, by `Field(description=...)`; lists of options, messages about
wrong values and the JSON Schema for editors all take it from there.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import annotated_types as at
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lshexp.errors import Location

_KINDS: Mapping[object, str] = {
    int: "whole number",
    float: "number",
    bool: "true or false",
    str: "text",
    dict: "map",
    list: "list",
    tuple: "list",
    type(None): "null",
}


class FieldWords(NamedTuple):
    """One field as it is shown to a user."""

    name: str
    kind: str  # `whole number`, `list of number`, `one of a, b`
    default: str  # as YAML writes it; empty where there is none, or where it depends on other options
    range: str  # `1 to 24`, `> 0`; empty without limits
    description: str

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default == ""


def describe(model: type[BaseModel]) -> list[FieldWords]:
    """Put every field of a model into words, in the order of their definition."""
    return [describe_field(name, field) for name, field in model.model_fields.items()]


def describe_field(name: str, field: FieldInfo) -> FieldWords:
    """Put one field into words."""
    default = "" if field.is_required() else _yaml(field.get_default(call_default_factory=True))
    limits = [*field.metadata, *_metadata(field.annotation)]
    return FieldWords(name, _kind(field.annotation), default, _range(limits), field.description or "")


def meaning(model: type[BaseModel], location: Location) -> tuple[str, str]:
    """Return name and first clause of the description of the field at a location inside a model.

    Both are empty where no field on the way there has a description.
    """
    found = ("", "")
    for name, field in _on_the_way(model, location):
        if field.description:
            found = (name, field.description.partition(";")[0].partition(". ")[0].rstrip("."))
    return found


def model_at(model: type[BaseModel], location: Location) -> type[BaseModel]:
    """Return the innermost model that a location inside `model` leads to."""
    for _, field in _on_the_way(model, location):
        model = _model_of(field) or model
    return model


def _on_the_way(model: type[BaseModel] | None, location: Location) -> Iterator[tuple[str, FieldInfo]]:
    """The fields that a location passes through, models inside models followed."""
    for part in location:
        if model is None or part not in model.model_fields:
            continue  # the index of a list, the key of a map, or the name of a member of a union
        field = model.model_fields[str(part)]
        yield str(part), field
        model = _model_of(field)


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    return next((member for member in _members(field.annotation) if _is_model(member)), None)


def _members(annotation: Any) -> Iterator[Any]:
    """The types an annotation is made of, those of unions and of items of lists included."""
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Annotated:
        arguments = arguments[:1]
    if not arguments or typing.get_origin(annotation) is Literal:
        yield annotation
    for argument in arguments if typing.get_origin(annotation) is not Literal else ():
        yield from _members(argument)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _kind(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _kind(arguments[0])
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin in (typing.Union, types.UnionType):
        kinds = dict.fromkeys(_kind(part) for part in arguments if part is not type(None))
        return " or ".join(kinds)
    if origin in (list, tuple) and arguments:
        item = _kind(arguments[0])
        return f"list of {item}s" if item.endswith(("number", "map")) else f"list of {item}"
    return _KINDS.get(origin or annotation, "map" if _is_model(annotation) else "value")


def _metadata(annotation: Any) -> Iterator[object]:
    """Constraints written inside an annotation, of list items and members of unions too."""
    if typing.get_origin(annotation) is typing.Annotated:
        for item in annotation.__metadata__:
            yield from item.metadata if isinstance(item, FieldInfo) else [item]
    if typing.get_origin(annotation) is not Literal:
        for argument in typing.get_args(annotation):
            yield from _metadata(argument)


def _range(constraints: Iterable[object]) -> str:
    low: tuple[str, Any] | None = None
    high: tuple[str, Any] | None = None
    for limit in constraints:
        if isinstance(limit, at.Ge):
            low = (">=", limit.ge)
        elif isinstance(limit, at.Gt):
            low = (">", limit.gt)
        elif isinstance(limit, at.Le):
            high = ("<=", limit.le)
        elif isinstance(limit, at.Lt):
            high = ("<", limit.lt)
    if low and high and (low[0], high[0]) == (">=", "<="):
        return f"{low[1]} to {high[1]}"
    return ", ".join(f"{sign} {value}" for sign, value in filter(None, (low, high)))


def _yaml(value: object) -> str:
    """Write a default as a sweep file would."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    return str(value) if value != "" else '""'

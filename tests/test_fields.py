"""Fields of models in words, and the messages that use them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from lshexp.errors import ConfigError
from lshexp.fields import describe, meaning, model_at
from lshexp.validation import validate


class Inner(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    bits: int = Field(default=8, ge=1, le=64, description="bits of a code; more are finer")
    low: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.low is not None and self.low > self.bits:
            raise ValueError("low: more than there are bits")
        return self


class Outer(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    path: str = Field(description="a file. It is read.")
    on: bool = True
    mode: Literal["a", "b"] = "a"
    widths: list[Annotated[int, Field(ge=1, le=9)]] = Field(default_factory=lambda: [1, 2])
    share: Annotated[float, Field(ge=0, lt=1)] | None = None
    inner: Inner = Inner()
    several: list[Inner] = Field(default_factory=list, description="codes")


def test_fields_are_put_into_words():
    words = {field.name: (field.kind, field.default, field.range) for field in describe(Outer)}
    assert words == {
        "path": ("text", "", ""),
        "on": ("true or false", "true", ""),
        "mode": ("one of a, b", "a", ""),
        "widths": ("list of whole numbers", "[1, 2]", "1 to 9"),
        "share": ("number", "null", ">= 0, < 1"),
        "inner": ("map", "{bits: 8, low: null}", ""),
        "several": ("list of maps", "[]", ""),
    }
    assert [field.name for field in describe(Outer) if field.required] == ["path"]


def test_the_meaning_of_the_innermost_described_field_is_found():
    assert meaning(Outer, ("path",)) == ("path", "a file")
    assert meaning(Outer, ("several", 3, "bits")) == ("bits", "bits of a code")
    assert meaning(Outer, ("several", 3, "low")) == ("several", "codes")
    assert meaning(Outer, ("on",)) == meaning(Outer, ()) == ("", "")
    assert model_at(Outer, ("several", 3)) is model_at(Outer, ("inner",)) is Inner
    assert model_at(Outer, ("path",)) is Outer


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"path": 3}, "path: 3 is a number, text is wanted; put it in quotes; path: a file"),
        ({}, "path: this key is required; path: a file"),
        (
            {"path": "x", "several": [{}, {"bits": 0}]},
            "several[1].bits: 0 must be >= 1; bits: bits of a code",
        ),
        ({"path": "x", "several": [{"bit": 0}]}, "several[0].bit: unknown key 'bit'; did you mean 'bits'?"),
        ({"path": "x", "several": [{"low": 9.0}]}, "several[0].low: more than there are bits"),
        ({"path": "x", "widths": [1, 10]}, "widths[1]: 10 must be <= 9"),
    ],
)
def test_messages_name_the_key_and_say_what_it_means(values, message):
    with pytest.raises(ConfigError) as caught:
        validate(Outer, values)
    assert str(caught.value) == message

"""YAML files that hold one thing of a known shape: read, bounded, and checked with places."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from lshexp.config.document import read_document
from lshexp.config.files import read_text, top_source
from lshexp.config.nodes import Problems, kind_of
from lshexp.errors import ConfigError
from lshexp.validation import validate

M = TypeVar("M", bound=BaseModel)


def load_typed(path: Path, model: type[M], wanted: str) -> M:
    """Read a YAML file as a model. `wanted` says what its map should be, for when it is none.

    Raises ConfigError with every problem at its line and column.
    """
    problems = Problems()
    source = top_source(path)
    text = read_text(source, problems)
    root = read_document(text, source.shown, problems) if text is not None else None
    problems.raise_any()
    assert root is not None  # or there would be a problem
    if not isinstance(root.value, dict):
        problems.at(root, f"{wanted}; this is {kind_of(root)}")
        problems.raise_any()
    try:
        return validate(model, root.plain())
    except ConfigError as error:
        problems.below(root, error)
        problems.raise_any()
        raise

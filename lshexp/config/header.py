"""The top-level keys that describe a sweep rather than its runs: name, repeats, baseline, timeout."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lshexp.config.durations import seconds
from lshexp.config.nodes import Mark, Node, Problems, kind_of
from lshexp.config.values import Values
from lshexp.config.vocabulary import RUN_KEYS
from lshexp.spec import RunSpec
from lshexp.validation import suggest

MAX_RUNS = 100_000  # of one sweep, repeats counted
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NAME_RULE = "must be letters, digits, '.', '_' or '-', starting with a letter or digit, at most 100 of them"


class Header(NamedTuple):
    """What describes a sweep as a whole."""

    name: str
    seed: int
    repeats: int
    baseline: dict[str, Any]
    timeout: float | None  # seconds a run may take


def read_header(
    entries: Mapping[str, Node], path: Path, start: Mark, values: Values, problems: Problems
) -> Header:
    """Check the keys and supply their defaults: the file's name, one repeat, the dense method, no limit."""
    seed = (
        values.plain("seed", entries["seed"]) if "seed" in entries else RunSpec.model_fields["seed"].default
    )
    return Header(
        name=_name(entries.get("name"), path, start, problems),
        seed=seed,
        repeats=_repeats(entries.get("repeats"), problems),
        baseline=_baseline(entries.get("baseline"), values, problems),
        timeout=_timeout(entries.get("timeout"), problems),
    )


def _name(node: Node | None, path: Path, start: Mark, problems: Problems) -> str:
    if node is None:
        if not _NAME.fullmatch(path.stem):
            problems.add(
                (), start, f"'name' is not given, and the file's own name will not do: it {_NAME_RULE}"
            )
        return path.stem
    if not isinstance(node.value, str):
        problems.at(node, f"the name is {kind_of(node)}; write text, in quotes if it looks like a number")
    elif not _NAME.fullmatch(node.value):
        problems.at(node, f"the name of a sweep names a folder: it {_NAME_RULE}")
    return str(node.value)


def _repeats(node: Node | None, problems: Problems) -> int:
    if node is None:
        return 1
    if not isinstance(node.value, int) or isinstance(node.value, bool) or not 1 <= node.value <= MAX_RUNS:
        problems.at(node, f"a whole number from 1 to {MAX_RUNS} is wanted here")
        return 1
    return node.value


def _timeout(node: Node | None, problems: Problems) -> float | None:
    if node is None or node.value is None:
        return None
    try:
        return seconds(node.value)
    except ValueError as error:
        problems.at(node, str(error))
        return None


def _baseline(node: Node | None, values: Values, problems: Problems) -> dict[str, Any]:
    if node is None:
        return {"method": "dense"}
    if not isinstance(node.value, dict) or not node.value:
        problems.at(node, "a map of keys and values that pick the baseline is wanted here")
        return {}
    picks = {}
    for key, item in node.value.items():
        if key not in RUN_KEYS:
            problems.at_key(item, f"unknown key '{key}' in a baseline{suggest(key, RUN_KEYS)}")
        elif key == "dataset":
            picks[key] = values.dataset_name(item)
        else:
            picks[key] = values.plain(key, item)
    return picks

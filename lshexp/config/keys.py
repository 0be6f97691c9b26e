"""The keys of the sweep language: what each means, what may be set where, and what takes a list."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from lshexp import registry
from lshexp.config import output
from lshexp.config.nodes import Problems, YamlNode
from lshexp.fields import FieldWords, describe
from lshexp.registry import Kind, Plugin
from lshexp.spec import OUTPUT, RunSpec
from lshexp.validation import suggest

MAX_PARTS = 10  # of a dotted key, after its first
MAX_RUNS = 100_000  # of one sweep, repeats counted
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
NAME_RULE = "must be letters, digits, '.', '_' or '-', starting with a letter or digit, at most 100 of them"
_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(rf"(\d{{1,9}}(?:\.\d{{1,9}})?)\s*({'|'.join(_UNITS)})")


def duration(text: object) -> float:
    """Return a duration, `90`, `90s`, `30m` or `1.5h`, in seconds. Raises ValueError, worded for the user."""
    found = None if isinstance(text, bool) else _DURATION.fullmatch(str(text))
    value = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if value <= 0:
        raise ValueError(f"'{str(text)[:40]}' is not a duration; write seconds, or 90s, 30m, 2h")
    return value


Duration = Annotated[
    float, BeforeValidator(duration), WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]})
]


def _folder_name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError(f"the name of a sweep names a folder: it {NAME_RULE}")
    return text


def _some_keys(picks: dict[str, Any]) -> dict[str, Any]:
    if not picks:
        raise ValueError("an empty map picks nothing; name at least one key, as in {method: dense}")
    return picks


class SweepHeader(BaseModel):
    """The keys that describe a sweep as a whole; its results folder keeps them in sweep.yaml."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    name: Annotated[str, AfterValidator(_folder_name)] = Field(
        description="name of the sweep and of its folder of results; left out: the file's own name"
    )
    title: str | None = Field(
        default=None, min_length=1, description="heading of the sweep in reports; left out: its name"
    )
    repeats: int = Field(
        default=1, ge=1, le=MAX_RUNS, description="runs of each configuration, each with a seed of its own"
    )
    baseline: Annotated[dict[str, Any], AfterValidator(_some_keys)] = Field(
        default_factory=lambda: {"method": "dense"},
        description="keys and values that pick the runs which `compare` and `report` hold the others against",
    )
    margin: float | None = Field(
        default=None,
        gt=0,
        description="largest difference from the baseline that counts as equal, in the unit of the metric; "
        "left out: 1, a point of accuracy",
    )
    save: bool = Field(
        default=False,
        description="whether trained networks are kept, in networks/ beside the results; changes no run's id",
    )
    timeout: Duration | None = Field(
        default=None, description="longest time a run may take, as in 90s, 30m or 2h; then it has failed"
    )


# Keys whose values are read by code of their own.
_EXTENDS = (
    "a file name or a list of them, relative to this file, whose keys hold unless this file gives them; "
    "maps are merged, lists replaced"
)
_SWEEP = "list of blocks, each a set of runs; the sweep is their union; left out: a single run"
BLOCK_KEYS: Mapping[str, str] = {
    "grid": "keys with lists of values; every combination is run",
    "zip": "keys with lists of equal length; first values go together, then second values, and so on",
    "cases": "name of a CSV file whose header names keys and whose rows are combinations, as in a zip",
    "set": "keys with one value each, for all runs of the block",
    "exclude": "list of maps; combinations that agree with all the keys of one of them are left out",
}
FILE_KEYS: Mapping[str, str] = {
    **{key: field.description or "" for key, field in SweepHeader.model_fields.items()},
    "extends": _EXTENDS,
    "sweep": _SWEEP,
}

# Filled from the options' maps, from `output` and from `repeats`; never written by hand.
_INTERNAL = frozenset({"task_options", "dataset_options", "method_options", "repeat", *OUTPUT})
NAMED: Mapping[str, Kind[Any]] = {"dataset": registry.datasets, "task": registry.tasks}
MAPS = (*NAMED, "output")  # keys of a name and options: a map, or the name alone
RUN_KEYS = (*(key for key in RunSpec.model_fields if key not in _INTERNAL), "output")
# Keys that pick a baseline: columns that tell runs apart, each of one value.
BASELINE_KEYS = (*RUN_KEYS[:-1], *output.SETTINGS.values())


class KeyWords(NamedTuple):
    """One key of a sweep file as it is shown to a user; `place` is where it may stand."""

    place: str  # `top` of the file, a `block`, or a `run`: the top of the file, or grid, zip, set or exclude
    field: FieldWords


def described_keys() -> list[KeyWords]:
    """Every key of a sweep file, aside from options: of the whole sweep, of its blocks, of runs."""
    header = {words.name: words for words in describe(SweepHeader)}
    kinds = {
        "extends": "text or list of text",
        "sweep": "list of maps",
        "cases": "text",
        "exclude": "list of maps",
        # what is written, where that is more than the kind of the field
        "timeout": "duration",
        **dict.fromkeys(NAMED, "text or map"),
        "output": "text or map",
        "probe": "number or per cent",
    }

    def own(key: str, description: str) -> FieldWords:
        return FieldWords(key, kinds.get(key, "map"), "", "", description)

    def written(words: FieldWords) -> FieldWords:
        return words._replace(kind=kinds.get(words.name, words.kind))

    top = [
        written(header[key]) if key in header else own(key, description)
        for key, description in FILE_KEYS.items()
    ]
    blocks = [own(key, description) for key, description in BLOCK_KEYS.items()]
    runs = [written(words) for words in describe(RunSpec) if words.name in RUN_KEYS]
    runs.append(own("output", output.DESCRIPTION)._replace(default=RunSpec().output_method))
    options = own(
        "METHOD",
        "options of the method of that name, as in lsh: {K: 6} or lsh.K: 6; "
        "`lshexp list methods NAME` shows them",
    )
    return [
        *(KeyWords("top", words) for words in top),
        *(KeyWords("block", words) for words in blocks),
        *(KeyWords("run", words) for words in [*runs, options]),
    ]


class KeyRules:
    """Answers questions about keys; made anew for each sweep, as plug-ins come and go."""

    def __init__(self) -> None:
        self.methods = registry.methods.discover()
        self.named = {key: kind.discover() for key, kind in NAMED.items()}
        self._broken = registry.methods.unavailable()

    def known(
        self, key: str, node: YamlNode, problems: Problems, also: Iterable[str] = ()
    ) -> YamlNode | None:
        """Return what can be set for runs of a dotted key and its value, options in maps looked up too.

        Each unknown key is recorded in `problems`, with the nearest valid name, and left out; `also` are
        names that are valid there beside the settings of runs.
        """
        complaint = self.complaint(key, also)
        if complaint:
            problems.at_key(node, complaint)
            return None
        if key in MAPS or key in self.methods:
            return self._known_options(key, node, problems)
        return node

    def _known_options(self, key: str, node: YamlNode, problems: Problems) -> YamlNode:
        value = node.value
        if isinstance(value, list):
            items = [self._known_options(key, item, problems) for item in value]
            return replace(node, value=items)
        if isinstance(value, dict):
            options = {part: self.known(f"{key}.{part}", child, problems) for part, child in value.items()}
            return replace(node, value={part: child for part, child in options.items() if child})
        return node

    def complaint(self, key: str, also: Iterable[str] = ()) -> str | None:
        """Say what keeps a dotted key from being set for runs, or return None when it can be."""
        head, *rest = key.split(".")
        if len(rest) > MAX_PARTS:
            return f"a key of more than {MAX_PARTS} parts"
        if head in self.named:
            return self._unknown_option(head, rest, ["name", *_options(self.named[head].values())])
        if head == "output":
            return self._unknown_option(head, rest, [*output.SETTINGS, *_options(self.methods.values())])
        if head in RUN_KEYS:
            return f"'{head}' has no parts; write '{head}'" if rest else None
        if head in self.methods:
            return self._unknown_option(head, rest, list(_options([self.methods[head]])))
        if head in self._broken:
            return f"method '{head}' cannot be loaded: {self._broken[head]}"
        if head in FILE_KEYS:
            return f"'{head}' belongs to the top level of the file"
        if head in BLOCK_KEYS:
            return f"'{head}' belongs to a block of 'sweep'"
        homes = [f"{name}.{head}" for name, cls in self.methods.items() if head in cls.model_fields]
        if homes:
            return f"unknown key '{head}'; did you mean '{homes[0]}'?"
        return f"unknown key '{head}'{suggest(head, [*also, *RUN_KEYS, *self.methods])}"

    @staticmethod
    def _unknown_option(head: str, rest: Sequence[str], options: Sequence[str]) -> str | None:
        if not rest or rest[0] in options:
            return None
        if not options:
            return f"unknown key '{rest[0]}'; {head} has no options"
        return f"unknown key '{rest[0]}'{suggest(rest[0], options)}"

    def takes_list(self, key: str) -> bool:
        """Tell whether one value of `key` is a list, so that an axis of it is a list of lists."""
        head, *rest = key.split(".")
        if not rest:
            return head in RunSpec.model_fields and _only_list(RunSpec.model_fields[head].annotation)
        plugins: Mapping[str, Iterable[type[Plugin]]]
        plugins = {key: classes.values() for key, classes in self.named.items()}
        plugins["output"] = self.methods.values()
        homes = plugins[head] if head in MAPS else [self.methods[head]]
        fields = [cls.model_fields[rest[0]] for cls in homes if rest[0] in cls.model_fields]
        return len(rest) == 1 and bool(fields) and all(_only_list(field.annotation) for field in fields)


def _options(classes: Iterable[type[Plugin]]) -> dict[str, None]:
    return {option: None for cls in classes for option in cls.model_fields}


def _only_list(annotation: Any) -> bool:
    """Tell whether an annotation admits lists and, None aside, nothing else."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _only_list(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        others = [part for part in typing.get_args(annotation) if part is not type(None)]
        return all(_only_list(part) for part in others)
    return origin in (list, tuple) or annotation in (list, tuple)

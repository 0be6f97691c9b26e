"""A commented sweep file to begin with, and a JSON Schema by which editors check and complete sweep files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lshexp import registry
from lshexp.config.keys import BLOCK_KEYS, FILE_KEYS, RUN_KEYS, SweepHeader
from lshexp.config.output import DESCRIPTION, SETTINGS
from lshexp.registry import Plugin
from lshexp.spec import RunSpec

Schema = dict[str, Any]

_STARTER = """\
# yaml-language-server: $schema={schema}
#
# A sweep file says only what differs from the defaults. Every key: lshexp list keys
#   see what it would run:  lshexp sweep {file} --dry-run
#   run it:                 lshexp sweep {file}
#   look at the results:    lshexp compare results/{name}
name: {name}  # also of the folder of results
repeats: 3  # runs of each configuration, each with a seed of its own; five or more to settle anything
baseline: {{method: dense}}  # what the others are compared with
margin: 1.0  # a difference of so many points of accuracy counts as equal

# These settings hold for every run. Datasets: lshexp list datasets. Your own: {{name: csv, path: my.csv}}
dataset: {{name: rectangles, train: 2000, test: 1000}}
hidden: [200, 200]  # two hidden layers of 200 nodes
input: lists  # the first layer reads only the pixels that are not zero
epochs: 2
batch: 32
optimizer: adagrad  # others: lshexp list optimizers
lr: 0.01

# Each block is a set of runs; the sweep is all of them. Methods: lshexp list methods, their options:
# lshexp list methods lsh
sweep:
  - grid:  # every combination is run
      method: [lsh, dropout]
      active_pct: [5, 25]  # active nodes of each hidden layer, per cent
  - set: {{method: dense}}  # one run, which computes every node
  # Other things that a block may hold:
  # - grid: {{method: [lsh], lsh.K: [4, 6, 8]}}  # options are written behind the name of the method
  #   zip: {{active_pct: [5, 50], lr: [0.01, 0.001]}}  # first with first, second with second
  #   exclude: [{{lsh.K: 8, active_pct: 50}}]  # leaves these out
  # - cases: table.csv  # a file whose header names keys and whose rows are runs
"""


def starter_text(name: str, file: str, schema: str) -> str:
    """Return a sweep file that runs as it is, in well under a minute.

    `name` is of the sweep, `file` the name it is called by, `schema` that of the JSON Schema beside it.
    """
    return _STARTER.format(name=name, file=file, schema=schema)


def json_schema() -> Schema:
    """Return a JSON Schema (draft 2020-12) of sweep files: all keys, with the plug-ins that are installed.

    It knows each value by itself. What only the whole sweep can tell, such as lists of unequal length in a
    zip, is found by `lshexp sweep --dry-run`.
    """
    values = _values()
    deeper = {f"^({'|'.join(map(re.escape, registry.methods.discover()))}|dataset|task)[.][^.]+[.].+$": True}

    def keys(wrap: Any) -> Schema:
        properties = {key: wrap({"$ref": f"#/$defs/{key}"}) for key in values}
        return {
            "type": "object",
            "properties": properties,
            "patternProperties": deeper,
            "additionalProperties": False,
        }

    def listed(value: Schema) -> Schema:
        return {"type": "array", "items": value, "minItems": 1}

    block = {
        "grid": keys(lambda value: {"anyOf": [listed(value), value]}),
        "zip": keys(listed),
        "cases": {"type": "string"},
        "set": keys(lambda value: value),
        "exclude": {"type": "array", "items": keys(lambda value: value)},
    }
    names = {"type": "string"}
    whole = SweepHeader.model_json_schema()["properties"] | {
        "extends": {"anyOf": [names, {"type": "array", "items": names}]},
        "sweep": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {key: {"description": BLOCK_KEYS[key]} | block[key] for key in BLOCK_KEYS},
                "additionalProperties": False,
            },
        },
    }
    schema = keys(lambda value: value)
    schema["properties"] |= {key: whole[key] | {"description": FILE_KEYS[key]} for key in FILE_KEYS}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lshexp sweep file",
        **schema,
        "$defs": values,
    }


def _values() -> dict[str, Schema]:
    """The schema of one value of each key that can be set for runs, dotted keys included."""
    runs = RunSpec.model_json_schema()["properties"]
    values: dict[str, Schema] = {key: runs[key] for key in RUN_KEYS if key in runs}
    methods, datasets = registry.methods.discover(), registry.datasets.discover()
    values["method"] = values["method"] | {"enum": list(methods)}
    for name, method in methods.items():
        options = _options(method)
        values[name] = {
            "type": "object",
            "description": method.summary(),
            "properties": {option: {"$ref": f"#/$defs/{name}.{option}"} for option in options},
            "additionalProperties": False,
        }
        values |= {f"{name}.{option}": schema for option, schema in options.items()}
    own = {key: runs[field] for key, field in SETTINGS.items()} | {"method": {"enum": list(methods)}}
    options = {}
    for method in methods.values():
        for option, schema in _options(method).items():
            options.setdefault(option, {"anyOf": []})["anyOf"].append(schema)
    output = options | own
    values["output"] = {
        "description": DESCRIPTION,
        "anyOf": [
            {"enum": list(methods)},
            {"type": "object", "properties": output, "additionalProperties": False},
        ],
    }
    values |= {f"output.{key}": schema for key, schema in output.items()}
    return values | _named("dataset", values, datasets) | _named("task", values, registry.tasks.discover())


def _named(key: str, values: dict[str, Schema], found: Mapping[str, type[Plugin]]) -> dict[str, Schema]:
    """Schemas of a key that takes the name of a plug-in, or a map of it and options; dotted keys included."""
    maps: list[Schema] = []
    dotted: dict[str, Schema] = {f"{key}.name": {"enum": list(found)}}
    for name, plugin in found.items():
        options = _options(plugin)
        maps.append(
            {
                "type": "object",
                "description": plugin.summary(),
                "properties": {"name": {"const": name}, **options},
                "additionalProperties": False,
            }
        )
        for option, schema in options.items():  # plug-ins may have options of one name and different kinds
            dotted.setdefault(f"{key}.{option}", {"anyOf": []})["anyOf"].append(schema)
    whole = {name: values[key][name] for name in ("description", "default")}
    return {key: whole | {"anyOf": [{"enum": list(found)}, *maps]}, **dotted}


def _options(cls: type[Plugin]) -> dict[str, Schema]:
    """Schemas of the options of a plug-in; a map that names a plug-in may also be its name alone."""
    schema = cls.model_json_schema()
    defs = schema.get("$defs", {})
    options = {}
    for key, option in schema.get("properties", {}).items():
        plain = {name: _inlined(part, defs) for name, part in option.items() if name != "title"}
        options[key] = plain | {"type": ["object", "string"]} if plain.get("type") == "object" else plain
    return options


def _inlined(part: Any, defs: dict[str, Any]) -> Any:
    """Replace references into `defs`, which the schema of sweep files lacks, by what they refer to."""
    if isinstance(part, list):
        return [_inlined(item, defs) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _inlined(defs[part["$ref"].rpartition("/")[2]], defs)
    return {key: _inlined(item, defs) for key, item in part.items()}

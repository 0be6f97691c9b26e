"""From a sweep file and overrides to a list of runs, or to a list of everything that is wrong with them.

The whole sweep can be written out again as one YAML file, `sweep.yaml` beside its results.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lshexp import registry
from lshexp.config.blocks import AxisGroup, SweepBlock, read_blocks
from lshexp.config.document import read_document, read_scalar
from lshexp.config.expansion import INVALID, CheckedValues, Expander, run_defaults
from lshexp.config.files import main_file, read_merged, read_text
from lshexp.config.keys import BASELINE_KEYS, MAX_RUNS, NAME, NAME_RULE, NAMED, KeyRules, SweepHeader
from lshexp.config.nodes import Mark, Problems, YamlNode, kind_of
from lshexp.config.overrides import fits, override_blocks, override_defaults, read_overrides
from lshexp.errors import ConfigError
from lshexp.spec import RunSpec
from lshexp.validation import suggest, validate


@dataclass(frozen=True)
class Sweep:
    """A checked sweep."""

    header: SweepHeader
    path: Path  # the sweep file, as it was given
    seed: int  # of the runs that are not given another
    runs: list[RunSpec]  # in the order in which they are to be done
    merged: int  # expanded runs that were the same as another one and dropped
    files: tuple[str, ...]  # the sweep file, what it extends and its tables, as messages name them
    overrides: tuple[str, ...]  # `key=value`, as they were given
    resolved: str  # the whole sweep as one YAML text that loads to the same runs

    @property
    def name(self) -> str:
        """Name of the sweep and of its folder of results."""
        return self.header.name

    @property
    def repeats(self) -> int:
        """Runs of each configuration."""
        return self.header.repeats

    @property
    def baseline(self) -> Mapping[str, Any]:
        """Keys and values that pick the runs others are compared with."""
        return self.header.baseline

    @property
    def save(self) -> bool:
        """Whether trained networks are kept."""
        return self.header.save

    @property
    def timeout_s(self) -> float | None:
        """Seconds a run may take before it is ended; None without a limit."""
        return self.header.timeout


def load_sweep(path: str | Path, overrides: Sequence[str] = (), repeats: int | None = None) -> Sweep:
    """Read a sweep file, apply `key=value` overrides, and expand it to runs. No data is loaded.

    `repeats`, when given, takes the place of the file's.

    Raises ConfigError with everything that is wrong, each problem with its place; DataError when a dataset
    cannot tell its sizes.
    """
    path = Path(path)
    problems = Problems()
    rules = KeyRules()
    merged = read_merged(path, rules, problems)
    changes = read_overrides(overrides, repeats, rules, problems)
    entries = override_defaults(merged.entries, changes)
    blocks = override_blocks(read_blocks(merged, rules, problems), changes, problems)
    fitting = [block for block in blocks if fits(block, changes, problems)]

    values = CheckedValues(rules, problems)
    defaults = run_defaults(entries, rules, merged.start)
    header = _header(entries, path, merged.start, values, problems)
    expander = Expander(defaults, rules, values, problems)
    expander.check_each(blocks)
    total = sum(block.size() for block in fitting) * header.repeats
    if total > MAX_RUNS:
        mark = entries["sweep"].mark if "sweep" in entries else merged.start
        problems.add(("sweep",), mark, f"{total:,} runs; a sweep has at most {MAX_RUNS:,}")
    if total > MAX_RUNS or not merged.complete:  # without a file, its settings would be reported as missing
        problems.raise_any()
    expanded = [spec for block in fitting for spec in expander.expand(block, changes.keys())]
    if not expanded and not problems:
        problems.add(("sweep",), merged.start, "no run is left once all excludes are applied")
    if header.save:
        _check_kept(expanded, entries["save"], problems)
    problems.raise_any()

    distinct = {spec.run_id(""): spec for spec in reversed(expanded)}
    seed = entries["seed"].plain() if "seed" in entries else RunSpec.model_fields["seed"].default
    return Sweep(
        header=header,
        path=path,
        seed=seed,
        runs=_in_order(reversed(distinct.values()), header.repeats),
        merged=(len(expanded) - len(distinct)) * header.repeats,
        files=tuple(merged.files),
        overrides=tuple(overrides),
        resolved=_write(header, {"seed": seed} | _plain(defaults), expander.effective),
    )


def _check_kept(runs: Iterable[RunSpec], save: YamlNode, problems: Problems) -> None:
    """Record it where networks are to be kept of a task that trains none."""
    for task in dict.fromkeys(run.task for run in runs):
        if not registry.tasks.discover()[task].keeps_network:
            problems.at(save, f"task '{task}' trains no network that could be kept; leave `save` out")


def _header(
    entries: Mapping[str, YamlNode], path: Path, start: Mark, values: CheckedValues, problems: Problems
) -> SweepHeader:
    """Check the keys that describe the sweep; wrong ones are recorded and left at their defaults."""
    given = {key: node for key, node in entries.items() if key in SweepHeader.model_fields}
    if "name" not in given and not NAME.fullmatch(path.stem):
        problems.add((), start, f"'name' is not given, and the file's own name will not do: it {NAME_RULE}")
    plain = {"name": path.stem if NAME.fullmatch(path.stem) else "unnamed"}
    plain |= {key: node.plain() for key, node in given.items()}
    if "baseline" in given:
        plain["baseline"] = _baseline(given["baseline"], values, problems)
    try:
        return validate(SweepHeader, plain)
    except ConfigError as error:
        problems.at_parts(YamlNode(given, (), start, start), error)
        wrong = {problem.where[0] for problem in error.problems}
        right = {key: value for key, value in plain.items() if key not in wrong}
        return validate(SweepHeader, {"name": "unnamed"} | right)


def _baseline(node: YamlNode, values: CheckedValues, problems: Problems) -> Any:
    """Check the keys and values that pick a baseline; wrong ones are recorded and returned as written."""
    if not isinstance(node.value, dict):
        return node.plain()
    picks = {}
    for key, item in node.value.items():
        if key not in BASELINE_KEYS:
            problems.at_key(item, f"unknown key '{key}' in a baseline{suggest(key, BASELINE_KEYS)}")
            picks[key] = item.plain()
            continue
        picked = values.name(key, item) if key in NAMED else values.plain(key, item)
        picks[key] = item.plain() if picked is INVALID else picked
    return picks


def _in_order(specs: Iterable[RunSpec], repeats: int) -> list[RunSpec]:
    """Put runs into an order whose every beginning is balanced.

    All runs of a repeat come before the next repeat; within one, methods take turns, so that a machine that
    slows down, or a sweep that is stopped, treats them alike.
    """
    queues: dict[tuple[str, str], list[RunSpec]] = {}
    for spec in specs:
        queues.setdefault((spec.method, spec.output_method), []).append(spec)
    turns = itertools.chain.from_iterable(itertools.zip_longest(*queues.values()))
    once = [spec for spec in turns if spec is not None]
    return [spec.model_copy(update={"repeat": repeat}) for repeat in range(repeats) for spec in once]


def resolved_text(sweep: Sweep) -> str:
    """Return the sweep as one YAML file, without `extends`, `cases` or overrides.

    It loads to the same runs; `read_resolved` reads its keys of the whole sweep.
    """
    overrides = "".join(f" -s {override}" for override in sweep.overrides)
    origin = f"# The sweep of these results in one file; written from {sweep.path.name}{overrides}\n"
    return origin + sweep.resolved


def read_resolved(path: Path) -> SweepHeader:
    """Read name, title, baseline, margin and the other keys of a whole sweep from a `sweep.yaml`.

    Its runs are not looked at, so that results can be read where a method or dataset is not installed.

    Raises ConfigError when the file cannot be read, or what it says of the sweep is wrong.
    """
    problems = Problems()
    file = main_file(path)
    text = read_text(file, problems)
    root = read_document(text, file.shown, problems) if text is not None else None
    if root is not None and not isinstance(root.value, dict):
        problems.at(root, f"a sweep is a map of settings; this is {kind_of(root)}")
    problems.raise_any()
    assert root is not None  # or there would be a problem
    content = root.plain()
    try:
        return validate(
            SweepHeader, {key: content[key] for key in SweepHeader.model_fields if key in content}
        )
    except ConfigError as error:
        problems.at_parts(root, error)
        problems.raise_any()
        raise


class _Dumper(yaml.SafeDumper):
    """Writes each value so that the rules of YAML 1.1 and of 1.2 both read it back, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _write_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    try:
        quote = None if read_scalar(text) == text else "'"  # PyYAML itself quotes what 1.1 would misread
    except ValueError:
        quote = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=quote)


_Dumper.add_representer(str, _write_text)


def _write(header: SweepHeader, settings: Mapping[str, Any], blocks: Iterable[SweepBlock]) -> str:
    unsaid = set() if header.save else {"save"}
    content = header.model_dump(exclude_none=True, exclude=unsaid) | dict(settings)
    content["sweep"] = [_plain_block(block) for block in blocks]
    text: str = yaml.dump(content, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=110)
    return text


def _plain(settings: Mapping[str, YamlNode]) -> dict[str, Any]:
    """Settings as they are to be written; empty maps, a dense output and a plain task are not."""
    plain = {key: node.plain() for key, node in settings.items()}
    fields = RunSpec.model_fields
    implied = {"output": {"method": fields["output_method"].default}}
    implied["task"] = {"name": fields["task"].default}
    return {key: value for key, value in plain.items() if value not in ({}, implied.get(key))}


def _plain_block(block: SweepBlock) -> dict[str, Any]:
    fixed, grid, paired = {}, {}, []
    for group in block.groups:
        if len(group) > 1:
            paired.append(group)
        elif len(group[0].values) > 1:
            grid[group[0].key] = [value.plain() for value in group[0].values]
        else:
            fixed[group[0].key] = group[0].values[0].plain()
    excludes = [exclude.node.plain() for exclude in block.excludes]
    entries = {"set": fixed, "grid": grid, "zip": _zip(paired), "exclude": excludes}
    return {key: entry for key, entry in entries.items() if entry}


def _zip(groups: list[AxisGroup]) -> dict[str, list[Any]]:
    """Write groups as one: a block has one zip, so a zip and a table of cases are multiplied out."""
    keys = [axis.key for group in groups for axis in group]
    rows = itertools.product(*(list(zip(*(axis.values for axis in group), strict=True)) for group in groups))
    columns = zip(*(itertools.chain.from_iterable(row) for row in rows), strict=True) if groups else []
    return {key: [value.plain() for value in column] for key, column in zip(keys, columns, strict=True)}

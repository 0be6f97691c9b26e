"""From blocks to runs: every combination of values that no exclude matches becomes one resolved run.

A value is checked by itself once, however many runs have it, and then the values of each run together.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import reduce
from typing import Any, Final

from lshexp import registry
from lshexp.config.blocks import Exclude, SweepBlock
from lshexp.config.keys import MAPS, NAMED, RUN_KEYS, KeyRules
from lshexp.config.nodes import Mark, Problems, YamlNode, kind_of, merge, nested
from lshexp.config.output import output_settings
from lshexp.data.base import Dataset, DatasetInfo
from lshexp.errors import ConfigError
from lshexp.nn.plan import plan_layers, require_labels
from lshexp.registry import Plugin
from lshexp.spec import RunSpec
from lshexp.tasks.base import RunTask
from lshexp.validation import validate

Combination = dict[str, YamlNode]  # first part of a key -> its merged value


class _Invalid(Enum):
    INVALID = "invalid"


INVALID: Final = _Invalid.INVALID  # stands for a value whose problem has been recorded


@dataclass(frozen=True)
class Choice:
    """A dataset or task with all its options resolved."""

    name: str
    options: dict[str, Any]
    plugin: Plugin


class CheckedValues:
    """The values that nodes stand for, checked; each node is checked once, however many runs use it."""

    def __init__(self, rules: KeyRules, problems: Problems) -> None:
        self._rules = rules
        self._problems = problems
        self._combined: dict[tuple[YamlNode, ...], YamlNode] = {}
        self._plain: dict[tuple[str, YamlNode], Any] = {}
        self._chosen: dict[tuple[str, YamlNode], Choice | _Invalid] = {}
        self._sizes: dict[YamlNode, DatasetInfo | _Invalid] = {}
        self._options: dict[tuple[str, YamlNode], dict[str, Any] | _Invalid] = {}
        self._outputs: dict[YamlNode, dict[str, Any] | _Invalid] = {}

    def combined(self, layers: tuple[tuple[str, YamlNode], ...]) -> YamlNode:
        """Merge settings whose dotted keys begin alike, as `lsh` and `lsh.K` do, later over earlier ones."""
        nodes = tuple(node for _, node in layers)
        if nodes not in self._combined:
            self._combined[nodes] = reduce(merge, (nested(key, node) for key, node in layers))
        return self._combined[nodes]

    def plain(self, key: str, node: YamlNode) -> Any:
        """Return the value of a key without parts, `INVALID` when it is out of range or of the wrong kind."""
        if (key, node) not in self._plain:
            self._plain[key, node] = self._check_plain(key, node)
        return self._plain[key, node]

    def _check_plain(self, key: str, node: YamlNode) -> Any:
        if isinstance(node.value, list) and not self._rules.takes_list(key):
            self._problems.at(node, f"a list cannot be one value of '{key}'; sweep it in a block's grid")
            return INVALID
        try:
            if key == "method":
                registry.methods.lookup(node.plain(), (key,))
            return getattr(validate(RunSpec, {key: node.plain()}), key)
        except ConfigError as error:
            self._problems.at_parts(YamlNode({key: node}, (), node.mark, node.key_mark), error)
            return INVALID

    def name(self, key: str, node: YamlNode) -> str | _Invalid:
        """Return the name of a registered dataset, or of a registered task."""
        try:
            name: str = NAMED[key].lookup(node.plain()).name
            return name
        except ConfigError as error:
            self._problems.at_parts(node, error)
            return INVALID

    def chosen(self, key: str, node: YamlNode) -> Choice | _Invalid:
        """Return the dataset or the task that a map of its name and options describes."""
        if (key, node) not in self._chosen:
            self._chosen[key, node] = self._choose(key, node)
        return self._chosen[key, node]

    def _choose(self, key: str, node: YamlNode) -> Choice | _Invalid:
        if not isinstance(node.value, dict):
            self._problems.at(
                node, f"the name of one {key}, or a map, is wanted here, this is {kind_of(node)}"
            )
            return INVALID
        if "name" not in node.value:
            self._problems.at(node, f"'name' is missing: which {key} are these options for?")
            return INVALID
        name = self.name(key, node.value["name"])
        if name is INVALID:
            return INVALID
        try:
            options = {key: child.plain() for key, child in node.value.items() if key != "name"}
            plugin = NAMED[key].build(name, options)
            return Choice(name, plugin.recorded(), plugin)
        except ConfigError as error:
            self._problems.at_parts(node, error)
            return INVALID

    def sizes(self, dataset: Choice, node: YamlNode) -> DatasetInfo | _Invalid:
        """Return what is known of a dataset without loading it; it is asked for once."""
        if node not in self._sizes:
            assert isinstance(dataset.plugin, Dataset)
            try:
                self._sizes[node] = dataset.plugin.info()
            except ConfigError as error:
                self._problems.at_parts(node, error)
                self._sizes[node] = INVALID
        return self._sizes[node]

    def output(self, node: YamlNode) -> dict[str, Any] | _Invalid:
        """Return the fields of a run that the map of an output stands for."""
        if node not in self._outputs:
            try:
                self._outputs[node] = output_settings(node.plain())
            except ConfigError as error:
                self._problems.at_parts(node, error)
                self._outputs[node] = INVALID
        return self._outputs[node]

    def options(self, method: str, node: YamlNode) -> dict[str, Any] | _Invalid:
        """Return all options of a method, those that are not given at their defaults."""
        if (method, node) not in self._options:
            self._options[method, node] = self._check_options(method, node)
        return self._options[method, node]

    def _check_options(self, method: str, node: YamlNode) -> dict[str, Any] | _Invalid:
        if not isinstance(node.value, dict):
            self._problems.at(
                node, f"a map of the options of '{method}' is wanted here, this is {kind_of(node)}"
            )
            return INVALID
        try:
            return registry.methods.build(method, node.plain()).recorded()
        except ConfigError as error:
            self._problems.at_parts(node, error)
            return INVALID

    def uses_active_pct(self, method: str) -> bool:
        """Tell whether a registered method chooses a share of the nodes."""
        return self._rules.methods[method].uses_active_pct


def run_defaults(entries: Mapping[str, YamlNode], rules: KeyRules, start: Mark) -> Combination:
    """Pick the settings of runs from top-level entries, and the dataset and method meant by default."""

    def implied(key: str, value: Any) -> YamlNode:
        return YamlNode(value, (key,), start, start)

    fields = RunSpec.model_fields
    settings = {
        **{key: implied(key, {"name": implied(key, fields[key].default)}) for key in NAMED},
        "method": implied("method", fields["method"].default),
        "output": implied("output", {"method": implied("output", fields["output_method"].default)}),
    }
    settings |= {method: implied(method, {}) for method in rules.methods}
    return settings | {key: node for key, node in entries.items() if key in (*RUN_KEYS, *rules.methods)}


class Expander:
    """Expands blocks one after the other; values that blocks share are checked once.

    `effective` collects the blocks that gave runs, with the excludes that left something out.
    """

    def __init__(
        self, defaults: Combination, rules: KeyRules, values: CheckedValues, problems: Problems
    ) -> None:
        self._defaults = defaults
        self._rules = rules
        self._values = values
        self._problems = problems
        self._sure = False
        self.effective: list[SweepBlock] = []

    def check_each(self, blocks: Iterable[SweepBlock]) -> None:
        """Check every single value by itself, also those that no run will have.

        Once something is wrong, `expand` no longer reports what is absent: a misspelt key may have meant it.
        """
        for key, node in self._defaults.items():
            self._check(key, node)
        for axis in (axis for block in blocks for axis in block.axes()):
            for value in axis.values:
                self._check(axis.key, value)
        self._sure = not self._problems

    def _check(self, key: str, node: YamlNode) -> None:
        if key in NAMED and isinstance(node.value, dict) and "name" in node.value:
            self._values.name(key, node.value["name"])
        elif key in RUN_KEYS and key not in MAPS:
            self._values.plain(key, node)

    def expand(self, block: SweepBlock, overridden: set[str]) -> list[RunSpec]:
        """Return a run for each combination of the block that is right and not excluded.

        Problems are recorded. An exclude must leave something out, and the excludes must leave something,
        unless they name a key that an override gave other values.
        """
        patterns = [self._pattern(exclude) for exclude in block.excludes]
        used: set[int] = set()
        specs, left = [], 0
        for combination in self._combinations(block):
            matching = {
                i for i, pattern in enumerate(patterns) if pattern and self._matches(pattern, combination)
            }
            used |= matching
            left += not matching
            if not matching and (spec := self._spec(combination)):
                specs.append(spec)
        if left:
            kept = [exclude for i, exclude in enumerate(block.excludes) if i in used]
            self.effective.append(replace(block, excludes=kept))
        if self._sure:
            as_written = [overridden.isdisjoint(exclude.leaves) for exclude in block.excludes]
            for i, exclude in enumerate(block.excludes):
                if i not in used and as_written[i]:
                    self._problems.at(exclude.node, "matches no run of this block")
            if not left and all(as_written):
                self._problems.at(block.node, "the excludes leave no run in this block")
        return specs

    def _combinations(self, block: SweepBlock) -> Iterator[Combination]:
        """Yield the settings of each combination, the last group of the block varying fastest.

        Deeper keys are laid over shallower ones: `dataset.train` over `dataset`.
        """
        keys = [axis.key for axis in block.axes()]
        by_head: dict[str, list[int]] = {}
        for i in sorted(range(len(keys)), key=lambda i: keys[i].count(".")):
            by_head.setdefault(keys[i].partition(".")[0], []).append(i)
        rows = [list(zip(*(axis.values for axis in group), strict=True)) for group in block.groups]
        for picked in itertools.product(*rows):
            nodes = tuple(itertools.chain.from_iterable(picked))
            combination = dict(self._defaults)
            for head, indices in by_head.items():
                layers = [(head, combination[head])] if head in combination else []
                layers += [(keys[i], nodes[i]) for i in indices]
                combination[head] = self._values.combined(tuple(layers))
            yield combination

    def _pattern(self, exclude: Exclude) -> dict[str, Any] | None:
        """Return the values an exclude looks for by dotted key, None when one of them can never occur."""
        pattern = {}
        for key, node in exclude.leaves.items():
            plain = key in RUN_KEYS and key not in MAPS
            pattern[key] = self._values.plain(key, node) if plain else node.plain()
        return None if INVALID in pattern.values() else pattern

    def _matches(self, pattern: Mapping[str, Any], combination: Combination) -> bool:
        """Compare with values as they are written, and with the defaults of keys that are not."""
        for key, wanted in pattern.items():
            head, *path = key.split(".")
            if head in RUN_KEYS and head not in MAPS:
                node = combination.get(head)
                found = self._values.plain(head, node) if node else RunSpec.model_fields[head].get_default()
            else:
                found = combination[head].part(path)
            if found != wanted or isinstance(found, bool) != isinstance(wanted, bool):
                return False
        return True

    def _spec(self, combination: Combination) -> RunSpec | None:
        values: dict[str, Any] = {}
        methods = self._rules.methods
        for key, node in combination.items():
            if key not in methods and key not in MAPS:
                values[key] = self._values.plain(key, node)
        method = values["method"]
        options = {
            key: self._values.options(key, combination[key])
            for key in methods
            if key == method or combination[key].value != {}
        }
        found = {key: self._values.chosen(key, combination[key]) for key in NAMED}
        chosen = {key: choice for key, choice in found.items() if choice is not INVALID}
        output = self._values.output(combination["output"])
        if output is INVALID or len(chosen) < len(found) or INVALID in (*values.values(), *options.values()):
            return None
        info = self._values.sizes(chosen["dataset"], combination["dataset"])
        if info is INVALID:
            return None
        values |= output
        values["method_options"] = options[method]
        for key, choice in chosen.items():
            values |= {key: choice.name, f"{key}_options": choice.options}
        if not self._values.uses_active_pct(method):
            # what is computed, so that runs asked for twice are seen to be one
            values |= {"active_pct": 100.0, "active_from": None, "active_until": None, "block": 1}
        elif "active_pct" not in values:
            if self._sure:
                message = f"method '{method}' needs 'active_pct', and none is given"
                self._problems.at(combination["method"], message)
            return None
        enough = self._enough(values, info, combination)
        if not self._consistent(values, combination) or not enough:
            return None
        try:
            spec = validate(RunSpec, values)
            widths = [info.features, *spec.hidden, info.classes]
            require_labels(spec, info.multilabel)
            task = chosen["task"].plugin
            assert isinstance(task, RunTask)
            task.check(spec, info)
            plan_layers(spec, registry.methods.build(method, spec.method_options), widths, info.sparse)
            return spec
        except ConfigError as error:
            self._problems.at_parts(YamlNode(combination, (), Mark(""), Mark("")), error)
            return None

    def _enough(self, values: Mapping[str, Any], info: DatasetInfo, combination: Combination) -> bool:
        """Tell whether the dataset has the examples that are asked for."""
        name = values["dataset"]
        train = values.get("train_examples") or info.train_examples
        limits = (
            ("train_examples", info.train_examples, f"'{name}' has for training"),
            ("test_examples", info.test_examples, f"'{name}' has for testing"),
            ("validation_examples", train - 1, f"that can be held out of {train} for training"),
        )
        enough = True
        for key, most, there in limits:
            if (values.get(key) or 0) > most:
                self._problems.at(combination[key], f"{values[key]} is more than the {most} {there}")
                enough = False
        left = train - (values.get("validation_examples") or 0)
        if enough and "batch" in values and values["batch"] > left:
            message = f"{values['batch']} is more than the {left} examples to train on"
            self._problems.at(combination["batch"], message)
            enough = False
        return enough

    def _consistent(self, values: Mapping[str, Any], combination: Combination) -> bool:
        """Tell whether values that are each allowed also go together."""
        epochs = values.get("epochs", RunSpec.model_fields["epochs"].default)
        consistent = True
        if (values.get("average_from") or 0) > epochs:
            message = (
                f"{values['average_from']} is beyond the last epoch, {epochs}; nothing would be averaged"
            )
            self._problems.at(combination["average_from"], message)
            consistent = False
        return consistent

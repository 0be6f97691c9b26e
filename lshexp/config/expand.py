"""From blocks to runs: products, excludes, one resolved specification a combination."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from lshexp.config.blocks import Block, Exclude
from lshexp.config.nodes import Mark, Node, Problems
from lshexp.config.values import BAD, DatasetChoice, Values
from lshexp.config.vocabulary import RUN_KEYS, Vocabulary
from lshexp.errors import ConfigError
from lshexp.spec import RunSpec
from lshexp.validation import validate

Combination = dict[str, Node]  # first part of a key -> its merged value


def run_defaults(entries: Mapping[str, Node], vocabulary: Vocabulary, start: Mark) -> Combination:
    """Pick the settings of runs from top-level entries, and the dataset and method meant by default."""

    def implied(key: str, value: Any) -> Node:
        return Node(value, (key,), start, start)

    fields = RunSpec.model_fields
    name = implied("dataset", fields["dataset"].default)
    settings = {
        "dataset": implied("dataset", {"name": name}),
        "method": implied("method", fields["method"].default),
    }
    settings |= {method: implied(method, {}) for method in vocabulary.methods}
    return settings | {key: node for key, node in entries.items() if key in (*RUN_KEYS, *vocabulary.methods)}


class Expander:
    """Expands blocks one after the other; values that blocks share are checked once.

    `effective` collects the blocks that gave runs, with the excludes that left something out.
    """

    def __init__(
        self, defaults: Combination, vocabulary: Vocabulary, values: Values, problems: Problems
    ) -> None:
        self._defaults = defaults
        self._vocabulary = vocabulary
        self._values = values
        self._problems = problems
        self._sure = False
        self.effective: list[Block] = []

    def check_each(self, blocks: Iterable[Block]) -> None:
        """Check every single value by itself, of defaults that no run uses and of blocks that do not fit too.

        Once something is wrong, say with the spelling of a key, `expand` no longer reports what is absent.
        """
        for key, node in self._defaults.items():
            self._check(key, node)
        for axis in (axis for block in blocks for axis in block.axes()):
            for value in axis.values:
                self._check(axis.key, value)
        self._sure = not self._problems

    def _check(self, key: str, node: Node) -> None:
        if key == "dataset" and isinstance(node.value, dict) and "name" in node.value:
            self._values.dataset_name(node.value["name"])
        elif key in RUN_KEYS and key != "dataset":
            self._values.plain(key, node)

    def expand(self, block: Block, overridden: set[str]) -> list[RunSpec]:
        """Return a specification for each combination of the block that is sound and not excluded.

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

    def _combinations(self, block: Block) -> Iterator[Combination]:
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
                combination[head] = self._values.pile(tuple(layers))
            yield combination

    def _pattern(self, exclude: Exclude) -> dict[str, Any] | None:
        """Return the values an exclude looks for by dotted key, None when one of them can never occur."""
        pattern = {}
        for key, node in exclude.leaves.items():
            pattern[key] = self._values.plain(key, node) if key in RUN_KEYS else node.plain()
        return None if BAD in pattern.values() else pattern

    def _matches(self, pattern: Mapping[str, Any], combination: Combination) -> bool:
        """Compare with values as they are written, and with the defaults of keys that are not."""
        for key, wanted in pattern.items():
            head, *path = key.split(".")
            if head in RUN_KEYS and head != "dataset":
                node = combination.get(head)
                found = self._values.plain(head, node) if node else RunSpec.model_fields[head].get_default()
            else:
                found = combination[head].part(path)
            if found != wanted or isinstance(found, bool) != isinstance(wanted, bool):
                return False
        return True

    def _spec(self, combination: Combination) -> RunSpec | None:
        values: dict[str, Any] = {}
        methods = self._vocabulary.methods
        for key, node in combination.items():
            if key not in methods and key != "dataset":
                values[key] = self._values.plain(key, node)
        method = values["method"]
        options = {
            key: self._values.options(key, combination[key])
            for key in methods
            if key == method or combination[key].value != {}
        }
        dataset = self._values.dataset(combination["dataset"])
        if dataset is BAD or BAD in values.values() or BAD in options.values():
            return None
        values |= {
            "dataset": dataset.name,
            "dataset_options": dataset.options,
            "method_options": options[method],
        }
        if not self._values.uses_active_pct(method):
            values["active_pct"] = 100.0  # what is computed, so that runs asked for twice are seen to be one
        elif "active_pct" not in values:
            if self._sure:
                message = f"method '{method}' needs 'active_pct', and none is given"
                self._problems.at(combination["method"], message)
            return None
        if not self._enough(values, dataset, combination):
            return None
        try:
            return validate(RunSpec, values)
        except ConfigError as error:
            self._problems.below(Node(combination, (), Mark(""), Mark("")), error)
            return None

    def _enough(self, values: Mapping[str, Any], dataset: DatasetChoice, combination: Combination) -> bool:
        """Tell whether the dataset has the examples that are asked for."""
        train = values.get("train_examples") or dataset.info.train_examples
        limits = (
            ("train_examples", dataset.info.train_examples, f"'{dataset.name}' has for training"),
            ("test_examples", dataset.info.test_examples, f"'{dataset.name}' has for testing"),
            ("validation_examples", train - 1, f"that can be held out of {train} for training"),
        )
        enough = True
        for key, most, there in limits:
            if (values.get(key) or 0) > most:
                self._problems.at(combination[key], f"{values[key]} is more than the {most} {there}")
                enough = False
        return enough

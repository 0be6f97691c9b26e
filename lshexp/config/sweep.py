"""From a sweep file and overrides to a list of runs, or to a list of everything that is wrong with them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lshexp.config.blocks import read_blocks
from lshexp.config.expand import Expander, run_defaults
from lshexp.config.header import MAX_RUNS, read_header
from lshexp.config.includes import load_settings
from lshexp.config.nodes import Problems
from lshexp.config.overrides import fits, override_blocks, override_defaults, read_overrides
from lshexp.config.resolved import write_resolved
from lshexp.config.values import Values
from lshexp.config.vocabulary import Vocabulary
from lshexp.spec import RunSpec


@dataclass(frozen=True)
class Sweep:
    """A checked sweep."""

    name: str  # of the sweep and of its folder of results
    path: Path  # the sweep file, as it was given
    seed: int  # of the runs that are not given another
    repeats: int
    baseline: Mapping[str, Any]  # keys of runs and the values that pick the rows others are compared with
    timeout_s: float | None  # that a run may take before it is ended
    runs: list[RunSpec]  # in the order in which they are to be done
    merged: int  # expanded runs that were the same as another one and dropped
    files: tuple[str, ...]  # the sweep file, what it extends and its tables, as messages name them
    overrides: tuple[str, ...]  # `key=value`, as they were given
    resolved: str  # the whole sweep as one YAML text that loads to the same runs


def load_sweep(path: str | Path, overrides: Sequence[str] = (), repeats: int | None = None) -> Sweep:
    """Read a sweep file, apply `key=value` overrides, and expand it to runs. No data is loaded.

    `repeats`, when given, takes the place of the file's.

    Raises ConfigError with everything that is wrong, each problem with its place; DataError when a dataset
    cannot tell its sizes.
    """
    path = Path(path)
    problems = Problems()
    vocabulary = Vocabulary()
    settings = load_settings(path, vocabulary, problems)
    changes = read_overrides(overrides, repeats, vocabulary, problems)
    entries = override_defaults(settings.entries, changes)
    blocks = override_blocks(read_blocks(settings, vocabulary, problems), changes, problems)
    fitting = [block for block in blocks if fits(block, changes, problems)]

    values = Values(vocabulary, problems)
    defaults = run_defaults(entries, vocabulary, settings.start)
    header = read_header(entries, path, settings.start, values, problems)
    expander = Expander(defaults, vocabulary, values, problems)
    expander.check_each(blocks)
    total = sum(block.size() for block in fitting) * header.repeats
    if total > MAX_RUNS:
        mark = entries["sweep"].mark if "sweep" in entries else settings.start
        problems.add(("sweep",), mark, f"{total:,} runs; a sweep has at most {MAX_RUNS:,}")
    if total > MAX_RUNS or not settings.complete:  # what a missing file would have said is not worth guessing
        problems.raise_any()
    expanded = [spec for block in fitting for spec in expander.expand(block, changes.keys())]
    if not expanded and not problems:
        problems.add(("sweep",), settings.start, "no run is left once all excludes are applied")
    problems.raise_any()

    distinct = {spec.run_id(""): spec for spec in reversed(expanded)}
    return Sweep(
        name=header.name,
        path=path,
        seed=header.seed,
        repeats=header.repeats,
        baseline=header.baseline,
        timeout_s=header.timeout,
        runs=_in_order(reversed(distinct.values()), header.repeats),
        merged=(len(expanded) - len(distinct)) * header.repeats,
        files=tuple(settings.sources),
        overrides=tuple(overrides),
        resolved=write_resolved(header, defaults, expander.effective),
    )


def _in_order(specs: Iterable[RunSpec], repeats: int) -> list[RunSpec]:
    """Put runs into an order whose every beginning is balanced.

    All runs of a repeat come before the next repeat; within one, methods take turns, so that a machine that
    slows down, or a sweep that is stopped, treats them alike.
    """
    queues: dict[str, list[RunSpec]] = {}
    for spec in specs:
        queues.setdefault(spec.method, []).append(spec)
    turns = itertools.chain.from_iterable(itertools.zip_longest(*queues.values()))
    once = [spec for spec in turns if spec is not None]
    return [spec.model_copy(update={"repeat": repeat}) for repeat in range(repeats) for spec in once]

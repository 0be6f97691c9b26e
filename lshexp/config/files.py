"""The files of a sweep: bounded UTF-8 text from the folder tree the sweep lives in, and what they extend."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from lshexp.config.document import read_document
from lshexp.config.keys import FILE_KEYS, KeyRules
from lshexp.config.nodes import Mark, Problems, YamlNode, kind_of, merge, nested, report_twice
from lshexp.errors import ConfigError
from lshexp.validation import validate

MAX_BYTES = 2**20
MAX_FILES = 50

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class SweepFile:
    """A file of the sweep. `shown` is its name in messages, `path` its resolved place."""

    shown: str
    path: Path


def main_file(path: Path) -> SweepFile:
    """Return the file a command names, shown as it was given."""
    return SweepFile(str(path), path.resolve())


def refer(reference: YamlNode, frm: SweepFile, tree: Path, problems: Problems) -> SweepFile | None:
    """Resolve a file name written in `frm`; record a problem and return None when it may not be read.

    It may only be read from below the folder `tree`.
    """
    name = reference.value
    if not isinstance(name, str) or not name:
        problems.at(reference, "a file name is wanted here")
        return None
    if Path(name).is_absolute():
        problems.at(reference, f"'{name}' is absolute; write it relative to this file")
        return None
    try:
        path = (frm.path.parent / name).resolve()
    except (OSError, RuntimeError) as error:  # a loop of symbolic links, a name that is too long
        problems.at(reference, f"cannot read '{name}': {error}")
        return None
    if not path.is_relative_to(tree):
        problems.at(reference, f"'{name}' lies outside the sweep's folder tree; copy it beside the sweep")
        return None
    return SweepFile(os.path.normpath(Path(frm.shown).parent / name), path)


def read_text(file: SweepFile, problems: Problems, asked_by: YamlNode | None = None) -> str | None:
    """Return the text of a file, or record why it cannot be had and return None.

    The problem is placed at `asked_by`, the value that names the file; without one, at the file.
    """
    where, mark = (asked_by.where, asked_by.mark) if asked_by else ((), Mark(file.shown))
    named = f"'{file.shown}' " if asked_by else ""
    try:
        if file.path.exists() and not file.path.is_file():  # opening a pipe could wait for ever
            problems.add(where, mark, f"{named}is not a regular file")
            return None
        with file.path.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        problems.add(where, mark, f"{named}cannot be read: {reason[0].lower()}{reason[1:]}")
        return None
    if len(data) > MAX_BYTES:
        problems.add(where, mark, f"{named}is larger than {MAX_BYTES:,} bytes")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        problems.add((), Mark(file.shown, line, column), "not UTF-8 text; save the file as UTF-8")
        return None


def read_model(path: Path, model: type[M], wanted: str) -> M:
    """Read a YAML file that holds one map as a pydantic model; `wanted` says what the map should be.

    Raises ConfigError with every problem at its line and column.
    """
    problems = Problems()
    file = main_file(path)
    text = read_text(file, problems)
    root = read_document(text, file.shown, problems) if text is not None else None
    if root is not None and not isinstance(root.value, dict):
        problems.at(root, f"{wanted}; this is {kind_of(root)}")
    problems.raise_any()
    assert root is not None  # or there would be a problem
    try:
        return validate(model, root.plain())
    except ConfigError as error:
        problems.at_parts(root, error)
        problems.raise_any()
        raise


@dataclass(frozen=True)
class MergedFiles:
    """Top-level keys of a sweep file and all it extends: maps merged, lists replaced, later over earlier.

    `entries` holds the file's own keys and the first parts of settings for runs, with options nested.
    """

    start: Mark
    tree: Path  # the folder that everything the sweep refers to must lie in
    entries: dict[str, YamlNode]
    files: dict[str, SweepFile]  # the files read, by the name shown in marks
    complete: bool  # every file could be read as YAML


def read_merged(path: Path, rules: KeyRules, problems: Problems) -> MergedFiles:
    """Read a sweep file and everything it extends; whatever is wrong is recorded in `problems`.

    Files must lie below the parent of the sweep's folder: experiments/a.yaml may refer to
    experiments/base/b.yaml and ../shared/c.csv, and a file from a stranger cannot reach further.
    """
    top = main_file(path)
    reader = _FileReader(top.path.parent.parent, rules, problems)
    entries = reader.load(top, None, ())
    return MergedFiles(Mark(top.shown, 1, 1), reader.tree, entries, reader.files, reader.complete)


class _FileReader:
    def __init__(self, tree: Path, rules: KeyRules, problems: Problems) -> None:
        self.tree = tree
        self.files: dict[str, SweepFile] = {}
        self.complete = True
        self._rules = rules
        self._problems = problems
        self._files_read = 0

    def load(
        self, file: SweepFile, asked_by: YamlNode | None, chain: tuple[SweepFile, ...]
    ) -> dict[str, YamlNode]:
        """Return the settings of a file laid over those it extends. `chain` leads here from the top."""
        self._files_read += 1
        text = read_text(file, self._problems, asked_by)
        if text is None:
            self.complete = False
            return {}
        self.files[file.shown] = file
        own = self._own(text, file)
        merged: dict[str, YamlNode] = {}
        for reference in _references(own.pop("extends", None), self._problems):
            for key, node in self._extended(reference, file, (*chain, file)).items():
                merged[key] = merge(merged[key], node) if key in merged else node
        for key, node in own.items():
            merged[key] = merge(merged[key], node) if key in merged else node
        return merged

    def _extended(
        self, reference: YamlNode, frm: SweepFile, chain: tuple[SweepFile, ...]
    ) -> dict[str, YamlNode]:
        file = refer(reference, frm, self.tree, self._problems)
        if file is None:
            self.complete = False
            return {}
        if any(file.path == earlier.path for earlier in chain):
            route = " -> ".join(step.shown for step in (*chain, file))
            self._problems.at(reference, f"extends itself: {route}")
            return {}
        if self._files_read >= MAX_FILES:
            self._problems.at(reference, f"extends more than {MAX_FILES} files")
            return {}
        entries = self.load(file, reference, chain)
        for key in ("name", "title"):  # they belong to one file: two sweeps must not share a results folder
            entries.pop(key, None)
        return entries

    def _own(self, text: str, file: SweepFile) -> dict[str, YamlNode]:
        """Return the settings written in one file, options nested."""
        root = read_document(text, file.shown, self._problems)
        if root is None:
            self.complete = False
            return {}
        if not isinstance(root.value, dict):
            self._problems.at(root, f"the file's content is {kind_of(root)}; a map of settings is wanted")
            self.complete = False
            return {}
        entries = {key: node for key, node in root.value.items() if key in FILE_KEYS}
        settings: list[tuple[str, YamlNode]] = []
        for key, node in root.value.items():
            if key not in FILE_KEYS:
                known = self._rules.known(key, node, self._problems, FILE_KEYS)
                settings += [(key, known)] if known else []
        report_twice(((key, [node]) for key, node in settings), self._problems)
        for key, node in sorted(settings, key=lambda item: item[0].count(".")):
            head, value = key.partition(".")[0], nested(key, node)
            entries[head] = merge(entries[head], value) if head in entries else value
        return entries


def _references(extends: YamlNode | None, problems: Problems) -> list[YamlNode]:
    if extends is None:
        return []
    if isinstance(extends.value, list):
        return extends.value
    if not isinstance(extends.value, str):
        problems.at(extends, "the name of a file, or a list of names, is wanted")
        return []
    return [extends]

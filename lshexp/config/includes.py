"""A sweep file and the files it extends, merged into one set of settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lshexp.config.document import read_document
from lshexp.config.files import Source, read_text, refer, top_source, tree_of
from lshexp.config.nodes import Mark, Node, Problems, kind_of
from lshexp.config.settings import merge, nested, report_twice
from lshexp.config.vocabulary import FILE_KEYS, Vocabulary

MAX_FILES = 50


@dataclass(frozen=True)
class Settings:
    """Top-level keys after merging: maps merged, lists replaced, later files over earlier ones.

    `entries` holds the file's own keys and the first parts of settings for runs, with options nested.
    """

    start: Mark
    tree: Path
    entries: dict[str, Node]
    sources: dict[str, Source]  # the files read, by the name shown in marks
    complete: bool  # every file could be read as YAML


def load_settings(path: Path, vocabulary: Vocabulary, problems: Problems) -> Settings:
    """Read a sweep file and everything it extends; whatever is wrong is recorded in `problems`."""
    top = top_source(path)
    reader = _Reader(tree_of(top), vocabulary, problems)
    entries = reader.load(top, None, ())
    return Settings(Mark(top.shown, 1, 1), reader.tree, entries, reader.sources, reader.complete)


class _Reader:
    def __init__(self, tree: Path, vocabulary: Vocabulary, problems: Problems) -> None:
        self.tree = tree
        self.sources: dict[str, Source] = {}
        self.complete = True
        self._vocabulary = vocabulary
        self._problems = problems
        self._files_read = 0

    def load(self, source: Source, asked_by: Node | None, chain: tuple[Source, ...]) -> dict[str, Node]:
        """Return the settings of a file laid over those it extends. `chain` leads here from the top."""
        self._files_read += 1
        text = read_text(source, self._problems, asked_by)
        if text is None:
            self.complete = False
            return {}
        self.sources[source.shown] = source
        own = self._own(text, source)
        merged: dict[str, Node] = {}
        for reference in _references(own.pop("extends", None), self._problems):
            for key, node in self._extended(reference, source, (*chain, source)).items():
                merged[key] = merge(merged[key], node) if key in merged else node
        for key, node in own.items():
            merged[key] = merge(merged[key], node) if key in merged else node
        return merged

    def _extended(self, reference: Node, frm: Source, chain: tuple[Source, ...]) -> dict[str, Node]:
        source = refer(reference, frm, self.tree, self._problems)
        if source is None:
            self.complete = False
            return {}
        if any(source.path == earlier.path for earlier in chain):
            route = " -> ".join(step.shown for step in (*chain, source))
            self._problems.at(reference, f"extends itself: {route}")
            return {}
        if self._files_read >= MAX_FILES:
            self._problems.at(reference, f"extends more than {MAX_FILES} files")
            return {}
        entries = self.load(source, reference, chain)
        entries.pop("name", None)  # a name belongs to one file: two sweeps must not share a results folder
        return entries

    def _own(self, text: str, source: Source) -> dict[str, Node]:
        """Return the settings written in one file, options nested."""
        root = read_document(text, source.shown, self._problems)
        if root is None:
            self.complete = False
            return {}
        if not isinstance(root.value, dict):
            self._problems.at(root, f"the file's content is {kind_of(root)}; a map of settings is wanted")
            self.complete = False
            return {}
        entries = {key: node for key, node in root.value.items() if key in FILE_KEYS}
        settings: list[tuple[str, Node]] = []
        for key, node in root.value.items():
            if key not in FILE_KEYS:
                known = self._vocabulary.known(key, node, self._problems, FILE_KEYS)
                settings += [(key, known)] if known else []
        report_twice(((key, [node]) for key, node in settings), self._problems)
        for key, node in sorted(settings, key=lambda item: item[0].count(".")):
            head, value = key.partition(".")[0], nested(key, node)
            entries[head] = merge(entries[head], value) if head in entries else value
        return entries


def _references(extends: Node | None, problems: Problems) -> list[Node]:
    if extends is None:
        return []
    if isinstance(extends.value, list):
        return extends.value
    if not isinstance(extends.value, str):
        problems.at(extends, "the name of a file, or a list of names, is wanted")
        return []
    return [extends]
